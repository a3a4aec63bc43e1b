"""Workers share what one of them has fetched, and the fetches that strangers can cause are bounded for all together."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support import jose
from support.issuer import JWKS, OPENID, Answer, Gate, ScriptedIssuer, until
from support.keepers import Fleet, Stored, Worker, running, table

from bearerd._native import clock
from bearerd.decision import Now, Pending
from bearerd.issuers import keeper
from bearerd.issuers.keyset import Origin
from bearerd.jws.keys import Key
from bearerd.refusals import Code, Refusal

COOLDOWN = 600.0


def code(found: Any) -> Code | None:
    return found.code if isinstance(found, Refusal) else None


def stored(server: ScriptedIssuer, *, at: float, uri: str | None = "", document: Any = None) -> Stored:
    body = document if isinstance(document, bytes) else json.dumps(document or server.jwks()).encode()
    return Stored(body, f"{server.url}{JWKS}" if uri == "" else uri, None, at, at + 300)


async def test_one_fetch_serves_the_fleet() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        workers = [Worker(table(server), fleet=fleet) for _ in range(5)]
        found = await asyncio.gather(*(worker.resolve(server.issuer) for worker in workers))
        assert all(isinstance(key, Key) for key in found)
        assert (server.count(OPENID), server.count(JWKS)) == (1, 1)


async def test_a_rotation_seen_by_one_worker_serves_all_with_one_fetch() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        workers = [Worker(table(server, unknown_kid_cooldown=COOLDOWN), fleet=fleet) for _ in range(3)]
        async with running(*workers):
            await until(lambda: all(worker.only().key_set for worker in workers))
            before = server.count()
            server.rotate("second", overlap=False)
            assert isinstance(await workers[0].resolve(server.issuer, "second"), Key)
            await until(lambda: all(isinstance(worker.select(server.issuer, "second"), Key) for worker in workers))
            assert not any(isinstance(worker.select(server.issuer, "first"), Key) for worker in workers)
        assert (before, server.count()) == (1, 2)


async def test_unknown_kids_cause_one_fetch_a_cool_down_over_all_workers() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        workers = [Worker(table(server, unknown_kid_cooldown=COOLDOWN), fleet=fleet) for _ in range(4)]
        await asyncio.gather(*(worker.resolve(server.issuer) for worker in workers))
        tries = [worker.resolve(server.issuer, f"made up {number}") for worker in workers for number in range(20)]
        assert {code(refusal) for refusal in await asyncio.gather(*tries)} == {Code.UNKNOWN_KEY}
        assert server.count() == 2


async def test_a_worker_that_may_not_fetch_for_a_kid_waits_for_the_one_that_does() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        one, other = (Worker(table(server, unknown_kid_cooldown=0.05), fleet=fleet) for _ in range(2))
        await asyncio.gather(one.resolve(server.issuer), other.resolve(server.issuer))
        await asyncio.sleep(0.1)  # the fleet's last question is older than the cool-down
        server.rotate("second")
        gate = Gate(Answer(server.jwks()))
        server.on(JWKS, gate)
        first = asyncio.create_task(one.resolve(server.issuer, "second"))
        await gate.entered.wait()
        second = asyncio.create_task(other.resolve(server.issuer, "second"))
        await asyncio.sleep(0.05)
        assert not second.done()
        gate.open.set()
        assert isinstance(await first, Key)
        assert isinstance(await second, Key)
        assert server.count() == 2


async def test_a_new_worker_starts_with_the_keys_of_the_store() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        await Worker(table(server), fleet=fleet).resolve(server.issuer)
    worker = Worker(table(server), fleet=fleet)
    await worker.refresher.load()
    assert isinstance(worker.select(server.issuer), Key)
    key_set = worker.only().key_set
    assert key_set is not None
    assert key_set.origin is Origin.STORE


async def test_the_store_and_the_disk_give_whichever_keys_are_newer(tmp_path: Any) -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        await Worker(table(server), data_dir=tmp_path).resolve(server.issuer)
        newer = Worker(table(server), data_dir=tmp_path, fleet=fleet)
        fleet.documents[newer.only().place] = stored(server, at=1000.0)
        await newer.refresher.load()
        assert newer.only().key_set
        assert newer.only().key_set.origin is Origin.DISK
        fleet.documents[newer.only().place] = stored(server, at=clock.wall())
        await newer.refresher.load()
        assert newer.only().key_set.origin is Origin.STORE


@pytest.mark.parametrize("trouble", ["down", "hanging"])
async def test_without_an_answer_from_the_store_each_worker_has_its_own_bounds(
    trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "STORE_PATIENCE", 0.02)
    fleet = Fleet()
    setattr(fleet, trouble, True)
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, unknown_kid_cooldown=COOLDOWN), fleet=fleet)
        assert isinstance(await worker.resolve(server.issuer), Key)
        for number in range(5):
            assert code(await worker.resolve(server.issuer, f"made up {number}")) is Code.UNKNOWN_KEY
        assert server.count() == 2


async def test_a_lease_that_another_holds_ends_in_a_refusal_not_in_waiting_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "OTHER_PATIENCE", 0.2)
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        fleet.leases[server.issuer] = float("inf")
        worker = Worker(table(server), fleet=fleet)
        refusal = await worker.resolve(server.issuer)
        assert code(refusal) is Code.ISSUER_UNAVAILABLE
        assert server.seen == []
        assert worker.witness.reasons == []  # nobody failed
        fleet.leases.clear()
        await until(lambda: isinstance(worker.select(server.issuer), Pending))
        assert isinstance(await worker.resolve(server.issuer), Key)


async def test_a_background_refresh_gives_its_lease_back_also_when_it_fails() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        server.always(OPENID, Answer(status=500))
        worker = Worker(table(server), fleet=fleet)
        await worker.resolve(server.issuer, None)
        assert fleet.leases == {}


@pytest.mark.parametrize(
    "change",
    [
        {"document": b"{"},
        {"document": {"keys": []}},
        {"document": {"keys": [jose.jwk("oct", kid="first")]}},
        {"document": b" " * 300_000},
        {"uri": None},
        {"uri": "http://elsewhere.test/jwks"},
        {"at": float("nan")},
        {"at": -1.0},
    ],
    ids=["torn", "empty", "secret", "huge", "no source", "other source", "no time", "before time"],
)
async def test_what_the_store_holds_is_checked_like_what_comes_from_the_network(change: dict[str, Any]) -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, jwks_uri=f"{server.url}{JWKS}"), fleet=fleet)
        fleet.documents[worker.only().place] = stored(server, **({"at": clock.wall()} | change))
        await worker.refresher.load()
        assert isinstance(worker.select(server.issuer), Pending)
        assert isinstance(await worker.resolve(server.issuer), Key)


async def test_keys_fetched_over_http_do_not_reach_a_worker_that_demands_https() -> None:
    fleet = Fleet()
    server = ScriptedIssuer()
    worker = Worker({"issuer": "https://auth.test"}, fleet=fleet)
    fleet.documents[worker.only().place] = Stored(
        json.dumps(server.jwks()).encode(), "http://auth.test/jwks", None, clock.wall(), 2e10
    )
    await worker.refresher.load()
    assert isinstance(worker.select("https://auth.test"), Pending)


async def test_an_older_set_in_the_store_replaces_nothing() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        worker = Worker(table(server), fleet=fleet)
        await worker.resolve(server.issuer)
        key_set = worker.only().key_set
        assert key_set is not None
        old = ScriptedIssuer()
        old.rotate("older", overlap=False)
        fleet.documents[worker.only().place] = stored(server, at=key_set.fetched_at - 1, document=old.jwks())
        await worker.refresher.load()
        assert worker.only().key_set is key_set


async def test_a_stamp_in_the_future_counts_as_now_and_is_looked_at_once() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        worker = Worker(table(server), fleet=fleet)
        fleet.documents[worker.only().place] = stored(server, at=clock.wall() + 1e6)
        for _ in range(3):
            await worker.refresher.load()
        assert len(worker.witness.hashes) == 1
        key_set = worker.only().key_set
        assert key_set is not None
        assert key_set.fetched_at <= clock.wall()
        assert key_set.expires_at <= clock.wall() + 300


async def test_too_old_a_set_in_the_store_is_not_adopted() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        worker = Worker(table(server), fleet=fleet)
        fleet.documents[worker.only().place] = stored(server, at=clock.wall() - 100 * 3600)
        await worker.refresher.load()
        assert worker.only().key_set is None


async def test_an_answer_that_a_peers_later_one_has_overtaken_is_dropped() -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        worker = Worker(table(server), fleet=fleet)
        await worker.resolve(server.issuer)
        gate = Gate(Answer(server.jwks()))  # the answer as of now, late
        server.on(JWKS, gate)
        fetching = asyncio.create_task(worker.refresher.want(server.issuer, "second"))
        await gate.entered.wait()
        server.rotate("second", overlap=False)
        fleet.documents[worker.only().place] = stored(server, at=clock.wall())
        await worker.refresher.load()
        gate.open.set()
        await fetching
        assert isinstance(worker.select(server.issuer, "second"), Key)
        assert not isinstance(worker.select(server.issuer, "first"), Key)


async def test_secrets_and_local_keys_never_reach_the_store_or_the_disk(tmp_path: Any) -> None:
    fleet = Fleet()
    secret, file = tmp_path / "secret", tmp_path / "jwks.json"
    secret.write_bytes(jose.SECRET)
    file.write_text(json.dumps(ScriptedIssuer().jwks()))
    worker = Worker(
        {"issuer": "https://a.test", "secret_file": secret, "algorithms": ("HS256",), "key_set_refresh": 0.05},
        {"issuer": "https://b.test", "jwks_file": file, "key_set_refresh": 0.05},
        {"issuer": "https://c.test", "jwks": ScriptedIssuer().jwks()},
        data_dir=tmp_path / "data",
        fleet=fleet,
    )
    async with running(worker):
        await until(lambda: len(worker.witness.hashes) > 8)
    assert fleet.documents == {}
    assert not (tmp_path / "data").exists()


async def test_a_failing_follow_does_not_end_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "STORE_PATIENCE", 0.02)
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, key_set_refresh=0.1), fleet=fleet)
        async with running(worker):
            await until(lambda: worker.only().key_set)
            fleet.down = True
            count = server.count()
            await until(lambda: server.count() > count + 1)
            fleet.down = False
            count = server.count()
            await until(lambda: server.count() > count + 1)
        assert worker.only().usable(Now(clock.wall(), clock.boot()))


async def test_what_was_published_while_the_lease_was_taken_is_not_fetched_again() -> None:
    async with ScriptedIssuer() as server:
        where = Worker(table(server)).only().place

        class Quick(Fleet):
            async def lease(self, issuer: str, seconds: float) -> bool:
                self.documents[where] = stored(server, at=clock.wall())  # a peer was done just now
                return await super().lease(issuer, seconds)

        fleet = Quick()
        assert isinstance(await Worker(table(server), fleet=fleet).resolve(server.issuer), Key)
        assert server.seen == []
        assert fleet.leases == {}


async def test_a_background_refresh_waits_for_nobody_while_there_are_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, key_set_refresh=0.01), fleet=fleet)
        await worker.resolve(server.issuer)
        await asyncio.sleep(0.02)  # due
        fleet.leases[server.issuer] = float("inf")
        monkeypatch.setattr(keeper, "OTHER_POLL", 1e9)
        subject = worker.refresher._keepers[server.issuer]
        assert await subject._attempt(None) is False
        assert server.count() == 1


async def test_in_the_fleets_cool_down_the_store_is_asked_again_soon_and_the_issuer_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "BRIEF", 0.01)
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        one, other = (Worker(table(server, unknown_kid_cooldown=COOLDOWN), fleet=fleet) for _ in range(2))
        for worker in (one, other):
            await worker.resolve(server.issuer)
            assert code(await worker.resolve(server.issuer, "second")) is Code.UNKNOWN_KEY
        await until(lambda: isinstance(other.select(server.issuer, "second"), Pending))
        assert code(one.select(server.issuer, "second")) is Code.UNKNOWN_KEY  # it has asked, and knows
        server.rotate("second")
        fleet.documents[other.only().place] = stored(server, at=clock.wall())
        assert isinstance(await other.resolve(server.issuer, "second"), Key)
        assert server.count() == 2
