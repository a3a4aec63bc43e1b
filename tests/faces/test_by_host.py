"""``ANY /auth``: what is read to choose a resource, from whom, and what is said where none is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.house import API, House, config, token
from support.line import HERE, STRANGER, Line, conversation, plain_line

from bearerd.faces import asked, by_host
from bearerd.faces.asked import Seen
from bearerd.policy.resource import Policy
from bearerd.refusals import Code, Refusal

SHARED = {
    "v1": {"identifier": API, "gateway": "nginx", "hosts": ["shared.test"], "paths": ["/v1/**"]},
    "v2": {"identifier": API, "gateway": ["nginx", "envoy"], "hosts": ["shared.test", "two.test"], "paths": ["/v2/**"]},
}
RESOURCES: dict[str, Any] = {
    "one": {"identifier": API, "gateway": "nginx", "hosts": ["one.test"]},
    "other": {"identifier": API, "gateway": "forwarded", "hosts": ["other.test"]},
    "named": {"identifier": API, "gateway": "nginx"},
    **SHARED,
}
HOST, URI, METHOD = b"X-Original-Host", b"X-Original-URI", b"X-Original-Method"


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return Policy(config(tmp_path, resource=RESOURCES), 1)


def chosen(policy: Policy, *headers: tuple[bytes, bytes], dialect: str = "nginx", trusted: bool = True) -> str | Code:
    found = by_host.choose(dialect, headers, policy, trusted=trusted)
    return found.code if isinstance(found, Refusal) else found


@pytest.mark.parametrize("target", [b"/auth", b"/auth?", b"/auth?x", b"/auth?/auth/named"])
def test_the_address_is_exact_but_for_a_query(target: bytes) -> None:
    assert by_host.is_asked(target)


@pytest.mark.parametrize(
    "target", [b"", b"/", b"/auth/", b"/auth/?", b"/auth/one", b"/authx", b"/AUTH", b"//auth", b"/auth;x"]
)
def test_whatever_else_is_not_the_address(target: bytes) -> None:
    assert not by_host.is_asked(target)


def test_a_host_chooses_and_a_shared_one_with_the_path(policy: Policy) -> None:
    assert chosen(policy, (HOST, b"one.test")) == "one"
    assert chosen(policy, (HOST, b"ONE.test.:80"), (URI, b"/a/../b")) == "one"
    assert chosen(policy, (HOST, b"shared.test"), (URI, b"/v1/x")) == "v1"
    assert chosen(policy, (HOST, b"shared.test"), (URI, b"/v2/x")) == "v2"
    assert chosen(policy, (b"x-forwarded-host", b"other.test"), dialect="forwarded") == "other"


def test_what_chooses_nothing_is_unknown(policy: Policy) -> None:
    unknown = [
        (),
        ((HOST, b""),),
        ((HOST, b"nowhere.test"),),
        ((HOST, b"other.test"),),  # asked in the other dialect
        ((b"X-Forwarded-Host", b"one.test"),),  # a header of the other dialect
        ((b"Host", b"one.test"),),
        ((HOST, b"shared.test"), (URI, b"/v3")),
        ((HOST, b"shared.test"), (URI, b"/V1/x")),
        ((HOST, b"shared.test"),),
        ((HOST, b"two.test"), (URI, b"/v1/x")),
    ]
    for headers in unknown:
        assert chosen(policy, *headers) is Code.UNKNOWN_RESOURCE


def test_two_hosts_are_refused_however_they_come(policy: Policy) -> None:
    assert chosen(policy, (HOST, b"one.test"), (b"x-original-host", b"one.test")) is Code.BAD_REQUEST
    for value in (b"one.test, one.test", b"one.test,nowhere.test", b"one.test nowhere.test", b"a@one.test"):
        assert chosen(policy, (HOST, value)) is Code.BAD_REQUEST
    twice = ((URI, b"/v1/x"), (URI, b"/v2/x"))
    assert chosen(policy, (HOST, b"shared.test"), *twice) is Code.BAD_REQUEST
    assert chosen(policy, (HOST, b"one.test"), *twice) == "one"  # and that resource refuses it


def test_a_path_that_would_choose_and_can_be_read_in_two_ways_chooses_nothing(policy: Policy) -> None:
    for path in (b"/v1/../v2/x", b"/v1/%2e%2e/v2/x", b"/v1//x", b"/v1;x/y", b"/v1%2fx", b"v1/x", b""):
        assert chosen(policy, (HOST, b"shared.test"), (URI, path)) is Code.AMBIGUOUS_PATH


def test_of_a_stranger_no_host_is_believed(policy: Policy) -> None:
    for headers in ((), ((HOST, b"one.test"),), ((HOST, b"nowhere.test"),), ((HOST, b"a, b"),)):
        assert chosen(policy, *headers, trusted=False) is Code.UNTRUSTED_PEER


def test_without_a_dialect_the_address_is_nobody_s(policy: Policy) -> None:
    headers = ((HOST, b"one.test"),)
    assert asked.read(Seen("GET", b"/auth", headers, "a", True, "p"), policy) is None
    found = asked.read(Seen("GET", b"/auth", headers, "a", True, "p", "nginx"), policy)
    assert found is not None
    assert (found.name, found.dialect) == ("one", "nginx")


def test_once_chosen_it_is_the_question_about_its_name(policy: Policy) -> None:
    headers = ((HOST, b"one.test"), (URI, b"/x"), (METHOD, b"PUT"))
    by, named = (
        asked.read(Seen("GET", target, headers, "a", True, "p", "nginx"), policy) for target in (b"/auth", b"/auth/one")
    )
    assert by is not None
    assert named is not None
    assert by._replace(seen=named.seen) == named


def test_no_detail_repeats_what_a_client_wrote(policy: Policy) -> None:
    for value in (b"evil.test", b"evil.test, x", b"evil.test@x"):
        found = by_host.choose("nginx", ((HOST, value),), policy, trusted=True)
        assert isinstance(found, Refusal)
        assert "evil" not in found.detail


# ---- as it is answered


async def answered(house: House, *lines: str, peer: str = HERE, listener: str = "nginx") -> bytes:
    head = "\r\n".join(["GET /auth HTTP/1.1", "Host: bearerd", f"Authorization: Bearer {token()}", *lines, "", ""])
    line: Line = await conversation(house, plain_line(house, peer, listener), [head.encode()])
    line.hang_up()
    return bytes(line.sent)


@pytest.mark.parametrize(
    ("lines", "peer", "status", "meant", "code"),
    [
        (["X-Original-Host: nowhere.test"], HERE, 403, 403, Code.UNKNOWN_RESOURCE),
        (["X-Original-Host: a, b"], HERE, 403, 400, Code.BAD_REQUEST),
        (["X-Original-Host: shared.test", "X-Original-URI: /v1/../v2"], HERE, 403, 403, Code.AMBIGUOUS_PATH),
        (["X-Original-Host: one.test"], STRANGER, 403, 403, Code.UNTRUSTED_PEER),
    ],
)
async def test_nginx_is_told_what_was_meant_where_nothing_was_chosen(
    tmp_path: Path, lines: list[str], peer: str, status: int, meant: int, code: Code
) -> None:
    async with House(config(tmp_path, resource=RESOURCES), tmp_path) as house:
        told = await answered(house, *lines, peer=peer)
        assert told.startswith(b"HTTP/1.1 %d " % status)
        assert b"\r\nX-Auth-Status: %d\r\n" % meant in told
        assert b"\r\nX-Auth-Reason: %s\r\n" % str(code).encode() in told
        assert b"WWW-Authenticate" not in told


async def test_a_resource_in_shadow_is_nobody_s_who_is_not_trusted(tmp_path: Path) -> None:
    shade = {"one": RESOURCES["one"] | {"enforce": "shadow"}}
    async with House(config(tmp_path, resource=shade), tmp_path) as house:
        assert (await answered(house, "X-Original-Host: one.test")).startswith(b"HTTP/1.1 200 ")
        for peer, host in ((STRANGER, "one.test"), (HERE, "nowhere.test"), (HERE, "one.test, one.test")):
            assert (await answered(house, f"X-Original-Host: {host}", peer=peer)).startswith(b"HTTP/1.1 403 ")


async def test_to_the_forwarded_dialect_two_hosts_are_400(tmp_path: Path) -> None:
    async with House(config(tmp_path, resource=RESOURCES), tmp_path) as house:
        told = await answered(house, "X-Forwarded-Host: other.test, other.test", listener="forwarded")
        assert told.startswith(b"HTTP/1.1 400 ")
        assert b"X-Auth-Reason" not in told
