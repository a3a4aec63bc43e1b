"""A real server with settings that lose revocations, or rights that are missing: each is found and has a remedy."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import free_port
from support.gate import remedies, told
from support.valkey import Valkey, running

from bearerd.config.model import Store
from bearerd.doctor import memory, rights, store
from bearerd.doctor.finding import Finding, Notebook

RIGHTS = Path(__file__).parent.parent.parent / "docs" / "store.md"


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with running(tmp_path_factory.mktemp("valkey"), appendonly="yes", appendfsync="always") as server:
        yield server


@contextlib.contextmanager
def setting(server: Valkey, name: str, value: str, before: str) -> Iterator[None]:
    server.call("CONFIG", "SET", name, value)
    try:
        yield
    finally:
        server.call("CONFIG", "SET", name, before)


async def look(url: str, **settings: Any) -> list[Finding]:
    return await store.examine(Store(**({"url": url, "fleet": "doctor"} | settings)))


def granted() -> list[str]:
    """The rights of docs/store.md, for a fleet called doctor."""
    (line,) = re.findall(r"^ACL SETUSER bearerd (on .*)$", RIGHTS.read_text(), re.MULTILINE)
    return line.replace(">PASSWORD", ">secret").replace("{FLEET}", "{doctor}").split()


async def test_a_server_as_it_should_be_has_nothing_but_notes(shared_server: Valkey) -> None:
    before = shared_server.call("DBSIZE")
    found = await look(shared_server.url)
    assert {one.severity.value for one in found} <= {"ok", "note"}, found
    for check in ("reachable", "role", "eviction", "memory", "durability", "appendfsync", "rights", "latency", "clock"):
        assert told(found, check) == ["ok"], check
    assert told(found, "fleet") == ["note"]  # nobody of this fleet has written yet
    assert shared_server.call("DBSIZE") == before  # nor has the doctor


async def test_eviction_is_an_error_that_says_why(shared_server: Valkey) -> None:
    with setting(shared_server, "maxmemory-policy", "allkeys-lru", "noeviction"):
        found = await look(shared_server.url)
    assert told(found, "eviction") == ["error"]
    assert "noeviction" in remedies(found, "eviction")
    assert "revoked tokens pass again" in str(found)


async def test_a_server_that_is_almost_full_is_told(shared_server: Valkey) -> None:
    used = int(dict(re.findall(rb"(used_memory):(\d+)", shared_server.call("INFO", "memory")))[b"used_memory"])
    with setting(shared_server, "maxmemory", str(int(used * 1.15)), "0"):
        found = await look(shared_server.url)
    assert told(found, "memory")[0] in ("warning", "error")
    assert "maxmemory" in remedies(found, "memory")


@pytest.mark.parametrize(
    ("info", "severities"),
    [
        ({"used_memory": "50", "maxmemory": "100"}, ["ok"]),
        ({"used_memory": "85", "maxmemory": "100"}, ["warning"]),
        ({"used_memory": "99", "maxmemory": "100"}, ["error"]),
        ({"used_memory": "50", "maxmemory": "0", "total_system_memory": "52"}, ["error"]),
        ({"used_memory": "1", "maxmemory": "100", "evicted_keys": "3"}, ["ok", "warning"]),
        ({}, ["ok"]),
    ],
)
def test_memory_is_judged_by_what_bounds_it(info: dict[str, str], severities: list[str]) -> None:
    notes = Notebook("store")
    memory.look_at_memory(info, notes)
    assert told(notes, "memory") == severities


async def test_fsync_that_is_left_to_the_system_is_a_warning(shared_server: Valkey) -> None:
    with setting(shared_server, "appendfsync", "no", "always"):
        found = await look(shared_server.url)
    assert told(found, "appendfsync") == ["warning"]
    with setting(shared_server, "appendfsync", "everysec", "always"):
        assert told(await look(shared_server.url), "appendfsync") == ["note"]


@pytest.mark.parametrize(("durability", "severity"), [(None, "warning"), ("fsync", "error"), ("memory", "warning")])
async def test_a_server_without_an_append_only_file(durability: str | None, severity: str, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        found = await look(server.url, durability=durability)
    assert told(found, "durability") == [severity]
    assert "appendonly yes" in remedies(found, "durability")


async def test_replicas_that_are_waited_for_and_not_there_are_an_error(shared_server: Valkey) -> None:
    found = await look(shared_server.url, durability="replicas=2")
    assert told(found, "replicas") == ["error"]


async def test_a_replica_is_no_store(shared_server: Valkey, tmp_path: Path) -> None:
    with running(tmp_path, replicaof=f"127.0.0.1 {shared_server.port}") as replica:
        found = await look(replica.url)
    assert [one.check for one in found] == ["reachable", "role"]
    assert told(found, "role") == ["error"]
    assert "primary" in remedies(found, "role")


@pytest.mark.parametrize(("name", "value", "before", "why"), [
    ("min-replicas-to-write", "1", "0", "NOREPLICAS"),  # as with MISCONF, a full disk's, not even DEL is taken
    ("maxmemory", "1", "0", "out of memory"),
])  # fmt: skip
async def test_a_primary_that_takes_no_writes_is_told_with_all_the_rest(
    shared_server: Valkey, name: str, value: str, before: str, why: str
) -> None:
    with setting(shared_server, name, value, before):
        found = await look(shared_server.url)
    assert told(found, "role") == ["error"]
    (said,) = [one for one in found if one.check == "role"]
    assert why in said.found
    assert "its disk" in said.remedy
    assert told(found, "reachable") == ["ok"]  # it is: nobody is to look for firewalls
    assert {"rights", "fleet", "latency", "clock"} <= {one.check for one in found}


def test_every_right_of_the_documentation_is_tried() -> None:
    tried = {str(probe[0]).lower() for probe in rights.PROBES} | {"waitaof", "hset", "info"}
    documented = {word[1:] for word in granted() if word.startswith("+")}
    assert documented - {"command|info", "client|setinfo"} == tried


async def test_the_rights_of_the_documentation_are_enough(shared_server: Valkey) -> None:
    shared_server.call("ACL", "SETUSER", "enough", *granted())
    found = await look(shared_server.url.replace("//", "//enough:secret@"))
    assert told(found, "rights") == ["ok"]
    assert told(found, "appendfsync") == ["note"]  # CONFIG is none of them
    assert "secret" not in str(found)


@pytest.mark.parametrize("right", ["hset", "zadd", "evalsha", "xread", "del", "waitaof", "time", "wait"])
async def test_a_right_that_is_missing_is_named(right: str, shared_server: Valkey) -> None:
    shared_server.call("ACL", "SETUSER", "less", "reset", *granted(), f"-{right}")
    found = await look(shared_server.url.replace("//", "//less:secret@"))
    (fault,) = [one for one in found if one.severity == "error"]
    assert (fault.check, fault.found) == ("rights", f"the user may not: {right.upper()}")
    assert f"+{right}" in fault.remedy


async def test_another_fleet_s_keys_are_not_ours_to_touch(shared_server: Valkey) -> None:
    shared_server.call("ACL", "SETUSER", "elsewhere", "reset", *granted())
    found = await look(shared_server.url.replace("//", "//elsewhere:secret@"), fleet="other")
    assert told(found, "rights") == ["error"]
    assert "~bearerd:{other}:*" in remedies(found, "rights")


async def test_a_store_of_another_fleet_key_is_told(shared_server: Valkey, tmp_path: Path) -> None:
    shared_server.call("SET", "bearerd:{marked}:schema", "1:" + "ab" * 16)
    found = await look(shared_server.url, fleet="marked")
    assert told(found, "fleet") == ["error"]
    assert "fleet_key_file" in remedies(found, "fleet")
    shared_server.call("SET", "bearerd:{marked}:schema", "1")
    assert told(await look(shared_server.url, fleet="marked"), "fleet") == ["ok"]


async def test_nobody_there_and_a_wrong_password_are_errors_without_the_password(shared_server: Valkey) -> None:
    shared_server.call("ACL", "SETUSER", "known", "reset", *granted())
    for url in (f"redis://:hunter2@127.0.0.1:{free_port()}", shared_server.url.replace("//", "//known:hunter2@")):
        found = await look(url)
        assert told(found, "reachable") == ["error"]
        assert "hunter2" not in str(found)


async def test_an_embedded_store_needs_no_look() -> None:
    assert told(await store.examine(Store()), "reachable") == ["ok"]
