"""``bearerd doctor``."""

from __future__ import annotations

import asyncio
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bearerd.cli import place, tokens
from bearerd.cli.output import Between, Failure, Unreachable, emit, format_option, plain

if TYPE_CHECKING:
    from bearerd.config.model import Config
    from bearerd.doctor.finding import Finding
    from bearerd.doctor.gateway import Visit


@click.command()
@click.argument("url", required=False)
@click.option(
    "--config", "-c", "path", type=click.Path(dir_okay=False), metavar="FILE", help="The configuration (TOML)."
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="A good token for URL; - reads it from standard input.",
)
@click.option("--host", metavar="HOST", help="What URL's host is called by clients (Host, and the name in TLS).")
@click.option(
    "--ca-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Whom to believe in TLS."
)
@click.option(
    "--open", "open_", metavar="PATH", help="A path that needs no token.  [default: the configuration's first]"
)
@click.option("--echo", metavar="PATH", help="A path that shows the header fields that the upstream received.")
@click.option("--forbidden", metavar="PATH", help="A path that the token is not good for.")
@click.option("--all", "everything", is_flag=True, help="Send tricks with other methods and broken framing, too.")
@click.option("--unreachable", is_flag=True, help="bearerd is stopped: ask URL, and nothing else; nothing may pass.")
@click.option(
    "--rate", type=Between(0.1, 1000), default=20.0, show_default=True, metavar="N", help="Requests a second."
)
@format_option
def command(
    url: str | None, path: str | None, token_file: str | None, form: str, unreachable: bool, **said: Any
) -> None:
    """Examine the issuers and the store of FILE, the bearerd that runs with it, and the live gateway at URL.

    Exit code 0 all well, 1 findings (errors or warnings), 2 URL cannot be reached, or wrong usage.  URL is something that needs a
    token.  The doctor sends requests that only read, one after the other, some of them forged as an attacker would; it says how
    many before it begins, changes nothing, and shows the token to nobody but URL.

    \b
    bearerd doctor --config bearerd.toml
    bearerd doctor --config bearerd.toml --token-file token.jwt https://api.example.com/orders/7
    bearerd doctor --unreachable https://api.example.com/orders/7        # while bearerd is stopped
    """
    if url is None and (path is None or unreachable):
        raise click.UsageError(
            "name a configuration (--config FILE), or a URL to examine, or both; --unreachable needs a URL"
        )
    config = _loaded(path)
    token = None if token_file is None else _one_line(tokens.read(token_file))
    visit = None if url is None else _visit(url, token, config, said)
    found, gone = _found(path, config, visit, unreachable)
    from bearerd.doctor import finding

    emit(form, finding.as_dict(found), lambda _: _show(found))
    if gone is not None:
        raise gone
    raise click.exceptions.Exit(0 if finding.healthy(found) else 1)


def _found(
    path: str | None, config: Config | None, visit: Visit | None, unreachable: bool
) -> tuple[list[Finding], Unreachable | None]:
    """The findings, and why there are none of the gateway."""
    from bearerd.doctor import gateway
    from bearerd.doctor.talk import NoAnswer

    found = [] if config is None or unreachable else _of_config(str(path), config)
    if visit is None:
        return found, None
    _announce(visit, unreachable)
    examine = gateway.examine_without_bearerd if unreachable else gateway.examine
    try:
        return found + asyncio.run(examine(visit)), None
    except NoAnswer as error:
        return found, Unreachable(str(error))


def _loaded(path: str | None) -> Config | None:
    from bearerd.config import load

    return None if path is None else load.load(path)


def _of_config(path: str, config: Config) -> list[Finding]:
    from bearerd.cli.ask import ask
    from bearerd.doctor import config as of_config
    from bearerd.doctor import issuers, service, store

    async def asked() -> list[Finding]:
        return [*await issuers.examine(config.issuer, config.limits), *await store.examine(config.store)]

    address, status, answer = config.server.probes, None, None
    try:
        address = place.find(path).probes
        status, answer = ask(address, "GET", "/readyz", seconds=3.0)
    except Unreachable:
        pass
    return [*of_config.examine(config, Path(path)), *asyncio.run(asked()), *service.examine(address, status, answer)]


def _visit(url: str, token: str | None, config: Config | None, said: dict[str, Any]) -> Visit:
    """What is to be examined.  Raises UsageError."""
    from bearerd.config.model import IDENTITY
    from bearerd.doctor import gateway, talk

    try:
        found = talk.parse(url, said["host"])
    except ValueError as error:
        raise click.UsageError(f"{url} {error}") from None
    for name in ("open_", "echo", "forbidden"):
        if said[name] is not None and not talk.is_path(said[name]):
            raise click.UsageError(
                f"--{name.strip('_')} {said[name]}: a path begins with a slash, and is percent-encoded"
            )
    resources = () if config is None else config.resource.values()
    identity = dict.fromkeys(name for resource in resources for name in resource.identity)
    return gateway.Visit(
        gateway=found,
        identity=tuple(identity) or tuple(IDENTITY),
        token=token,
        open=said["open_"] or (None if config is None else _first_open(config)),
        echo=said["echo"],
        forbidden=said["forbidden"],
        everything=said["everything"],
        per_second=said["rate"],
        ca_file=_readable(said["ca_file"]),
    )


def _first_open(config: Config) -> str | None:
    """A path of the configuration's that needs no token, if one is written out."""
    rules = (rule for resource in config.resource.values() for rule in resource.rule)
    paths = (rule.path for rule in rules if rule.auth == "none" and (rule.methods is None or "GET" in rule.methods))
    return next((path for path in paths if path is not None and "*" not in path), None)


def _readable(file: Path | None) -> Path | None:
    if file is not None and not file.is_file():
        raise click.UsageError(f"--ca-file {file}: there is no such file")
    return file


def _one_line(token: str) -> str:
    """Raises Failure, and does not say what of."""
    if not (token.isascii() and token.isprintable() and token and " " not in token):
        raise Failure("a token is one line of printable ASCII")
    return token


def _announce(visit: Visit, unreachable: bool) -> None:
    where = f"{visit.gateway.origin} ({visit.gateway.address}:{visit.gateway.port})"
    if unreachable:
        click.echo(
            f"bearerd: asking {where} for {visit.gateway.path} in a few ways; bearerd should be stopped now", err=True
        )
        return
    what = (
        "all tricks, also such as change things"
        if visit.everything
        else "GET, HEAD and OPTIONS, nothing that changes anything"
    )
    click.echo(f"bearerd: asking {where} at most {visit.most()} times, {visit.per_second:g} a second: {what}", err=True)


_MARKS = {"error": "ERROR", "warning": "WARNING", "note": "note", "ok": "ok"}


def _show(found: list[Finding]) -> None:
    from bearerd.doctor import finding

    for subject, group in groupby(found, key=lambda one: one.subject):
        click.echo(plain(subject))
        findings = list(group)
        for one, following in zip(findings, [*findings[1:], None], strict=True):
            click.echo(f"  {_MARKS[one.severity]:<7}  {one.check:<13}  {plain(one.found)}")
            if one.remedy and (following is None or following.remedy != one.remedy):  # once for all that it helps
                click.echo(f"  {'':<7}  {'':<13}  → {plain(one.remedy)}")
        click.echo()
    counts = finding.as_dict(found)["counts"]
    click.echo(f"errors: {counts['error']}, warnings: {counts['warning']}, notes: {counts['note']}, ok: {counts['ok']}")
