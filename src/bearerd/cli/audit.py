"""``bearerd audit``."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from bearerd.cli.output import Failure, emit, format_option, plain, reader_left, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bearerd.audit.chain import Head
    from bearerd.audit.reading import Filter
    from bearerd.config.model import Config

FOLLOW_SECONDS: Final = 0.5
LATE_SECONDS: Final = 2.0  # that a sealed segment may need to its file; then its records are missing
_SHOWN: Final = 200  # findings on a screen; JSON has all

_config: Final = click.option(
    "--config", "-c", "path", type=click.Path(dir_okay=False), metavar="FILE", help="Where file, key and store stand."
)
_files: Final = click.argument("files", nargs=-1, type=click.Path(dir_okay=False), metavar="[FILES]...")
_from_store: Final = click.option("--from-store", is_flag=True, help="Read the stream in the store, not files.")


@click.group()
def command() -> None:
    """Verify, show and search audit records.

    FILES are read in the order given, the oldest first; without any, those of the configuration are.
    """


@command.command()
@_config
@_files
@click.option(
    "--key-file", type=click.Path(dir_okay=False), help="The chain's key, where the configuration does not name it."
)
@click.option("--offline", is_flag=True, help="Do not ask the store for the heads of sealed segments.")
@_from_store
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Whose heads count.  [default: those of the files, and this one]",
)
@click.option("--strict", is_flag=True, help="An open end is a finding, too.")
@format_option
def verify(
    path: str | None,
    files: tuple[str, ...],
    key_file: str | None,
    form: str,
    *,
    offline: bool,
    from_store: bool,
    hosts: tuple[str, ...],
    strict: bool,
) -> None:
    """Say whether records are what was written: exit code 0 they are, 1 findings.

    Finds what was edited, dropped, reordered, duplicated or truncated, with file, line and sequence; what cannot be told
    is noted.  docs/audit.md says against whom this holds.
    """
    from bearerd.audit.verify import Verifier

    config = _loaded(path)
    key = _key(config, key_file)
    # Before the records: where bearerd runs, segments are sealed meanwhile, whose heads would tell of records that were not read.
    heads = None if offline or config is None or path is None else _heads(config, path)
    told = any(host in ({*hosts} or {os.uname().nodename}) for _, host in heads or ())
    for patience in (LATE_SECONDS, 0.0):
        found, read = Verifier(key), False
        for name, lines in _sources(config, path, files, from_store=from_store, none_is_well=told):
            found.read(name, lines, again=from_store)
            read = True
        if not read:  # but the store knows of records
            found.note(f"there is no {_file(config)}")
        counted = {*hosts} or {*found.hosts, os.uname().nodename}
        found.end(None if heads is None else [head for head, host in heads if host in counted])
        if files or not found.behind or len(found.findings) > found.behind:
            break
        time.sleep(patience)  # a head may be there before its records are, which wait for a disk
    said = {
        "intact": not found.findings and not (strict and any("open end" in note.what for note in found.notes)),
        "records": found.records,
        "processes": found.processes,
        "findings": [finding._asdict() for finding in found.findings],
        "notes": [note._asdict() for note in found.notes],
    }
    emit(form, said, _show_verified)
    raise click.exceptions.Exit(0 if said["intact"] else 1)


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--until", metavar="TIME", help="RFC 3339, or so long ago."),
        click.option("--since", metavar="TIME", help='RFC 3339 with a zone, or so long ago, like "15m".'),
        click.option("--request-id", metavar="ID"),
        click.option("--decision", metavar="OUTCOME", help="allow, challenge, forbid, …"),
        click.option("--code", metavar="CODE", help="The refusal's."),
        click.option("--tool", metavar="NAME"),
        click.option("--sub", metavar="SUBJECT", help="As records have it (hash_subjects)."),
        click.option("--resource", metavar="NAME"),
    ):
        command = option(command)
    return command


@command.command()
@_config
@_files
@_from_store
@_filters
@format_option
def query(path: str | None, files: tuple[str, ...], form: str, *, from_store: bool, **said: str | None) -> None:
    """Show the records that are asked for: exit code 0 there are some, 1 there are none."""
    from bearerd.audit.reading import records

    wanted = _wanted(said)
    found = [
        record
        for _, lines in _sources(_loaded(path), path, files, from_store=from_store)
        for record in records(lines, wanted)
    ]
    emit(form, found, _show)
    raise click.exceptions.Exit(0 if found else 1)


@command.command()
@_config
@_files
@_from_store
@click.option("--lines", "-n", default=20, show_default=True, type=click.IntRange(0, 100_000))
@click.option("--follow", "-f", is_flag=True, help="Wait for further records, until interrupted (files only).")
@_filters
@format_option
def tail(
    path: str | None,
    files: tuple[str, ...],
    lines: int,
    form: str,
    *,
    follow: bool,
    from_store: bool,
    **said: str | None,
) -> None:
    """Show the last records.  With -o json --follow each is a line of its own."""
    from bearerd.audit.reading import lines_of, records

    wanted, config = _wanted(said), _loaded(path)
    if follow and from_store:
        raise click.UsageError("--follow reads files")
    last: deque[dict[str, Any]] = deque(maxlen=lines)
    if not follow:
        for _, source in _sources(config, path, files, from_store=from_store):
            last.extend(records(source, wanted))
        emit(form, list(last), _show)
        return
    *older, newest = _paths(config, files)
    try:
        with newest.open("rb") as opened:
            last.extend(records(chain(lines_of(older), opened), wanted))
            for record in chain(last, _coming(newest, opened, wanted)):  # the second has no end
                click.echo(_json(record)) if form == "json" else _show([record], head=False)
                if reader_left():
                    return
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from None


def _coming(file: Path, with_end: BinaryIO, wanted: Filter) -> Iterator[dict[str, Any]]:
    """What is appended to what was read so far; a rotated file is read to its end first."""
    from bearerd.audit.reading import records

    rest = b""
    while True:
        data = with_end.read(1 << 16)
        if data:
            *whole, rest = (rest + data).split(b"\n")
            yield from records(whole, wanted)
            continue
        try:
            moved = file.stat().st_ino != os.fstat(with_end.fileno()).st_ino
        except FileNotFoundError:
            moved = False
        if moved:
            *whole, _ = (rest + with_end.read()).split(b"\n")  # what came before it was, and after we looked
            yield from records(whole, wanted)
            with_end.close()
            with_end, rest = file.open("rb"), b""
        else:
            time.sleep(FOLLOW_SECONDS)


# ---- where they are


def _loaded(path: str | None) -> Config | None:
    if path is None:
        return None
    from bearerd.config import load

    return load.load(path)


def _file(config: Config | None) -> Path:
    if config is None or config.audit.file is None:
        raise click.UsageError("name FILES, or a configuration (-c) with audit.file")
    return config.audit.file


def _absent(file: Path) -> Failure:
    return Failure(f"there is no {file}: no record was written yet, or somebody removed it")


def _paths(config: Config | None, files: tuple[str, ...]) -> list[Path]:
    from bearerd.audit.sinks import files_of

    found = [Path(file) for file in files] if files else files_of(_file(config))
    if not found:
        raise _absent(_file(config))
    return found


def _sources(
    config: Config | None, path: str | None, files: tuple[str, ...], *, from_store: bool, none_is_well: bool = False
) -> Iterator[tuple[str, Iterable[bytes]]]:
    if from_store:
        from bearerd.audit import heads

        if config is None or path is None or files:
            raise click.UsageError("--from-store needs a configuration (-c), and no FILES")
        yield "store", _asked(config, path, heads.records)
        return
    from bearerd.audit.reading import files_in_turn, opened

    file = None
    try:
        for file, lines in opened(map(Path, files)) if files else files_in_turn(_file(config)):
            yield str(file), lines
    except OSError as error:
        raise Failure(f"{error.filename or file}: {error.strerror}") from None
    if file is None and not none_is_well:
        raise _absent(_file(config))


def _key(config: Config | None, key_file: str | None) -> bytes:
    from bearerd.store.seal import read_key

    path = Path(key_file) if key_file is not None else None if config is None else config.audit.key_file
    if path is None:
        raise click.UsageError("name the chain's key: --key-file, or a configuration (-c) with audit.key_file")
    return read_key(path, "key file")


def _heads(config: Config, path: str) -> list[tuple[Head, str]]:
    from bearerd.audit import heads

    found: list[tuple[Head, str]] = _asked(config, path, heads.noted)
    return found


def _asked(config: Config, path: str, ask: Any) -> Any:
    """What the store answers.  Raises Failure where it does not."""
    from bearerd.config.load import data_dir
    from bearerd.errors import StoreError
    from bearerd.store import client as store_client
    from bearerd.store.embedded import Embedded

    async def run() -> Any:
        own = None if config.store.url else Embedded(data_dir(config, path))
        if own is not None:
            await own.attach()
        client = store_client.connect(config.store, url=None if own is None else own.url)
        try:
            return await ask(client)
        finally:
            await client.close()

    try:
        return asyncio.run(run())
    except StoreError as error:
        raise Failure(f"{error} (--offline verifies without the store)") from None


def _wanted(said: dict[str, str | None]) -> Filter:
    from bearerd.audit.reading import Filter, moment
    from bearerd.config.units import seconds

    times: dict[str, str | None] = {}
    for name in ("since", "until"):
        try:
            given = said[name]
            times[name] = None if given is None else moment(given, seconds)
        except ValueError as error:
            raise click.UsageError(f'--{name}: RFC 3339 with a zone, or so long ago ("15m"): {error}') from None
    return Filter(
        said["resource"], said["sub"], said["tool"], said["code"], said["decision"], said["request_id"], **times
    )


# ---- how they look


def _json(value: Any) -> str:
    import orjson

    return orjson.dumps(value).decode()


def _show(found: list[dict[str, Any]], *, head: bool = True) -> None:
    rows = [
        (
            record.get("time"),
            record.get("decision") or record.get("event"),
            record.get("reason"),
            record.get("resource"),
            record.get("tool")
            or record.get("operation")
            or f"{record.get('method') or ''} {record.get('path') or ''}".strip(),
            record.get("subject"),
            record.get("client"),
            record.get("request_id"),
        )
        for record in found
    ]
    if rows:
        names = ("time", "decision", "reason", "resource", "operation", "subject", "client", "request id")
        table(rows, names if head else ())
    elif head:
        click.echo("no records")


def _show_verified(said: dict[str, Any]) -> None:
    for kind in ("findings", "notes"):
        for one in said[kind][:_SHOWN]:
            place = " ".join(
                plain(part) for part in (one["where"], one["process"] and f"process {one['process']}") if part
            )
            number = "" if one["sequence"] is None else f" sequence {one['sequence']}"
            whence = f"{place}{number}".strip().rstrip(":")
            click.echo(": ".join(part for part in (kind[:-1], whence, plain(one["what"])) if part))
        if len(said[kind]) > _SHOWN:
            click.echo(f"{kind}: {len(said[kind]) - _SHOWN} more (-o json has all)")
    word = "intact" if said["intact"] else "NOT intact"
    click.echo(f"{word}: {said['records']} records of {said['processes']} processes, {len(said['findings'])} findings")
