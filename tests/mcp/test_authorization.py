"""The authorization page of the MCP specification, as far as it is a server's, at every face (docs/mcp.md lists them all)."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pytest
from support.house import House, config, issuer, token

if TYPE_CHECKING:
    from pathlib import Path

SERVER = "https://mcp.example.com/mcp"
METADATA = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
FACES = ("nginx", "forwarded", "envoy", "grpc")

pytestmark = pytest.mark.parametrize("face", FACES)


class Told(NamedTuple):
    """What a client is told."""

    status: int
    challenge: str | None
    why: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """Those of the one challenge."""
        assert self.challenge is not None
        assert self.challenge.count("Bearer") == 1
        return dict(re.findall(r'(\w+)="([^"]*)"', self.challenge))


class Server:
    """``async with Server(tmp_path, face) as server``: an MCP server behind a gateway of that kind."""

    def __init__(self, tmp_path: Path, face: str, **table: Any) -> None:
        made = {"kind": "mcp", "identifier": SERVER, "gateway": face, "scopes": ["mcp"]} | table
        self._face = face
        self.house = House(config(tmp_path, resource={"api": made}), tmp_path)

    async def __aenter__(self) -> Self:
        await self.house.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.house.__aexit__(None, None, None)

    async def ask(
        self, credential: str | None = None, *fields: tuple[str, str], method: str = "POST", uri: str = "/mcp"
    ) -> Told:
        """What becomes of a client's request."""
        if credential is not None:
            fields = (*fields, ("Authorization", f"Bearer {credential}"))
        if self._face == "grpc":
            return await self._called(fields, method, uri)
        if self._face == "envoy":
            reply = await self.house.ask(f"/ext_authz/api{uri}", *fields, method=method)
        else:
            words = ("Original", "URI") if self._face == "nginx" else ("Forwarded", "Uri")
            told = (f"X-{words[0]}-Method", method), (f"X-{words[0]}-{words[1]}", uri)
            reply = await self.house.ask("/auth/api", *told, *fields)
        if reply.status == 200:
            return Told(200, None)
        return Told(
            int(reply.get("X-Auth-Status") or reply.status), reply.get("WWW-Authenticate"), self.house.why(reply)
        )

    async def _called(self, fields: tuple[tuple[str, str], ...], method: str, uri: str) -> Told:
        pytest.importorskip("grpc")
        from envoy.service.auth.v3.external_auth_pb2 import CheckResponse
        from support.calls import Context, asked

        from bearerd.faces.grpc.authorization import Authorization

        sent = [(name.lower(), value) for name, value in fields]
        question = asked(*sent, method=method, path=uri).SerializeToString()
        answer = CheckResponse.FromString(await Authorization(self.house.service).check(question, Context()))
        if answer.HasField("ok_response"):
            return Told(200, None)
        told = {option.header.key.lower(): option.header.value for option in answer.denied_response.headers}
        found = self.house.service.recorder.ring.find(told["x-auth-request-id"])
        return Told(answer.denied_response.status.code, told.get("www-authenticate"), found and found["code"])


def good(**claims: Any) -> str:
    """A token for the server."""
    return token(**({"aud": SERVER, "scope": "mcp"} | claims))


async def test_who_shows_no_token_is_told_where_to_get_one_and_nothing_of_an_error(tmp_path: Path, face: str) -> None:
    async with Server(tmp_path, face) as server:
        told = await server.ask()
        assert told.status == 401
        assert told.parameters == {"realm": "api", "scope": "mcp", "resource_metadata": METADATA}


async def test_an_invalid_or_expired_token_is_401_and_never_403(tmp_path: Path, face: str) -> None:
    now = int(time.time())
    bad = good()[:-6] + "AAAAAA"
    lacking = good(scope="other", iat=now - 900, exp=now - 300)  # expired, and without the scopes, too
    async with Server(tmp_path, face) as server:
        for credential in (
            bad,
            lacking,
            good(iss="https://stranger.example"),
            good(exp=...),
            "opaque",
            "gho_" + "x" * 36,
        ):
            told = await server.ask(credential)
            assert told.status == 401, credential
            assert told.parameters["error"] == "invalid_token"
            assert told.parameters["resource_metadata"] == METADATA


@pytest.mark.parametrize(
    "aud", ["https://mcp.example.com", "https://mcp.example.com/mcp/", "https://other.example/mcp", [], ..., "api"]
)
async def test_a_token_for_another_server_is_not_accepted(tmp_path: Path, face: str, aud: Any) -> None:
    async with Server(tmp_path, face) as server:
        told = await server.ask(good(aud=aud))
        assert (told.status, told.why) == (401, "wrong_audience")


async def test_a_token_of_an_issuer_that_the_server_does_not_name_is_not_accepted(tmp_path: Path, face: str) -> None:
    other = {"issuer": "https://other.example", "name": "other"}
    made = config(
        tmp_path,
        issuer=[issuer(), issuer(**other)],
        resource={"api": {"kind": "mcp", "identifier": SERVER, "gateway": face, "issuers": ["test"]}},
    )
    server = Server(tmp_path, face)
    server.house = House(made, tmp_path)
    async with server:
        assert (await server.ask(good(iss="https://other.example"))).why == "unknown_issuer"
        assert (await server.ask(good())).status == 200


@pytest.mark.parametrize(
    ("audience", "aud"),
    [
        (None, "https://root.example"),
        (None, "https://root.example/"),
        ("api://9b1f0d9e-0000-4000-8000-000000000000", "api://9b1f0d9e-0000-4000-8000-000000000000"),
        ("9b1f0d9e-0000-4000-8000-000000000000", "9b1f0d9e-0000-4000-8000-000000000000"),
        ("https://root.example", "https://root.example/"),
    ],
)
async def test_both_spellings_of_a_root_and_the_names_that_an_issuer_has_for_it_are_its_audience(
    tmp_path: Path, face: str, audience: str | None, aud: str
) -> None:
    more = {} if audience is None else {"audience": ["https://root.example", audience]}
    async with Server(tmp_path, face, identifier="https://root.example", **more) as server:
        assert (await server.ask(good(aud=aud))).status == 200
        assert (await server.ask(good(aud=f"{aud}x"))).why == "wrong_audience"


async def test_too_few_scopes_are_403_with_all_that_the_operation_needs_in_one_challenge(
    tmp_path: Path, face: str
) -> None:
    scopes = ["mcp", "files:write", "files:read"]
    async with Server(tmp_path, face, scopes=scopes) as server:
        for granted in ("", "files:read", "mcp files:write", "MCP files:write files:read"):
            told = await server.ask(good(scope=granted))
            assert told.status == 403
            assert told.parameters == {
                "realm": "api",
                "error": "insufficient_scope",
                "scope": " ".join(scopes),  # whatever the token has of them
                "resource_metadata": METADATA,
            }
        assert (await server.ask(good(scope="files:read other files:write mcp"))).status == 200


async def test_a_tool_asks_for_the_servers_scopes_and_its_own_in_one_challenge(tmp_path: Path, face: str) -> None:
    rules = [{"tool": "delete_*", "scopes": ["files:write", "files:read"]}, {"tool": "*"}]
    table = {"mcp_headers": "checked", "mcp_body": "unread", "rule": rules}
    named = ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call")
    async with Server(tmp_path, face, **table) as server:
        told = await server.ask(good(scope="files:read"), *named, ("Mcp-Name", "delete_note"))
        assert (told.status, told.parameters["error"]) == (403, "insufficient_scope")
        assert told.parameters["scope"] == "mcp files:write files:read"
        assert (await server.ask(good(), *named, ("Mcp-Name", "search"))).status == 200
        every = good(scope="mcp files:write files:read")
        assert (await server.ask(every, *named, ("Mcp-Name", "delete_note"))).status == 200


async def test_a_broader_scope_is_as_good_as_those_that_it_implies(tmp_path: Path, face: str) -> None:
    implies = {"admin": ["write"], "write": ["read"]}
    async with Server(tmp_path, face, scopes=["read"], scope_implies=implies) as server:
        for granted in ("read", "write", "admin"):
            assert (await server.ask(good(scope=granted))).status == 200
        assert (await server.ask(good(scope="adm"))).parameters["scope"] == "read"  # the least that is needed


async def test_a_token_in_the_query_is_refused_whatever_stands_in_the_header(tmp_path: Path, face: str) -> None:
    async with Server(tmp_path, face) as server:
        for credential in (None, good()):
            told = await server.ask(credential, uri=f"/mcp?access_token={good()}")
            assert told.status in (400, 401)  # what a gateway can pass on
            assert told.why == "ambiguous_credentials"


async def test_two_credentials_are_a_malformed_request(tmp_path: Path, face: str) -> None:
    async with Server(tmp_path, face) as server:
        told = await server.ask(f"{good()}, Bearer {good()}")
        assert told.parameters["error"] == "invalid_request"
        assert told.status == (401 if face in ("nginx", "forwarded") else 400)


@pytest.mark.parametrize(
    ("method", "uri"),
    [
        ("POST", "/mcp"),
        ("GET", "/mcp"),  # the stream of 2025-03-26 to 2025-11-25
        ("DELETE", "/mcp"),  # a session's end there
        ("GET", "/sse"),  # HTTP+SSE of 2024-11-05
        ("POST", "/messages?sessionId=8c1f"),
    ],
)
async def test_every_request_of_a_session_needs_a_token_and_its_scopes(
    tmp_path: Path, face: str, method: str, uri: str
) -> None:
    session = ("Mcp-Session-Id", "8c1f")
    async with Server(tmp_path, face) as server:
        assert (await server.ask(good(), session, method=method, uri=uri)).status == 200
        assert (await server.ask(None, session, method=method, uri=uri)).status == 401
        assert (await server.ask(good(scope="other"), session, method=method, uri=uri)).why == "insufficient_scope"
        assert (await server.ask(good(aud="https://else.example"), session, method=method, uri=uri)).status == 401


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "HTTPS://MCP.example.com", "https://mcp.example.com:443", "*"]
)
async def test_a_foreign_origin_is_403_whoever_asks(tmp_path: Path, face: str, origin: str) -> None:
    async with Server(tmp_path, face) as server:
        for credential in (good(), None, "opaque"):
            for method in ("POST", "GET", "OPTIONS"):
                told = await server.ask(credential, ("Origin", origin), method=method)
                assert (told.status, told.why, told.challenge) == (403, "forbidden", None)


async def test_an_origin_is_the_servers_own_or_listed_or_there_is_none(tmp_path: Path, face: str) -> None:
    async with Server(tmp_path, face, origins=["https://inspector.example", "http://localhost:6274"]) as server:
        assert (await server.ask(good())).status == 200
        for origin in ("https://mcp.example.com", "https://inspector.example", "http://localhost:6274"):
            assert (await server.ask(good(), ("Origin", origin))).status == 200
        assert (await server.ask(good(), ("Origin", "http://localhost:6275"))).status == 403
        assert (await server.ask(None, ("Origin", "https://inspector.example"))).status == 401


async def test_a_preflight_passes_by_its_rule_and_not_from_a_foreign_page(tmp_path: Path, face: str) -> None:
    asks = ("Access-Control-Request-Method", "POST")
    async with Server(tmp_path, face, rule=[{"preflight": True}], origins=["https://inspector.example"]) as server:
        assert (await server.ask(None, ("Origin", "https://inspector.example"), asks, method="OPTIONS")).status == 200
        assert (await server.ask(None, ("Origin", "https://evil.example"), asks, method="OPTIONS")).status == 403


async def test_several_origins_are_refused(tmp_path: Path, face: str) -> None:
    own = ("Origin", "https://mcp.example.com")
    async with Server(tmp_path, face) as server:
        assert (await server.ask(good(), own, own)).status == 403
        assert (await server.ask(good(), own, ("ORIGIN", "https://evil.example"))).status == 403


async def test_every_origin_passes_where_the_operator_said_so(tmp_path: Path, face: str) -> None:
    async with Server(tmp_path, face, origins=["*"]) as server:
        assert (await server.ask(good(), ("Origin", "null"))).status == 200


async def test_an_origin_means_nothing_to_what_is_no_mcp_server(tmp_path: Path, face: str) -> None:
    async with Server(tmp_path, face, kind="http") as server:
        assert (await server.ask(good(), ("Origin", "https://evil.example"))).status == 200


async def test_an_answer_that_stands_ready_is_not_given_to_a_foreign_page(tmp_path: Path, face: str) -> None:
    async with Server(tmp_path, face) as server:
        credential = good()
        for _ in range(2):
            assert (await server.ask(credential)).status == 200
            assert (await server.ask(credential, ("Origin", "https://evil.example"))).status == 403
