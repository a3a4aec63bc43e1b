"""The sync loop against real servers that are flushed, restored, killed, stopped, failed over and filled."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.fleet import ISSUER, QUICK, Worker, until, worker
from support.proxy import Proxy
from support.valkey import running

from bearerd._native.revocations import FOREVER, pack
from bearerd.errors import StoreError
from bearerd.store import entries, reconcile, sync
from bearerd.store.entries import Kind
from bearerd.store.names import Names
from bearerd.store.protocol import Position
from bearerd.store.sync import Pace

if TYPE_CHECKING:
    from support.valkey import Valkey

    from bearerd.store.client import Link

NAMES = Names("test")


def far_entry(number: int, at: int = 1_700_000_000_000_000) -> bytes:
    return pack(entries.key(Kind.SESSION, ISSUER, f"s{number}"), FOREVER, FOREVER, at + number)


def lease_of(server: Valkey, lease: str) -> int | None:
    """What a lease has acknowledged."""
    value = server.call("HGET", NAMES.leases, lease)
    return None if value is None else int(value.split()[1])


async def test_a_view_is_infinitely_old_before_its_first_counted_heartbeat(server: Valkey) -> None:
    async with worker(server.url, joined=False) as one:
        assert one.age() == math.inf
        assert one.view.problem
        await one.sync.caught_up()
        assert 0 <= one.age() < 60
        assert one.view.problem is None


async def test_age_runs_from_when_the_heartbeat_was_sent_not_from_its_reply(server: Valkey) -> None:
    async with Proxy(server.port) as proxy, worker(proxy.url) as one:
        proxy.hold()
        held = one.view.counted
        one.sync.wake()
        await asyncio.sleep(0.4)
        assert one.view.counted <= held + 0.2  # only a heartbeat from before the hold may have counted
        before = one.age()
        proxy.release()
        await until(lambda: one.view.counted > held)
        assert one.age() >= before - 0.4 or one.view.counted >= held


async def test_a_flushed_store_is_noticed_and_what_was_lost_is_put_back(server: Valkey) -> None:
    async with worker(server.url) as one, worker(server.url) as other:
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        await one.writer.revoke(Kind.SESSION, ISSUER, "s")
        before = {entry.at for entry in await one.writer.page()}
        server.call("FLUSHALL")
        await until(lambda: server.call("ZCARD", NAMES.bucket("forever")) == 1)
        await asyncio.gather(one.sync.caught_up(), other.sync.caught_up())
        assert {entry.at for entry in await one.writer.page()} == before
        assert one.revoked("t")
        assert other.revoked("t")
        async with worker(server.url) as fresh:
            assert fresh.revoked("t")
            assert fresh.revoked("s", Kind.SESSION)


async def test_put_back_by_several_at_once_puts_back_once(server: Valkey) -> None:
    async with worker(server.url) as one, worker(server.url) as two, worker(server.url) as three:
        for number in range(20):
            await one.writer.revoke(Kind.TOKEN, ISSUER, f"t{number}", ack="stored")
        await asyncio.gather(*(each.sync.caught_up() for each in (one, two, three)))
        server.call("FLUSHALL")
        await asyncio.gather(*(each.sync.caught_up() for each in (one, two, three)))
        assert len(await one.writer.page(0, 100)) == 20


async def test_an_old_dump_loses_nothing_and_raises_nothing_that_was_lifted(server: Valkey) -> None:
    async with worker(server.url) as one:
        await one.writer.revoke(Kind.SESSION, ISSUER, "lifted")
        await one.writer.revoke(Kind.SESSION, ISSUER, "kept")
        server.call("SAVE")
        await one.writer.lift(Kind.SESSION, ISSUER, "lifted")
        await one.writer.revoke(Kind.SESSION, ISSUER, "later")
        server.kill()
        server.start()
        await one.sync.caught_up()
        await until(lambda: server.call("ZCARD", NAMES.bucket("forever")) == 4)
        async with worker(server.url) as fresh:
            assert not fresh.revoked("lifted", Kind.SESSION)
            assert fresh.revoked("kept", Kind.SESSION)
            assert fresh.revoked("later", Kind.SESSION)


async def test_a_reset_stands_after_an_old_dump_is_restored(server: Valkey) -> None:
    async with worker(server.url) as one:
        await one.writer.revoke(Kind.SESSION, ISSUER, "before")
        server.call("SAVE")
        await one.writer.reset()
        await one.writer.revoke(Kind.SESSION, ISSUER, "after")
        server.kill()
        server.start()
        await one.sync.caught_up()
        await until(lambda: server.call("ZCARD", NAMES.bucket("forever")) == 3)
        async with worker(server.url) as fresh:
            assert not fresh.revoked("before", Kind.SESSION)
            assert fresh.revoked("after", Kind.SESSION)


async def test_a_restart_without_persistence_is_mended_and_writing_goes_on(server: Valkey) -> None:
    async with worker(server.url) as one:
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t1")
        server.kill()
        server.start()
        await one.sync.caught_up()
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t2", ack="stored")
        async with worker(server.url) as fresh:
            assert fresh.revoked("t1")
            assert fresh.revoked("t2")


async def test_a_writer_that_meets_a_flushed_store_puts_back_before_it_writes(server: Valkey) -> None:
    slow = Pace(lease=30.0, heartbeat=20.0, round=0.1)
    async with worker(server.url, pace=slow) as one:
        await one.writer.revoke(Kind.SESSION, ISSUER, "first")
        server.call("FLUSHALL")
        await one.writer.revoke(Kind.SESSION, ISSUER, "second", ack="stored")
        members = server.call("ZRANGE", NAMES.bucket("forever"), 0, -1)
        assert [member[:16] for member in members] == [
            entries.key(Kind.SESSION, ISSUER, "first"),
            entries.key(Kind.SESSION, ISSUER, "second"),
        ]


async def test_after_a_flush_enforced_is_not_said_until_lost_leases_have_lapsed(server: Valkey) -> None:
    async with worker(server.url, enforce_timeout=1.0) as one:
        assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t1")).acknowledged == "enforced"
        server.call("FLUSHALL")
        await one.sync.caught_up()
        written = await one.writer.revoke(Kind.TOKEN, ISSUER, "t2")
        assert written.acknowledged == "stored"
        assert any("leases" in what for what in written.missing)
        assert written.enforced_by is not None
        assert written.enforced_by >= time.time() + QUICK.lease


async def test_a_process_that_did_not_start_the_store_says_enforced_only_after_the_longest_lease(
    server: Valkey,
) -> None:
    pace = Pace(lease=0.5, heartbeat=0.05, round=0.1)
    async with worker(server.url, ours=False, pace=pace, enforce_timeout=0.2) as one:
        assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t")).acknowledged == "stored"
        await asyncio.sleep(pace.lease + sync.GRACE)
        await until(lambda: one.age() < pace.lease)
        one.writer._timeout = 10.0
        assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t")).acknowledged == "enforced"


async def test_a_live_lease_that_lacks_the_entry_stands_in_the_way_and_is_named(server: Valkey) -> None:
    async with worker(server.url, enforce_timeout=0.3) as one:
        ghost = f"{int(time.time() * 1000) + 60_000} 0"
        server.call("HSET", NAMES.leases, "ghost", ghost)
        written = await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        assert written.acknowledged == "stored"
        assert written.missing == ("ghost",)
        await sync.release(one.client, "ghost")
        assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t")).acknowledged == "enforced"


async def test_a_lapsed_lease_stands_in_nobodys_way(server: Valkey) -> None:
    async with worker(server.url) as one:
        server.call("HSET", NAMES.leases, "ghost", f"{int(time.time() * 1000) - 1} 0")
        assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t")).acknowledged == "enforced"


async def test_a_worker_that_hangs_is_waited_for_and_confirms_by_its_next_heartbeat(server: Valkey) -> None:
    async with Proxy(server.port) as proxy, worker(server.url, enforce_timeout=0.3) as one, worker(proxy.url) as slow:
        proxy.hold()
        written = await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        assert written.missing == (slow.sync.lease,)
        proxy.release()
        await until(lambda: slow.revoked("t"))
        await until(lambda: lease_of(server, slow.sync.lease) == 1)


async def test_what_a_heartbeat_brought_is_confirmed_at_once_not_by_the_next_interval(server: Valkey) -> None:
    slow = Pace(lease=100.0, heartbeat=60.0, round=0.1)
    async with worker(server.url, pace=slow) as one, worker(server.url, pace=slow) as other:
        assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t")).acknowledged == "enforced"
        assert lease_of(server, other.sync.lease) == 1


async def test_a_fresh_worker_takes_no_lease_before_the_others_had_a_round_to_put_back(server: Valkey) -> None:
    pace = Pace(lease=8.0, heartbeat=0.1, round=0.6)
    async with worker(server.url, ours=False, joined=False, pace=pace) as one:
        await one.sync.positioned()
        assert server.call("HLEN", NAMES.leases) == 0
        assert one.age() == math.inf
        assert "joining" in str(one.view.problem)
        await one.sync.caught_up()
        assert server.call("HLEN", NAMES.leases) == 1


def recorded(one: Worker) -> list[bool]:
    """Every further reading of this worker: whether it took a lease with it."""
    readings: list[bool] = []
    settle = one.sync._settle

    async def record(link: Link, *, leased: bool) -> tuple[float, bool]:
        readings.append(leased)
        return await settle(link, leased=leased)

    one.sync._settle = record  # type: ignore[method-assign]
    return readings


async def test_a_worker_that_joins_reads_without_a_lease_first(server: Valkey) -> None:
    async with worker(server.url, ours=False, joined=False) as fresh:
        readings = recorded(fresh)
        await fresh.sync.caught_up()
        assert readings[:2] == [False, True]


async def test_a_flush_while_it_joins_begins_the_wait_anew(server: Valkey) -> None:
    pace = Pace(lease=8.0, heartbeat=0.1, round=0.6)
    async with worker(server.url) as old:
        await old.writer.revoke(Kind.TOKEN, ISSUER, "t")
        async with worker(server.url, ours=False, joined=False, pace=pace) as fresh:
            readings = recorded(fresh)
            await fresh.sync.positioned()
            server.call("FLUSHALL")
            await fresh.sync.caught_up()
            assert readings[:4] == [False, True, False, True]
            assert fresh.revoked("t")


async def test_while_others_still_put_back_the_wait_begins_anew(server: Valkey) -> None:
    pace = Pace(lease=8.0, heartbeat=0.1, round=0.6)
    async with worker(server.url, ours=False, joined=False, pace=pace) as fresh:
        readings = recorded(fresh)
        await fresh.sync.positioned()
        link = await fresh.client.link()
        assert await fresh.sync.log.put_back(link, far_entry(1), 100) == 1  # its ``at`` is long past
        await fresh.sync.caught_up()
        assert readings[:4] == [False, True, False, True]


async def test_what_is_revoked_while_it_joins_does_not_prolong_the_wait(server: Valkey) -> None:
    pace = Pace(lease=8.0, heartbeat=0.1, round=0.6)
    async with worker(server.url) as old, worker(server.url, ours=False, joined=False, pace=pace) as fresh:
        readings = recorded(fresh)
        await fresh.sync.positioned()
        await old.writer.revoke(Kind.TOKEN, ISSUER, "t", ack="stored")
        await fresh.sync.caught_up()
        assert readings[:2] == [False, True]
        assert False not in readings[2:]
        assert fresh.revoked("t")


async def test_a_new_word_is_later_than_every_word_that_its_writer_knows(server: Valkey) -> None:
    ahead = (int(time.time()) + 3600) * 1_000_000  # written on a server whose clock led ours by an hour
    async with worker(server.url) as one:
        await one.view.apply(pack(entries.key(Kind.SESSION, ISSUER, "s"), FOREVER, FOREVER, ahead))
        await one.writer.lift(Kind.SESSION, ISSUER, "s")
        assert not one.revoked("s", Kind.SESSION)


async def test_a_worker_whose_lease_ran_out_waits_a_round_again(server: Valkey) -> None:
    pace = Pace(lease=0.4, heartbeat=0.05, round=0.5)
    async with worker(server.url, pace=pace, timeout=0.5) as one:
        server.pause()
        await until(lambda: one.age() > 1.0)
        server.resume()
        await until(lambda: "joining" in str(one.view.problem))
        await one.sync.caught_up()


async def test_a_worker_whose_lease_runs_out_while_it_mends_joins_like_any_other(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = Pace(lease=0.8, heartbeat=0.05, round=0.1)
    everything = reconcile.everything

    async def slowly(*args: Any) -> list[bytes]:
        await asyncio.sleep(1.0)
        return await everything(*args)

    async with worker(server.url, pace=pace) as one:
        one.sync._trusted = False
        readings = recorded(one)
        monkeypatch.setattr(reconcile, "everything", slowly)
        server.call("FLUSHALL")
        await until(lambda: "joining" in str(one.view.problem))
        assert one.age() > pace.lease
        monkeypatch.setattr(reconcile, "everything", everything)
        await one.sync.caught_up()
        assert False in readings


async def test_a_hanging_store_counts_as_gone_and_the_view_grows_old(server: Valkey) -> None:
    async with worker(server.url, timeout=0.3) as one:
        server.pause()
        try:
            await until(lambda: "no answer" in str(one.view.problem) or "unreachable" in str(one.view.problem))
            await until(lambda: one.age() > 0.5)
        finally:
            server.resume()
        await one.sync.caught_up()
        assert one.view.problem is None


async def test_a_known_revocation_stays_in_force_while_the_store_is_away(server: Valkey) -> None:
    async with worker(server.url) as one:
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        server.kill()
        await until(lambda: one.view.problem is not None)
        assert one.revoked("t")
        with pytest.raises(StoreError):
            await one.writer.revoke(Kind.TOKEN, ISSUER, "t2")


async def test_more_than_a_reply_holds_is_paged_and_confirmed(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "_MOST", 3)
    monkeypatch.setattr("bearerd.store.reconcile._PAGE", 2)
    async with Proxy(server.port) as proxy, worker(server.url) as one, worker(proxy.url) as behind:
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        await behind.sync.caught_up()
        proxy.hold()
        for number in range(8):
            await one.writer.revoke(Kind.SESSION, ISSUER, f"s{number}", ack="stored")
            await one.writer.revoke(Kind.TOKEN, ISSUER, f"t{number}", ack="stored")
        proxy.release()
        await behind.sync.caught_up()
        assert all(behind.revoked(f"s{n}", Kind.SESSION) and behind.revoked(f"t{n}") for n in range(8))
        await one.sync.caught_up()
        assert behind.view.position == one.view.position
        assert behind.sync._breaks == 1  # the first read, when it had no position yet


async def test_everything_is_read_in_pages_at_the_start(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bearerd.store.reconcile._PAGE", 7)
    async with worker(server.url) as one:
        await one.view.apply(b"".join(far_entry(number) for number in range(100)))
        server.call("FLUSHALL")
        await one.sync.caught_up()
        async with worker(server.url) as fresh:
            assert len(fresh.view.table) == 100


async def test_a_large_table_is_applied_and_compared_in_chunks(server: Valkey) -> None:
    count = 5000
    async with worker(server.url, most=10_000) as one:
        await one.view.apply(b"".join(far_entry(number) for number in range(count)))
        server.call("FLUSHALL")
        await one.sync.caught_up()
        assert server.call("ZCARD", NAMES.bucket("forever")) == count


async def test_a_store_that_holds_more_than_fits_leaves_the_worker_behind(server: Valkey) -> None:
    async with worker(server.url, most=4000) as one:
        await one.view.apply(b"".join(far_entry(number) for number in range(2500)))
        server.call("FLUSHALL")
        await one.sync.caught_up()
        async with worker(server.url, most=100, joined=False) as small:
            await until(lambda: "max_revocations" in str(small.view.problem))
            assert small.age() == math.inf


async def test_what_does_not_fit_into_the_store_is_never_counted_as_put_back(server: Valkey) -> None:
    async with worker(server.url, most=100) as one, worker(server.url, most=4000) as big:
        await big.view.apply(b"".join(far_entry(number) for number in range(1000)))
        big.view.capacity = 50  # its share of the limit; the table itself holds more
        held = one.view.counted
        server.call("FLUSHALL")
        await until(lambda: "max_revocations" in str(big.view.problem))
        await until(lambda: one.view.counted > held)
        assert server.call("ZCARD", NAMES.bucket("forever")) < 1000


async def test_an_observer_takes_no_lease_and_can_still_write(server: Valkey) -> None:
    async with worker(server.url, lease="") as one:
        assert server.call("HLEN", NAMES.leases) == 0
        assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t")).acknowledged == "enforced"
        await one.sync.release()


async def test_a_lease_is_given_up_at_the_end(server: Valkey) -> None:
    async with worker(server.url) as one:
        assert lease_of(server, one.sync.lease) == 0
    async with worker(server.url, lease="mine", joined=False) as last:
        await until(lambda: lease_of(server, "mine") == 0)
        last.sync._link = None
    client = last.client
    await sync.release(client, "mine")
    await client.close()
    assert lease_of(server, "mine") is None


async def test_leases_that_lapsed_long_ago_are_swept_when_a_new_one_is_taken(server: Valkey) -> None:
    server.call("HSET", NAMES.leases, "ancient", "1000 5", "recent", f"{int(time.time() * 1000) - 1000} 5")
    async with worker(server.url):
        assert lease_of(server, "ancient") is None
        assert lease_of(server, "recent") == 5


async def test_a_server_that_begins_to_evict_is_left_at_the_next_connection(server: Valkey) -> None:
    async with worker(server.url) as one:
        server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        server.call("CLIENT", "KILL", "TYPE", "normal")
        await until(lambda: "allkeys-random" in str(one.view.problem))
        server.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await one.sync.caught_up()


async def test_an_answer_of_another_shape_ages_the_view_and_does_not_end_the_loop(
    server: Valkey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with worker(server.url) as one:
        server.call("HSET", NAMES.prefix + "state", "sequence", "garbage")
        await until(lambda: one.view.problem is not None)
        held = one.view.counted
        server.call("DEL", NAMES.prefix + "state")
        await until(lambda: one.view.counted > held)

        async def nonsense(*_: object) -> None:
            raise IndexError("short reply")

        with monkeypatch.context() as patch:
            patch.setattr(one.sync.log, "beat", nonsense)
            await until(lambda: one.view.problem == "sync failed: IndexError")
        await one.sync.caught_up()
        assert "sync failed" in caplog.text


async def test_a_jump_of_the_stores_clock_is_a_break(server: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    async with worker(server.url) as one:
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        breaks = one.sync._breaks
        assert one.sync._skew is not None
        low, high = one.sync._skew
        one.sync._skew = (low - 5, high - 5)
        await one.sync.caught_up()
        assert one.sync._breaks > breaks
        assert one.sync._since is not None
        assert "does not know our position" not in caplog.text
        assert one.sync._since > 0  # the time of holding the connection is counted anew
        assert one.revoked("t")


async def test_what_has_ended_is_dropped_however_often_it_is_rung(server: Valkey) -> None:
    async with worker(server.url) as one, worker(server.url) as other:
        ended = pack(entries.key(Kind.SESSION, ISSUER, "s"), FOREVER, int(time.time()) + 1, 1)
        one.view.table.apply(ended, int(time.time()) - 10)
        ringing = asyncio.create_task(_rung_for_ever(one))
        await until(lambda: len(one.view.table) == 0)
        ringing.cancel()
        await other.sync.caught_up()


async def _rung_for_ever(one: Worker) -> None:
    while True:
        one.sync.wake()
        await asyncio.sleep(0.01)


async def test_how_much_a_look_brought_is_told_to_the_breath(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    async with worker(server.url) as one, worker(server.url) as other:
        monkeypatch.setattr(other.sync._breath, "draw", lambda brought: _drawn(told, brought))
        for number in range(12):
            await one.writer.revoke(Kind.TOKEN, ISSUER, f"t{number}", ack="stored")
        await until(lambda: other.revoked("t11"))
        await until(lambda: told[-2:] == [0, 0])  # told of once, and not again
        assert sum(told) == 12


async def _drawn(told: list[int], brought: int) -> None:
    told.append(brought)
    await asyncio.sleep(0.05)


async def test_the_doorbell_is_heard_again_after_a_restart_and_after_a_flush(server: Valkey) -> None:
    slow = Pace(lease=100.0, heartbeat=60.0, round=0.1)
    async with worker(server.url, pace=slow) as one, worker(server.url, pace=slow) as other:
        server.kill()
        server.start()
        await until(lambda: other.view.problem is None and one.view.problem is None)
        await one.sync.caught_up()
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t1", ack="stored")
        await until(lambda: other.revoked("t1"))
        server.call("FLUSHALL")
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t2", ack="stored")
        await until(lambda: other.revoked("t2"))


async def test_a_doorbell_that_was_set_back_is_found_again(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bearerd.store.doorbell._BLOCK", 0.2)
    slow = Pace(lease=100.0, heartbeat=60.0, round=0.1)
    server.call("XADD", NAMES.bell, "99999999999999-1", "log", "1")  # the server's clock ran ahead then
    async with worker(server.url, pace=slow) as one, worker(server.url, pace=slow) as other:
        await asyncio.gather(one.sync.caught_up(), other.sync.caught_up())
        server.call("DEL", NAMES.bell)
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t", ack="stored")
        await until(lambda: other.revoked("t"))


async def test_a_broken_doorbell_delays_and_loses_nothing(server: Valkey) -> None:
    server.call("SET", NAMES.bell + "x", "1")
    async with worker(server.url) as one, worker(server.url) as other:
        one.sync._bell._client = None  # type: ignore[assignment] - every attempt to listen fails
        server.call("CLIENT", "KILL", "TYPE", "normal")
        await asyncio.gather(one.sync.caught_up(), other.sync.caught_up())
        await other.writer.revoke(Kind.TOKEN, ISSUER, "t", ack="stored")
        await until(lambda: one.revoked("t"))


async def test_with_a_replica_a_heartbeat_counts_only_when_the_replica_has_it(
    server: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("replica")
    with running(home, replicaof=f"127.0.0.1 {server.port}") as replica:
        await until(lambda: b"state=online" in server.call("INFO", "replication"))
        async with worker(server.url, timeout=1.0, enforce_timeout=5.0) as one:
            assert (await one.writer.revoke(Kind.TOKEN, ISSUER, "t1")).acknowledged == "enforced"
            replica.pause()
            await until(lambda: one.view.problem == "no replica confirms the heartbeat")
            held = one.view.counted
            one.writer._timeout = 4.0  # long enough for a heartbeat to acknowledge it, were there a replica
            written = await one.writer.revoke(Kind.TOKEN, ISSUER, "t2")
            assert written.acknowledged == "stored"
            assert "a replica" in written.missing
            assert one.view.counted == held
            replica.resume()
            await one.sync.caught_up()


async def test_a_lost_position_makes_the_acknowledgement_wait(server: Valkey) -> None:
    async with worker(server.url) as one:
        member = one.sync.log.sealed(far_entry(1))
        found = await one.sync.enforced(member, 1.0)
        assert (found.done, found.lost) == (False, True)
        one.view.position = Position(99, "f" * 40)
        found = await one.sync.enforced(member, 1.0)
        assert (found.done, found.lost) == (False, False)
        assert "a position that the store knows" in found.missing


async def test_nothing_is_enforced_without_a_connection(server: Valkey) -> None:
    async with worker("redis://127.0.0.1:1", joined=False) as one:
        with pytest.raises(StoreError, match="not connected"):
            await one.sync.enforced(b"m" * 32, 1.0)


async def test_a_position_far_back_is_still_found_until_its_head_is_trimmed(server: Valkey) -> None:
    async with worker(server.url) as one:
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t1")
        old = one.view.position
        assert old is not None
        await one.writer.revoke(Kind.TOKEN, ISSUER, "t2")
        link = await one.client.link()
        assert (await one.sync.log.beat(link, old, "", 1.0, 10)).known
        assert not (await one.sync.log.beat(link, Position(0, ""), "", 1.0, 10)).known
        assert not (await one.sync.log.beat(link, Position(1, "0" * 40), "", 1.0, 10)).known
        assert not (await one.sync.log.beat(link, Position(2, old.head), "", 1.0, 10)).known
        assert not (await one.sync.log.beat(link, Position(7, old.head), "", 1.0, 10)).known
        server.call("ZREMRANGEBYSCORE", NAMES.prefix + "heads", "-inf", 1)
        assert not (await one.sync.log.beat(link, old, "", 1.0, 10)).known


async def test_entries_that_expired_meanwhile_are_not_put_back_for_ever(server: Valkey) -> None:
    past = pack(entries.key(Kind.TOKEN, ISSUER, "old"), FOREVER, int(time.time()) - 10_000, 1)
    async with worker(server.url) as one:
        link = await one.client.link()
        assert await one.sync.log.put_back(link, past, 100) == 0
        assert await one.sync.log.put_back(link, far_entry(1), 100) == 1
        assert await one.sync.log.put_back(link, far_entry(1), 100) == 0
        assert await one.sync.log.put_back(link, far_entry(2) + far_entry(3), 2) == -1


def test_the_pace_follows_the_staleness() -> None:
    assert Pace.of(30.0, 2.0) == Pace(30.0, 3.0, 5.0)
    assert Pace.of(1.0, 0.5) == Pace(1.0, 0.5, 1.0)
    assert Pace.of(600.0, 2.0).heartbeat == 3.0


def test_a_lease_is_named_anew_each_time() -> None:
    assert sync.new_lease() != sync.new_lease()


async def test_attempts_to_reconnect_grow_rarer_to_a_heartbeat_and_each_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[tuple[float, float]] = []

    class Dice:
        def uniform(self, low: float, high: float) -> float:
            drawn.append((low, high))
            return 0.0

    monkeypatch.setattr(sync, "random", Dice())
    async with worker("redis://127.0.0.1:1", joined=False, pace=Pace(lease=8.0, heartbeat=0.5, round=1.0)):
        await until(lambda: len(drawn) > 7)
    assert drawn[:7] == [(high / 2, high) for high in (0.1, 0.2, 0.4, 0.5, 0.5, 0.5, 0.5)]
