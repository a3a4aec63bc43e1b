"""``bearerd issuer``: the development issuer."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bearerd.cli.output import Failure

if TYPE_CHECKING:
    from bearerd.issuers.development import DevelopmentIssuer

_listen = click.option("--listen", default="127.0.0.1:9190", show_default=True, metavar="HOST:PORT")
_url = click.option("--issuer", "url", metavar="URL", help="Its identifier (iss).  [default: http://HOST:PORT]")
_folder = click.option(
    "--data-dir",
    default=".bearerd/issuer",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where it keeps its keys.",
)


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Run the development issuer (the default), or mint a token of it.

    It gives any token to any program of this machine: trust it in the development profile only.
    """
    if context.invoked_subcommand is None:
        context.invoke(serve)


@command.command()
@_listen
@_url
@_folder
def serve(listen: str, url: str | None, data_dir: Path) -> None:
    """Serve discovery, keys and tokens on loopback until SIGTERM or SIGINT.

    POST /token takes the client credentials grant with a resource (RFC 8707): any client, any secret, any scope.
    """
    issuer, (host, port) = _issuer(listen, url, data_dir), _address(listen)
    asyncio.run(_serve(issuer, host, port))


@command.command()
@_listen
@_url
@_folder
@click.option("--audience", "-a", multiple=True, required=True, metavar="AUD", help="Whom it is for; may be repeated.")
@click.option("--subject", "-s", default="alice", show_default=True)
@click.option("--client", default="demo", show_default=True)
@click.option("--scope", default="", help="Scopes, separated by spaces.")
@click.option("--alg", default="RS256", show_default=True)
@click.option("--lifetime", default=300, show_default=True, metavar="SECONDS", help="Negative: it has expired already.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=JSON", help="Any other claim; null leaves one out.")
def mint(listen: str, url: str | None, data_dir: Path, **said: Any) -> None:
    """Print a token, signed with the development issuer's key.

    That is the key in --data-dir: run this where `bearerd issuer serve` runs, or name its folder.

    \b
    bearerd issuer mint --audience http://127.0.0.1:8080/ --scope "api orders:read" > token.jwt
    """
    from bearerd.issuers.signing import FILE
    from bearerd.jws.signing import ALGORITHMS

    if said["alg"] not in ALGORITHMS:
        raise click.UsageError(f"--alg: one of {', '.join(ALGORITHMS)}")
    audience = list(said["audience"])
    claims = {
        "sub": said["subject"],
        "client_id": said["client"],
        "aud": audience[0] if len(audience) == 1 else audience,
        "scope": said["scope"] or None,
        **dict(map(_claim, said["claims"])),
    }
    published = (data_dir / FILE).exists()
    issuer = _issuer(listen, url, data_dir)
    if not published:
        click.echo(
            f"bearerd: made new keys in {data_dir}: only an issuer with this --data-dir publishes them", err=True
        )
    click.echo(issuer.mint(claims, alg=said["alg"], lifetime=said["lifetime"]))


def _claim(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        if not name or not equals:
            raise ValueError
        return name, json.loads(value)
    except ValueError:
        raise click.UsageError(f"--claim {name}: write NAME=JSON, such as roles='[\"admin\"]'") from None


def _issuer(listen: str, url: str | None, folder: Path) -> DevelopmentIssuer:
    from bearerd.issuers.development import DevelopmentIssuer

    try:
        return DevelopmentIssuer(folder, url or f"http://{listen}")
    except OSError as error:
        raise Failure(f"{folder}: {error.strerror}") from None
    except ValueError as error:
        raise Failure(f"{folder}: {error}") from None


def _address(listen: str) -> tuple[str, int]:
    from bearerd.config import addresses

    try:
        return addresses.parse(listen)
    except ValueError as error:
        raise click.UsageError(f"--listen {listen}: {error}") from None


async def _serve(issuer: DevelopmentIssuer, host: str, port: int) -> None:
    from bearerd.issuers import development

    try:
        runner = await development.start(issuer, host, port)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise Failure(f"cannot listen on {host}:{port}: {error.strerror}") from None
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    click.echo(f"development issuer {issuer.issuer} on http://{host}:{port}: any client, any secret; Ctrl-C ends it")
    try:
        await stopped.wait()
    finally:
        await runner.cleanup()
