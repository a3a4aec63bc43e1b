"""The verification of bearer tokens in the flow: what is known of these exact bytes, else an examination.

``verify_now`` never waits.  A known token costs one look-up; time, revocations and generations are compared on every
look-up, by the table itself.  A known *bad* token costs another look-up, in a table of its own: a flood of one bad token
buys no signature checks and evicts no good one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from bearerd._native.tokens import Found
from bearerd._native.verify import Verification
from bearerd.jws.algorithms import ALGORITHMS
from bearerd.jws.keys import Key
from bearerd.refusals import TABLE, Code, Refusal
from bearerd.request import API_KEY
from bearerd.verify.examine import Examiner, Observer, Silent
from bearerd.verify.verified import Verified, token_name

if TYPE_CHECKING:
    from bearerd._native.generations import Generations
    from bearerd._native.refused import RefusedTokens
    from bearerd._native.revocations import Revocations
    from bearerd._native.tokens import TokenCache
    from bearerd.decision import Now, Pending
    from bearerd.issuers.registry import Issuers
    from bearerd.limits import Limits
    from bearerd.verify.budget import Budget

# Codes that are remembered, by the small integer that stands for them.
REMEMBERED: Final = tuple(code for code in Code if TABLE[code].remembered)
AGAIN: Final = tuple(Refusal(code, "the same bytes were refused moments ago") for code in REMEMBERED)


class View(Protocol):
    """The revocations that this worker knows."""

    @property
    def table(self) -> Revocations:
        """The table, the same one for good: each cached token keeps the ``sequence`` that it was last probed at."""


class Keys(Protocol):
    """Who judges API keys (``apikeys.checker``), in the three steps in which tokens are judged here."""

    def recall(self, key: bytes, now: Now) -> Verified | Refusal | Pending | None: ...
    def examine(self, key: bytes, now: Now, *, revoked_too: bool = False) -> Verified | Refusal | Pending: ...
    def keep(self, key: bytes, verified: Verified, probes: bytes, now: Now) -> None: ...


class TokenVerifier(Verification):
    """Verifies tokens of these issuers.  Synchronous: one thread, one worker."""

    def __init__(
        self,
        issuers: Issuers,
        *,
        generations: Generations,
        cache: TokenCache[Verified],
        refused: RefusedTokens,
        view: View,
        limits: Limits,
        observer: Observer | None = None,
        budget: Budget | None = None,
        keys: Keys | None = None,
    ) -> None:
        """``keys``: None where no resource takes API keys; one is then a token that is none."""
        self._examiner = Examiner(issuers, limits, observer or Silent(), budget)
        apart = None if keys is None else API_KEY
        super().__init__(
            cache,
            refused,
            generations,
            view.table,
            self._examiner,
            limits.max_token_bytes,
            apart,
            Verified,
        )
        self._issuers = issuers
        self._generations = generations
        self._cache = cache
        self._refused = refused
        self._table = view.table
        self._most_bytes = limits.max_token_bytes
        self._refused_seconds = limits.refused_seconds
        self._keys = keys

    if TYPE_CHECKING:

        def verify_now(self, token: bytes, now: Now) -> Verified | Refusal | Pending: ...

    def examine(self, token: bytes, now: Now, *, revoked_too: bool = False) -> Verified | Refusal | Pending:
        """Verify a token without memory: what is known of its bytes is not used, and nothing is kept (``explain``).

        ``revoked_too``: a revoked token is what it says, too (for whoever revokes it again).
        """
        if self._keys is not None and token.startswith(API_KEY):
            found = self._keys.examine(token, now, revoked_too=revoked_too)
        else:
            found = self._examiner.examine(token, now)
        if revoked_too:
            return found
        return self._unless_revoked(found, found.probes(), now) if isinstance(found, Verified) else found

    # ---- what the memory does not say (``native/verify``)

    def _again(self, value: int) -> Refusal:
        return AGAIN[value]

    def _noted(self, token: bytes, found: Refusal | Pending, now: Now, generation: int) -> Refusal | Pending:
        """It is remembered, if it is a refusal that depends on nothing else."""
        if isinstance(found, Refusal) and found.code in REMEMBERED:
            until = now.boot + self._refused_seconds
            self._refused.put(token, REMEMBERED.index(found.code), until, generation, token_name(token))
        return found

    def _apart(self, token: bytes, now: Now) -> Verified | Refusal | Pending:
        """Of what is too large, and of an API key: from memory, else examined, and what is found is remembered."""
        keys = self._keys
        if keys is None or len(token) > self._most_bytes:
            return self._examiner.examine(token, now)
        known = keys.recall(token, now)
        if known is not None:
            return known
        generation = self._generations.total
        remembered = self._refused.find(token, now.boot, generation)
        if remembered >= 0:
            return AGAIN[remembered]
        found = keys.examine(token, now)
        if not isinstance(found, Verified):
            return self._noted(token, found, now, generation)
        probes = found.probes()
        keys.keep(token, found, probes, now)
        return self._unless_revoked(found, probes, now)

    def _judged_again(self, token: bytes, found: int, verified: Verified, now: Now) -> Verified | Refusal | None:
        """What may still be said where what the cache found is not as it was; None: examine these bytes.

        A HIT is of this configuration and of its issuer's keys as they are; that the issuer is there is asked all the same.
        """
        known: Verified | None = verified
        if found == Found.KEYS_CHANGED and self._renewed(token, verified, now):
            found, known = self._cache.find(token, now.latest, now.boot, self._generations, self._table)
        if known is None or (found == Found.HIT and known.issuer in self._examiner.known):
            return known
        if found == Found.REVOKED:
            return self._revoked(known, self._table.revoked(known.probes(), known.issued_second, int(now.latest)))
        self._cache.drop(token)
        return None

    def _renewed(self, token: bytes, verified: Verified, now: Now) -> bool:
        """Whether the issuer's new key set would choose the very key that verified this token; if so the entry stands.

        The choice is made anew, not only the key looked for: of a token without ``kid`` the new set may have two keys.
        """
        issuer, alg = self._issuers.find(verified.issuer), ALGORITHMS[verified.alg]
        if issuer is None:
            return False
        key = issuer.select(alg, verified.kid, now)
        if not isinstance(key, Key) or key.thumbprint != verified.thumbprint or not key.allows(alg):
            return False
        self._cache.renew(token, issuer.generation)
        return True

    def _unless_revoked(self, verified: Verified, probes: bytes, now: Now) -> Verified | Refusal:
        at = self._table.revoked(probes, verified.issued_second, int(now.latest))
        return verified if at < 0 else self._revoked(verified, at)

    def _revoked(self, verified: Verified, at: int) -> Refusal:
        """A refusal that says what is revoked; ``at`` is the index of the first probe in force."""
        probed = verified.probed()
        return Refusal(Code.REVOKED, f"its {probed[at].name.lower()} is revoked" if 0 <= at < len(probed) else "")
