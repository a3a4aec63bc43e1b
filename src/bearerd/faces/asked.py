"""What a gateway asks: from the parts of its request to the view that is decided, for lane and aiohttp alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bearerd import request as view
from bearerd._native import path
from bearerd.faces import by_host, ext_authz, forward_auth, operations, peer
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd.faces.peer import Trust
    from bearerd.policy.resource import Policy
    from bearerd.request import Headers, Request


PATIENCE: Final = 4.5
"""Seconds for which a gateway's question waits for a key: gateways wait for five, and what is said later nobody hears."""


class Seen(NamedTuple):
    """A request as it was received, by whom."""

    method: str
    target: bytes  # raw
    headers: Headers
    host: str | None
    trusted: bool  # the peer may speak as a gateway
    peer: str
    listener: str = ""  # the dialect in which ``/auth`` is asked where it came in; empty: it is not
    body: bytes | None = None  # of a message to an MCP server, where a gateway shows it


class Asked(NamedTuple):
    """A question of a gateway's."""

    name: str  # of the resource; empty where the host chose none
    face: str
    dialect: str  # "nginx", "forwarded" or "envoy"; empty where the resource has no such face, or there is none
    request: Request | Refusal  # a refusal: what it says of the original request cannot be
    seen: Seen

    @property
    def unknown(self) -> Request:
        """What is known of the original request even where it cannot be what it is said to be."""
        return view.of(None, None, None, self.seen.headers, trusted=self.seen.trusted, peer=self.seen.peer)


_SPOKEN: Final = {ext_authz.FACE: ("envoy",), forward_auth.FACE: tuple(forward_auth.FAMILIES)}


def dialect_of(gateways: frozenset[str], face: str) -> str:
    """Which of a resource's gateways speaks at this face; empty where none does."""
    for known in _SPOKEN[face]:
        if known in gateways:
            return known
    return ""


def read(seen: Seen, policy: Policy) -> Asked | None:
    """The question, or None: the target is none of a gateway's."""
    if by_host.is_asked(seen.target):
        return _by_host(seen, policy) if seen.listener else None
    if seen.target.startswith(forward_auth.PREFIX):
        name = path.resource_name(seen.target, forward_auth.PREFIX)
        if name is None or seen.target[len(forward_auth.PREFIX) + len(name) :][:1] == b"/":
            return None
        return _asked(seen, name, forward_auth.FACE, policy)
    name = path.resource_name(seen.target, ext_authz.PREFIX)
    return None if name is None else _asked(seen, name, ext_authz.FACE, policy)


def still(question: Asked, policy: Policy, trust: Trust) -> bool:
    """Whether another configuration reads the same question, of a peer that it trusts as much: a reload may have come while
    a key was waited for.
    """
    seen = question.seen
    return (peer.named(seen.peer) in trust) == seen.trusted and read(seen, policy) == question


def _asked(seen: Seen, raw: bytes, face: str, policy: Policy) -> Asked:
    name = raw.decode()
    resource = policy.resources.get(name)
    dialect = "" if resource is None else dialect_of(resource.gateways, face)
    original = _original(seen, raw, dialect)
    if resource is not None and not isinstance(original, Refusal):
        original = operations.read(resource, dialect, original, seen.body, policy.limits)
    return Asked(name, face, dialect, original, seen)


def shows_body(seen: Seen, policy: Policy) -> bool:
    """Whether the body of this request is a message to an MCP server, by which is decided."""
    name = path.resource_name(seen.target, ext_authz.PREFIX)
    resource = None if name is None else policy.resources.get(name.decode())
    if resource is None or not seen.trusted or seen.method != "POST":
        return False
    return operations.needs_body(resource, dialect_of(resource.gateways, ext_authz.FACE))


def _by_host(seen: Seen, policy: Policy) -> Asked:
    """Once the host has chosen a resource, all is as if its name stood in the target."""
    chosen = by_host.choose(seen.listener, seen.headers, policy, trusted=seen.trusted)
    if isinstance(chosen, str):
        return _asked(seen, chosen.encode(), forward_auth.FACE, policy)
    return Asked("", forward_auth.FACE, seen.listener, chosen, seen)


def _original(seen: Seen, name: bytes, dialect: str) -> Request | Refusal:
    if not dialect:  # no such resource, or it does not list this face: one answer for both
        return Refusal(Code.UNKNOWN_RESOURCE)
    if dialect == "envoy":
        return ext_authz.original(
            name, seen.method, seen.target, seen.headers, host=seen.host, trusted=seen.trusted, peer=seen.peer
        )
    return forward_auth.original(dialect, seen.headers, trusted=seen.trusted, peer=seen.peer)
