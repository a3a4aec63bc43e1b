"""One process's whole state: begun, changed and ended without a gap."""

from __future__ import annotations

import asyncio
import logging
import math
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.fleet import until
from support.house import API, ISS, NOWHERE, House, config, issuer, token
from support.issuer import ScriptedIssuer
from support.proxy import Proxy
from support.valkey import running

from bearerd import metrics
from bearerd import request as view
from bearerd import service as services
from bearerd._native import clock
from bearerd.audit.labels import labels
from bearerd.errors import ConfigError
from bearerd.flow import Flow
from bearerd.issuers import disk
from bearerd.refusals import Code
from bearerd.service import Service
from bearerd.store import snapshot
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.valkey import Valkey

    from bearerd.config.model import Config
    from bearerd.decision import Decision

RESOURCE = {"api": {"identifier": API}}


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


def on(valkey: Valkey, tmp_path: Path, **tables: Any) -> Config:
    fleet = f"f{abs(hash(str(tmp_path))):x}"
    return config(tmp_path, **({"resource": RESOURCE, "store": {"url": valkey.url, "fleet": fleet}} | tables))


async def ask(service: Service, credential: str, path: bytes = b"/", name: str = "api") -> Decision:
    headers = [(b"Authorization", b"Bearer " + credential.encode())]
    return await Flow(service).decide(name, view.of("GET", path, headers=headers, trusted=True))


def value(service: Service, *series: str) -> float:
    return metrics.gather([service.metrics.buffer])[series][0]


async def test_a_service_becomes_ready_and_decides(tmp_path: Path, valkey: Valkey) -> None:
    service = Service(on(valkey, tmp_path), data_dir=tmp_path, store_is_ours=True)
    assert (await ask(service, token())).code is Code.STALE_STATE
    assert not service.health()["ready"]
    await service.start()
    assert await service.ready(20)
    assert (await ask(service, token())).allowed
    health = service.health()
    assert orjson.loads(orjson.dumps(health)) == health
    assert (health["store_up"], health["stale"], health["issuers"][0]["name"]) == (True, False, "test")
    await service.close()
    assert value(service, "bearerd_store_up") == 1


async def test_what_one_process_revokes_another_refuses(tmp_path: Path, valkey: Valkey) -> None:
    made = on(valkey, tmp_path)
    one, other = (Service(made, data_dir=tmp_path, store_is_ours=True) for _ in range(2))
    await asyncio.gather(one.start(), other.start())
    assert await one.ready(20)
    assert await other.ready(20)
    await until(lambda: one.writer)
    assert one.writer is not None
    assert (await ask(other, token())).allowed
    await one.writer.revoke(Kind.SUBJECT, ISS, "alice", ack="stored")
    assert one._slack(ISS) == 2.0
    assert one._slack("nobody") == 2.0
    await until(lambda: len(other.view.table))
    assert (await ask(other, token())).code is Code.REVOKED
    other.sample()
    assert value(other, "bearerd_revocations_active") == 1
    propagated = metrics.gather([other.metrics.buffer])[("bearerd_revocation_propagation_seconds",)]
    assert sum(propagated[:-1]) == 1
    await asyncio.gather(one.close(), other.close())


async def test_keys_that_one_process_fetched_serve_another(tmp_path: Path, valkey: Valkey) -> None:
    async with ScriptedIssuer() as remote:
        table = issuer(issuer=remote.issuer, jwks=None, jwks_uri=f"{remote.url}/jwks", insecure_issuer=True)
        table["algorithms"] = ["RS256", "ES256", "EdDSA"]
        made = on(valkey, tmp_path, issuer=[table])
        for number in range(2):
            data_dir = tmp_path / str(number)
            data_dir.mkdir()
            service = Service(made, data_dir=data_dir, store_is_ours=True)
            await service.start()
            assert await service.ready(20)
            assert (await ask(service, remote.token(aud=API))).allowed
            await until(disk.path_of(data_dir, remote.issuer).exists)  # the last that is done with it: it is published
            await service.close()
        assert remote.count() == 1


async def test_a_store_that_is_away_makes_nobody_ready_and_stops_nothing(tmp_path: Path) -> None:
    service = Service(config(tmp_path, resource=RESOURCE), data_dir=tmp_path)
    await service.start()
    assert not await service.ready(0.1)
    await until(lambda: "unreachable" in (service.view.problem or ""))
    assert (await ask(service, token())).code is Code.STALE_STATE
    assert service.health()["view_age_seconds"] is None
    await service.close()
    assert value(service, "bearerd_store_up") == 0
    assert value(service, "bearerd_view_age_seconds") == math.inf


async def test_available_resources_are_ready_for_longer_and_it_shows(tmp_path: Path) -> None:
    made = config(tmp_path, resource={"api": {"identifier": API, "staleness": "available"}})
    service = Service(made, data_dir=tmp_path)
    service.view.count(clock.boot() - 100)
    health = service.health()
    assert (health["ready"], health["stale"]) == (True, True)
    assert (await ask(service, token())).allowed


MIXED: dict[str, Any] = {
    "api": {"identifier": API, "staleness": "available"},
    "strict": {"identifier": "https://strict.example/"},
}


@pytest.mark.parametrize(
    ("age", "ready", "serving"),
    [
        (1.0, True, {"api": "fresh", "strict": "fresh"}),
        (100.0, True, {"api": "stale", "strict": "refused"}),
        (4000.0, False, {"api": "refused", "strict": "refused"}),
    ],
)
def test_a_view_too_old_for_strict_resources_is_ready_while_others_are_served_by_it(
    tmp_path: Path, age: float, ready: bool, serving: dict[str, str]
) -> None:
    service = Service(config(tmp_path, resource=MIXED), data_dir=tmp_path)
    service.view.count(clock.boot() - age)
    health = service.health()
    assert (health["ready"], health["tried"], health["serving"]) == (ready, ready, serving)
    assert health["stale"] == ("stale" in serving.values())
    service.sample()
    assert value(service, "bearerd_resource_serving", "strict", serving["strict"]) == 1
    assert value(service, "bearerd_resource_serving", "api", serving["api"]) == 1


async def stopped(service: Service) -> Service:
    await service.start()
    assert await service.ready(20)
    await service.close()
    return service


async def test_what_one_process_knew_at_its_end_the_next_begins_with_while_the_store_is_away(tmp_path: Path) -> None:
    with running(tmp_path / "valkey") as server:
        made = config(tmp_path, resource=MIXED, store={"url": server.url, "fleet": "f"})
        service = Service(made, data_dir=tmp_path, store_is_ours=True)
        await service.start()
        assert await service.ready(20)
        await until(lambda: service.writer)
        assert service.writer is not None
        await service.writer.revoke(Kind.SUBJECT, ISS, "mallory")
        await service.close()
    service = Service(made, data_dir=tmp_path)
    assert not service.health()["ready"]
    await service.start()
    assert await service.ready(20)
    assert (await ask(service, token())).allowed
    assert (await ask(service, token(sub="mallory"))).code is Code.REVOKED
    assert (await ask(service, token(aud="https://strict.example/"), name="strict")).code is Code.STALE_STATE
    health = service.health()
    assert health["serving"] == {"api": "stale", "strict": "refused"}
    assert health["snapshot"]["in_use"] is True
    assert (health["view_age_seconds"], health["store_up"]) == (None, False)
    assert 0 <= health["known_age_seconds"] < 60
    await service.close()
    assert value(service, "bearerd_snapshot_timestamp_seconds") > time.time() - 60


async def test_nobody_is_ready_by_a_snapshot_before_the_store_was_asked(tmp_path: Path) -> None:
    """A worker that replaces another while all is well must not bring yesterday's view for as long as it takes to ask."""
    with running(tmp_path / "valkey") as server:
        made = config(tmp_path, resource={"api": MIXED["api"]}, store={"url": server.url, "fleet": "f"})
        await stopped(Service(made, data_dir=tmp_path, store_is_ours=True))
        async with Proxy(server.port) as proxy:
            proxy.hold()
            held = config(tmp_path, resource={"api": MIXED["api"]}, store={"url": proxy.url, "fleet": "f"})
            service = Service(held, data_dir=tmp_path)
            await service.start()
            await until(lambda: service.health()["snapshot"]["in_use"])
            assert not service.health()["ready"]
            assert not service.view.asked
            assert (await ask(service, token())).allowed  # for whoever does not wait
            await until(lambda: service.health()["ready"])  # it hangs: that is as good as gone
            assert service.view.asked
            proxy.release()
            await until(lambda: math.isfinite(service.view.counted))
            assert not service.health()["snapshot"]["in_use"]
            await service.close()


async def test_nobody_is_ready_by_a_snapshot_while_it_joins_those_that_follow_the_store(tmp_path: Path) -> None:
    """A worker that replaces another would refuse on strict resources what the other still allowed."""
    with running(tmp_path / "valkey") as server:
        made = config(tmp_path, resource=MIXED, store={"url": server.url, "fleet": "f"})
        await stopped(Service(made, data_dir=tmp_path, store_is_ours=True))
        service = Service(made, data_dir=tmp_path)
        await service.start()
        assert await service.ready(20)
        assert (await ask(service, token(aud="https://strict.example/"), name="strict")).allowed
        assert service.health()["serving"] == {"api": "fresh", "strict": "fresh"}
        await service.close()


async def test_a_store_that_hangs_is_gone_and_every_sign_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bearerd.freshness")
    with running(tmp_path / "valkey") as server:
        async with Proxy(server.port) as proxy:
            store = {"url": proxy.url, "fleet": "f", "max_staleness": "1s", "available_for": "4s"}
            service = Service(config(tmp_path, resource=MIXED, store=store), data_dir=tmp_path, store_is_ours=True)
            await service.start()
            assert await service.ready(20)
            assert service.health()["serving"] == {"api": "fresh", "strict": "fresh"}
            proxy.hold()  # the sockets stay open, and nothing comes
            await until(lambda: service.health()["serving"] == {"api": "stale", "strict": "refused"})
            assert (await ask(service, token())).allowed
            await until(lambda: value(service, "bearerd_resource_serving", "api", "stale") == 1)
            assert value(service, "bearerd_view_age_seconds") > 1
            await until(lambda: value(service, "bearerd_store_up") == 0)
            await until(lambda: service.health()["serving"] == {"api": "refused", "strict": "refused"})
            assert (await ask(service, token())).code is Code.STALE_STATE
            assert not service.health()["ready"]
            await until(lambda: value(service, "bearerd_resource_serving", "api", "refused") == 1)
            proxy.release()
            await until(lambda: service.health()["serving"] == {"api": "fresh", "strict": "fresh"})
            await until(lambda: value(service, "bearerd_resource_serving", "api", "fresh") == 1)
            await service.close()
    told = [record for record in caplog.records if record.name == "bearerd.freshness"]
    of_resources = [record for record in told if hasattr(record, "staleness")]  # beside what is said of the store
    said = [(record.staleness, record.getMessage().split(":")[0]) for record in of_resources]
    assert said == [
        ("available", "available resources are served by a stale view"),
        ("strict", "strict resources are refused"),
        ("available", "available resources are refused"),
        ("available", "available resources are served by a fresh view again"),
        ("strict", "strict resources are served by a fresh view again"),
    ]


async def test_a_snapshot_that_is_refused_is_counted_and_shown_until_there_is_a_good_one(
    tmp_path: Path, valkey: Valkey
) -> None:
    made = on(valkey, tmp_path, resource=MIXED)
    (tmp_path / snapshot.FILE).write_bytes(b"nonsense" * 1000)
    service = Service(made, data_dir=tmp_path, store_is_ours=True)
    await service.start()
    await until(lambda: service.health()["snapshot"]["refused"] == "corrupt")
    assert value(service, "bearerd_snapshot_refused_total", "corrupt") == 1
    assert await service.ready(20)
    await service.close()
    assert service.health()["snapshot"]["refused"] is None
    assert value(service, "bearerd_snapshot_writes_total", "ok") == 1


async def test_a_snapshot_and_keys_of_another_s_making_are_not_believed_where_there_is_a_key(
    tmp_path: Path, valkey: Valkey
) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 32)
    made = on(valkey, tmp_path, resource=MIXED)
    folder = tmp_path / "data"
    await stopped(Service(made, data_dir=folder, store_is_ours=True))
    for name in ("snapshot_key_file", "fleet_key_file"):
        keyed = made.model_copy(update={"store": made.store.model_copy(update={"url": NOWHERE, name: key})})
        service = Service(keyed, data_dir=folder)
        await service.start()
        await until(lambda service=service: service.health()["snapshot"]["refused"] == "forged")
        assert (await ask(service, token())).code is Code.STALE_STATE
        await service.close()


async def test_one_broken_issuer_makes_nobody_unready(tmp_path: Path) -> None:
    broken = issuer(
        issuer="https://b.example", name="b", jwks=None, jwks_uri="http://127.0.0.1:1/", insecure_issuer=True
    )
    service = House(config(tmp_path, issuer=[issuer(), broken], resource=RESOURCE), tmp_path).service
    assert service.health()["ready"]
    assert [one["loaded"] for one in service.health()["issuers"]] == [True, False]
    alone = House(config(tmp_path, issuer=[broken], resource=RESOURCE), tmp_path).service
    assert not alone.health()["ready"]


def test_without_a_store_there_is_no_service_but_offline(tmp_path: Path) -> None:
    made = config(tmp_path, resource=RESOURCE, store={})
    with pytest.raises(ConfigError, match=r"store\.url"):
        Service(made, data_dir=tmp_path)
    service = Service(made, data_dir=tmp_path, offline=True)
    assert service.health()["ready"]


async def test_offline_nothing_is_known_to_be_revoked_and_nothing_is_written(tmp_path: Path) -> None:
    service = Service(config(tmp_path, resource=RESOURCE, store={}), data_dir=tmp_path, offline=True)
    await service.start()
    assert (await ask(service, token())).allowed
    await service.close()
    assert {entry.name for entry in tmp_path.iterdir()} == {"secret"}


async def test_a_reload_is_taken_whole(tmp_path: Path) -> None:
    service = House(config(tmp_path, resource=RESOURCE), tmp_path).service
    before = service.current
    changed = config(
        tmp_path,
        resource=RESOURCE | {"second": {"identifier": "https://second.example", "gateway": "envoy"}},
        issuer=[issuer(leeway="5s"), issuer(issuer="https://b.example", name="b", jwks={"keys": []})],
        server={"profile": "development", "log_allows": 1.0, "reveal_reason": True, "workers": 7},
        limits={"max_token_bytes": 300},
        store={"url": "redis://127.0.0.1:2", "max_staleness": "1s"},
    )
    await service.reload(changed)
    now = service.current
    assert now.policy.generation == service.generations.config == before.policy.generation + 1
    assert set(now.policy.resources) == {"api", "second"}
    assert (now.config.server.log_allows, now.config.server.reveal_reason) == (1.0, True)
    # What only a restart can change stays.
    assert (now.config.server.workers, now.config.limits.max_token_bytes) == (0, 8192)
    assert (now.config.store.url, now.max_staleness) == (NOWHERE, 30.0)
    assert (await ask(service, token())).allowed
    assert value(service, "bearerd_decisions_total", "second", "ext_authz", "allow", "none") == 0
    assert value(service, "bearerd_config_last_reload_successful") == 1


async def test_a_reload_that_fails_changes_nothing_and_is_told(tmp_path: Path) -> None:
    service = House(config(tmp_path, resource=RESOURCE), tmp_path).service
    before = service.current
    bad = config(
        tmp_path, callers=({"name": "svc"},), resource=RESOURCE | {"second": {"identifier": "https://x.example"}}
    )
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match=r"caller\[0\]\.secret_file"):
        await service.reload(bad)
    assert service.current is before
    assert service.generations.config == before.policy.generation
    assert value(service, "bearerd_config_last_reload_successful") == 0
    assert (await ask(service, token())).allowed


async def test_an_issuer_that_left_is_unknown_at_once_and_its_gauges_go(tmp_path: Path) -> None:
    service = House(config(tmp_path, resource=RESOURCE), tmp_path).service
    await service.start()
    assert (await ask(service, token())).allowed
    await service.reload(config(tmp_path, resource=RESOURCE, issuer=[issuer(issuer="https://b.example", name="b")]))
    assert (await ask(service, token())).code is Code.UNKNOWN_ISSUER
    found = metrics.gather([service.metrics.buffer])
    assert ("bearerd_key_set_last_success_timestamp_seconds", "test") not in found
    assert service.current.key_generation(ISS) == 0
    await service.close()


async def test_a_store_that_cannot_be_what_is_asked_takes_no_revocations_and_is_told_of_once(
    tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when it comes up after us: at the start of a bearerd it would be refused."""
    monkeypatch.setattr(services, "RESTART_SECONDS", 0.01)
    made = on(valkey, tmp_path)
    store = made.store.model_copy(update={"durability": "fsync"})
    service = Service(made.model_copy(update={"store": store}), data_dir=tmp_path, store_is_ours=True)
    with caplog.at_level(logging.ERROR):
        await service.start()
        await until(lambda: "fsync" in service.writer_problem)
        await asyncio.sleep(0.1)
        assert service.writer is None
        assert len([record for record in caplog.records if "nothing can be revoked" in record.message]) == 1
        valkey.call("CONFIG", "SET", "appendonly", "yes")
        await until(lambda: service.writer is not None)
    valkey.call("CONFIG", "SET", "appendonly", "no")
    await service.close()


@pytest.mark.parametrize("folder", ["missing", "."])
def test_digested_subjects_need_a_place_for_their_key(tmp_path: Path, folder: str) -> None:
    made = config(tmp_path, resource=RESOURCE, server={"profile": "development", "hash_subjects": True})
    if folder == "missing":
        with pytest.raises(ConfigError, match="hash_subjects"):
            Service(made, data_dir=tmp_path / folder)
        return
    service = Service(made, data_dir=tmp_path)
    assert service.recorder.subject("alice").startswith("h:")
    fleet = tmp_path / "fleet.key"
    fleet.write_bytes(b"k" * 32)
    keyed = made.model_copy(update={"store": made.store.model_copy(update={"fleet_key_file": fleet})})
    assert Service(keyed, data_dir=tmp_path / "missing").recorder.subject("alice") != service.recorder.subject("alice")


def test_labels_are_the_faces_that_a_resource_answers(tmp_path: Path) -> None:
    made = config(
        tmp_path,
        callers=({"name": "svc", "resources": ["a"]}, {"name": "r", "resources": ["b"], "may": ["revoke"]}),
        resource={
            "a": {"identifier": "https://a.example", "gateway": ["nginx", "envoy"]},
            "b": {"identifier": "https://b.example", "gateway": "forwarded"},
            "c": {"identifier": "https://c.example"},
        },
    )
    found = labels(made)
    assert found.resources == {"a": ("forward_auth", "ext_authz", "introspect"), "b": ("forward_auth",), "c": ()}
    assert found.issuers == ("test",)
    assert "dns" in found.reasons
    assert found.algorithms == made.issuer[0].algorithms


def test_what_is_sampled_is_what_the_tables_count(tmp_path: Path) -> None:
    service = House(config(tmp_path, resource=RESOURCE), tmp_path).service
    asyncio.run(ask(service, token()))
    asyncio.run(ask(service, token(jti="t1")))
    asyncio.run(ask(service, token(number=1)))
    asyncio.run(ask(service, token(exp=int(time.time()) + 7200)))
    service.sample()
    assert value(service, "bearerd_token_cache_entries") >= 2
    assert value(service, "bearerd_token_cache_misses_total") == service.cache.misses
    assert value(service, "bearerd_verifications_total", "ES256", "bad_signature") == 1
    assert value(service, "bearerd_token_lifetime_over_hour_total", "test") == 1


def test_importing_bearerd_is_light() -> None:
    script = "import sys, bearerd; heavy = {'aiohttp', 'cryptography', 'pydantic', 'redis'} & set(sys.modules); sys.exit(bool(heavy))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
