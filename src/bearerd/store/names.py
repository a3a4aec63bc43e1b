"""The names of the store's keys: one prefix and one hash slot a fleet (contracts section 5)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

SCHEMA: Final = "1"  # the version of everything below the prefix; another one is refused, never migrated silently
FOREVER: Final = "forever"  # the bucket of entries that live until lifted
DEFAULT_FLEET: Final = "default"


@dataclass(frozen=True, slots=True)
class Names:
    """The keys of one fleet.  The braces make ``{FLEET}`` the hash tag: all keys share a slot, so one script may touch all."""

    fleet: str = DEFAULT_FLEET

    @property
    def prefix(self) -> str:
        """What every key of the fleet begins with, and what an ACL grants (``~bearerd:{FLEET}:*``)."""
        return f"bearerd:{{{self.fleet}}}:"

    @property
    def fixed(self) -> tuple[str, ...]:
        """The keys that each script is given, in the order that ``scripts/common.lua`` reads them."""
        return tuple(self.prefix + name for name in ("schema", "state", "heads", "buckets", "leases", "bell"))

    @property
    def logs(self) -> str:
        """What every bucket begins with."""
        return self.prefix + "log:"

    @property
    def buckets(self) -> str:
        """The index of the buckets: a sorted set of their names by hour."""
        return self.prefix + "buckets"

    @property
    def leases(self) -> str:
        """A hash: lease -> when it lapses and what it has acknowledged."""
        return self.prefix + "leases"

    @property
    def bell(self) -> str:
        """The doorbell, a stream that carries no truth."""
        return self.prefix + "bell"

    @property
    def audit_heads(self) -> str:
        """A stream: the heads of the sealed segments of all audit chains."""
        return self.prefix + "audit:heads"

    @property
    def audit_state(self) -> str:
        """A hash: how many heads there were, and which was each process's last."""
        return self.prefix + "audit:state"

    @property
    def audit_records(self) -> str:
        """A stream: the records themselves, where the store is their sink."""
        return self.prefix + "audit:records"

    def bucket(self, name: str) -> str:
        """One bucket of revocations: ``name`` is the hour of expiry (epoch seconds // 3600) or ``forever``."""
        return self.logs + name

    def key_set(self, issuer: str) -> str:
        """The hash that holds an issuer's shared key set."""
        return f"{self.prefix}keys:{_digest(issuer)}"

    def rate(self, digest: str) -> str:
        """The hash that holds a fleet's budget of one principal under one rule."""
        return f"{self.prefix}rate:{digest}"

    def fetch(self, issuer: str) -> str:
        """The fetch lease of an issuer's key set."""
        return f"{self.prefix}fetch:{_digest(issuer)}"

    @property
    def api_keys(self) -> str:
        """The index of the API keys that have not expired: a sorted set of their ids by their end."""
        return self.prefix + "apikeys"

    @property
    def api_keys_revoked(self) -> str:
        """Those of them that are revoked."""
        return self.prefix + "apikeys-revoked"

    def api_key(self, key_id: str) -> str:
        """The hash that holds an API key's record."""
        return f"{self.prefix}apikey:{key_id}"

    def marks(self, review: str) -> str:
        """The hash of the tools that are not what this review says (``review``: hexadecimal digits)."""
        return f"{self.prefix}tools:{review}"

    @property
    def approvals(self) -> str:
        """A sorted set: the approvals that count, by their expiry (epoch milliseconds)."""
        return self.prefix + "approvals"

    @property
    def approval_hashes(self) -> str:
        """What every approval's hash begins with."""
        return self.prefix + "approval:"

    def approval(self, name: str) -> str:
        """The hash of one approval."""
        return self.approval_hashes + name

    def approval_of_call(self, digest: str) -> str:
        """A string: the approval that stands for this call and no other."""
        return f"{self.prefix}approval-call:{digest}"

    def approvals_of(self, principal: str) -> str:
        """A sorted set: those of one principal, which is named by a digest."""
        return f"{self.prefix}approvals-of:{principal}"


def _digest(issuer: str) -> str:
    """An issuer as part of a key name: a URL may hold braces or blanks, a digest does not."""
    return hashlib.sha256(issuer.encode()).hexdigest()[:32]
