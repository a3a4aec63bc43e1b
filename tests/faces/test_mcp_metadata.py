"""What clients of an MCP server find at the well-known places of its host, before they have a token."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support import policies
from support.house import ISS, House, config, issuer
from support.issuer import ScriptedIssuer

from bearerd.faces import metadata

if TYPE_CHECKING:
    from pathlib import Path

WELL_KNOWN = "/.well-known/oauth-protected-resource"
SERVER = {"kind": "mcp", "identifier": "https://mcp.example/mcp", "scopes": ["mcp"]}


def house(tmp_path: Path, **resources: dict[str, Any]) -> House:
    return House(config(tmp_path, resource=resources), tmp_path)


async def found(made: House, host: str, target: str = WELL_KNOWN) -> str | int:
    """Whose document stands there, or 404."""
    reply = await made.ask(target, host=host)
    return str(reply.json()["resource"]) if reply.status == 200 else reply.status


@pytest.mark.parametrize("target", [WELL_KNOWN, f"{WELL_KNOWN}/mcp"])
@pytest.mark.parametrize("host", ["mcp.example", "MCP.Example", "mcp.example:443", "elsewhere.example"])
async def test_the_document_stands_at_the_path_and_at_the_root(tmp_path: Path, host: str, target: str) -> None:
    async with house(tmp_path, mcp=SERVER) as made:
        document = (await made.ask(target, host=host)).json()
        assert document["resource"] == "https://mcp.example/mcp"
        assert document["authorization_servers"] == [ISS]
        assert document["bearer_methods_supported"] == ["header"]


async def test_the_scopes_of_the_document_are_the_least_that_is_of_any_use(tmp_path: Path) -> None:
    bare = SERVER | {"identifier": "https://bare.example", "scopes": []}
    async with house(tmp_path, mcp=SERVER, bare=bare) as made:
        assert (await made.ask(WELL_KNOWN, host="mcp.example")).json()["scopes_supported"] == ["mcp"]
        assert "scopes_supported" not in (await made.ask(WELL_KNOWN, host="bare.example")).json()
    guarded = policies.resource({"scopes": ["admin"]}, scopes=["mcp"])
    assert metadata.document(guarded)["scopes_supported"] == ["mcp", "admin"]
    assert metadata.document(replace(guarded, kind="mcp"))["scopes_supported"] == ["mcp"]


async def test_the_root_is_nobodys_where_two_servers_could_be_meant(tmp_path: Path) -> None:
    one, two = ({"kind": "mcp", "identifier": f"https://shared.example/{name}"} for name in ("one", "two"))
    async with house(tmp_path, one=one, two=two, alone=SERVER) as made:
        assert await found(made, "shared.example") == 404
        assert await found(made, "shared.example", f"{WELL_KNOWN}/two") == "https://shared.example/two"
        assert await found(made, "mcp.example") == "https://mcp.example/mcp"
        assert await found(made, "elsewhere.example") == 404  # any of the three
        assert await found(made, "elsewhere.example", f"{WELL_KNOWN}/one") == "https://shared.example/one"


async def test_the_root_belongs_to_the_resource_that_stands_there(tmp_path: Path) -> None:
    root = {"identifier": "https://mcp.example"}
    async with house(tmp_path, root=root, mcp=SERVER) as made:
        assert await found(made, "mcp.example") == "https://mcp.example"
        assert await found(made, "mcp.example", f"{WELL_KNOWN}/mcp") == "https://mcp.example/mcp"
        assert await found(made, "elsewhere.example") == 404


async def test_another_hosts_root_does_not_hide_a_server(tmp_path: Path) -> None:
    async with house(tmp_path, root={"identifier": "https://api.example"}, mcp=SERVER) as made:
        assert await found(made, "mcp.example") == "https://mcp.example/mcp"
        assert await found(made, "api.example") == "https://api.example"


async def test_only_an_mcp_server_is_looked_for_at_the_root(tmp_path: Path) -> None:
    async with house(tmp_path, api=SERVER | {"kind": "http"}) as made:
        assert await found(made, "mcp.example") == 404


async def test_what_the_operator_tells_of_a_resource_stands_in_its_document(tmp_path: Path) -> None:
    told = {"title": "Notes \u2013 \u00fc", "documentation": "https://docs.example/notes"}
    async with house(tmp_path, mcp=SERVER | told, api={"identifier": "https://api.example"}) as made:
        document = (await made.ask(WELL_KNOWN, host="mcp.example")).json()
        assert document["resource_name"] == told["title"]
        assert document["resource_documentation"] == told["documentation"]
        assert not {"resource_name", "resource_documentation"} & set(
            (await made.ask(WELL_KNOWN, host="api.example")).json()
        )


async def test_a_page_of_anybodys_may_read_the_document_with_the_fields_of_an_mcp_client(tmp_path: Path) -> None:
    asks = ("Origin", "https://inspector.example"), ("Access-Control-Request-Method", "GET")
    version = ("Access-Control-Request-Headers", "mcp-protocol-version")
    async with house(tmp_path, mcp=SERVER) as made:
        before = await made.ask(WELL_KNOWN, *asks, version, host="mcp.example", method="OPTIONS")
        assert (before.status, before.body) == (204, b"")
        assert before["Access-Control-Allow-Origin"] == before["Access-Control-Allow-Headers"] == "*"
        assert before["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
        reply = await made.ask(WELL_KNOWN, asks[0], ("MCP-Protocol-Version", "2026-07-28"), host="mcp.example")
        assert (reply.status, reply["Access-Control-Allow-Origin"]) == (200, "*")
        head = await made.ask(WELL_KNOWN, host="mcp.example", method="HEAD")
        assert (head.status, head["Content-Length"], head.body) == (200, reply["Content-Length"], b"")


async def test_nothing_may_be_asked_of_a_document_that_is_not_there(tmp_path: Path) -> None:
    async with house(tmp_path, mcp=SERVER) as made:
        assert (await made.ask(f"{WELL_KNOWN}/else", host="mcp.example", method="OPTIONS")).status == 404
        assert (await made.ask(WELL_KNOWN, host="mcp.example", method="DELETE")).status == 405


# ---- the issuer's own metadata

SERVERS = "/.well-known/oauth-authorization-server"
DOCUMENT = b'{"issuer": "https://issuer.example", "token_endpoint": "https://issuer.example/token"}'


def passing(tmp_path: Path, **resources: dict[str, Any]) -> House:
    """A house that knows what its issuer says of itself."""
    made = House(
        config(tmp_path, resource=resources, issuer=[issuer(), issuer(issuer="https://b.example", name="b")]), tmp_path
    )
    known = {ISS: DOCUMENT}
    made.service.documents.find = lambda asked: known.get(asked.issuer)  # type: ignore[method-assign]
    return made


async def test_clients_of_2025_03_26_find_the_issuers_own_document_at_the_root(tmp_path: Path) -> None:
    async with passing(tmp_path, mcp=SERVER | {"authorization_server_metadata": "test"}) as made:
        reply = await made.ask(SERVERS, ("Origin", "https://inspector.example"), host="mcp.example")
        assert (reply.status, reply.body, reply["Content-Type"]) == (200, DOCUMENT, "application/json")
        assert reply["Cache-Control"] == "public, max-age=300"
        assert reply["Access-Control-Allow-Origin"] == "*"
        assert (await made.ask(SERVERS, host="mcp.example", method="OPTIONS")).status == 204
        assert (await made.ask(SERVERS, host="mcp.example", method="POST")).status == 405
        for target in (f"{SERVERS}/mcp", f"{SERVERS}/", f"{SERVERS}?x", "/.well-known/openid-configuration"):
            assert (await made.ask(target, host="mcp.example")).status == 404


@pytest.mark.parametrize("table", [{}, {"authorization_server_metadata": "b"}])
async def test_no_document_is_invented(tmp_path: Path, table: dict[str, Any]) -> None:
    """Not configured, or not known: the same to whoever asks."""
    async with passing(tmp_path, mcp=SERVER | table) as made:
        assert (await made.ask(SERVERS, host="mcp.example")).status == 404
        for place in ("/authorize", "/token", "/register"):  # where such clients look then
            assert (await made.ask(place, host="mcp.example")).status == 404


async def test_each_host_has_its_own_issuers_document(tmp_path: Path) -> None:
    other = {"kind": "mcp", "identifier": "https://b-mcp.example", "authorization_server_metadata": "https://b.example"}
    async with passing(tmp_path, mcp=SERVER | {"authorization_server_metadata": ISS}, other=other) as made:
        assert (await made.ask(SERVERS, host="mcp.example:443")).status == 200
        assert (await made.ask(SERVERS, host="b-mcp.example")).status == 404
        assert (await made.ask(SERVERS, host="elsewhere.example")).status == 404  # either


async def test_the_documents_that_are_passed_on_are_those_that_resources_name(tmp_path: Path) -> None:
    """The whole way: the issuer, the loop that asks it, and a reload."""
    async with ScriptedIssuer() as server:
        issuers = [{"issuer": server.issuer, "name": "auth", "insecure_issuer": True, "algorithms": ["ES256"]}]
        told = SERVER | {"authorization_server_metadata": "auth"}
        async with House(config(tmp_path, resource={"mcp": told}, issuer=issuers), tmp_path) as made:
            await made.service.start()
            async with asyncio.timeout(20):
                while (reply := await made.ask(SERVERS, host="mcp.example")).status == 404:
                    await asyncio.sleep(0.01)
            assert reply.json()["issuer"] == server.issuer
            await made.service.reload(config(tmp_path, resource={"mcp": SERVER}, issuer=issuers))
            assert (await made.ask(SERVERS, host="mcp.example")).status == 404
