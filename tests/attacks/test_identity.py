"""Whatever a client sends, and whatever a token says, an upstream reads the identity that was verified, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, House, config, token

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = {"X-Auth-Subject": "sub", "X-Team": "groups", "X-Csv": "csv:groups", "X-Auth-Scopes": "scopes"}
RULES = ({"path": "/open", "auth": "none"}, {"path": "/maybe", "auth": "optional"}, {"path": "/**"})
SPELLINGS = (
    "X-Auth-Subject", "x-auth-subject", "X_Auth_Subject", "x-auth_subject", "X.Auth.Subject", "X-AUTH-", "X_AUTH_New",
    "X~Auth~Subject", "X!AUTH-Subject", "x-auth|subject", "X-Team", "x_team", "X.TEAM", "x^team",
)  # fmt: skip
REMOVES = "X-Envoy-Auth-Headers-To-Remove"


def tables(**resource: Any) -> dict[str, Any]:
    return {
        "resource": {"api": {"identifier": API, "gateway": "envoy", "identity": IDENTITY, "rule": RULES} | resource}
    }


@pytest.mark.parametrize("name", SPELLINGS)
async def test_no_spelling_of_an_identity_header_passes(tmp_path: Path, name: str) -> None:
    async with House(config(tmp_path, **tables()), tmp_path) as house:
        for path, more in (("/x", [("Authorization", f"Bearer {token()}")]), ("/open", []), ("/maybe", [])):
            reply = await house.ask(f"/ext_authz/api{path}", *more, (name, "root"))
            assert (reply.status, house.why(reply)) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/x", "/a;b", "/x?access_token=1", "/open", "/maybe"])
@pytest.mark.parametrize("name", SPELLINGS)
async def test_a_shadow_resource_has_them_taken_away(tmp_path: Path, name: str, path: str) -> None:
    async with House(config(tmp_path, **tables(enforce="shadow")), tmp_path) as house:
        reply = await house.ask(f"/ext_authz/api{path}", (name, "root"))
        assert reply.status == 200
        assert [reply[header] for header in IDENTITY] == [""] * len(IDENTITY)
        overwritten = {header.lower() for header in IDENTITY}
        assert name.lower() in overwritten | set((reply.get(REMOVES) or "").split(","))


async def test_only_what_a_client_sent_is_taken_away(tmp_path: Path) -> None:
    async with House(config(tmp_path, **tables(enforce="shadow")), tmp_path) as house:
        good = ("Authorization", f"Bearer {token()}")
        for headers in ([good], [("Accept", "*/*")], [good, ("X-Author", "a"), ("Auth", "b")]):
            assert (await house.ask("/ext_authz/api/x", *headers)).get(REMOVES) is None


async def test_a_shadow_resource_names_nobody_whom_it_would_have_refused(tmp_path: Path) -> None:
    resource = {"identifier": API, "gateway": "forwarded", "enforce": "shadow", "scopes": ["admin"]}
    async with House(config(tmp_path, resource={"api": resource}), tmp_path) as house:
        for odd in (token(), token(aud="https://other.example/"), token(number=1), token(cnf={}), token(exp=1, iat=0)):
            reply = await house.auth(odd)
            assert (reply.status, reply["X-Auth-Subject"], reply["X-Auth-Issuer"]) == (200, "", "")


VALUES: tuple[Any, ...] = (
    "a,b", ["a", "b"], ["a,b"], "a%2Cb", ["a%2Cb"], "a%252Cb", "a b", "a\tb", "a\r\nX-Auth-Subject: root", "a\0b",
    "\u00e9", "e\u0301", "%C3%A9", "\u2028", "\x7f", "a;b", 'a"b', ["a", "", "b"], ["a ", "b"],
)  # fmt: skip


async def test_no_two_values_become_one_and_none_ends_a_field(tmp_path: Path) -> None:
    async with House(config(tmp_path, **tables(rule=())), tmp_path) as house:
        for header in ("X-Team", "X-Csv"):
            sent: dict[str, set[str]] = {}
            for value in VALUES:
                good = ("Authorization", f"Bearer {token(groups=value)}")
                reply = await house.ask("/ext_authz/api/x", good)
                assert reply["X-Auth-Subject"] == "alice"
                assert all(0x21 <= ord(character) <= 0x7E for character in reply[header])
                meant = repr(value if isinstance(value, list) else [value])  # one item, and a list of it, are the same
                sent.setdefault(reply[header], set()).add(meant)
            assert [meanings for meanings in sent.values() if len(meanings) > 1] == []
