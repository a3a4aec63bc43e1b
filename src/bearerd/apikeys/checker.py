"""An API key's bytes, and what may be believed of them: the verifier's part for what is no token.

It comes to the same as a token does, is kept in the same cache under the same exact bytes, and is revoked by the same entries.
Beside them stands its record, which may have changed since: with each change that this worker sees, the cached ones are judged
anew; and the policy asks how long ago it was looked at.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from bearerd._native.tokens import Found
from bearerd.apikeys import form
from bearerd.apikeys.record import session_of
from bearerd.apikeys.ring import Known
from bearerd.errors import MalformedToken
from bearerd.refusals import Code, Refusal
from bearerd.store.entries import API_KEYS
from bearerd.verify.verified import Claims, Verified

if TYPE_CHECKING:
    from bearerd._native.generations import Generations
    from bearerd._native.revocations import Revocations
    from bearerd._native.tokens import TokenCache
    from bearerd.apikeys.record import Record, Secret
    from bearerd.apikeys.ring import Ring
    from bearerd.decision import Now, Pending

ALG: Final = "apikey"  # in logs, where tokens have an algorithm

# No code of its own, and the same as for an unknown id: whoever tries secrets is told nothing.
_OTHER_SECRET: Final = Refusal(Code.UNKNOWN_KEY, "the API key's id is known, and its secret is another")
_REVOKED: Final = Refusal(Code.REVOKED, "the API key is revoked")
_EXPIRED: Final = Refusal(Code.EXPIRED, "the API key has expired, or the overlap after its rotation has ended")


class KeyChecker:
    """Judges API keys, under one configuration.  Synchronous: one thread, one worker."""

    def __init__(
        self,
        ring: Ring,
        *,
        generations: Generations,
        cache: TokenCache[Verified],
        table: Revocations,
    ) -> None:
        self._ring = ring
        self._generations = generations
        self._cache = cache
        self._table = table

    def recall(self, key: bytes, now: Now) -> Verified | Refusal | Pending | None:
        """What is known of these bytes and still may be said; None: examine them."""
        found, known = self._cache.find(key, now.latest, now.boot, self._generations, self._table)
        if known is None or known.client is None or found not in (Found.HIT, Found.REVOKED):
            return None
        if found is Found.REVOKED:
            return _REVOKED
        at_hand = self._ring.look(known.client, now)
        return known if isinstance(at_hand, Known) else at_hand

    def examine(self, key: bytes, now: Now, *, revoked_too: bool = False) -> Verified | Refusal | Pending:
        """Judge a key by its record.  Pending: the record has to be read."""
        try:
            key_id = form.id_of(key)
        except MalformedToken as fault:
            return fault.refusal
        found = self._ring.look(key_id, now)
        if not isinstance(found, Known):
            return found
        record = found.record
        secret = record.secret(self._ring.pepper.digest(key))
        if secret is None:
            return _OTHER_SECRET
        if record.revoked is not None and not revoked_too:
            return _REVOKED
        if not now.latest < min(record.expires, secret.ends):
            return _EXPIRED
        return _verified(key, record, secret, self._ring.generation)

    def keep(self, key: bytes, verified: Verified, probes: bytes, now: Now) -> None:
        """Into the cache, until its end by either clock."""
        until = verified.expires_at
        self._cache.put(
            key,
            verified.encode(),
            self._ring.index,
            verified.key_generation,
            self._generations.config,
            verified.issued_second,
            until,
            now.boot + (until - now.latest),
            probes,
        )


def _verified(key: bytes, record: Record, secret: Secret, generation: int) -> Verified:
    ends = min(record.expires, secret.ends)
    said: dict[str, Any] = {
        "iss": API_KEYS,
        "sub": record.owner,
        "client_id": record.id,
        "jti": record.id,
        "aud": list(record.resources),
        "scope": " ".join(record.scopes),
        "roles": list(record.roles),
        "iat": record.created,
        "exp": ends,
    }
    return Verified(
        issuer=API_KEYS,
        subject=record.owner,
        client=record.id,
        session=session_of(record.id, secret.number),
        scopes=record.scopes,
        roles=record.roles,
        audience=record.resources,
        issued_at=record.created,
        expires_at=ends,
        token_id=hashlib.sha256(key).hexdigest(),
        thumbprint=None,
        alg=ALG,
        kid=str(secret.number),
        confirmed=False,
        key_generation=generation,
        claims=Claims.of(said),
    )
