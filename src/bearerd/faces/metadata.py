"""``GET /.well-known/oauth-protected-resource[/…]``: where a client learns who issues tokens for a resource (RFC 9728).

Anybody may ask: what it says stands in every challenge.  A resource is found by host and path of its identifier, never by
a name that the request chose.  MCP clients that were told no URL look at the root of the host, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from bearerd.faces.answer import Answer, json_answer
from bearerd.policy.resource import METADATA_PATH
from bearerd.store.entries import API_KEYS

if TYPE_CHECKING:
    from bearerd.policy.resource import Policy, Resource

PREFIX: Final = METADATA_PATH.encode()
METHODS: Final = "GET, HEAD, OPTIONS"
HEADERS: Final = (
    ("Cache-Control", "public, max-age=300"),
    ("Access-Control-Allow-Origin", "*"),  # a browser's client must read it before it has a token
)
_DEFAULT_PORTS: Final = (":443", ":80")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one resource's document stands."""

    authority: str
    target: bytes
    resource: Resource


class Metadata:
    """The documents of one policy."""

    def __init__(self, policy: Policy) -> None:
        self._by_target: dict[bytes, list[_Place]] = {}
        self._mcp: list[_Place] = []
        for resource in policy.resources.values():
            if resource.metadata_url is None:
                continue
            parts = urlsplit(resource.metadata_url)
            target = (parts.path + (f"?{parts.query}" if parts.query else "")).encode()
            place = _Place(authority(parts.netloc), target, resource)
            self._by_target.setdefault(target, []).append(place)
            if resource.kind == "mcp":
                self._mcp.append(place)

    def find(self, host: str | None, target: bytes) -> Resource | None:
        """The resource whose document stands there; for an unknown host, the only one with that path.

        At the root that is also the host's only MCP server (MCP, Protected Resource Metadata Discovery Requirements),
        unless a resource of its own stands there.
        """
        places, servers = self._by_target.get(target, []), self._mcp if target == PREFIX else []
        name = None if host is None else authority(host)
        for among in (_at(places, name), _at(servers, name)):
            if among:
                return among[0].resource if len(among) == 1 else None
        everywhere = {id(place.resource): place.resource for place in (*places, *servers)}
        return next(iter(everywhere.values())) if len(everywhere) == 1 else None


def _at(places: list[_Place], name: str | None) -> list[_Place]:
    return [place for place in places if place.authority == name]


def document(resource: Resource) -> dict[str, Any]:
    """The metadata document (RFC 9728 section 2).  A list without members is left out (section 3.2)."""
    described: dict[str, Any] = {"resource": resource.identifier}
    if servers := [iss for iss in resource.issuers if iss != API_KEYS]:
        described["authorization_servers"] = servers
    described["bearer_methods_supported"] = ["header"]
    if scopes := _scopes(resource):
        described["scopes_supported"] = scopes
    told = {"resource_name": resource.described.title, "resource_documentation": resource.described.documentation}
    return described | {member: value for member, value in told.items() if value is not None}


def _scopes(resource: Resource) -> list[str]:
    """Those that a client should know of.

    An MCP client asks for all of them at once, where no challenge told it better: it is told the least that is of any use,
    and of the rest by the 403 of the operation that needs it.
    """
    if resource.kind == "mcp":
        return list(resource.scopes)
    # A shadow rule is on trial: nobody should ask its users' consent to scopes that nothing needs yet.
    return list(dict.fromkeys((*resource.scopes, *(scope for rule in resource.enforced for scope in rule.scopes))))


def answer(resource: Resource) -> Answer:
    """The document, for a client."""
    return json_answer(document(resource), *HEADERS)


def authority(text: str) -> str:
    """Host and port in one spelling; which port is the default depends on a scheme that we do not see."""
    text = text.rpartition("@")[2].lower()
    for port in _DEFAULT_PORTS:
        text = text.removesuffix(port)
    return text.removesuffix(".")
