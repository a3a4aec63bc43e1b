"""``ANY /auth``: one address for many hosts; what the gateway says of the original request chooses the resource.

Which of the two families of headers is read cannot depend on the resource here: the listener fixes it
(``server.listen = [{ …, gateway = "nginx" }]``).  Host and path are the client's words, but only a gateway's are listened to,
and whatever could be read in two ways chooses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd._native import hosts
from bearerd.faces import forward_auth
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd.policy.resource import Policy
    from bearerd.request import Headers

TARGET: Final = b"/auth"


def is_asked(target: bytes) -> bool:
    """Whether a raw target is ``/auth``; the query is nobody's."""
    return target.startswith(TARGET) and target[len(TARGET) :][:1] in (b"", b"?")


def choose(dialect: str, headers: Headers, policy: Policy, *, trusted: bool) -> str | Refusal:
    """The name of the resource that is asked about, which speaks this dialect; or why there is none.

    unknown_resource: no host, none that is configured, none on this path, or one that is asked in another dialect.
    bad_request: two hosts, or what is no host.  ambiguous_path: the path would decide, and can be read in two ways.
    """
    if not trusted:
        return Refusal(Code.UNTRUSTED_PEER, "the peer may not speak as a gateway, and a host is a gateway's word")
    family = forward_auth.FAMILIES[dialect]
    told = [value for name, value in headers if name.lower() == family.host]
    if len(told) > 1:
        return Refusal(Code.BAD_REQUEST, f"{family.host.decode()} is given twice")
    targets = [value for name, value in headers if name.lower() == family.target]
    place = policy.hosts.find(told[0] if told else None, targets[0] if len(targets) == 1 else None)
    if place >= 0 and dialect in policy.named[place].gateways:
        return policy.named[place].name
    if place == hosts.MALFORMED:
        return Refusal(Code.BAD_REQUEST, f"{family.host.decode()} is not a host")
    if place == hosts.AMBIGUOUS:
        return Refusal(Code.AMBIGUOUS_PATH, "resources share the host, and the path can be read in more than one way")
    if len(targets) > 1:
        return Refusal(Code.BAD_REQUEST, f"{family.target.decode()} is given twice")
    return Refusal(Code.UNKNOWN_RESOURCE, _why(dialect, policy, place, told=bool(told and told[0])))


def _why(dialect: str, policy: Policy, place: int, *, told: bool) -> str:
    """For logs; the host is not repeated: a client may have put anything there."""
    if place >= 0:
        return f"resource {policy.named[place].name} has that host, and is not asked in the dialect {dialect}"
    return "no resource has that host and path" if told else "the gateway names no host"
