"""bearerd in a Python program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support import jose
from support.house import API, ISS, key, token
from support.valkey import running

import bearerd
from bearerd.audit import heads
from bearerd.config.model import Store
from bearerd.mcp.operation import Operation
from bearerd.refusals import Code
from bearerd.store import client as clients
from bearerd.store.embedded import Embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.valkey import Valkey


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


def file(tmp_path: Path, store: str = "", scopes: str = '["read"]') -> Path:
    keys = orjson.dumps({"keys": [key()]})
    (tmp_path / "keys.json").write_bytes(keys)
    path = tmp_path / "bearerd.toml"
    path.write_text(f"""
[server]
profile = "development"
data_dir = "data"
{store}
[[issuer]]
issuer = "{ISS}"
jwks_file = "keys.json"
algorithms = ["ES256"]

[resource.api]
identifier = "{API}"

[[resource.api.rule]]
methods = ["GET"]
path = "/orders/**"
scopes = {scopes}
""")
    return path


def url(valkey: Valkey) -> str:
    return f'[store]\nurl = "{valkey.url}"\nmax_staleness = "1s"\navailable_for = "1h"\n'


async def test_a_token_is_decided_as_behind_a_gateway(tmp_path: Path, valkey: Valkey) -> None:
    async with bearerd.Verifier.from_config(file(tmp_path, url(valkey))) as verifier:
        asked: dict[str, Any] = {"resource": "api", "method": "GET", "path": "/orders/1"}
        decision = await verifier.verify(token(), **asked)
        assert isinstance(decision, bearerd.Decision)
        assert (decision.allowed, decision.rule, decision.resource) == (True, 0, "api")
        assert decision.claims is not None
        assert decision.claims["sub"] == "alice"
        assert ("X-Auth-Subject", "alice") in decision.headers_add
        assert "X-Auth-Subject" in decision.headers_remove
        again = verifier.verify_nowait(token().encode(), **asked)
        assert isinstance(again, bearerd.Decision)
        assert again.allowed
        for credential, code in (
            (None, Code.MISSING_TOKEN),
            ("", Code.MISSING_TOKEN),
            ("a b", Code.MALFORMED_TOKEN),
            ("x,y", Code.AMBIGUOUS_CREDENTIALS),
            ("\ud800", Code.MALFORMED_TOKEN),
            (token(number=1), Code.BAD_SIGNATURE),
        ):
            refused = await verifier.verify(credential, **asked)
            assert (refused.allowed, refused.code) == (False, code)
            assert refused.challenge is not None
        for path in ("/orders/\ud800", "/orders/\udcff", "/orders/%ff"):
            refused = await verifier.verify(token(), resource="api", method="GET", path=path)
            assert (refused.allowed, refused.code) == (False, Code.AMBIGUOUS_PATH)
        assert not (await verifier.verify(token(), resource="api", method="G\ud800", path="/orders/1")).allowed
        assert (await verifier.verify(token(), host="\ud800", **asked)).allowed  # it is compared with nothing
        assert (await verifier.verify(token(), resource="api")).code is Code.UNTRUSTED_PEER
        assert (await verifier.verify(token(), resource="no", method="GET", path="/")).code is Code.UNKNOWN_RESOURCE


async def test_claims_within_claims_are_reached_by_rules_and_headers_and_who_changes_them_changes_no_other_decision(
    tmp_path: Path, valkey: Valkey
) -> None:
    path = file(tmp_path, url(valkey))
    rule = '[[resource.api.rule]]\nmethods = ["GET"]\npath = "/team"\nclaims = { "realm.team" = "blue" }\n'
    path.write_text(path.read_text() + rule + '[resource.api.identity]\nX-Team = "realm.team"\n')
    async with bearerd.Verifier.from_config(path) as verifier:
        for team, allowed in (("blue", True), ("red", False)):
            text = token(realm={"team": team, "more": ["a"]})
            for _ in ("not seen yet", "known", "known and asked for lately"):
                decision = await verifier.verify(text, resource="api", method="GET", path="/team")
                assert (decision.allowed, decision.code) == (allowed, None if allowed else Code.FORBIDDEN)
                if allowed:
                    assert ("X-Team", team) in decision.headers_add
                    assert decision.claims is not None
                    assert decision.claims["realm"] == {"team": team, "more": ["a"]}
                    decision.claims["realm"]["team"] = "nobody's"


async def test_without_a_store_of_its_own_it_uses_an_embedded_one(tmp_path: Path) -> None:
    path = file(tmp_path)
    async with bearerd.Verifier.from_config(path) as verifier:
        assert (await verifier.verify(token(), resource="api", method="GET", path="/orders/1")).allowed
        assert (tmp_path / "data").is_dir()


async def test_outside_its_block_a_verifier_decides_nothing(tmp_path: Path, valkey: Valkey) -> None:
    verifier = bearerd.Verifier.from_config(file(tmp_path, url(valkey)))
    with pytest.raises(RuntimeError, match="async with"):
        await verifier.verify(token(), resource="api")
    async with verifier:
        pass
    with pytest.raises(RuntimeError, match="async with"):
        verifier.verify_nowait(token(), resource="api")


async def answers(verifier: bearerd.Verifier, code: Code | None) -> None:
    """Wait until a good token is answered so."""
    async with asyncio.timeout(60):
        while (await verifier.verify(token(), resource="api", method="GET", path="/orders/1")).code is not code:
            await asyncio.sleep(0.02)


async def test_an_embedded_store_that_another_process_starts_anew_is_found_where_it_is_then(tmp_path: Path) -> None:
    owner = Embedded(tmp_path / "data")
    await owner.start()
    try:
        async with bearerd.Verifier.from_config(file(tmp_path, '[store]\nmax_staleness = "2s"\n')) as verifier:
            await answers(verifier, None)
            before = owner.url
            await owner.stop()
            await answers(verifier, Code.STALE_STATE)
            await owner.start()
            assert owner.url != before
            await answers(verifier, None)
    finally:
        await owner.stop()


async def test_audit_records_go_to_an_embedded_store_where_it_is_now(tmp_path: Path) -> None:
    (tmp_path / "audit.key").write_bytes(b"k" * 32)
    audit = '[audit]\nsink = "store"\nkey_file = "audit.key"\nshare = 1.0\n'
    owner = Embedded(tmp_path / "data")

    async def recorded(most: int) -> None:
        client = clients.connect(Store(url=owner.url))
        try:
            async with asyncio.timeout(60):
                while len([one for one in await heads.records(client) if b'"decision":' in one]) < most:
                    await asyncio.sleep(0.02)
        finally:
            await client.close()

    await owner.start()
    try:
        async with bearerd.Verifier.from_config(file(tmp_path, audit)) as verifier:
            await answers(verifier, None)
            await recorded(1)
            before = owner.url
            await owner.stop()
            await owner.start()
            assert owner.url != before
            await answers(verifier, None)
            await recorded(2)
    finally:
        await owner.stop()


async def test_an_embedded_store_of_its_own_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async with bearerd.Verifier.from_config(file(tmp_path, '[store]\nmax_staleness = "2s"\n')) as verifier:
        note = tmp_path / "data" / "store.json"
        killed = json.loads(note.read_text())["pid"]
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(60):
            while not note.exists() or json.loads(note.read_text())["pid"] == killed:
                await asyncio.sleep(0.02)
        restarted = verifier.current.view.counted
        async with asyncio.timeout(60):
            while verifier.current.view.counted <= restarted:
                await asyncio.sleep(0.02)
        await answers(verifier, None)


async def test_several_may_enter_and_it_runs_until_the_last_of_them_leaves(tmp_path: Path, valkey: Valkey) -> None:
    verifier = bearerd.Verifier.from_config(file(tmp_path, url(valkey)))
    await asyncio.gather(verifier.__aenter__(), verifier.__aenter__())
    for _ in range(2):
        await answers(verifier, None)
        await verifier.__aexit__(None, None, None)
    assert not verifier.running
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("bearerd ")] == []
    async with verifier:
        await answers(verifier, None)


async def test_it_is_entered_in_one_loop_at_a_time(tmp_path: Path, valkey: Valkey) -> None:
    verifier = bearerd.Verifier.from_config(file(tmp_path, url(valkey)))

    async def enter() -> None:
        async with verifier:
            pass

    async with verifier:
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, enter())
        await answers(verifier, None)
    await asyncio.to_thread(asyncio.run, enter())


async def test_one_that_was_left_running_in_a_loop_that_is_closed_runs_anew_for_an_application(
    tmp_path: Path, valkey: Valkey
) -> None:
    verifier = bearerd.Verifier.from_config(file(tmp_path, url(valkey)))
    await asyncio.to_thread(asyncio.run, verifier.__aenter__())
    async with verifier.lent():
        assert "bearerd sync" in {task.get_name() for task in asyncio.all_tasks()}
        await answers(verifier, None)


async def test_in_a_process_that_was_forked_off_it_decides_nothing(tmp_path: Path, valkey: Valkey) -> None:
    async with bearerd.Verifier.from_config(file(tmp_path, url(valkey))) as verifier:
        await answers(verifier, None)
        reads, writes = os.pipe()
        child = os.fork()
        if not child:
            try:
                with pytest.raises(StopIteration):  # it leaves, and ends nothing of its parent's
                    verifier.__aexit__(None, None, None).send(None)
                verifier.verify_nowait(token(), resource="api", method="GET", path="/orders/1")
            except RuntimeError as error:
                os.write(writes, str(error).encode())
            finally:
                os._exit(0)
        os.close(writes)
        with os.fdopen(reads) as told:
            assert "each process has its own" in await asyncio.to_thread(told.read)
        os.waitpid(child, 0)
        await answers(verifier, None)


def test_a_bad_configuration_is_an_error_with_all_its_problems(tmp_path: Path) -> None:
    path = file(tmp_path, scopes='"read"')
    path.write_text(path.read_text() + "nonsense = 1\n")
    with pytest.raises(bearerd.errors.ConfigError) as raised:
        bearerd.Verifier.from_config(path)
    assert len(raised.value.problems) >= 2


def test_one_jws_against_one_key() -> None:
    given = jose.token("ES256", {"exp": int(time.time()) + 5}, kid="k1")
    jws = bearerd.jws.verify(given, key(), ["ES256"])
    assert jws.header["alg"] == "ES256"
    with pytest.raises(bearerd.errors.JwsError):
        bearerd.jws.verify(given, key(1), ["ES256"])


def test_the_package_names_what_it_has() -> None:
    assert set(dir(bearerd)) >= {"Verifier", "Decision", "Pending", "jws", "errors"}
    with pytest.raises(AttributeError, match="no attribute 'Verifer'"):
        _ = bearerd.Verifer  # type: ignore[attr-defined]


NOTES = """
[resource.notes]
kind = "mcp"
identifier = "https://notes.example/mcp"
audience = ["https://api.example/"]

[[resource.notes.rule]]
tool = "read_*"

[[resource.notes.rule]]
tool = "delete_*"
scopes = ["admin"]
"""


async def test_a_tool_of_an_mcp_server_is_decided_by_its_name(tmp_path: Path) -> None:
    path = file(tmp_path)
    path.write_text(path.read_text() + NOTES)
    async with bearerd.Verifier.from_config(path) as verifier:
        assert (await verifier.verify(token(), resource="notes", tool="read_note", arguments={"name": "x"})).allowed
        refused = await verifier.verify(token(), resource="notes", tool="delete_notes")
        assert (refused.code, refused.challenge and refused.challenge.scope) == (Code.INSUFFICIENT_SCOPE, "admin")
        found = verifier.verify_nowait(token(scope="admin"), resource="notes", tool="delete_notes", arguments={})
        assert isinstance(found, bearerd.Decision)
        assert found.allowed
        listing = Operation("tools/list", None, "body", "2025-11-25")
        assert (await verifier.verify(token(), resource="notes", operation=listing)).allowed
        assert not (await verifier.verify(token(), resource="notes")).allowed  # nobody said what is asked
        with pytest.raises(TypeError, match="either"):
            await verifier.verify(token(), resource="notes", tool="x", operation=listing)
        with pytest.raises(TypeError, match="arguments"):
            await verifier.verify(token(), resource="notes", arguments={})


async def test_arguments_are_no_more_than_a_message_of_a_client_may_bring(tmp_path: Path) -> None:
    path = file(tmp_path)
    condition = '[[resource.notes.rule]]\ntool = "write_*"\nwhen = "args.name == \'x\'"\n'
    path.write_text(path.read_text() + NOTES + condition)
    endless: dict[str, Any] = {"name": "x"}
    endless["again"] = endless
    deep: dict[str, Any] = {}
    for _ in range(40_000):
        deep = {"a": deep}
    async with bearerd.Verifier.from_config(path) as verifier:
        for tool in ("read_note", "write_note"):
            assert (await verifier.verify(token(), resource="notes", tool=tool, arguments={"name": "x"})).allowed
            for much in (endless, deep | {"name": "x"}, {"name": "x", "more": [0] * 32_768}):
                refused = await verifier.verify(token(), resource="notes", tool=tool, arguments=much)
                assert refused.code is Code.BAD_REQUEST
                found = verifier.verify_nowait(token(), resource="notes", tool=tool, arguments=much)
                assert isinstance(found, bearerd.Decision)
                assert found.code is Code.BAD_REQUEST
                asked = verifier.asked(token(), Operation("tools/call", tool, "body", arguments=much))
                assert (await verifier.judge(asked, "notes")).decided.decision.code is Code.BAD_REQUEST
                bad = await verifier.verify(token(number=1), resource="notes", tool=tool, arguments=much)
                assert bad.code is Code.BAD_SIGNATURE


async def test_a_token_is_admitted_by_the_scopes_of_all_the_resource_and_by_no_rule(tmp_path: Path) -> None:
    path = file(tmp_path)
    path.write_text(path.read_text().replace("[[resource.api.rule]]", 'scopes = ["read"]\n[[resource.api.rule]]', 1))
    async with bearerd.Verifier.from_config(path) as verifier:
        admitted = await verifier.admit(token(), "api")
        assert admitted.decided.decision.allowed
        assert admitted.verified is not None
        few = await verifier.admit(token(scope="write"), "api")
        assert (few.decided.decision.code, few.verified is None) == (Code.INSUFFICIENT_SCOPE, False)
        bad = await verifier.admit(token(number=1), "api")
        assert (bad.decided.decision.code, bad.verified) == (Code.BAD_SIGNATURE, None)
        assert verifier.issuers("api") == (ISS,)
