"""Whether whoever stands between may keep an answer, in the words of HTTP (RFC 9111) and of nginx (contracts, section 3).

Nobody may, unless the operator said so for the resource (``cacheable_for``) and the decision says for how long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bearerd.decision import Reuse

NO_STORE: Final = ("Cache-Control", "no-store")

# What an answer depends on: all that bearerd reads of a question, but for what only logs hold.  A cache's key needs it all;
# one that forgot a field, or the token, is held to it by Vary.  nginx keeps nothing whose Vary is longer than 128 bytes.
_PREFLIGHT: Final = ("Origin", "Access-Control-Request-Method")
VARY: Final = {
    "nginx": ", ".join(("Authorization", "X-Original-Method", "X-Original-URI", "X-Original-Host", *_PREFLIGHT)),
    "forwarded": ", ".join(
        ("Authorization", "X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", *_PREFLIGHT)
    ),
}


def fields(reuse: Reuse | None, dialect: str) -> tuple[tuple[str, str], ...]:
    """The header fields of an allow.

    nginx counts in whole seconds of the clock, and keeps an answer until the last one has passed: up to one more than it is
    told.  It is told so by a field that is its alone; no other cache on the way learns that anything may be kept.  Envoy
    shows its face fields that no key of a cache holds (``Request.sees_all_headers``): it is told nothing.
    """
    seconds = 0 if reuse is None else reuse.cacheable
    if dialect == "nginx" and seconds > 1:
        return ("X-Accel-Expires", str(seconds - 1)), NO_STORE, ("Vary", VARY[dialect])
    if dialect == "forwarded" and seconds > 0:
        return ("Cache-Control", f"max-age={seconds}, must-revalidate"), ("Vary", VARY[dialect])
    return (NO_STORE,)
