"""``bearerd apikey``."""

from __future__ import annotations

from typing import Any

import click

from bearerd.cli import place
from bearerd.cli.ask import admin, expect
from bearerd.cli.output import Failure, config_option, emit, format_option, plain, table

_ack = click.option(
    "--ack",
    type=click.Choice(["enforced", "stored"]),
    default="enforced",
    show_default=True,
    help="Wait until every worker refuses, or only until the store has it.",
)
_id = click.argument("key_id", metavar="ID")


@click.group()
def command() -> None:
    """Create, list, show, rotate and revoke API keys.

    A key is shown once, on standard output, when it is made.  Afterwards it is spoken of by its ID, which is no secret.
    """


@command.command()
@config_option
@click.option("--owner", required=True, metavar="NAME", help="Whom it speaks for: sub, to rules and upstreams.")
@click.option("--name", default="", metavar="TEXT", help="What people call it.")
@click.option("--resource", "-r", "resources", multiple=True, required=True, metavar="NAME", help="May be repeated.")
@click.option("--scope", "-s", "scopes", multiple=True, metavar="SCOPE", help="May be repeated, or hold several.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="May be repeated.")
@click.option("--expires-in", metavar="DURATION", help='Such as "30d".  [default: apikeys.lifetime, 90 days]')
@format_option
def create(path: str, form: str, expires_in: str | None, **said: Any) -> None:
    """Make a key and show it, this once.

    \b
    bearerd apikey create -c FILE --owner ci --resource api --scope "read write" > key.txt
    """
    scopes = [scope for text in said["scopes"] for scope in text.split()]
    body = {name: said[name] for name in ("owner", "name")} | {"scopes": scopes}
    body |= {name: list(said[name]) for name in ("resources", "roles")}
    if expires_in is not None:
        body["expires_in"] = _seconds("--expires-in", expires_in)
    emit(form, expect(*admin(place.find(path), "POST", "/v1/apikeys", body), 201), _show_key)


@command.command("list")
@config_option
@format_option
def list_(path: str, form: str) -> None:
    """List the keys that have not expired."""
    where, found, after = place.find(path), [], ""
    while True:
        page = expect(*admin(where, "GET", f"/v1/apikeys?after={after}" if after else "/v1/apikeys"), 200)
        found += page["apikeys"]
        if page["next"] is None:
            break
        after = page["next"]
    emit(form, {"apikeys": found}, _show_list)


@command.command()
@config_option
@_id
@format_option
def show(path: str, key_id: str, form: str) -> None:
    """Show what is known of a key: all but the key."""
    emit(form, expect(*admin(place.find(path), "GET", f"/v1/apikeys/{_checked(key_id)}"), 200), _show)


@command.command()
@config_option
@_id
@click.option(
    "--overlap",
    default="24h",
    show_default=True,
    metavar="DURATION",
    help='For how long the last secret stays good; "0s" where it has leaked.',
)
@_ack
@format_option
def rotate(path: str, key_id: str, form: str, overlap: str, ack: str) -> None:
    """Give a key another secret and show it, this once.  An older one than the last is good no longer."""
    body = {"overlap": int(_seconds("--overlap", overlap)), "ack": ack}
    done = expect(*admin(place.find(path), "POST", f"/v1/apikeys/{_checked(key_id)}/rotate", body), 201, 202)
    emit(form, done, _show_key)
    _uncertain(done)


@command.command()
@config_option
@_id
@_ack
@format_option
def revoke(path: str, key_id: str, form: str, ack: str) -> None:
    """End a key, now and for good.  (Who has the key itself may also give it to "bearerd revoke".)"""
    where = place.find(path)
    done = expect(*admin(where, "POST", f"/v1/apikeys/{_checked(key_id)}/revoke", {"ack": ack}), 201, 202)
    emit(form, done, _show_revoked)
    _uncertain(done)


def _checked(key_id: str) -> str:
    """An id.  A key here would be in the list of processes by now, and is repeated nowhere else."""
    from bearerd.apikeys.form import is_id

    if not is_id(key_id):
        raise click.UsageError(
            "that is no id: 12 letters and digits, as list shows them.  Was it a key?  Then revoke that: it was seen"
        )
    return key_id


def _seconds(option: str, text: str) -> float:
    from bearerd.config.units import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def _uncertain(done: dict[str, Any]) -> None:
    if "acknowledged" in done and done["acknowledged"] is None:
        raise Failure("written, but neither its durability nor its enforcement is certain: repeat it", 1)


def _show_key(done: dict[str, Any]) -> None:
    """The key alone on standard output, so that it can go into a file or a pipe; about it, on the other."""
    click.echo(plain(done["key"]))
    told = f"{plain(done['id'])} of {plain(done['owner'])}, until {_moment(done['expires'])}; it is not shown again"
    click.echo(f"API key {told}", err=True)
    for secret in done["secrets"][:-1]:
        click.echo(f"its last secret is good until {_moment(secret['ends'])}", err=True)
    if done.get("missing"):
        click.echo(
            f"older ones, not yet: {plain(done['missing'])}; refused by {_moment(done['enforced_by'])}", err=True
        )


def _show_list(listed: dict[str, Any]) -> None:
    rows = [
        (key["id"], key["name"], key["owner"], key["state"], key["resources"], _moment(key["expires"]), _used(key))
        for key in listed["apikeys"]
    ]
    if rows:
        table(rows, ("id", "name", "owner", "state", "resources", "expires", "last used"))
    else:
        click.echo("no API keys")


def _show(key: dict[str, Any]) -> None:
    rows: list[tuple[str, Any]] = [(name, key[name]) for name in ("id", "name", "owner", "state")]
    rows += [(name, key[name]) for name in ("scopes", "roles", "resources")]
    rows += [("created", _moment(key["created"])), ("expires", _moment(key["expires"])), ("last used", _used(key))]
    if key["revoked"]:
        rows.append(("revoked", _moment(key["revoked"])))
    for secret in key["secrets"]:
        rows.append((f"secret {secret['number']}", f"of {_moment(secret['made'])}, until {_moment(secret['ends'])}"))
    table(rows)


def _show_revoked(done: dict[str, Any]) -> None:
    click.echo(f"revoked: API key {plain(done['id'])} of {plain(done['owner'])}")
    click.echo(f"{plain(done['acknowledged'] or 'written')}, durability {plain(done['durability'])}")
    if done.get("missing"):
        click.echo(f"not yet: {plain(done['missing'])}; every worker refuses by {_moment(done['enforced_by'])}")


def _used(key: dict[str, Any]) -> str:
    return "never" if key["last_used"] is None else _moment(key["last_used"])


def _moment(value: Any) -> str:
    from bearerd.log import stamp

    return stamp(value)
