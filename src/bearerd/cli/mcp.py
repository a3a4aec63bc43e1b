"""``bearerd mcp``: what operators do about MCP servers."""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from bearerd.cli import tokens
from bearerd.cli.output import Failure, config_option, plain, table

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEFORE: Final = 60  # characters that are shown before the first that differs


@click.group()
def command() -> None:
    """MCP servers: their tools, and what of them was reviewed."""


@command.command()
@click.argument("name")
@config_option
@click.option(
    "--from", "file", metavar="FILE", help="Review a saved answer to tools/list instead of asking the upstream."
)
@click.option("--token-file", metavar="FILE", default=None, help="A token for the upstream, if it wants one.")
@click.option("--yes", is_flag=True, help="Accept everything: for a pipeline that shows the difference to a human.")
def review(name: str, path: str, file: str | None, token_file: str | None, yes: bool) -> None:
    """Compare what a server's tools say of themselves with what was reviewed, and accept it.

    NAME is a resource of kind mcp with tools_file, which is written anew; then reload bearerd.  Until then new and changed
    tools are denied.  Exit code 0: nothing to review, or accepted; 1: not accepted.
    """
    from bearerd.mcp import reviewed

    upstream, tools_file = _places(path, name)
    definitions = _saved(file) if file is not None else _asked(upstream, token_file)
    text = orjson.dumps({"tools": definitions}, option=orjson.OPT_INDENT_2) + b"\n"
    try:
        now = reviewed.read(text)
    except ValueError as error:
        raise Failure(f"the list cannot be reviewed: {error}", 1) from None
    before = _before(tools_file)
    changes = _changes(before, {tool["name"]: tool for tool in definitions})
    if not changes and before is not None:
        click.echo(f"{len(now.tools)} tools, all as they were reviewed")
        return
    _show(changes)
    risky = sorted(name for name, destructive in now.tools.items() if destructive)
    if risky:
        click.echo(
            "\nto be confirmed by a human, unless their rule says confirm = false: " + ", ".join(map(plain, risky))
        )
    if not yes and not _accepted(f"Write these {len(now.tools)} tools to {tools_file}?"):
        raise Failure("nothing was written", 1)
    _write(tools_file, text)
    click.echo(f"{tools_file}: written; bearerd reads it as it reloads, and at no other time (SIGHUP, or touch {path})")


def _accepted(question: str) -> bool:
    """Whether a human says yes; where nobody can be asked, it is a no."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():  # it was interrupted
            raise
        return False


def _places(path: str, name: str) -> tuple[str | None, Path]:
    """Where the server is, and where its reviewed tools are: of a file that need not be valid before the first review."""
    from bearerd.config import load

    found = load.parse(Path(path)).get("resource", {})
    table = found.get(name, {}) if isinstance(found, dict) else {}
    tools_file, upstream = table.get("tools_file"), table.get("upstream")
    if not isinstance(tools_file, str) or not (upstream is None or isinstance(upstream, str)):
        raise Failure(f"there is no [resource.{name}] with tools_file in {path}")
    return upstream, Path(path).absolute().parent / tools_file


def _asked(upstream: str | None, token_file: str | None) -> list[dict[str, Any]]:
    from bearerd.mcp import asking

    if upstream is None:
        raise Failure("the resource has no upstream: save the server's answer to tools/list, and name it with --from")
    token = None if token_file is None else tokens.read(token_file)
    return asyncio.run(asking.tools(upstream, token))


def _saved(file: str) -> list[dict[str, Any]]:
    try:
        text: bytes = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        found = orjson.loads(text)
    except (OSError, orjson.JSONDecodeError) as error:
        raise Failure(f"{file}: {error}") from None
    found = found.get("result", found) if isinstance(found, dict) else found
    tools = found.get("tools") if isinstance(found, dict) else found
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise Failure(f"{file} is no answer to tools/list")
    return tools


def _before(file: Path) -> dict[str, dict[str, Any]] | None:
    """What was reviewed; None: nothing yet, or nothing that can be read."""
    if not file.exists():
        return None
    try:
        return {tool["name"]: tool for tool in _saved(str(file))}
    except (Failure, KeyError, TypeError):
        return None


def _changes(
    before: Mapping[str, dict[str, Any]] | None, now: Mapping[str, dict[str, Any]]
) -> list[tuple[str, str, str, str]]:
    """Tool, member, what it said, what it says."""
    old = before or {}
    rows = [(name, "(new)", "", _text(tool)) for name, tool in now.items() if name not in old]
    rows += [(name, "(gone)", _text(tool), "") for name, tool in old.items() if name not in now]
    for name in now.keys() & old.keys():
        one, other = old[name], now[name]
        rows += [
            (name, member, *_from_the_difference(_text(one.get(member)), _text(other.get(member))))
            for member in sorted(one.keys() | other.keys())
            if one.get(member) != other.get(member)
        ]
    return sorted(rows)


def _text(value: Any) -> str:
    """As one line in which nothing is hidden: a description is where a tool would hide its orders to a model."""
    text = "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    return text.encode("ascii", "backslashreplace").decode()


def _from_the_difference(old: str, new: str) -> tuple[str, str]:
    """Both without what they begin with alike: what has changed far behind would be looked for in vain."""
    same = sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(old, new, strict=False))) - _BEFORE
    return (old, new) if same <= 0 else ("…" + old[same:], "…" + new[same:])


def _show(changes: list[tuple[str, str, str, str]]) -> None:
    for tool, member, old, new in changes:
        click.echo(f"\n{plain(tool)}  {plain(member)}")
        table([(sign, text) for sign, text in (("-", old), ("+", new)) if text])


def _write(file: Path, text: bytes) -> None:
    """All of it or nothing."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_bytes(text)
        draft.replace(file)
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from None
