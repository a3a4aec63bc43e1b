"""``GET /.well-known/oauth-protected-resource[/…]``: where a client learns who issues tokens for a resource (RFC 9728).

The one face that anybody may ask: what it says stands in every challenge.  A resource is found by host and path of its
identifier, never by a name that the request chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from bearerd.faces.answer import Answer, json_answer
from bearerd.policy.resource import METADATA_PATH

if TYPE_CHECKING:
    from bearerd.policy.resource import Policy, Resource

PREFIX: Final = METADATA_PATH.encode()
_HEADERS: Final = (
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
        for resource in policy.resources.values():
            if resource.metadata_url is None:
                continue
            parts = urlsplit(resource.metadata_url)
            target = (parts.path + (f"?{parts.query}" if parts.query else "")).encode()
            place = _Place(_authority(parts.netloc), target, resource)
            self._by_target.setdefault(target, []).append(place)

    def find(self, host: str | None, target: bytes) -> Resource | None:
        """The resource whose document stands there; for an unknown host, the only one with that path."""
        places = self._by_target.get(target, [])
        here = [place for place in places if host is not None and place.authority == _authority(host)]
        if len(here) == 1:
            return here[0].resource
        return places[0].resource if len(places) == 1 else None


def document(resource: Resource) -> dict[str, Any]:
    """The metadata document (RFC 9728 section 2)."""
    # A shadow rule is on trial: nobody should ask its users' consent to scopes that nothing needs yet.
    scopes = dict.fromkeys((*resource.scopes, *(scope for rule in resource.enforced for scope in rule.scopes)))
    described: dict[str, Any] = {
        "resource": resource.identifier,
        "authorization_servers": list(resource.issuers),
        "bearer_methods_supported": ["header"],
    }
    if scopes:
        described["scopes_supported"] = list(scopes)
    return described


def answer(resource: Resource) -> Answer:
    """The document, for a client."""
    return json_answer(document(resource), *_HEADERS)


def _authority(text: str) -> str:
    """Host and port in one spelling; which port is the default depends on a scheme that we do not see."""
    text = text.rpartition("@")[2].lower()
    for port in _DEFAULT_PORTS:
        text = text.removesuffix(port)
    return text.removesuffix(".")
