"""``bearerd approvals``."""

from __future__ import annotations

import json
import os
import pwd
import re
from typing import Any

import click

from bearerd.cli import place
from bearerd.cli.ask import admin, expect
from bearerd.cli.output import config_option, emit, format_option, plain, table

_ID = re.compile(r"[0-9a-f]{32}")


@click.group()
def command() -> None:
    """List, show, approve or deny calls that wait for a human.

    Off unless the configuration says [approvals] cli = true: whoever can read the admin token can approve, and so could an
    agent with a shell of that user.  What must be approved by another person (confirm = "other") is approved on the page.
    """


@command.command("list")
@config_option
@format_option
def list_(path: str, form: str) -> None:
    """What waits."""
    emit(form, expect(*admin(place.find(path), "GET", "/v1/approvals"), 200), _show_list)


@command.command()
@config_option
@format_option
@click.argument("approval", metavar="ID")
def show(path: str, form: str, approval: str) -> None:
    """One of them, with all its arguments."""
    emit(form, expect(*admin(place.find(path), "GET", f"/v1/approvals/{_checked(approval)}"), 200), _show)


@command.command()
@config_option
@format_option
@click.argument("approval", metavar="ID")
def approve(path: str, form: str, approval: str) -> None:
    """Let that call pass, once."""
    _decide(path, form, approval, "approve")


@command.command()
@config_option
@format_option
@click.argument("approval", metavar="ID")
def deny(path: str, form: str, approval: str) -> None:
    """Refuse that call until it expires."""
    _decide(path, form, approval, "deny")


def _decide(path: str, form: str, approval: str, act: str) -> None:
    target = f"/v1/approvals/{_checked(approval)}/{act}"
    found = expect(*admin(place.find(path), "POST", target, {"user": _user()}), 200)
    emit(form, found, lambda done: click.echo(f"{done['state']}: {plain(done['name'] or done['method'])}"))


def _checked(approval: str) -> str:
    if not _ID.fullmatch(approval):
        raise click.UsageError("ID: 32 hexadecimal digits, as `bearerd approvals list` has them")
    return approval


def _user() -> str:
    """Whose process this is: the environment can say anything."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _show_list(listed: dict[str, Any]) -> None:
    rows = [
        (one["id"], one["name"] or one["method"], one["resource"], one["subject"] or one["client"], _moment(one))
        for one in listed["approvals"]
    ]
    if rows:
        table(rows, ("id", "call", "of", "asked by", "until"))
    else:
        click.echo("nothing waits")


def _show(one: dict[str, Any]) -> None:
    names = ("id", "state", "by", "resource", "method", "name", "subject", "issuer", "client", "confirm")
    table([(name, _exactly(one[name])) for name in names if one[name] is not None])
    click.echo(f"until  {_moment(one)}\narguments (SHA-256 {plain(one['arguments_digest'])}):")
    # Escaped whole, so that a terminal obeys nothing of it and nothing looks like what it is not.
    click.echo(json.dumps(json.loads(one["arguments"]), indent=2))


def _exactly(text: str) -> str:
    """A text in which nothing hides: in JSON's escapes where it is not plain ASCII."""
    return text if text.isascii() and text.isprintable() else json.dumps(text)


def _moment(one: dict[str, Any]) -> str:
    from bearerd.log import stamp

    return stamp(one["expires_at"])
