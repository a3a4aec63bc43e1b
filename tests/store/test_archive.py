"""The snapshot's life: what a process begins with, who writes it and when, and that no revocation is missing from it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.fleet import ISSUER, worker

from bearerd._native import clock
from bearerd._native.revocations import FOREVER, TOMBSTONE, pack, unpack
from bearerd.decision import Now
from bearerd.store import archive, entries, snapshot
from bearerd.store.archive import Archive
from bearerd.store.entries import Kind
from bearerd.store.protocol import Position
from bearerd.store.seal import Seal
from bearerd.store.view import RESERVE, View

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.valkey import Valkey

FLEET = "test"
SEAL = Seal(FLEET, b"k" * 32)
PLACE, LATER = Position(3, "h" * 40), Position(4, "i" * 40)
WELL = ("writes", "ok")


def key(number: int) -> bytes:
    return entries.key(Kind.SESSION, ISSUER, f"s{number}")


def entry(number: int, at: int | None = None, cutoff: int = FOREVER, expiry: int = FOREVER) -> bytes:
    return pack(key(number), cutoff, expiry, number if at is None else at)


def revoked(view: View, number: int) -> bool:
    return view.table.revoked(key(number), int(time.time()), int(time.time())) >= 0


class Process:
    """A view and its archive, without a store."""

    def __init__(self, folder: Path, by: Seal = SEAL, fleet: str = FLEET, available: float = 3600.0, most: int = 5000):
        self.view = View(most)
        self.told: Counter[tuple[str, str]] = Counter()

        def told(what: str, which: str) -> None:
            self.told[what, which] += 1

        self.archive = Archive(self.view, folder, by, fleet, available_for=available, told=told)

    async def knows(self, *packed: bytes, position: Position | None = PLACE, counted: float | None = None) -> None:
        await self.view.apply(b"".join(packed), position)
        self.view.count(clock.boot() if counted is None else counted)

    def known_age(self, now: Now | None = None) -> float:
        return self.view.known_age(now or Now(clock.wall(), clock.boot()))


async def written(folder: Path, *packed: bytes, position: Position | None = PLACE, age: float = 0.0) -> Process:
    """A process that wrote what it knows."""
    process = Process(folder)
    await process.knows(*packed, position=position, counted=clock.boot() - age)
    assert await process.archive.write(last=True)
    assert process.told == {WELL: 1}
    return process


class Paged:
    """A table that does something after so many small pages."""

    def __init__(self, table: Any, after: int, then: Callable[[], object]) -> None:
        self.table, self.after, self.then, self.pages = table, after, then, 0

    def page(self, now: int, position: int, budget: int) -> tuple[bytes, int]:
        found = self.table.page(now, position, 32)
        self.pages += 1
        if self.pages == self.after:
            assert found[1], "it was over before"
            self.then()
        return found

    def __len__(self) -> int:
        return len(self.table)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)


def interrupt(process: Process, then: Callable[[], object], after: int = 2) -> None:
    """Have something happen while it pages through its table."""
    process.view.table = Paged(process.view.table, after, then)  # type: ignore[assignment]


async def begun(folder: Path, **options: Any) -> Process:
    process = Process(folder, **options)
    await process.archive.load()
    return process


# ---- the start


async def test_a_process_begins_with_what_another_knew(tmp_path: Path) -> None:
    await written(tmp_path, entry(1), entry(2), entry(2, at=9, cutoff=TOMBSTONE))
    fresh = await begun(tmp_path)
    assert (revoked(fresh.view, 1), revoked(fresh.view, 2)) == (True, False)
    assert fresh.view.position == PLACE
    assert fresh.archive.refused is None


async def test_a_snapshot_makes_no_view_fresh_by_its_own_heartbeats(tmp_path: Path) -> None:
    await written(tmp_path, entry(1))
    fresh = await begun(tmp_path)
    assert fresh.view.counted == -math.inf
    assert fresh.view.age(Now(clock.wall(), clock.boot())) == math.inf
    assert 0 <= fresh.known_age() < 60
    assert not fresh.view.asked


async def test_the_age_goes_on_from_the_last_counted_heartbeat_not_from_when_it_was_written(tmp_path: Path) -> None:
    await written(tmp_path, entry(1), age=500.0)
    fresh = await begun(tmp_path)
    assert 500 <= fresh.known_age() < 560
    assert fresh.known_age(Now(clock.wall(), clock.boot() + 100)) >= 600


async def test_a_wall_clock_that_is_put_right_after_the_start_makes_a_snapshot_older(tmp_path: Path) -> None:
    await written(tmp_path, entry(1), age=10.0)
    fresh = await begun(tmp_path)
    assert fresh.known_age(Now(clock.wall() + 3000.0, clock.boot())) >= 3010
    assert fresh.known_age(Now(clock.wall() - 3000.0, clock.boot())) >= 10
    fresh.view.count(clock.boot())
    assert fresh.known_age(Now(clock.wall() + 3000.0, clock.boot())) < 60  # it knows better by now


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"available": 400.0}, "too_old"),
        ({"by": Seal(FLEET, b"another key of at least 32 bytes")}, "forged"),
        ({"fleet": "other", "by": SEAL}, "foreign_fleet"),
        ({"most": 2 - RESERVE}, "too_large"),
    ],
)
async def test_one_that_is_refused_is_told_of_and_nothing_of_it_is_used(
    tmp_path: Path, options: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    await written(tmp_path, entry(1), entry(2), entry(3), age=500.0)
    monkeypatch.setattr(archive, "SPARE", 0)
    fresh = await begun(tmp_path, **options)
    assert (len(fresh.view.table), fresh.view.position, fresh.known_age()) == (0, None, math.inf)
    assert fresh.archive.refused == reason
    assert fresh.told == {("refused", reason): 1}
    said = [record for record in caplog.records if record.getMessage() == "the snapshot is refused"]
    assert [(record.levelname, record.reason) for record in said] == [("ERROR", reason)]


async def test_what_does_not_fit_after_all_counts_for_nothing(tmp_path: Path) -> None:
    await written(tmp_path, *map(entry, range(1500)))
    fresh = await begun(tmp_path, most=1400 - RESERVE)
    assert (fresh.archive.refused, fresh.view.position, fresh.known_age()) == ("too_large", None, math.inf)


async def test_one_from_the_future_is_refused(tmp_path: Path) -> None:
    now = Now(clock.wall(), clock.boot())
    head = snapshot.Head(FLEET, PLACE, now.wall + 3600, now.boot, "", 1, snapshot.digest([entry(1)]))
    snapshot.save(tmp_path, SEAL, head, [entry(1)])
    fresh = await begun(tmp_path)
    assert (fresh.archive.refused, len(fresh.view.table)) == ("future", 0)


async def test_where_there_is_none_nothing_is_said(tmp_path: Path) -> None:
    fresh = await begun(tmp_path)
    assert (fresh.archive.refused, fresh.told, fresh.known_age()) == (None, {}, math.inf)


async def test_a_view_that_counts_is_not_given_what_is_older(tmp_path: Path) -> None:
    await written(tmp_path, entry(1))
    process = Process(tmp_path)
    await process.knows(entry(2), position=LATER)
    assert not await process.archive.load()
    assert process.view.position == LATER
    assert not revoked(process.view, 1)


async def test_what_ended_meanwhile_is_left_out(tmp_path: Path) -> None:
    soon = int(time.time()) - 1
    process = Process(tmp_path)
    process.view.table.apply(entry(1, expiry=soon) + entry(2), soon - 100)
    process.view.position = PLACE
    process.view.count(clock.boot())
    await process.archive.write()
    loaded = snapshot.load(tmp_path, SEAL, FLEET, 100)
    assert loaded is not None
    assert loaded[0].entries == 2  # the writer's clock may be wrong: the reader judges
    fresh = await begun(tmp_path)
    assert len(fresh.view.table) == 1


# ---- who writes, and when


async def test_a_view_that_was_never_counted_writes_nothing(tmp_path: Path) -> None:
    process = Process(tmp_path)
    await process.view.apply(entry(1), PLACE)
    assert await process.archive.write(last=True)
    assert snapshot.peek(tmp_path, SEAL, FLEET) is None


async def test_nor_does_one_that_only_began_with_a_snapshot(tmp_path: Path) -> None:
    await written(tmp_path, entry(1), age=100.0)
    fresh = await begun(tmp_path)
    await fresh.archive.write(last=True)
    assert fresh.told == {}
    assert (await begun(tmp_path)).known_age() >= 100


async def test_one_that_puts_back_writes_nothing_and_at_its_end_no_position(tmp_path: Path) -> None:
    process = Process(tmp_path)
    await process.knows(entry(1), position=None)
    await process.archive.write()
    assert snapshot.peek(tmp_path, SEAL, FLEET) is None
    await process.archive.close()
    fresh = await begun(tmp_path)
    assert fresh.view.position is None
    assert revoked(fresh.view, 1)


async def test_a_position_that_is_lost_while_it_pages_is_not_written(tmp_path: Path) -> None:
    process = Process(tmp_path)
    await process.knows(*map(entry, range(300)))
    interrupt(process, lambda: setattr(process.view, "position", None))
    await process.archive.write()
    head = snapshot.peek(tmp_path, SEAL, FLEET)
    assert head is not None
    assert head.position is None


async def test_a_heartbeat_that_counts_while_it_pages_makes_it_no_younger(tmp_path: Path) -> None:
    process = Process(tmp_path)
    await process.knows(*map(entry, range(300)), counted=clock.boot() - 500.0)

    def beat() -> None:
        process.view.position = LATER
        process.view.count(clock.boot())

    interrupt(process, beat)
    await process.archive.write()
    head = snapshot.peek(tmp_path, SEAL, FLEET)
    assert head is not None
    assert head.position == PLACE
    assert head.age(Now(clock.wall(), clock.boot())) >= 500


async def test_news_are_written_after_seconds_and_a_mere_heartbeat_after_a_minute(tmp_path: Path) -> None:
    process = await written(tmp_path, entry(1), age=1000.0)
    for position, age, due in ((PLACE, 950.0, False), (LATER, 996.0, False), (LATER, 990.0, True)):
        process.view.position = position
        process.view._counted = clock.boot() - age
        before = process.told[WELL]
        await process.archive.write()
        assert process.told[WELL] - before == due
    process.view._counted = clock.boot() - 900.0
    await process.archive.write()
    assert process.told[WELL] == 3


async def test_a_large_one_is_written_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "RATE", 320)  # ten entries a second
    process = await written(tmp_path, *map(entry, range(300)), age=1000.0)
    process.view.position = LATER
    for age, due in ((975.0, False), (965.0, True)):
        process.view._counted = clock.boot() - age
        before = process.told[WELL]
        await process.archive.write()
        assert process.told[WELL] - before == due


async def test_of_many_processes_one_writes(tmp_path: Path) -> None:
    crowd = [Process(tmp_path) for _ in range(20)]
    for process in crowd:
        await process.knows(*map(entry, range(3000)))
    await asyncio.gather(*(process.archive.write() for process in crowd))
    await asyncio.gather(*(process.archive.write() for process in crowd))
    await asyncio.gather(*(process.archive.close() for process in crowd))
    assert sum((process.told for process in crowd), Counter()) == {WELL: 1}
    assert all(process.archive.stamp > 0 for process in crowd)


async def test_an_older_view_never_replaces_a_newer_one(tmp_path: Path) -> None:
    await written(tmp_path, entry(1), entry(2), position=LATER)
    late = Process(tmp_path)
    await late.knows(entry(1), counted=clock.boot() - 50.0)
    await late.archive.close()
    assert late.told == {}
    assert revoked((await begun(tmp_path)).view, 2)


@pytest.mark.parametrize("what", [b"", b"nonsense", b"x" * 5000])
async def test_a_bad_one_is_replaced_and_then_no_longer_complained_of(tmp_path: Path, what: bytes) -> None:
    (tmp_path / snapshot.FILE).write_bytes(what)
    process = await begun(tmp_path)
    assert process.archive.refused in ("corrupt", "truncated")
    await process.knows(entry(1))
    assert await process.archive.write()
    assert process.archive.refused is None
    assert revoked((await begun(tmp_path)).view, 1)


@pytest.mark.parametrize("what", ["rotten", "cut short", "old"])
async def test_one_whose_head_is_good_is_complained_of_until_another_is_there(tmp_path: Path, what: str) -> None:
    await written(tmp_path, entry(1), age=500.0)
    path = tmp_path / snapshot.FILE
    whole = path.read_bytes()
    path.write_bytes({"rotten": whole[:-1] + bytes([whole[-1] ^ 1]), "cut short": whole[:-1], "old": whole}[what])
    process = await begun(tmp_path, available=400.0 if what == "old" else 3600.0)
    refused = {"rotten": "corrupt", "cut short": "truncated", "old": "too_old"}[what]
    for last in (False, True):
        await process.archive.write(last=last)  # it knows nothing of its own yet, and so looks only
        assert (process.archive.refused, process.archive.stamp) == (refused, 0.0)
    await process.knows(entry(1), counted=clock.boot() - 499.0)
    await process.archive.write()  # at once: what is there is no good, though its head is nearly as young
    assert (process.archive.refused, process.told[WELL]) == (None, 1)
    assert revoked((await begun(tmp_path)).view, 1)


async def test_a_sibling_s_good_one_ends_the_complaint(tmp_path: Path) -> None:
    (tmp_path / snapshot.FILE).write_bytes(b"nonsense")
    process = await begun(tmp_path)
    (tmp_path / snapshot.FILE).unlink()
    await written(tmp_path, entry(1))
    await process.archive.write()
    assert (process.archive.refused, process.told[WELL]) == (None, 0)


async def test_a_folder_that_cannot_be_written_is_told_of_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    process = Process(tmp_path)
    await process.knows(entry(1))
    with monkeypatch.context() as broken:
        broken.setattr(snapshot, "save", full)
        assert not await process.archive.write()
        await process.archive.close()  # and it waits for nobody
    said = [record for record in caplog.records if record.getMessage() == "the snapshot cannot be written"]
    assert len(said) == 1
    assert process.archive.failing
    assert await process.archive.write()
    assert not process.archive.failing


async def test_one_who_is_cancelled_in_the_middle_writes_to_the_end(tmp_path: Path) -> None:
    process = Process(tmp_path)
    await process.knows(*map(entry, range(3000)))
    writing: asyncio.Task[bool]
    interrupt(process, lambda: writing.cancel())
    writing = asyncio.create_task(process.archive.write())
    await asyncio.wait((writing,))
    assert writing.cancelled()
    assert process.told == {}
    await process.archive.close()
    assert process.told == {WELL: 1}
    assert len((await begun(tmp_path)).view.table) == 3000


# ---- that nothing is missing


@pytest.mark.parametrize("after", range(1, 12))
async def test_what_is_dropped_for_a_later_entry_is_missed_by_nobody(tmp_path: Path, after: int) -> None:
    """Whether the pager has come to a key or not: it finds what was in force, or what came for it."""
    process = Process(tmp_path)
    held = [entry(number, at=at, cutoff=1000 - at) for number in range(10) for at in range(1, 41)]
    await process.knows(*held)
    assert len(process.view.table) == 400  # none covers another
    interrupt(process, lambda: process.view.table.apply(b"".join(entry(n, at=99) for n in range(10)), 0), after)
    await process.archive.write()
    assert len(process.view.table) == 10
    fresh = await begun(tmp_path)
    assert {number: fresh.view.table.cutoff(key(number), int(time.time())) for number in range(10)}.items() <= {
        (number, cutoff) for number in range(10) for cutoff in (999, FOREVER)
    }


async def test_what_grows_while_it_is_written_is_in_it_as_it_was(tmp_path: Path) -> None:
    process = Process(tmp_path)
    await process.knows(*map(entry, range(500)))
    interrupt(process, lambda: process.view.table.apply(b"".join(map(entry, range(500, 4500))), 0))
    await process.archive.write()
    fresh = await begun(tmp_path)
    assert [number for number in range(500) if not revoked(fresh.view, number)] == []
    assert fresh.view.position == PLACE


def _each(packed: bytes) -> list[bytes]:
    return [packed[start : start + 32] for start in range(0, len(packed), 32)]


# ---- with a store


async def with_snapshot(one: Any, folder: Path) -> Archive:
    """What a worker writes at its end."""
    kept = Archive(one.view, folder, SEAL, FLEET, available_for=3600.0)
    assert await kept.write(last=True)
    return kept


async def test_a_worker_that_begins_with_a_snapshot_and_meets_a_flushed_store_puts_back_what_it_knows(
    server: Valkey, tmp_path: Path
) -> None:
    async with worker(server.url) as old:
        await old.writer.revoke(Kind.SESSION, ISSUER, "gone")
        await old.writer.revoke(Kind.SESSION, ISSUER, "lifted")
        await old.writer.lift(Kind.SESSION, ISSUER, "lifted")
        before = {unpack(one)[::3] for one in _each(old.view.table.export(0))}  # the lift, without what it lifted
        await with_snapshot(old, tmp_path)
    server.call("FLUSHALL")
    kept: list[Archive] = []

    async with worker(server.url, joined=False, ours=False, before=lambda view: _load(view, tmp_path, kept)) as fresh:
        assert fresh.revoked("gone", Kind.SESSION)  # before it has met the store
        await fresh.sync.caught_up()
        async with worker(server.url) as other:
            assert other.revoked("gone", Kind.SESSION)
            assert not other.revoked("lifted", Kind.SESSION)
            assert {(entry.key, entry.at) for entry in await other.writer.page()} == before


async def test_a_store_of_our_own_that_lacks_what_the_snapshot_holds_is_not_trusted(
    server: Valkey, tmp_path: Path
) -> None:
    async with worker(server.url) as old:
        await old.writer.revoke(Kind.SESSION, ISSUER, "gone")
        old.view.position = None
        await with_snapshot(old, tmp_path)
    server.call("FLUSHALL")
    async with worker(server.url, joined=False, before=lambda view: _load(view, tmp_path, [])) as fresh:
        assert fresh.sync._trusted
        await fresh.sync.caught_up()
        assert not fresh.sync._trusted
        assert (await fresh.writer.page())[0].key == entries.key(Kind.SESSION, ISSUER, "gone")


async def test_the_position_of_a_snapshot_spares_reading_everything(
    server: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(server.url) as old:
        await old.writer.revoke(Kind.SESSION, ISSUER, "early")
        await with_snapshot(old, tmp_path)
        await old.writer.revoke(Kind.SESSION, ISSUER, "late")

    async def everything(*_: object) -> list[bytes]:
        raise AssertionError("everything was read")

    monkeypatch.setattr("bearerd.store.reconcile.everything", everything)
    async with worker(server.url, before=lambda view: _load(view, tmp_path, [])) as fresh:
        assert fresh.revoked("early", Kind.SESSION)
        assert fresh.revoked("late", Kind.SESSION)


async def test_without_a_key_whoever_can_write_the_folder_says_what_a_start_knows_and_with_one_does_not(
    server: Valkey, tmp_path: Path
) -> None:
    """As docs/threat-model.md has it: one that names the store's position and holds nothing spares reading what is there."""
    unsealed = Seal(FLEET, None)

    def archive_of(view: View, by: Seal) -> Archive:
        return Archive(view, tmp_path, by, FLEET, available_for=3600.0)

    async with worker(server.url) as old:
        await old.writer.revoke(Kind.SESSION, ISSUER, "gone")
        now = Now(clock.wall(), clock.boot())
        head = snapshot.Head(FLEET, old.view.position, now.wall, now.boot, snapshot.boot_id(), 0, snapshot.digest(()))
    snapshot.save(tmp_path, unsealed, head, ())
    for by, believed in ((unsealed, True), (SEAL, False)):

        async def load(view: View, by: Seal = by, believed: bool = believed) -> None:
            assert await archive_of(view, by).load() == believed

        async with worker(server.url, before=load) as fresh:
            await fresh.sync.caught_up()
            assert fresh.revoked("gone", Kind.SESSION) != believed


async def _load(view: View, folder: Path, kept: list[Archive]) -> None:
    kept.append(Archive(view, folder, SEAL, FLEET, available_for=3600.0))
    assert await kept[-1].load()
