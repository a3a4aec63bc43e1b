"""What a gateway asks, read from the parts of its request: one reading for lane and aiohttp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.lanes import made

from bearerd.faces import asked
from bearerd.faces.asked import Seen
from bearerd.policy.resource import Policy
from bearerd.refusals import Code, Refusal
from bearerd.request import Request


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return Policy(made(tmp_path), 1)


def seen(target: bytes, *headers: tuple[bytes, bytes], method: str = "GET", **more: Any) -> Seen:
    return Seen(
        **({"method": method, "target": target, "headers": headers, "host": "a", "trusted": True, "peer": "p"} | more)
    )


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/auth",
        b"/auth/",
        b"/auth/bare/",
        b"/auth/bare/x",
        b"/AUTH/bare",
        b"/ext_authz",
        b"/ext_authz/",
        b"",
        b"*",
    ],
)
def test_what_is_no_gateways_is_none(policy: Policy, target: bytes) -> None:
    assert asked.read(seen(target), policy) is None


@pytest.mark.parametrize(
    ("target", "face", "dialect"),
    [
        (b"/auth/bare", "forward_auth", "nginx"),
        (b"/auth/bare?x=/y", "forward_auth", "nginx"),
        (b"/auth/bare-f", "forward_auth", "forwarded"),
        (b"/ext_authz/bare", "ext_authz", "envoy"),
        (b"/ext_authz/bare/x?y", "ext_authz", "envoy"),
    ],
)
def test_a_target_names_resource_and_face(policy: Policy, target: bytes, face: str, dialect: str) -> None:
    found = asked.read(seen(target), policy)
    assert found is not None
    assert (found.face, found.dialect) == (face, dialect)
    assert isinstance(found.request, Request)


@pytest.mark.parametrize("target", [b"/auth/nowhere", b"/ext_authz/nowhere/x", b"/ext_authz/bare-f/x"])
def test_no_such_resource_and_a_face_that_it_does_not_list_are_one(policy: Policy, target: bytes) -> None:
    found = asked.read(seen(target), policy)
    assert found is not None
    assert found.dialect == ""
    assert isinstance(found.request, Refusal)
    assert found.request.code is Code.UNKNOWN_RESOURCE
    assert (found.unknown.method, found.unknown.target, found.unknown.peer) == (None, None, "p")


def test_only_the_dialects_own_headers_are_read(policy: Policy) -> None:
    both = ((b"X-Original-Method", b"PUT"), (b"x-forwarded-method", b"DELETE"), (b"X-Forwarded-Uri", b"/f"))
    nginx, forwarded = (asked.read(seen(target, *both), policy) for target in (b"/auth/bare", b"/auth/bare-f"))
    assert nginx is not None
    assert forwarded is not None
    assert isinstance(nginx.request, Request)
    assert isinstance(forwarded.request, Request)
    assert (nginx.request.method, nginx.request.target) == ("PUT", None)
    assert (forwarded.request.method, forwarded.request.target) == ("DELETE", b"/f")


@pytest.mark.parametrize("target", [b"/auth/bare", b"/ext_authz/bare/x"])
def test_of_a_stranger_nothing_is_believed(policy: Policy, target: bytes) -> None:
    found = asked.read(seen(target, (b"X-Original-Method", b"PUT"), trusted=False), policy)
    assert found is not None
    assert isinstance(found.request, Request)
    assert (found.request.trusted, found.request.known) == (False, False)
