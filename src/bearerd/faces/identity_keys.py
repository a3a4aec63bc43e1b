"""``GET /.well-known/jwks.json``: the public keys of the signed identity, for upstreams (docs/identity.md).

Anybody may read them, as any key set.  They are bearerd's own: no issuer's key is among them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from bearerd.faces import answer
from bearerd.faces.answer import Answer

if TYPE_CHECKING:
    from bearerd.policy.resource import Policy

TARGET: Final = b"/.well-known/jwks.json"
MAX_AGE: Final = 300  # seconds for which an upstream may believe what it has read; a rotation waits for as long


class IdentityKeys:
    """The document of one policy."""

    def __init__(self, policy: Policy) -> None:
        self._document = None if policy.signatory is None else policy.signatory.key_set
        self._tag = f'"{hashlib.sha256(self._document or b"").hexdigest()[:32]}"'

    def answer(self, if_none_match: str | None) -> Answer | None:
        """The document, or 304 where the asker has it; None where nothing is signed."""
        if self._document is None:
            return None
        headers = (("Cache-Control", f"public, max-age={MAX_AGE}"), ("ETag", self._tag))
        if if_none_match is not None and self._is_ours(if_none_match):
            return answer.unchanged(*headers)
        return answer.document(self._document, "application/jwk-set+json", *headers)

    def _is_ours(self, listed: str) -> bool:
        """RFC 9110 section 13.1.2: a list of tags, compared weakly, or an asterisk."""
        tags = [tag.strip().removeprefix("W/") for tag in listed.split(",")]
        return "*" in tags or self._tag in tags
