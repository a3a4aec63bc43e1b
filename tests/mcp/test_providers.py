"""docs/providers.md: each configuration is valid, and takes the tokens that the provider gives for it, and no others."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.house import House, config, key, token

from bearerd.config import load

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
SECTIONS = dict(section.split("\n", 1) for section in PAGE.read_text().split("\n## ")[1:])
BLOCKS = {
    name: tomllib.loads(found[1])
    for name, text in SECTIONS.items()
    if (found := re.search(r"```toml\n(.*?)```", text, re.DOTALL)) is not None
}
SERVER = "https://mcp.example.com/mcp"
GUID = "9b1f0d9e-0000-4000-8000-000000000000"
ENTRA = "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0"
PROJECT = "344374183645413380"
JOB = {"repository": "example/app", "ref": "refs/heads/main"}
MACHINE = {"email": "agent@example-project.iam.gserviceaccount.com", "email_verified": True}

# What the providers write into a token beside the usual claims, and what of it must not do.
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("Auth0", {"aud": [SERVER, "https://example.eu.auth0.com/userinfo"], "azp": "app", "scope": "openid mcp:use"}),
    ("Auth0", {"aud": SERVER, "scope": "openid", "permissions": ["mcp:use"]}),
    ("Keycloak", {"aud": [SERVER, "account"], "typ": "Bearer", "azp": "app", "scope": "profile mcp:use"}),
    ("Microsoft Entra", {"aud": GUID, "scp": "mcp.use", "scope": ..., "ver": "2.0", "azp": "app"}),
    ("Microsoft Entra", {"aud": f"api://{GUID}", "scp": "mcp.use User.Read", "scope": ...}),
    ("ZITADEL", {"aud": ["app", PROJECT], "scope": ..., "mcp_roles": ["user"]}),
    ("Google", {"aud": SERVER, "azp": "1", "scope": ..., **MACHINE}),
    ("GitHub", {"aud": SERVER, "scope": ..., **JOB}),
]
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("Auth0", {"aud": "https://example.eu.auth0.com/userinfo", "scope": "mcp:use"}, "wrong_audience"),
    ("Auth0", {"aud": SERVER, "scope": "openid"}, "insufficient_scope"),
    ("Auth0", {"aud": SERVER, "scope": "mcp:use", "exp": ("in", 86_400)}, "too_long_lived"),
    ("Keycloak", {"aud": "account", "typ": "Bearer", "scope": "mcp:use"}, "wrong_audience"),
    ("Keycloak", {"aud": SERVER, "typ": "ID", "scope": "mcp:use"}, "wrong_type"),
    ("Microsoft Entra", {"aud": SERVER, "scp": "mcp.use", "scope": ...}, "wrong_audience"),
    ("Microsoft Entra", {"aud": GUID, "scp": f"api://{GUID}/mcp.use", "scope": ...}, "insufficient_scope"),
    ("Microsoft Entra", {"iss": ENTRA.replace("1111", "2222"), "aud": GUID, "scp": "mcp.use"}, "unknown_issuer"),
    ("ZITADEL", {"aud": ["app"], "scope": ...}, "wrong_audience"),
    ("ZITADEL", {"aud": [PROJECT], "exp": ("in", 43_200)}, "too_long_lived"),
    ("Google", {"aud": SERVER, "at_hash": "x", **MACHINE}, "wrong_type"),  # a person's ID token
    ("Google", {"aud": "app.apps.googleusercontent.com", **MACHINE}, "wrong_audience"),
    ("Google", {"aud": SERVER, **MACHINE, "email": "eve@example-project.iam.gserviceaccount.com"}, "forbidden"),
    ("GitHub", {"aud": SERVER, **JOB, "repository": "example/fork"}, "forbidden"),
    ("GitHub", {"aud": "https://github.com/example", **JOB}, "wrong_audience"),
]


def test_every_provider_has_a_configuration() -> None:
    assert set(BLOCKS) == {"Auth0", "Keycloak", "Microsoft Entra", "ZITADEL", "Google", "GitHub"}
    assert PAGE.read_text().count("```toml") == len(BLOCKS)


@pytest.mark.parametrize("name", BLOCKS)
def test_each_configuration_is_valid_as_it_stands(name: str, tmp_path: Path) -> None:
    made = load.check(BLOCKS[name], {}, tmp_path, name)
    assert made.resource["mcp"].kind == ("http" if name in ("Google", "GitHub") else "mcp")


async def told(tmp_path: Path, name: str, claims: dict[str, Any], credential: str | None = None) -> str | None:
    """Why a token of the provider is refused by the page's configuration; only keys and gateway are others here."""
    (issuer,) = BLOCKS[name]["issuer"]
    resource = BLOCKS[name]["resource"]["mcp"] | {"gateway": "forwarded"}
    issuers = [issuer | {"algorithms": ["ES256"], "jwks": {"keys": [key()]}}]
    said = {"iss": issuer["issuer"]} | claims
    if isinstance(life := said.get("exp"), tuple):
        now = int(time.time())
        said |= {"iat": now, "exp": now + life[1]}
    async with House(config(tmp_path, issuer=issuers, resource={"mcp": resource}), tmp_path) as house:
        reply = await house.auth(credential or token(header={"typ": "JWT"}, **said), "POST", "/mcp", name="mcp")
        return None if reply.status == 200 else house.why(reply)


@pytest.mark.parametrize(("name", "claims"), GOOD)
async def test_what_the_provider_issues_for_the_server_is_taken(
    tmp_path: Path, name: str, claims: dict[str, Any]
) -> None:
    assert await told(tmp_path, name, claims) is None


@pytest.mark.parametrize(("name", "claims", "why"), BAD)
async def test_what_it_issues_for_somebody_else_is_not(
    tmp_path: Path, name: str, claims: dict[str, Any], why: str
) -> None:
    assert await told(tmp_path, name, claims) == why


@pytest.mark.parametrize("credential", ["ya29.a0AfB_by" + "x" * 150, "gho_" + "x" * 36, "ghu_" + "x" * 36])
async def test_an_opaque_token_is_no_token_here(tmp_path: Path, credential: str) -> None:
    for name in ("Google", "GitHub"):
        assert await told(tmp_path, name, {}, credential) == "malformed_token"
