"""Revoking, lifting, resetting and listing through a real server."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.fleet import ISSUER, until, worker

from bearerd._native.revocations import EVERY_KEY, FOREVER
from bearerd.errors import StoreError, StoreFull
from bearerd.store import entries
from bearerd.store.entries import Kind
from bearerd.store.names import Names
from bearerd.store.server import Durability

if TYPE_CHECKING:
    from support.valkey import Valkey


async def test_a_revocation_through_one_process_is_enforced_by_the_other(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet) as one, worker(shared_server.url, fleet) as other:
        assert not other.revoked("token-1")
        written = await one.writer.revoke(Kind.TOKEN, ISSUER, "token-1")
        assert (written.acknowledged, written.complete) == ("enforced", True)
        assert one.revoked("token-1")
        assert other.revoked("token-1")
        assert not other.revoked("token-2")
        assert not other.revoked("token-1", issuer="https://other.example.com")


@pytest.mark.parametrize("kind", Kind)
async def test_every_kind_is_revoked_and_lifted(shared_server: Valkey, fleet: str, kind: Kind) -> None:
    value = "" if kind is Kind.ISSUER else "it"
    async with worker(shared_server.url, fleet) as one, worker(shared_server.url, fleet) as other:
        await one.writer.revoke(kind, ISSUER, value)
        assert other.revoked(value, kind)
        assert one.writer.in_force(kind, ISSUER, value) > 0
        lifted = await other.writer.lift(kind, ISSUER, value)
        assert lifted.acknowledged == "enforced"
        assert not one.revoked(value, kind)
        assert not other.revoked(value, kind)
        await one.writer.revoke(kind, ISSUER, value)
        assert other.revoked(value, kind)


async def test_a_subjects_later_tokens_are_good(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet) as one:
        await one.writer.revoke(Kind.SUBJECT, ISSUER, "alice", before=1_700_000_000)
        assert one.revoked("alice", Kind.SUBJECT, issued_at=1_700_000_000)
        assert not one.revoked("alice", Kind.SUBJECT, issued_at=1_700_000_001)


async def test_a_lift_works_for_a_key_that_the_store_does_not_have(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet) as one:
        assert (await one.writer.lift(Kind.SESSION, ISSUER, "unknown")).acknowledged == "enforced"
        assert [entry.cutoff for entry in await one.writer.page()] == [0]


async def test_a_reset_undoes_everything_before_it_and_nothing_after(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet) as one, worker(shared_server.url, fleet) as other:
        for number in range(5):
            await one.writer.revoke(Kind.TOKEN, ISSUER, f"t{number}", ack="stored")
        assert (await one.writer.reset()).acknowledged == "enforced"
        assert not any(other.revoked(f"t{number}") for number in range(5))
        await one.writer.revoke(Kind.TOKEN, ISSUER, "later")
        assert other.revoked("later")


async def test_entries_are_listed_in_pages(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet) as one:
        for number in range(5):
            await one.writer.revoke(Kind.TOKEN, ISSUER, f"t{number}", until=time.time() + number * 4000, ack="stored")
        await one.writer.revoke(Kind.SESSION, ISSUER, "s", ack="stored")
        await one.writer.reset(ack="stored")
        seen, after = [], 0
        while page := await one.writer.page(after, 2):
            assert len(page) <= 2
            seen += page
            after = page[-1].sequence
        assert [entry.sequence for entry in seen] == [1, 2, 3, 4, 5, 6, 7]
        assert seen[0].key == entries.key(Kind.TOKEN, ISSUER, "t0")
        assert seen[5].expiry == FOREVER
        assert (seen[6].key, seen[6].cutoff) == (EVERY_KEY, 0)
        assert [entry.at for entry in seen] == sorted(entry.at for entry in seen)


async def test_what_is_not_of_the_fleet_makes_no_page_shorter(shared_server: Valkey, fleet: str) -> None:
    """Whoever pages takes one that is not full for the last."""
    async with worker(shared_server.url, fleet) as one:
        for number in range(6):
            await one.writer.revoke(Kind.TOKEN, ISSUER, f"t{number}", ack="stored")
        log = one.sync.log
        async with one.sync.client.borrow() as link:
            (bucket,) = await log.buckets(link)
            for sequence in (1, 2, 4):
                member = dict(await log.page(link, bucket, 0, 100))[sequence]
                await link.call("ZREM", log.names.bucket(bucket), member)
                await link.call("ZADD", log.names.bucket(bucket), sequence, member + b"of another key")
        assert [entry.sequence for entry in await one.writer.page(0, 2)] == [3, 5]
        assert [entry.sequence for entry in await one.writer.page(5, 2)] == [6]


async def test_entries_lie_in_hourly_buckets_that_expire_after_them(shared_server: Valkey, fleet: str) -> None:
    names = Names(fleet)
    end = int(time.time()) + 10 * 3600
    async with worker(shared_server.url, fleet) as one:
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t", until=end)
        await one.writer.revoke(Kind.SESSION, ISSUER, "s")
    hour = str(end // 3600)
    assert shared_server.call("ZRANGE", names.buckets, 0, -1) == [hour.encode(), b"forever"]
    assert shared_server.call("EXPIRETIME", names.bucket(hour)) == (end // 3600 + 2) * 3600
    assert shared_server.call("EXPIRETIME", names.bucket("forever")) == -1
    assert shared_server.call("ZCARD", names.bucket(hour)) == 1


async def test_at_the_limit_nothing_more_is_acknowledged_but_lifts_and_resets_are(server: Valkey) -> None:
    async with worker(server.url, most=10) as one:
        for number in range(10):
            await one.writer.revoke(Kind.TOKEN, ISSUER, f"t{number}", ack="stored")
        with pytest.raises(StoreFull):
            await one.writer.revoke(Kind.TOKEN, ISSUER, "one too many")
        assert len(await one.writer.page(0, 1000)) == 10
        assert (await one.writer.lift(Kind.TOKEN, ISSUER, "t0")).complete
        assert (await one.writer.reset()).complete
        assert not one.revoked("t1")


@pytest.mark.parametrize(
    ("kind", "issuer", "value", "more", "wrong"),
    [
        (Kind.TOKEN, "", "t", {}, "issuer"),
        (Kind.TOKEN, ISSUER, "", {}, "value"),
        (Kind.ISSUER, ISSUER, "alice", {}, "value"),
        (Kind.SUBJECT, ISSUER, "a", {"before": 0}, "before"),
        (Kind.SUBJECT, ISSUER, "a", {"expires_in": 1}, "never shorten"),
        (Kind.TOKEN, ISSUER, "\ud800", {}, "surrogates"),
    ],
)
async def test_what_makes_no_sense_is_a_value_error_and_writes_nothing(
    shared_server: Valkey, fleet: str, kind: Kind, issuer: str, value: str, more: dict[str, Any], wrong: str
) -> None:
    async with worker(shared_server.url, fleet) as one:
        with pytest.raises(ValueError, match=wrong):
            await one.writer.revoke(kind, issuer, value, **more)
        assert await one.writer.page() == []


async def test_an_issuer_may_be_named_by_itself(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet) as one:
        await one.writer.revoke(Kind.ISSUER, ISSUER, ISSUER)
        assert one.revoked("", Kind.ISSUER)


async def test_an_acknowledgement_names_the_durability_that_it_got(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet, durability=Durability(fsync=True)) as one:
        written = await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        assert (written.acknowledged, written.durability, written.missing) == ("enforced", "fsync", ())


async def test_a_durability_that_is_not_reached_is_not_acknowledged(shared_server: Valkey, fleet: str) -> None:
    wanted = Durability(replicas=1)
    async with worker(shared_server.url, fleet, durability=wanted, enforce_timeout=0.3) as one:
        for ack in ("stored", "enforced"):
            written = await one.writer.revoke(Kind.TOKEN, ISSUER, "t", ack=ack)
            assert (written.acknowledged, written.durability, written.complete) == (None, "memory", False)
            assert written.missing == ("durability replicas=1",)
            assert written.enforced_by is not None


async def test_two_fleets_on_one_server_know_nothing_of_each_other(shared_server: Valkey, fleet: str) -> None:
    async with (
        worker(shared_server.url, fleet) as ours,
        worker(shared_server.url, fleet + "-other") as theirs,
    ):
        await ours.writer.revoke(Kind.TOKEN, ISSUER, "t")
        await theirs.sync.caught_up()
        assert not theirs.revoked("t")
        assert await theirs.writer.page() == []


async def test_writers_at_the_same_time_all_succeed_in_an_order_that_all_see(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet) as one, worker(shared_server.url, fleet) as other:
        done = await asyncio.gather(
            *(
                (one, other)[number % 2].writer.revoke(Kind.TOKEN, ISSUER, f"t{number}", ack="stored")
                for number in range(40)
            )
        )
        assert sorted(written.sequence for written in done) == list(range(1, 41))
        listed = await one.writer.page(0, 100)
        assert [entry.at for entry in listed] == sorted({entry.at for entry in listed})
        await other.sync.caught_up()
        assert all(other.revoked(f"t{number}") for number in range(40))


async def test_a_cancelled_request_leaves_the_writer_able_to_work(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet) as one:
        for number in range(20):
            task = asyncio.create_task(one.writer.revoke(Kind.TOKEN, ISSUER, f"cancelled-{number}"))
            await asyncio.sleep(number * 0.0002)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        written = await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        assert written.complete
        assert one.revoked("t")


async def test_a_process_that_was_never_in_step_writes_nothing(fleet: str) -> None:
    async with worker("redis://127.0.0.1:1", fleet, joined=False, enforce_timeout=0.2) as one:
        with pytest.raises(StoreError, match="unreachable"):
            await one.writer.revoke(Kind.TOKEN, ISSUER, "t")


async def test_a_writer_waits_for_its_first_position(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet, joined=False) as one:
        assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t")).complete


async def test_with_a_fleet_key_entries_are_sealed_and_foreign_ones_refused(
    server: Valkey, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_bytes(b"k" * 32)
    store = {"fleet_key_file": key}
    names = Names("test")
    async with worker(server.url, store=store) as one, worker(server.url, store=store) as other:
        await one.writer.revoke(Kind.SESSION, ISSUER, "s")
        assert other.revoked("s", Kind.SESSION)
        (member,) = server.call("ZRANGE", names.bucket("forever"), 0, -1)
        assert len(member) == 48
        # Somebody who can write the store, without the key.
        server.call("ZADD", names.bucket("forever"), 2, entries.key(Kind.SESSION, ISSUER, "forged") + member[16:])
        server.call("ZADD", names.bucket("forever"), 3, entries.key(Kind.SESSION, ISSUER, "plain") + member[16:32])
        server.call("HSET", names.prefix + "state", "sequence", 3, "head", "f" * 40)
        await until(lambda: min(one.view.refused, other.view.refused) >= 2)
        await other.sync.caught_up()
        assert not other.revoked("forged", Kind.SESSION)
        assert not other.revoked("plain", Kind.SESSION)
        assert other.revoked("s", Kind.SESSION)
        assert [entry.sequence for entry in await one.writer.page()] == [1]
    told = [record.getMessage() for record in caplog.records if "not from the fleet" in record.getMessage()]
    assert len(told) == 2  # once by each of the two


async def test_a_process_with_another_fleet_key_or_none_stops_at_the_door(
    server: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_bytes(b"k" * 32)
    async with worker(server.url, store={"fleet_key_file": key}) as one:
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        async with worker(server.url, joined=False, enforce_timeout=0.2) as stranger:
            await until(lambda: "another schema version or fleet key" in str(stranger.view.problem))
            with pytest.raises(StoreError, match=r"same store\.fleet_key_file"):
                await stranger.writer.revoke(Kind.TOKEN, ISSUER, "x")
            assert stranger.age() == float("inf")
        assert len(await one.writer.page()) == 1


@pytest.mark.parametrize(("name", "value"), [("sequence", "none"), ("at", "inf")])
async def test_a_store_that_answers_in_another_shape_is_at_fault_and_not_the_request(
    server: Valkey, fleet: str, name: str, value: str
) -> None:
    """Somebody else wrote our keys: whoever revokes must hear "later" (503) and not "never" (400, a ValueError)."""
    async with worker(server.url, fleet) as one:
        server.call("HSET", Names(fleet).prefix + "state", name, value)
        with pytest.raises(StoreError):
            await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        server.call("FLUSHALL")
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        await until(lambda: one.revoked("t"))


async def test_how_long_a_revocation_took_is_observed_once_by_each(shared_server: Valkey, fleet: str) -> None:
    async with worker(shared_server.url, fleet) as one, worker(shared_server.url, fleet) as other:
        for number in range(3):
            await one.writer.revoke(Kind.TOKEN, ISSUER, f"t{number}")
        await until(lambda: len(other.delays) == 3)
        assert all(0 <= delay < 60 for delay in other.delays)
        print("propagation (ms):", [round(delay * 1000, 1) for delay in other.delays])
