"""``/.well-known/oauth-protected-resource`` (RFC 9728): found by host and path of an identifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.house import ISS, House, config, issuer

if TYPE_CHECKING:
    from pathlib import Path

WELL_KNOWN = "/.well-known/oauth-protected-resource"
RESOURCES = {
    "root": {
        "identifier": "https://api.example",
        "scopes": ["read"],
        "rule": [{"enforce": "shadow", "scopes": ["on-trial"]}, {"scopes": ["read", "write"]}],
    },
    "slash": {"identifier": "https://slash.example/", "audience": ["urn:slash"]},
    "path": {"identifier": "https://api.example/mcp/v1"},
    "other": {"identifier": "https://other.example:8443/mcp/v1"},
    "alone": {"identifier": "https://other.example:8443/alone?tenant=a"},
    "http": {"identifier": "http://dev.example:80/dev/"},
    "urn": {"identifier": "urn:no:place"},
    "nameless": {"audience": ["urn:x"]},
}
ISSUERS = [issuer(), issuer(issuer="https://second.example", name="second", jwks={"keys": []})]


def made(tmp_path: Path) -> House:
    return House(config(tmp_path, resource=RESOURCES, issuer=ISSUERS), tmp_path)


@pytest.mark.parametrize(
    ("host", "target", "identifier"),
    [
        ("api.example", WELL_KNOWN, "https://api.example"),
        ("API.Example:443", WELL_KNOWN, "https://api.example"),
        ("api.example.", WELL_KNOWN, "https://api.example"),
        ("slash.example", WELL_KNOWN, "https://slash.example/"),
        ("api.example", f"{WELL_KNOWN}/mcp/v1", "https://api.example/mcp/v1"),
        ("other.example:8443", f"{WELL_KNOWN}/mcp/v1", "https://other.example:8443/mcp/v1"),
        ("whatever.example", f"{WELL_KNOWN}/alone?tenant=a", "https://other.example:8443/alone?tenant=a"),
        ("dev.example", f"{WELL_KNOWN}/dev/", "http://dev.example:80/dev/"),
    ],
)
async def test_a_document_stands_where_the_challenge_says(
    tmp_path: Path, host: str, target: str, identifier: str
) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask(target, host=host)
        assert reply.status == 200
        assert reply["Content-Type"] == "application/json"
        assert reply.json()["resource"] == identifier
        assert reply.json()["authorization_servers"] == [ISS, "https://second.example"]
        assert reply.json()["bearer_methods_supported"] == ["header"]


async def test_a_list_without_members_is_left_out(tmp_path: Path) -> None:
    """RFC 9728 section 3.2; nobody issues tokens for a resource that takes API keys alone."""
    alone = {"alone": {"identifier": "https://api.example", "credentials": ["apikey"]}}
    async with House(config(tmp_path, resource=alone), tmp_path) as house:
        assert (await house.ask(WELL_KNOWN, host="api.example")).json() == {
            "resource": "https://api.example",
            "bearer_methods_supported": ["header"],
        }


async def test_scopes_are_the_resources_and_its_rules_but_not_those_of_rules_on_trial(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        assert (await house.ask(WELL_KNOWN, host="api.example")).json()["scopes_supported"] == ["read", "write"]
        assert "scopes_supported" not in (await house.ask(WELL_KNOWN, host="slash.example")).json()


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("unknown.example", WELL_KNOWN),  # two resources have that path
        ("unknown.example", f"{WELL_KNOWN}/mcp/v1"),
        ("other.example", f"{WELL_KNOWN}/mcp/v1"),
        ("api.example", f"{WELL_KNOWN}/"),
        ("api.example", f"{WELL_KNOWN}/mcp/v1/"),
        ("api.example", f"{WELL_KNOWN}/mcp/v1?x"),
        ("api.example", f"{WELL_KNOWN}/mcp%2fv1"),
        ("api.example", f"{WELL_KNOWN}-else"),
        ("other.example:8443", f"{WELL_KNOWN}/alone"),
    ],
)
async def test_anything_else_is_404(tmp_path: Path, host: str, target: str) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask(target, host=host)
        assert (reply.status, reply.json()) == (404, {"type": "about:blank", "status": 404, "title": "Not Found"})


async def test_head_and_other_methods(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask(WELL_KNOWN, host="api.example", method="HEAD")
        assert (reply.status, reply["Access-Control-Allow-Origin"]) == (200, "*")
        assert (await house.ask(WELL_KNOWN, host="api.example", method="POST"))["Allow"] == "GET, HEAD, OPTIONS"


async def test_a_reload_moves_the_documents(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        moved = {"root": {"identifier": "https://moved.example"}, "b": {"identifier": "https://b.example"}}
        await house.service.reload(config(tmp_path, resource=moved))
        assert (await house.ask(WELL_KNOWN, host="moved.example")).status == 200
        assert (await house.ask(WELL_KNOWN, host="api.example")).status == 404
