"""``GET /.well-known/oauth-authorization-server`` at a resource's origin: its issuer's own document, passed on (RFC 8414).

Clients of MCP 2025-03-26 know no resource metadata: they look for the authorization server where the MCP server is, at the
root of its host, whatever its path.  Only with ``authorization_server_metadata``; 404 wherever nothing is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bearerd.faces import answer, metadata

if TYPE_CHECKING:
    from bearerd.faces.answer import Answer
    from bearerd.policy.resource import Policy

TARGET: Final = b"/.well-known/oauth-authorization-server"


class Servers:
    """Whose document stands at which host, by one policy."""

    def __init__(self, policy: Policy) -> None:
        self._by_host = {
            metadata.authority(urlsplit(resource.identifier or "").netloc): resource.described.server
            for resource in policy.resources.values()
            if resource.described.server is not None
        }

    def find(self, host: str | None) -> str | None:
        """The issuer; for an unknown host the only one that there is."""
        found = None if host is None else self._by_host.get(metadata.authority(host))
        if found is not None:
            return found
        known = set(self._by_host.values())
        return known.pop() if len(known) == 1 else None


def reply(document: bytes) -> Answer:
    """The document, for a client."""
    return answer.document(document, "application/json", *metadata.HEADERS)
