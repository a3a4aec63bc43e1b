"""What commands print: tables for people, JSON for programs; and how they fail."""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

config_option: Final = click.option(
    "--config",
    "-c",
    "path",
    required=True,
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The configuration (TOML).",
)
format_option: Final = click.option(
    "--output",
    "-o",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table for people, JSON for programs.",
)


class Between(click.FloatRange):
    """A number within bounds, and ``nan`` is within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return found


class Failure(Exception):
    """Ends the command with this text on standard error.  Code 2: it could not be tried; 1: it was refused."""

    def __init__(self, problem: str, code: int = 2) -> None:
        super().__init__(problem)
        self.code = code


class _Patient(io.FileIO):
    """Standard output.  Its reader may leave (``| head -1``): the command ends as ever, for its exit code is an answer, too."""

    left = False  # the reader has

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            self.left = True
            return len(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())  # what is still held must not fail anew at exit
            raise Failure(f"standard output: {error.strerror}") from None


def outlive_readers() -> None:
    """Let no reader that leaves, or disk that is full, end a command with an exit code that says something else."""
    stream = sys.__stdout__
    if stream is None or stream is not sys.stdout or stream.isatty():
        return
    stream.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Patient(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
    )


def reader_left() -> bool:
    """Whether nobody reads any more: for commands that would go on for ever."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Patient) and raw.left


class Unreachable(Failure):
    """Nobody answers there."""


def plain(value: Any) -> str:
    """A value as one line of text.  A claim or a log's hint may hold what a terminal obeys: none of it comes through."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "-"
    if isinstance(value, dict):
        return _CONTROL.sub("?", json.dumps(value, ensure_ascii=False))
    return _CONTROL.sub("?", str(value))


def table(rows: Iterable[Sequence[Any]], head: Sequence[str] = ()) -> None:
    """Rows in columns as wide as needed."""
    lines = [[plain(cell) for cell in row] for row in rows]
    if head:
        lines.insert(0, [name.upper() for name in head])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def emit(form: str, value: Any, show: Callable[[Any], None]) -> None:
    """Print a value as JSON, or show it to a person."""
    if form == "json":
        click.echo(json.dumps(value, indent=2, default=str))
    else:
        show(value)
