"""Well-signed claims of every odd JSON type: they grant nothing that they do not say, and never fail on our side."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import pytest
from support import jose
from support.house import API, ISS, House, config, token

if TYPE_CHECKING:
    from pathlib import Path

RULES = (
    {"path": "/scope", "scopes": ["admin"]},
    {"path": "/role", "roles": ["admin"]},
    {"path": "/claim", "claims": {"n": 1, "o.p": "x", "flag": True}},
    {"path": "/**"},
)
IDENTITY = {"X-S": "sub", "X-A": "realm_access.roles", "X-B": "json:n", "X-C": "csv:n", "X-D": "o.p.q", "X-E": "n"}
TABLES = {"resource": {"api": {"identifier": API, "gateway": "forwarded", "rule": RULES, "identity": IDENTITY}}}
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, -0.0, 1e18, 1e308, -1e308, 2**63, 2**64, 10**25, "", " ", "\0", "\t\n", "a\0admin",
    [], [[]], [None], [""], ["a", 1], {}, {"admin": True}, [["admin"]], [{"admin": 1}], "x" * 3000, [[API]], {"0": API},
    [API, ["x"]], [API, 1], API.upper(), API + " ", "9" * 400, "1700000000", "read\tadmin", ["read admin"],
)  # fmt: skip
CLAIMS = (
    "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "client_id", "azp", "scope", "scp", "roles", "realm_access",
    "realm_access.roles", "n", "o", "o.p", "act",
)  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_claim_of_an_odd_type_grants_nothing(tmp_path: Path, claim: str) -> None:
    async with House(config(tmp_path, callers=({"name": "svc"},), **TABLES), tmp_path) as house:
        for value in ODD:
            odd = token(**{claim: value})
            for path in ("/scope", "/role", "/claim"):
                assert (await house.auth(odd, "GET", path)).status in (401, 403), (path, value)
            assert (await house.auth(odd)).status in (200, 401), value
            assert (await house.post("/introspect", token=odd)).status == 200, value


async def test_a_role_in_a_sentence_is_not_that_role(tmp_path: Path) -> None:
    """A scope string is a list by its own specification; a role string may be whatever a directory lets one be called."""
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        for value in ("not admin", "admin of nothing", "a admin", " admin", "admin\tx", "x,admin"):
            for claims in ({"roles": value}, {"roles": [value]}, {"realm_access": {"roles": value}}):
                assert (await house.auth(token(**claims), "GET", "/role")).status == 403, claims
        for claims in ({"roles": "admin"}, {"realm_access": {"roles": ["x", "admin"]}}):
            assert (await house.auth(token(**claims), "GET", "/role")).status == 200, claims
        assert (await house.auth(token(scope="not admin"), "GET", "/scope")).status == 200


async def test_a_payload_type_that_is_no_string_marks_no_access_token(tmp_path: Path) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        for value in (value for value in ODD if not isinstance(value, str)):
            reply = await house.auth(token(typ=value))
            assert (reply.status, house.why(reply)) == (401, "wrong_type"), value


ESSENTIAL = [(claim, value) for claim in ("iss", "aud", "exp", "iat") for value in ODD]
MARKS = [(claim, value) for claim in ("cnf", "at_hash", "c_hash", "events") for value in ODD]


async def test_a_claim_that_everything_rests_on_has_its_type_or_the_token_is_refused(tmp_path: Path) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        for claim, value in [*ESSENTIAL, *MARKS]:
            assert (await house.auth(token(**{claim: value}))).status == 401, (claim, value)


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"NaN", b"Infinity", b"01", b"+1", b"0x10", b"1.", b".5"])
async def test_a_number_that_json_does_not_have_is_malformed(tmp_path: Path, number: bytes) -> None:
    payload = b'{"iss":"%b","aud":"%b","iat":1,"exp":%b}' % (ISS.encode(), API.encode(), number)
    odd = jose.compact({"alg": "ES256", "kid": "k1"}, payload, "ES256", jose.private("P-256"))
    async with House(config(tmp_path), tmp_path) as house:
        reply = await house.auth(odd)
        assert (reply.status, house.why(reply)) == (401, "malformed_token")


HEADERS: dict[str, tuple[Any, ...]] = {
    "kid": (None, 1, ["k1"], {"k1": 1}, "", "K1", "k1 ", "k1\0", "../k1"),
    "typ": (None, 1, ["at+jwt"], "", "at+jwt ", "id+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "jwt\0", "jose"),
    "crit": (None, [], ["exp"], ["b64"]),
    "b64": (False, None, 0, "true"),
}


@pytest.mark.parametrize("name", HEADERS)
async def test_a_header_member_of_an_odd_value_is_refused(tmp_path: Path, name: str) -> None:
    async with House(config(tmp_path), tmp_path) as house:
        for value in HEADERS[name]:
            assert (await house.auth(token(header={name: value}))).status == 401, value


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "es256", "ES256 ", "HS256", "RS256", "ES384", None, 1, []])
async def test_an_algorithm_is_the_keys_own_or_the_token_is_refused(tmp_path: Path, alg: Any) -> None:
    _, payload, _ = token().split(".")
    public = jose.jwk("P-256")["x"].encode()
    async with House(config(tmp_path), tmp_path) as house:
        for signer, key in (("ES256", jose.private("P-256")), ("HS256", public)):
            header = {"alg": alg, "kid": "k1", "jwk": jose.jwk("P-256", 9), "jku": "https://evil.example/jwks"}
            forged = jose.compact(header, urlsafe_b64decode(payload + "=="), signer, key)
            assert (await house.auth(forged)).status == 401
            assert (await house.auth(forged.rpartition(".")[0] + ".")).status == 401
