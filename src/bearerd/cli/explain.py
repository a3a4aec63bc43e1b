"""``bearerd explain``."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import click

from bearerd.cli import place, tokens
from bearerd.cli.ask import admin, expect
from bearerd.cli.output import Unreachable, config_option, emit, format_option, plain, table

READY_SECONDS = 10.0
_ITEMS = {"tool": "tools/call", "uri": "resources/read", "prompt": "prompts/get"}


@click.command()
@config_option
@click.option("--resource", "-r", metavar="NAME", help="What the token is presented to; none: what --host chooses.")
@click.option("--method", "-X", metavar="METHOD", help="The original request's method.  [default: with --path, GET]")
@click.option(
    "--path",
    "target",
    metavar="PATH",
    help="Its raw path, with its query if it has one; needed where the resource has rules.",
)
@click.option("--host", metavar="HOST", help="Its Host.")
@click.option("--tool", metavar="NAME", help="The tool that is called, of an MCP server.")
@click.option("--uri", metavar="URI", help="The resource that is read, of an MCP server.")
@click.option("--prompt", metavar="NAME", help="The prompt that is got, of an MCP server.")
@click.option("--mcp", metavar="METHOD", help='The method that is asked for, of an MCP server: "tools/list", "GET".')
@tokens.token_file_option
@click.option("--no-token", is_flag=True, help="Judge a request without credentials.")
@click.option("--request", "request_id", metavar="ID", help="Tell of a refusal instead, by its X-Auth-Request-Id.")
@click.option("--offline", is_flag=True, help="Judge by FILE alone, without a running bearerd; knows no revocations.")
@format_option
def command(path: str, request_id: str | None, no_token: bool, token_file: str, form: str, **asked: Any) -> None:
    """Judge a token step by step: exit code 0 allowed, 1 refused.

    The token is read from standard input or a file.  The running bearerd of FILE is asked; where none runs, FILE alone is
    judged by, with the keys that its issuers publish now.

    \b
    bearerd explain -c FILE -r orders --path /orders/7 < token.jwt
    bearerd explain -c FILE --host api.example.com -X POST --path /orders/7 < token.jwt
    bearerd explain -c FILE -r notes --tool delete_note < token.jwt
    bearerd explain -c FILE --request ID
    """
    offline, resource = asked["offline"], asked["resource"]
    if request_id is not None:
        if resource is not None or offline:
            raise click.UsageError("--request stands alone: what was asked is known already")
        return _told(path, request_id, form)
    if resource is None and asked["host"] is None:
        raise click.UsageError(
            "--resource (or --host) is missing: whether a token is good depends on what it is presented to"
        )
    question = {
        "resource": resource,
        "token": None if no_token else tokens.read(token_file),
        "method": asked["method"] or (None if asked["target"] is None else "GET"),
        "path": asked["target"],
        "host": asked["host"],
        **_operation(asked),
    }
    explained, where = (_offline(path, question), "FILE alone") if offline else _anywhere(path, question)
    explained["judged_by"] = where
    emit(form, explained, _show)
    raise click.exceptions.Exit(0 if explained["allowed"] else 1)


def _operation(asked: dict[str, Any]) -> dict[str, str]:
    """What is asked of an MCP server; nothing where none was named."""
    given = [(kind, asked[kind]) for kind in (*_ITEMS, "mcp") if asked[kind] is not None]
    if len(given) > 1:
        raise click.UsageError("one of --tool, --uri, --prompt and --mcp: a request asks for one thing")
    for kind, name in given:
        return {"mcp": name} if kind == "mcp" else {"mcp": _ITEMS[kind], "name": name}
    return {}


def _anywhere(path: str, question: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """By the running service, else by the file."""
    try:
        status, answer = admin(place.find(path), "POST", "/v1/explain", question)
    except Unreachable as nobody:
        click.echo(f"bearerd: {nobody}\nbearerd: judged by the file alone, and no revocation is known", err=True)
        return _offline(path, question), "FILE alone"
    found: dict[str, Any] = expect(status, answer, 200)
    return found, "the running bearerd"


def _offline(path: str, question: dict[str, Any]) -> dict[str, Any]:
    from bearerd.config import load

    config = load.load(path)
    return asyncio.run(_judge(config, load.data_dir(config, path), question))


async def _judge(config: Any, data_dir: Any, question: dict[str, Any]) -> dict[str, Any]:
    from bearerd.explain import explain
    from bearerd.service import Service

    service = Service(config, data_dir=data_dir, offline=True)
    try:
        await service.start()
        await service.ready(READY_SECONDS)
        token = question["token"]
        told = await explain(
            service,
            None if token is None else token.encode("utf-8", "replace"),
            question["resource"],
            question["method"],
            question["path"],
            question["host"],
            question.get("mcp"),
            question.get("name"),
        )
        return told.as_dict()
    finally:
        await service.close()


def _told(path: str, request_id: str, form: str) -> None:
    """A refusal that a worker remembers."""
    known = _safe(request_id)
    status, answer = admin(place.find(path), "GET", f"/v1/decisions/{known}")
    emit(form, expect(status, answer, 200), _show_decision)


def _safe(request_id: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", request_id.lower()):
        raise click.UsageError("--request: a request id has 32 hexadecimal digits")
    return request_id.lower()


_MARKS = {True: "ok", False: "NO", None: "-"}


def _show(explained: dict[str, Any]) -> None:
    _show_steps(explained["steps"])
    if explained["code"] == "untrusted_peer":  # from here, only ever because the question named no request
        click.echo(
            "hint: the rules of this resource look at the request: name it with --path, or of an MCP server with --tool"
        )
    if explained["headers"]:
        click.echo("\nheaders for the upstream")
        table([(f"  {name}:", value) for name, value in explained["headers"].items()])
    verdict = "allowed" if explained["allowed"] else f"refused: {explained['code']}, HTTP {explained['status']}"
    click.echo(f"\n{verdict}   (judged by {explained['judged_by']})")


def _show_steps(steps: list[dict[str, Any]]) -> None:
    table([(_MARKS.get(step.get("ok"), "-"), step["step"], step.get("detail", "")) for step in steps])
    for hint in dict.fromkeys(hint for step in steps for hint in step.get("hints") or ()):  # the verdict repeats some
        click.echo(f"hint: {plain(hint)}")


def _show_decision(decision: dict[str, Any]) -> None:
    steps = decision.pop("steps", [])
    table([(name, value) for name, value in decision.items() if value not in (None, [], {})])
    if steps:
        click.echo()
        _show_steps(steps)
