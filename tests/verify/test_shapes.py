"""The real token shapes of well-known issuers work as they come, and their ID tokens do not."""

from __future__ import annotations

from typing import Any

import pytest
from support import jose
from support.shapes import AUTH0_RFC9068, KEYCLOAK, SHAPES, WALL, Shape

from bearerd._native.generations import Generations
from bearerd.config.model import Config, Issuer
from bearerd.decision import Now
from bearerd.issuers.registry import Issuers
from bearerd.limits import Limits
from bearerd.refusals import Code, Refusal
from bearerd.verify.examine import Examiner, Silent
from bearerd.verify.verified import Verified

NOW = Now(float(WALL + 1), 5000.0)


def examine(shape: Shape, claims: dict[str, Any], header: dict[str, Any] | None = None, **config: Any) -> Any:
    jwks = {"keys": [jose.jwk("RSA", kid=shape.header["kid"], use="sig"), jose.jwk("RSA", 1, kid="next", use="sig")]}
    issuer = Issuer(issuer=shape.issuer, jwks=jwks, **(shape.config | config))
    issuers = Issuers(Config(issuer=(issuer,)), Generations())
    text = jose.compact(header or shape.header, claims, "RS256", jose.private("RSA"))
    return Examiner(issuers, Limits(), Silent()).examine(text.encode(), NOW)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_an_access_token_is_read_as_its_issuer_means_it(shape: Shape) -> None:
    found = examine(shape, shape.claims)
    assert isinstance(found, Verified), found
    assert (found.issuer, found.subject, found.client) == (shape.issuer, shape.subject, shape.client)
    assert (found.scopes, found.roles, found.audience) == (shape.scopes, shape.roles, shape.audience)
    assert found.claims == shape.claims
    assert not found.confirmed
    assert found.session == shape.claims.get("sid")


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.id_token], ids=lambda shape: shape.name)
def test_an_id_token_is_refused(shape: Shape) -> None:
    found = examine(shape, shape.claims | shape.id_token)
    assert isinstance(found, Refusal)
    assert found.code is Code.WRONG_TYPE


@pytest.mark.parametrize("kind", ["Refresh", "Offline", "Logout"])
def test_keycloaks_other_tokens_are_refused(kind: str) -> None:
    found = examine(KEYCLOAK, KEYCLOAK.claims | {"typ": kind})
    assert isinstance(found, Refusal)
    assert found.code is Code.WRONG_TYPE


def test_an_id_jag_is_refused() -> None:
    found = examine(AUTH0_RFC9068, AUTH0_RFC9068.claims, AUTH0_RFC9068.header | {"typ": "oauth-id-jag+jwt"})
    assert isinstance(found, Refusal)
    assert found.code is Code.WRONG_TYPE


@pytest.mark.parametrize(
    "shape", [shape for shape in SHAPES if shape is not AUTH0_RFC9068], ids=lambda shape: shape.name
)
def test_only_tokens_in_the_profile_pass_where_rfc_9068_is_switched_on(shape: Shape) -> None:
    found = examine(shape, shape.claims, rfc9068=True)
    assert isinstance(found, Refusal)
    assert found.code in (Code.WRONG_TYPE, Code.MISSING_CLAIM)
