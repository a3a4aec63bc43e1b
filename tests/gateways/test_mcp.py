"""MCP servers behind real gateways: by headers behind those that show no bodies, by the body behind Envoy, and what clients try with both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import Stage

from gateways.conftest import ONE_WORKER, Gateway

pytestmark = pytest.mark.timeout(300)

RULES = """
[resource.api]
kind = "mcp"
identifier = "{identifier}"
audience = "{identifier}/"  # as the stage mints them
scopes = ["api"]
{keys}

[[resource.api.rule]]
tool = "get_*"

[[resource.api.rule]]
tool = "*"
scopes = ["orders:write"]
"""
VERSION = "MCP-Protocol-Version: 2026-07-28"
CALL = "Mcp-Method: tools/call"
JSON = "Content-Type: application/json"
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


def start(name: str, folder: Path, keys: str, changes: dict[str, str]) -> Iterator[Gateway]:
    with Stage.on_free_ports(folder) as stage:
        stage.changes |= ONE_WORKER | changes
        stage.start_issuer()
        stage.start_upstream()
        example = stage.copy(name) / "bearerd.toml"
        before = example.read_text().partition("[resource.api]")[0]
        config = example.with_name("mcp.toml")  # the gateway's start writes the example anew
        config.write_text(before + RULES.format(identifier=stage.url(name), keys=keys))
        stage.start_bearerd(config)
        stage.start_gateway(name)
        yield Gateway(name, stage, config)


HEADERS = {  # by gateway: what its example says of MCP servers, in force
    "nginx": {"#proxy_set_header M": "proxy_set_header M"},
    "traefik": {"#- M": "- M"},
    "caddy": {},  # shows all that it is not told to leave out
    "haproxy": {'--"mcp-': '"mcp-'},
}
BODIES = {
    "envoy": {"#with_request_body": "with_request_body", "#- { safe_regex": "- { safe_regex"},
    "envoy-grpc": {"#with_request_body": "with_request_body"},
}
SPOKEN = {"nginx": "nginx", "envoy": "envoy", "envoy-grpc": "grpc"}


@pytest.fixture(scope="module", params=HEADERS)
def by_headers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    name = request.param
    keys = f'gateway = "{SPOKEN.get(name, "forwarded")}"\nmcp_headers = "checked"'
    yield from start(name, tmp_path_factory.mktemp(name), keys, HEADERS[name])


@pytest.fixture(scope="module", params=BODIES)
def by_body(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    name = request.param
    yield from start(name, tmp_path_factory.mktemp(name), f'gateway = "{SPOKEN[name]}"', BODIES[name])


def bearer(gateway: Gateway) -> str:
    return f"Authorization: Bearer {gateway.token(scope='api')}"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def posted(gateway: Gateway, *lines: str, body: str = "{}", unread: bool = False) -> bytes:
    length = f"Content-Length: {len(body)}"
    return gateway.say("/mcp", bearer(gateway), length, *lines, method="POST", body=body, unread=unread)


def test_a_gateway_without_bodies_passes_on_a_call_that_a_rule_allows(by_headers: Gateway) -> None:
    answer = posted(by_headers, VERSION, CALL, "Mcp-Name: get_x")
    assert status(answer) == 200
    assert b"get_x" in answer  # the upstream saw it


def test_a_gateway_without_bodies_asks_for_all_scopes_that_a_call_needs(by_headers: Gateway) -> None:
    answer = posted(by_headers, VERSION, CALL, "Mcp-Name: drop")
    assert status(answer) == 403
    assert b'scope="api orders:write"' in answer
    assert status(posted(by_headers, VERSION, CALL, "Mcp-Name: =?base64?ZHJvcA==?=")) == 403


@pytest.mark.parametrize(
    "lines",
    [
        [CALL, "Mcp-Name: get_x"],
        [VERSION, "Mcp-Name: get_x"],
        [VERSION, CALL],
        ["MCP-Protocol-Version: 2025-11-25", CALL, "Mcp-Name: get_x"],
        [VERSION, CALL, "Mcp-Name: get_x", "Mcp-Name: get_y"],
        [VERSION, CALL, "Mcp-Name: get_x", "mcp-name: drop"],
        [VERSION, CALL, "Mcp-Method: tools/list", "Mcp-Name: get_x"],
        [VERSION, VERSION, CALL, "Mcp-Name: get_x"],
        [VERSION, CALL, "Mcp-Name: =?base64?ZHJvcA?="],
        [],
    ],
    ids=str,
)
def test_a_gateway_without_bodies_refuses_what_is_missing_doubled_or_malformed(
    by_headers: Gateway, lines: list[str]
) -> None:
    assert status(posted(by_headers, *lines)) == 400


def test_a_gateway_without_bodies_shows_the_server_no_field_that_bearerd_was_not_shown(by_headers: Gateway) -> None:
    answer = posted(by_headers, VERSION, CALL, "Mcp-Name: get_x", "Mcp_Name: drop")
    assert status(answer) == 200
    assert b"drop" not in answer


def test_a_gateway_without_bodies_asks_for_a_token_before_anything_else(by_headers: Gateway) -> None:
    answer = by_headers.say("/mcp", "Content-Length: 2", method="POST", body="{}")
    assert status(answer) == 401
    assert b"resource_metadata=" in answer


def message(name: str, **more: object) -> str:
    params = {"name": name, "arguments": {"id": 7}, "_meta": META}
    return json.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params} | more)


def error(answer: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(answer[answer.index(b'{"jsonrpc') : answer.rindex(b"}") + 1])
    return found


def test_envoy_passes_on_a_call_that_headers_and_body_agree_on(by_body: Gateway) -> None:
    assert status(posted(by_body, JSON, VERSION, CALL, "Mcp-Name: get_x", body=message("get_x"))) == 200
    old = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_x"}})
    assert status(posted(by_body, JSON, "MCP-Protocol-Version: 2025-11-25", body=old)) == 200
    assert status(posted(by_body, JSON, "Transfer-Encoding: chunked", body=old)) in (200, 400)  # beside a length


@pytest.mark.parametrize("said", ["get_x", "drop, get_x", "=?base64?Z2V0X3g=?="])
def test_envoy_refuses_a_body_that_calls_another_tool_than_the_headers(by_body: Gateway, said: str) -> None:
    answer = posted(by_body, JSON, VERSION, CALL, f"Mcp-Name: {said}", body=message("drop"))
    assert status(answer) == 400
    told = error(answer)
    assert (told["id"], told["error"]["code"]) == (5, -32020)  # type: ignore[index]


def test_envoy_refuses_by_the_scopes_that_the_body_needs(by_body: Gateway) -> None:
    answer = posted(by_body, JSON, VERSION, CALL, "Mcp-Name: drop", body=message("drop"))
    assert status(answer) == 403
    assert b'scope="api orders:write"' in answer


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        f"[{message('get_x')}]",
        message("get_x")[:-1] + ', "method": "tools/list"}',
        message("get_x", Method="x"),
    ],
    ids=str,
)
def test_envoy_refuses_what_is_not_one_message(by_body: Gateway, body: str) -> None:
    assert status(posted(by_body, JSON, VERSION, CALL, "Mcp-Name: get_x", body=body)) == 400


def test_envoy_shows_the_longest_message_that_its_example_lets_pass(by_body: Gateway) -> None:
    """By gRPC it was longer than bearerd takes there: 503, of which bearerd itself knew nothing."""
    example = by_body.stage.folder / by_body.name / "envoy.yaml"
    shown = re.search(r"^ *with_request_body: \{ max_request_bytes: (\d+)", example.read_text(), re.MULTILINE)
    assert shown is not None
    most = int(shown[1])
    frame = json.loads(message("get_x"))
    frame["params"]["arguments"] = {"text": ""}
    frame["params"]["arguments"]["text"] = "x" * (most - len(json.dumps(frame)))
    body = json.dumps(frame)
    assert len(body) == most
    assert status(posted(by_body, JSON, VERSION, CALL, "Mcp-Name: get_x", body=body)) == 200
    assert status(posted(by_body, JSON, VERSION, CALL, "Mcp-Name: get_x", body=body + " ", unread=True)) == 413


def test_envoy_refuses_a_body_that_is_too_large_for_it(by_body: Gateway) -> None:
    body = message("get_x" + "x" * 1_100_000)
    assert status(posted(by_body, JSON, VERSION, CALL, "Mcp-Name: get_x", body=body, unread=True)) in (400, 413)
