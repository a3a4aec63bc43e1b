"""The MCP Python SDK's token verifier."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from adapters.scene import file
from mcp.server.auth.settings import AuthSettings
from support.house import ISS, token

import bearerd
from bearerd import api
from bearerd.adapters.mcp_sdk import TokenVerifier, Unsure

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_good_token_is_told_with_its_client_scopes_subject_and_claims(verifier: bearerd.Verifier) -> None:
    access = await TokenVerifier(verifier, resource="plain").verify_token(token())
    assert access is not None
    assert (access.client_id, access.subject, access.scopes) == ("app", "alice", ["read", "write"])
    assert access.resource == "https://plain.example/mcp"
    assert access.claims is not None
    assert access.claims["iss"] == ISS
    assert access.expires_at is not None
    assert access.expires_at > time.time()


@pytest.mark.parametrize(
    "bad", ["", "x", "a b", token(number=1), token(aud="https://elsewhere.example/"), token(exp=5)]
)
async def test_any_other_token_is_none(verifier: bearerd.Verifier, bad: str) -> None:
    assert await TokenVerifier(verifier, resource="plain").verify_token(bad) is None


async def test_a_token_is_one_for_the_server_whatever_its_rules_say_of_uses(verifier: bearerd.Verifier) -> None:
    """Each use is decided by itself; of ``api`` all rules select by method and path."""
    assert await TokenVerifier(verifier, resource="api").verify_token(token()) is not None


async def test_a_token_without_the_scopes_has_none_if_the_sdk_asks_for_them_and_is_none_if_nobody_does(
    verifier: bearerd.Verifier,
) -> None:
    guard = TokenVerifier(verifier, resource="plain")
    assert await guard.verify_token(token(scope="write")) is None
    settings = guard.settings
    assert isinstance(settings, AuthSettings)
    assert (settings.required_scopes, str(settings.issuer_url).rstrip("/")) == (["read"], ISS)
    assert str(settings.resource_server_url) == "https://plain.example/mcp"
    access = await guard.verify_token(token(scope="write"))
    assert access is not None
    assert "read" not in access.scopes
    settings.required_scopes = None
    assert await guard.verify_token(token(scope="write")) is None


async def test_what_cannot_be_said_of_a_token_now_is_no_refusal_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401 would have the client throw the token away."""
    monkeypatch.setattr(api, "READY_SECONDS", 0.0)
    path = file(tmp_path)
    path.write_text(
        path.read_text().replace(
            'jwks_file = "keys.json"', 'jwks_uri = "http://127.0.0.1:1/keys"\ninsecure_issuer = true'
        )
    )
    async with bearerd.Verifier.from_config(path) as verifier:
        with pytest.raises(Unsure, match=r"issuer_unavailable, request [0-9a-f]{32}"):
            await TokenVerifier(verifier, resource="plain").verify_token(token())
