"""Reading a token: from a file or standard input, never from an argument, where every local user could read it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from bearerd.cli.output import Failure

_MOST: Final = 256 * 1024  # bytes: more than any token that a gateway would pass on

token_file_option: Final = click.option(
    "--token-file",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    default="-",
    help="Read the token from FILE instead of standard input.",
)


def read(file: str) -> str:
    """The token, without white space around it and without "Bearer " before it.  Raises Failure."""
    if file == "-":
        text = click.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read(_MOST + 1)
    else:
        try:
            with Path(file).open(encoding="utf-8", errors="replace") as opened:
                text = opened.read(_MOST + 1)
        except OSError as error:
            raise Failure(f"{file}: {error.strerror}") from None
    scheme, _, rest = str(text).strip().partition(" ")
    token = rest.strip() if scheme.lower() == "bearer" else str(text).strip()
    if not token:
        raise Failure("no token on standard input" if file == "-" else f"{file} holds no token")
    if len(token) > _MOST:
        raise Failure("that is too long for a token")
    return token
