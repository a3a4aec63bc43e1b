"""What a revocation says and how long it lives: the rules of contracts section 5 as pure functions.

Times are epoch seconds of the *store's* clock, so that every writer of a fleet reckons alike.  Cut-offs and expiries fit
in 32 bits; ``FOREVER`` is infinity in both.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

from bearerd._native.revocations import FOREVER, TOMBSTONE
from bearerd.store.entries import API_KEYS, Kind

HOUR: Final = 3600
_DATED: Final = frozenset({Kind.SUBJECT, Kind.CLIENT, Kind.ISSUER})  # revoked "as of now" unless told otherwise
_TOKEN_LIVES: Final = (
    2  # a token's entry outlives no more than this many retentions; its tombstone lives exactly so long
)


class Terms(NamedTuple):
    """One entry without its key and ``at``."""

    cutoff: int  # revoked iff floor(iat) <= cutoff
    expiry: int  # the entry counts while expiry > now


def cutoff(kind: Kind, now: float, before: int | Literal["all"] | None, slack: float) -> int:
    """The cut-off T.

    ``before`` is what the API was given (epoch seconds; "all": infinity; None: the kind's default).  ``slack`` is the
    issuer's ``cutoff_slack`` (seconds): how far its clock may lead the store's.  Raises ValueError.
    """
    if before == "all" or (before is None and kind not in _DATED):
        return FOREVER
    if before is None:
        return math.floor(now + slack)
    if type(before) is not int or not TOMBSTONE < before < FOREVER:
        raise ValueError('before: whole seconds since 1970 (not milliseconds), or "all"')
    return before


def expiry(
    kind: Kind,
    issuer: str,
    now: float,
    cut: int,
    *,
    retention: float,
    until: float | None = None,
    expires_in: float | None = None,
) -> int:
    """When an entry may be forgotten.

    A token's: ``until`` (its ``exp`` plus leeway) if known, else the retention; a dated cut-off: the retention; infinity
    on any other kind, and any entry about API keys: until lifted, except API keys with a known ``until``.  ``expires_in`` (seconds) may lengthen it,
    never shorten: a revocation that lapses before its tokens do is none.  Raises ValueError.
    """
    least = _least(kind, issuer, now, cut, retention, until)
    if expires_in is None:
        return least
    asked = math.ceil(now + expires_in)
    if not asked >= least:
        shortest = "it lasts until lifted" if least == FOREVER else f"at least {math.floor(least - now)} seconds"
        raise ValueError(f"expires_in: may lengthen a revocation, never shorten it ({shortest})")
    if asked >= FOREVER or (_brief(kind, issuer) and asked > now + _TOKEN_LIVES * retention + 1):
        raise ValueError("expires_in: longer than such a revocation can live")
    return asked


def _least(kind: Kind, issuer: str, now: float, cut: int, retention: float, until: float | None) -> int:
    if until is not None and (kind is Kind.TOKEN or issuer == API_KEYS):
        if _brief(kind, issuer) and until > now + _TOKEN_LIVES * retention:
            raise ValueError("until: the token outlives the retention; is revocation_retention too short?")
        return math.ceil(until)
    if issuer == API_KEYS or (kind is not Kind.TOKEN and cut == FOREVER):
        return FOREVER  # of API keys even a dated one: they live for longer than any retention
    start = now if cut == FOREVER else max(now, cut)
    last = math.ceil(start + retention)
    if last >= FOREVER or (kind is Kind.TOKEN and last > now + _TOKEN_LIVES * retention + 1):
        raise ValueError("before: too far in the future")
    return last


def _brief(kind: Kind, issuer: str) -> bool:
    """Whether such an entry lives for two retentions at the most."""
    return kind is Kind.TOKEN and issuer != API_KEYS


def tombstone(kind: Kind, issuer: str, now: float, retention: float) -> Terms:
    """A lift.  It lives as long as such entries can: else one that was lost and is put back would rise again."""
    last = math.ceil(now + _TOKEN_LIVES * retention) + 1 if _brief(kind, issuer) else FOREVER
    return Terms(TOMBSTONE, last)


def reset() -> Terms:
    """A tombstone for every key, kept for good."""
    return Terms(TOMBSTONE, FOREVER)


def storable_until(last: int) -> float:
    """When the store's bucket for an entry of this expiry is gone (epoch seconds).

    The end of its hour and one more: workers whose clocks lag the store's still hold the entry as live.
    """
    return math.inf if last == FOREVER else (last // HOUR + 2) * HOUR
