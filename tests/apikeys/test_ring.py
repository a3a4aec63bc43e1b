"""What a worker knows of API keys: learned by one read for all that wait, bounded whoever asks, and never older than may be."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bearerd import timekeeper
from bearerd._native.generations import Generations
from bearerd.apikeys import form, ring
from bearerd.apikeys.pepper import Pepper
from bearerd.apikeys.record import Record, Secret
from bearerd.apikeys.ring import Known, Ring
from bearerd.apikeys.vault import Found, Stored
from bearerd.decision import Now, Pending, Wait
from bearerd.errors import StoreError
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

STALE = 30.0


class Vault:
    """Records in memory; counts the reads."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.reads: list[list[str]] = []
        self.noted: list[str] = []
        self.fault: Exception | None = None

    async def read(self, ids: Sequence[str]) -> Found:
        self.reads.append(list(ids))
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        found = {key_id: self.records.get(key_id) for key_id in ids}
        return Found(len(self.records), {i: one and Stored(one, b"", None) for i, one in found.items()}, 0)

    async def used(self, ids: Sequence[str], at: int) -> None:
        self.noted += ids

    def make(self) -> str:
        now, key_id = int(time.time()), form.new_id()
        self.records[key_id] = Record(
            key_id, "", "ci", (), (), ("api",), now, now + 900, (Secret(1, "d", now, now + 900),)
        )
        return key_id


class Watched:
    """An observer."""

    def __init__(self) -> None:
        self.results: dict[str, int] = {}
        self.active = -1

    def apikey_lookups(self, result: str, count: int) -> None:
        self.results[result] = self.results.get(result, 0) + count

    def apikeys_active(self, count: int) -> None:
        self.active = count


class Scene:
    def __init__(self, *, most: int = 100, waiting: int = 100) -> None:
        self.generations, self.vault, self.watched = Generations(), Vault(), Watched()
        self.ring = Ring(self.watched, self.generations, max_staleness=STALE, most=most, most_waiting=waiting)
        self.ring.take(Pepper("f", b"p" * 32), 1)
        self.ring.vault = self.vault  # type: ignore[assignment]

    def look(self, key_id: str, after: float = 0.0) -> Known | Refusal | Pending:
        return self.ring.look(key_id, later(after))

    async def learn(self, key_id: str) -> None:
        await self.ring.want(key_id)


def later(seconds: float) -> Now:
    now = timekeeper.plain()
    return now._replace(boot=now.boot + seconds, wall=now.wall + seconds)


def code(found: object) -> Code | None:
    return found.code if isinstance(found, Refusal) else None


async def test_a_first_sight_waits_and_a_known_key_does_not() -> None:
    scene = Scene()
    key_id = scene.vault.make()
    assert scene.look(key_id) == Pending(Wait.APIKEY, "urn:bearerd:apikey", key_id)
    await scene.learn(key_id)
    assert isinstance(scene.look(key_id), Known)
    assert (scene.watched.results["found"], scene.watched.active) == (1, 1)


async def test_all_that_come_meanwhile_are_served_by_one_read() -> None:
    scene = Scene()
    ids = [scene.vault.make() for _ in range(50)]
    await asyncio.gather(*(scene.learn(key_id) for key_id in ids for _ in range(3)))
    assert [len(read) for read in scene.vault.reads] == [50]


async def test_an_unknown_id_asks_the_store_once_and_then_not_for_a_while() -> None:
    scene, key_id = Scene(), form.new_id()
    await scene.learn(key_id)
    for _ in range(100):
        assert code(scene.look(key_id)) is Code.UNKNOWN_KEY
    assert len(scene.vault.reads) == 1
    assert isinstance(scene.look(key_id, ring.UNKNOWN_SECONDS + 1), Pending)


async def test_unknown_ids_are_forgotten_before_they_take_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "MOST_UNKNOWN", 10)
    monkeypatch.setattr(ring, "PER_SECOND", 1e9)
    scene = Scene()
    for _ in range(3):
        await asyncio.gather(*(scene.learn(form.new_id()) for _ in range(10)))
    assert len(scene.ring._unknown) == 10


async def test_a_flood_of_ids_waits_in_a_bounded_room_and_reads_are_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def told(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(ring.asyncio, "sleep", told)
    scene = Scene(waiting=250)
    crowd = []
    refused = 0
    for _ in range(1000):
        key_id = form.new_id()
        if isinstance(scene.look(key_id), Pending):
            crowd.append(asyncio.create_task(scene.learn(key_id)))
            await sleep(0)
        else:
            refused += 1
    await asyncio.gather(*crowd)
    pauses = [seconds for seconds in slept if seconds]
    assert max(map(len, scene.vault.reads)) <= 100
    assert sum(pauses) >= len(crowd) / ring.PER_SECOND
    assert refused + len(crowd) == 1000


async def test_who_finds_no_room_is_refused_at_once() -> None:
    scene = Scene(waiting=2)
    waiting = [asyncio.create_task(scene.learn(form.new_id())) for _ in range(2)]
    await asyncio.sleep(0)
    assert code(scene.look(form.new_id())) is Code.OVERLOADED
    await asyncio.gather(*waiting)


async def test_a_store_that_is_away_refuses_a_first_sight_and_is_not_asked_by_each() -> None:
    scene, fresh = Scene(), form.new_id()
    known = scene.vault.make()
    await scene.learn(known)
    scene.vault.fault = StoreError("away")
    with pytest.raises(StoreError):
        await scene.learn(fresh)
    assert code(scene.look(form.new_id())) is Code.STALE_STATE
    await scene.learn(known)  # no fault of its own: the policy judges how old the record is
    assert isinstance(scene.look(known), Known)
    assert scene.watched.results["failed"] == 2


async def test_who_waits_behind_others_while_the_store_is_away_does_not_wait_for_a_time_out_of_his_own() -> None:
    scene = Scene(waiting=250)
    scene.vault.fault = StoreError("away")
    crowd = [asyncio.create_task(scene.learn(form.new_id())) for _ in range(250)]
    found = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(one) for one in found} == {StoreError}
    assert len(scene.vault.reads) == 1
    scene.vault.fault = None
    await scene.learn(scene.vault.make())


@pytest.mark.parametrize("fault", [ValueError("odd"), RuntimeError("odder")])
async def test_whatever_goes_wrong_nobody_waits_for_ever(fault: Exception) -> None:
    scene = Scene()
    scene.vault.fault = fault
    with pytest.raises(StoreError):
        await asyncio.wait_for(scene.learn(form.new_id()), 10)


async def test_a_record_that_is_too_old_is_read_again_before_it_is_believed() -> None:
    scene = Scene()
    key_id = scene.vault.make()
    await scene.learn(key_id)
    assert isinstance(scene.look(key_id, STALE + 1), Pending)
    assert scene.ring.age(key_id, later(STALE + 1)) > STALE
    assert scene.ring.age(form.new_id(), later(0)) == float("inf")


@pytest.mark.parametrize("what", ["deleted", "rotated", "revoked", "the same"])
async def test_a_change_moves_the_generation_under_which_keys_are_cached(what: str) -> None:
    scene = Scene()
    key_id = scene.vault.make()
    await scene.learn(key_id)
    before, record = scene.ring.generation, scene.vault.records[key_id]
    if what == "deleted":
        del scene.vault.records[key_id]
    elif what != "the same":
        changed = record.rotated("e", record.created, 0) if what == "rotated" else replace(record, revoked=1)
        scene.vault.records[key_id] = changed
    await scene.ring._refresh(scene.vault)  # type: ignore[arg-type]
    assert (scene.ring.generation > before) == (what != "the same")
    assert isinstance(scene.look(key_id), Known) == (what != "deleted")


async def test_keys_in_use_are_kept_fresh_and_noted_and_idle_ones_are_not() -> None:
    scene = Scene()
    used, idle = scene.vault.make(), scene.vault.make()
    await asyncio.gather(scene.learn(used), scene.learn(idle))
    scene.ring._known[idle].used -= 10 * STALE
    scene.ring._known[idle].noted = later(0).boot
    scene.look(used)
    await scene.ring._refresh(scene.vault)  # type: ignore[arg-type]
    assert scene.vault.reads[-1] == [used]
    assert scene.vault.noted == [used]
    scene.look(used)
    await scene.ring._refresh(scene.vault)  # type: ignore[arg-type]
    assert scene.vault.noted == [used]  # once a minute


async def test_no_more_records_are_held_than_there_may_be_keys() -> None:
    scene = Scene(most=5)
    for _ in range(9):
        await scene.learn(scene.vault.make())
    assert len(scene.ring._known) == 5


async def test_under_another_pepper_no_key_is_known() -> None:
    scene = Scene()
    key_id = scene.vault.make()
    await scene.learn(key_id)
    before = scene.ring.generation
    scene.ring.take(Pepper("f", b"q" * 32), 1)
    assert scene.ring.generation > before
    assert not isinstance(scene.look(key_id), Known)


async def test_whoever_waits_when_it_ends_is_told() -> None:
    scene, held = Scene(), asyncio.Event()

    async def never(_: Any) -> Found:
        await held.wait()
        raise AssertionError

    scene.vault.read = never  # type: ignore[method-assign]
    waiting = asyncio.create_task(scene.learn(form.new_id()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await scene.ring.close()
    with pytest.raises(StoreError):
        await asyncio.wait_for(waiting, 10)


async def test_a_reply_that_was_under_way_while_this_process_changed_a_record_does_not_bring_the_old_one_back() -> None:
    scene = Scene()
    key_id = scene.vault.make()
    await scene.learn(key_id)
    old = scene.vault.records[key_id]
    reading = asyncio.ensure_future(scene.ring._refresh(scene.vault))  # type: ignore[arg-type]
    await asyncio.sleep(0)  # it is asked for
    scene.vault.records[key_id] = new = replace(old, revoked=1)
    scene.ring.adopt(new)
    scene.vault.records[key_id] = old  # as it was when the store read it
    await reading
    assert scene.ring.revoked(key_id)


async def test_after_a_lift_a_key_is_read_again_before_it_is_allowed_once_more() -> None:
    scene = Scene()
    key_id = scene.vault.make()
    await scene.learn(key_id)
    before = scene.ring.generation
    old = scene.vault.records[key_id]
    reading = asyncio.ensure_future(scene.ring._refresh(scene.vault))  # type: ignore[arg-type]
    await asyncio.sleep(0)  # it is asked for
    scene.vault.records[key_id] = replace(old, revoked=1)
    scene.ring.doubt()
    assert scene.ring.generation > before  # nothing that is prepared or cached of it holds
    assert isinstance(scene.look(key_id), Pending)
    assert scene.ring.age(key_id, later(0)) == float("inf")
    scene.vault.records[key_id] = old  # as it was when the store read it
    await reading
    assert isinstance(scene.look(key_id), Pending)  # that reply may be of before the lift
    scene.vault.records[key_id] = replace(old, revoked=1)
    await scene.learn(key_id)
    assert isinstance(scene.look(key_id), Known)
    assert scene.ring.revoked(key_id)
