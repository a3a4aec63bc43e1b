"""``bearerd revoke``."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import click

from bearerd.cli import place, tokens
from bearerd.cli.ask import admin, expect
from bearerd.cli.output import Failure, config_option, emit, format_option, plain, table

KINDS = ("token", "subject", "session", "client", "key", "issuer")


@click.command()
@config_option
@click.option("--kind", "-k", type=click.Choice(KINDS), help="What is revoked, if not the one token given.")
@click.option("--issuer", metavar="URL", help="Whose it is, exactly as in iss.")
@click.option(
    "--value", metavar="VALUE", help="jti, sub, sid, client id or RFC 7638 thumbprint; nothing for kind issuer."
)
@tokens.token_file_option
@click.option(
    "--before",
    metavar="TIME",
    help='Revoke what was issued until then: epoch seconds, RFC 3339, or "all".  '
    "[default: all of a token, session or key; else now]",
)
@click.option("--expires-in", metavar="DURATION", help='Keep it for longer than by default, such as "72h".')
@click.option(
    "--ack",
    type=click.Choice(["enforced", "stored"]),
    default="enforced",
    show_default=True,
    help="Wait until every worker refuses, or only until the store has it.",
)
@click.option("--lift", is_flag=True, help="Undo an earlier revocation of the same.")
@click.option("--reset", is_flag=True, help="Undo every revocation of the fleet; its name must be typed.")
@click.option(
    "--list", "list_", is_flag=True, help="List the store's entries, superseded ones too; their keys are digests."
)
@format_option
def command(path: str, kind: str | None, form: str, lift: bool, reset: bool, list_: bool, **said: Any) -> None:
    """Revoke, now.

    Without --kind, the token on standard input (or of --token-file) is revoked: that one, and no other.  With --kind,
    whatever --issuer and --value name; they are taken as they are, so a misspelt one
    revokes nobody.  An issuer that FILE does not know is warned of.  Exit code 0: done.

    \b
    bearerd revoke -c FILE < token.jwt
    bearerd revoke -c FILE --kind subject --issuer https://auth.example.com --value alice [--lift]
    """
    _check_usage(kind, said, lift=lift, alone=reset or list_)
    if list_:
        emit(form, _listed(place.find(path)), _show_list)
        return
    body = {"ack": said["ack"], **(_reset() if reset else _subject(kind, said) | _terms(said))}
    way = ("POST", "/v1/revocations/reset") if reset else ("DELETE" if lift else "POST", "/v1/revocations")
    status, answer = admin(place.find(path), *way, body)
    found = expect(status, answer, 201, 202)
    emit(form, found, lambda done: _show("reset" if reset else "lifted" if lift else "revoked", done))
    if kind is not None:
        _warn_of_strangers(path, said["issuer"])
    if found.get("acknowledged") is None:
        raise Failure("written, but neither its durability nor its enforcement is certain: repeat it", 1)


def _warn_of_strangers(path: str, issuer: str) -> None:
    """A final slash too much, and nobody is revoked: told, and done all the same, since other hosts may know the name."""
    from bearerd.store.entries import API_KEYS

    known = place.issuers(path)
    if known and issuer not in (*known, API_KEYS):
        named = ", ".join(plain(name) for name in known)
        click.echo(f"warning: no [[issuer]] of {path} is {plain(issuer)}: is it misspelt? There are: {named}", err=True)


def _check_usage(kind: str | None, said: dict[str, Any], *, lift: bool, alone: bool) -> None:
    if alone and (kind or lift or said["issuer"] or said["value"]):
        raise click.UsageError("--reset and --list stand alone")
    if kind is None and (said["issuer"] or said["value"]):
        raise click.UsageError("--issuer and --value go with --kind")
    if kind is not None and not said["issuer"]:
        raise click.UsageError("--issuer is missing: the same name under another issuer is somebody else")
    if kind not in (None, "issuer") and not said["value"]:
        raise click.UsageError("--value is missing")
    if lift and (said["before"] is not None or said["expires_in"] is not None):
        raise click.UsageError("--before and --expires-in have no meaning for a lift")


def _subject(kind: str | None, said: dict[str, Any]) -> dict[str, Any]:
    if kind is None:
        return {"token": tokens.read(said["token_file"])}
    return {"kind": kind, "issuer": said["issuer"], "value": said["value"] or ""}


def _reset() -> dict[str, Any]:
    try:
        return {"fleet": click.prompt("This undoes every revocation of the fleet. Type its name", err=True)}
    except click.Abort:
        if sys.stdin.isatty():  # it was interrupted
            raise
        raise Failure("nothing was reset: the fleet's name was not typed") from None


def _terms(said: dict[str, Any]) -> dict[str, Any]:
    terms: dict[str, Any] = {} if said["before"] is None else {"before": _before(said["before"])}
    return terms if said["expires_in"] is None else terms | {"expires_in": _duration(said["expires_in"])}


def _before(text: str) -> int | str:
    if text == "all":
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.UsageError('--before: epoch seconds, RFC 3339 with a zone (2026-08-01T12:00:00Z), or "all"')
    return int(moment.timestamp())


def _duration(text: str) -> float:
    from bearerd.config.units import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise click.UsageError(f"--expires-in: {error}") from None


def _listed(where: place.Place) -> dict[str, Any]:
    """Every page."""
    found: list[Any] = []
    after = 0
    while True:
        page = expect(*admin(where, "GET", f"/v1/revocations?limit=1000&after={after}"), 200)
        found += page["revocations"]
        if page["next"] is None:
            return {"revocations": found}
        after = int(page["next"])


def _show_list(listed: dict[str, Any]) -> None:
    rows = [
        (
            entry["sequence"],
            entry["key"],
            "lifted" if entry["lifted"] else _moment(entry["before"]),
            "never" if entry["expires"] is None else _moment(entry["expires"]),
            _moment(entry["at"]),
        )
        for entry in listed["revocations"]
    ]
    if rows:
        table(rows, ("sequence", "key", "issued until", "expires", "at"))
    else:
        click.echo("no revocations")


def _moment(value: Any) -> str:
    from bearerd.log import stamp

    return plain(value) if isinstance(value, str) else stamp(value)


def _show(act: str, done: dict[str, Any]) -> None:
    about = " ".join(plain(done[name]) for name in ("kind", "issuer", "value") if done.get(name))
    level = plain(done.get("acknowledged") or "written")
    click.echo(f"{act}{': ' if about else ''}{about}")
    click.echo(f"{level}, durability {plain(done['durability'])}, sequence {plain(done['sequence'])}")
    if done.get("missing"):
        click.echo(f"not yet: {plain(done['missing'])}; every worker refuses by {_moment(done['enforced_by'])}")
