"""The example of an MCP server, as it stands: what the demo's second act shows, and what an agent tries beyond it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ask import request
from guard import APPROVED, DANGEROUS, WAITS, Act, approval_of, gist
from stage import Stage

from gateways.conftest import ONE_WORKER

pytest.importorskip("mcp.server.mcpserver", reason="the MCP SDK is absent: pip install 'bearerd[sdks]'")
pytestmark = pytest.mark.timeout(300)

OWN_ID = {"X-Request-Id": "0123456789abcdef0123456789abcdef"}


@pytest.fixture(scope="module")
def act(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Act]:
    folder = tmp_path_factory.mktemp("guard")
    with Stage.on_free_ports(folder / "issuer") as issuer:
        issuer.start_issuer()
        stage = Stage.on_free_ports(folder)
        stage.changes |= ONE_WORKER
        with Act(stage, folder, issuer.ports["issuer"]) as act:
            yield act


@pytest.fixture(scope="module")
def played(act: Act) -> Act:
    """After the act."""
    assert act.play() == 0  # what was printed stands below
    return act


def records(act: Act) -> list[dict[str, Any]]:
    lines = (act.example / "audit.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["event"] == "decision"]


def test_every_answer_of_the_second_act_is_the_expected_one(played: Act) -> None:
    told = [
        (record.get("tool"), record["decision"], record.get("reason"))
        for record in records(played)
        if record.get("operation") == "tools/call"
    ]
    waits = ("delete_database", "forbid", "confirmation_required")
    assert told == [
        ("add", "allow", None),
        ("list_users", "forbid", "insufficient_scope"),
        ("list_users", "allow", None),
        ("delete_database", "forbid", "invalid_arguments"),
        waits,
        waits,
        ("delete_database", "allow", None),
        waits,
    ]


def test_the_act_would_tell_of_a_wrong_answer(played: Act) -> None:
    for wrong in (
        replace(DANGEROUS, expect=200),
        replace(DANGEROUS, told="deleted"),
        replace(DANGEROUS, challenge="scope="),
    ):
        before = played.wrong
        played.take(wrong)
        assert played.wrong == before + 1


def test_the_record_holds_no_token(played: Act) -> None:
    written = (played.example / "audit.jsonl").read_text()
    for name in ("agent", "admin"):
        for part in (played.folder / f"{name}.jwt").read_text().split("."):
            assert part not in written


@pytest.mark.parametrize(
    "path", ["/", "/mcp/", "/mcp/tools", "/auth/tools", "/introspect", "/v1/approvals", "/readyz", "/metrics"]
)
def test_nothing_else_of_bearerd_s_is_reached_through_nginx(played: Act, path: str) -> None:
    for method in ("GET", "POST"):
        headers = {"Authorization": played.bearer("admin")}
        assert request(played.stage.ports["nginx"], method, path, headers).status == 404


def test_a_client_finds_out_where_to_get_a_token(played: Act) -> None:
    answer = request(played.stage.ports["nginx"], "GET", "/.well-known/oauth-protected-resource/mcp", {})
    assert (answer.status, json.loads(answer.body)["resource"]) == (200, played.url)
    assert json.loads(answer.body)["scopes_supported"] == ["tools:read"]


@pytest.mark.parametrize("name", ["X-Auth-Subject", "X-Auth-Attempt"])
def test_a_client_that_speaks_as_bearerd_or_as_its_gateway_is_refused(played: Act, name: str) -> None:
    answer = played.ask(APPROVED[1], **{name: OWN_ID["X-Request-Id"]})
    assert (answer.status, "-32003" in gist(answer)) == (403, True)


def test_no_id_of_a_client_s_own_has_an_approved_call_made_twice(played: Act) -> None:
    """Not even where the configuration says that gateways name their retries so: bearerd makes the call itself."""
    config = played.stage.folder / "mcp" / "bearerd.toml"
    config.write_text(config.read_text().replace("cli = true", 'cli = true\nattempt_header = "X-Request-Id"'))
    admin = (config.parent / ".bearerd" / "admin.token").read_text().strip()
    reload = request(played.stage.ports["admin"], "POST", "/v1/reload", {"Authorization": f"Bearer {admin}"})
    assert reload.status == 200
    again = replace(DANGEROUS, arguments={"name": "archive"})
    played.command("Approve", "approvals", "approve", approval_of(played.ask(again)), expect="approved")
    said = [gist(played.ask(again, **OWN_ID)) for _ in range(3)]
    assert said[0] == "archive is deleted, as agent asked"
    assert [WAITS in each for each in said] == [False, True, True]
