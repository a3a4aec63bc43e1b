"""A store that was restored from an old dump: what it brings back to life does not work where anybody knows better."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, House, config

from bearerd._native import clock
from bearerd.apikeys import acts
from bearerd.apikeys.acts import Wish
from bearerd.apikeys.record import session_of
from bearerd.errors import StoreError
from bearerd.flow import Flow
from bearerd.refusals import Code
from bearerd.store import entries
from bearerd.store.entries import API_KEYS, Kind
from bearerd.verify.verified import Verified

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.valkey import Valkey

    from bearerd.service import Service

WISH = Wish("n", "ci", (), (), ("api",), 3600.0)
RESOURCE = {"api": {"identifier": API, "credentials": ["apikey"]}}
PATIENCE = 40.0


@contextlib.asynccontextmanager
async def worker(server: Valkey, fleet: str, tmp_path: Path, name: str) -> AsyncIterator[Service]:
    """A process of the fleet, as far as store and verification go."""
    pepper = tmp_path / "pepper"
    pepper.write_bytes(b"p" * 40)
    home = tmp_path / name
    home.mkdir()
    store = {"url": server.url, "fleet": fleet, "max_staleness": "3s"}
    made = config(tmp_path, store=store, apikeys={"pepper_file": pepper}, resource=RESOURCE)
    service = House(made, home, fresh=False).service
    await service.start()
    try:
        await until(lambda: service.health()["fresh"] and service.writer is not None)
        yield service
    finally:
        await service.close()


async def until(claim: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not claim():
            await asyncio.sleep(0.02)


async def why(service: Service, key: bytes) -> Code | None:
    found = await Flow(service).verify(key)
    return None if isinstance(found, Verified) else found.code


async def refused(service: Service, key: bytes) -> None:
    """Wait until the worker has heard of the revocation: that it is stored does not say so yet."""
    async with asyncio.timeout(PATIENCE):
        while await why(service, key) is not Code.REVOKED:
            await asyncio.sleep(0.02)


def dump(server: Valkey, fleet: str) -> dict[bytes, bytes]:
    return {name: server.call("DUMP", name) for name in server.call("KEYS", f"bearerd:{{{fleet}}}:*")}


def restore(server: Valkey, fleet: str, dumped: dict[bytes, bytes]) -> None:
    gone = server.call("KEYS", f"bearerd:{{{fleet}}}:*")
    server.call("DEL", *gone)
    for name, content in dumped.items():
        server.call("RESTORE", name, 0, content, "REPLACE")


async def test_a_revoked_key_that_an_old_dump_brings_back_stays_revoked_for_old_workers_and_new(
    shared_server: Valkey, fleet: str, tmp_path: Path
) -> None:
    async with worker(shared_server, fleet, tmp_path, "old") as old:
        assert old.writer is not None
        record, key = await acts.create(old.apikeys, WISH, 100)
        assert await why(old, key) is None
        before = dump(shared_server, fleet)
        _, written = await acts.revoke(old.apikeys, old.writer, record.id, "stored")
        assert written.acknowledged == "stored"
        await refused(old, key)
        restore(shared_server, fleet, before)
        vault = old.apikeys.vault
        assert vault is not None
        stored = await vault.find(record.id)
        assert stored is not None
        assert stored.record.revoked is None  # the record has risen again …
        async with worker(shared_server, fleet, tmp_path, "new") as new:
            assert await why(new, key) is Code.REVOKED  # … and who never knew of it is told by who did
        assert await why(old, key) is Code.REVOKED


async def test_a_lifted_entry_lets_nobody_in_whose_record_is_revoked_though_nobody_asked_meanwhile(
    shared_server: Valkey, fleet: str, tmp_path: Path
) -> None:
    async with (
        worker(shared_server, fleet, tmp_path, "one") as one,
        worker(shared_server, fleet, tmp_path, "two") as two,
    ):
        assert two.writer is not None
        record, key = await acts.create(two.apikeys, WISH, 100)
        assert await why(one, key) is None  # and is in its cache
        await acts.revoke(two.apikeys, two.writer, record.id, "stored")
        await two.writer.lift(Kind.TOKEN, API_KEYS, record.id, "stored")
        await until(lambda: one.view.table.lifts)
        assert await why(one, key) is Code.REVOKED


async def test_a_key_whose_record_is_gone_stops_working_within_max_staleness_without_any_revocation(
    shared_server: Valkey, fleet: str, tmp_path: Path
) -> None:
    async with worker(shared_server, fleet, tmp_path, "one") as one:
        record, key = await acts.create(one.apikeys, WISH, 100)
        assert await why(one, key) is None
        shared_server.call("DEL", f"bearerd:{{{fleet}}}:apikey:{record.id}")
        async with asyncio.timeout(PATIENCE):
            while await why(one, key) is None:
                assert one.apikeys.age(record.id, one.time.now()) <= one.current.max_staleness
                await asyncio.sleep(0.05)
        assert await why(one, key) is Code.UNKNOWN_KEY


async def test_a_revocation_whose_record_could_not_be_written_is_finished_by_repeating_it(
    shared_server: Valkey, fleet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(shared_server, fleet, tmp_path, "one") as one:
        assert one.writer is not None
        assert one.apikeys.vault is not None
        record, key = await acts.create(one.apikeys, WISH, 100)
        assert await why(one, key) is None

        async def broken(*_: object) -> None:
            raise StoreError("cut")

        with monkeypatch.context() as patch:
            patch.setattr(type(one.apikeys.vault), "change", broken)
            with pytest.raises(StoreError):
                await acts.revoke(one.apikeys, one.writer, record.id, "stored")
        await refused(one, key)  # the entry came first
        again, _ = await acts.revoke(one.apikeys, one.writer, record.id, "stored")
        assert again.revoked is not None


async def test_a_leaked_secret_is_revoked_by_name_however_often_its_rotation_had_to_be_tried(
    shared_server: Valkey, fleet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record forgets the old secret with the rotation: an entry that failed then would never be written."""
    async with worker(shared_server, fleet, tmp_path, "one") as one:
        assert one.writer is not None
        record, leaked = await acts.create(one.apikeys, WISH, 100)
        dumped = dump(shared_server, fleet)
        assert await why(one, leaked) is None
        with monkeypatch.context() as patch:
            patch.setattr(type(one.writer), "revoke", _away)
            with pytest.raises(StoreError):
                await acts.rotate(one.apikeys, one.writer, record.id, 0, "stored")
        _, key, written = await acts.rotate(one.apikeys, one.writer, record.id, 0, "stored")
        assert written is not None
        await refused(one, leaked)  # by the entry, at once: the record would be read again in its own time
        assert await why(one, key) in (None, Code.UNKNOWN_KEY)  # as the record that is at hand has it
        restore(shared_server, fleet, dumped)
        await until(lambda: one.view.table.sequence and one.health()["fresh"])
        assert await why(one, leaked) is Code.REVOKED


async def test_a_rotation_after_a_restored_dump_makes_a_secret_that_works_whatever_was_revoked_meanwhile(
    shared_server: Valkey, fleet: str, tmp_path: Path
) -> None:
    """The record counts its secrets from where the dump has it, and the entries name those that ended since."""
    async with worker(shared_server, fleet, tmp_path, "one") as one:
        assert one.writer is not None
        record, first = await acts.create(one.apikeys, WISH, 100)
        dumped = dump(shared_server, fleet)
        leaked = [first]
        for _ in range(3):
            record, key, _ = await acts.rotate(one.apikeys, one.writer, record.id, 0, "stored")
            one.apikeys.adopt(record)
            leaked.append(key)
        good = leaked.pop()
        assert await why(one, good) is None
        for key in leaked:
            assert await why(one, key) in (Code.REVOKED, Code.UNKNOWN_KEY)
        await until(lambda: all(_revoked(one, record.id, number) for number in (1, 2, 3)))
        restore(shared_server, fleet, dumped)
        record, key, _ = await acts.rotate(one.apikeys, one.writer, record.id, 0, "stored")
        one.apikeys.adopt(record)
        assert await why(one, key) is None
        assert [await why(one, old) for old in leaked] == [Code.UNKNOWN_KEY] * 3


def _revoked(service: Service, key_id: str, number: int) -> bool:
    return (
        service.view.table.cutoff(entries.key(Kind.SESSION, API_KEYS, session_of(key_id, number)), int(clock.wall()))
        > 0
    )


async def _away(*_: object, **__: object) -> Any:
    raise StoreError("it does not answer")
