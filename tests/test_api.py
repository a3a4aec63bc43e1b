"""bearerd in a Python program."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support import jose
from support.house import API, ISS, key, token
from support.valkey import running

import bearerd
from bearerd.mcp.operation import Operation
from bearerd.refusals import Code

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
