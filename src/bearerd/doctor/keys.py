"""The keys of an issuer: whether each token of it can mean exactly one of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bearerd.config.model import Issuer
    from bearerd.doctor.finding import Notebook
    from bearerd.issuers.keyset import KeySet
    from bearerd.jws.keys import Key

SLOW_RSA: Final = 4096  # bits: from there on one verification costs several times that of 2048


def examine(key_set: KeySet, issuer: Issuer, notes: Notebook) -> None:
    """Look at what is used of a key set, and at what is not."""
    notes.ok("keys", f"{len(key_set.keys)} usable: {'; '.join(map(_shown, key_set.keys))}")
    for problem in key_set.problems:
        notes.warning(
            "keys", f"not used: {problem}", "have the issuer mend or remove it; no token signed by it is accepted"
        )
    _look_at_kids(key_set, issuer, notes)
    _look_at_algorithms(key_set, issuer, notes)
    for key in key_set.keys:
        if key.bits is not None and key.bits > SLOW_RSA:
            found = (
                f"{_name(key)} has {key.bits} bits: each first sight of a token costs a multiple of what 2048 bits do"
            )
            notes.note("keys", found, "2048 or 3072 bits, or ES256, are enough for a token")


def _look_at_kids(key_set: KeySet, issuer: Issuer, notes: Notebook) -> None:
    nameless = [key for key in key_set.keys if key.kid is None]
    several = [
        name for name, count in Counter(name for key in nameless for name in key.algorithms).items() if count > 1
    ]
    used = sorted(set(several) & set(issuer.algorithms))
    if used:
        found = f"more than one key without a kid fits {', '.join(used)}: tokens are refused, since any could be meant"
        notes.error("kids", found, "have the issuer give each key a kid, and name it in the tokens' headers")
    elif nameless and len(key_set.keys) > 1:
        found = f"{len(nameless)} of {len(key_set.keys)} keys have no kid: only tokens without one can mean them"
        notes.warning("kids", found, "have the issuer give each key a kid, or its next rotation refuses tokens")
    elif nameless:
        found = "the only key has no kid: a rotation can have no overlap"
        notes.note("kids", found, "have the issuer give each key a kid")
    else:
        notes.ok("kids", "every key has one of its own")


def _look_at_algorithms(key_set: KeySet, issuer: Issuer, notes: Notebook) -> None:
    served = {name for key in key_set.keys for name in key.algorithms}
    idle = [name for name in issuer.algorithms if name not in served]
    if idle:
        found = f"algorithms allows {', '.join(idle)}, and no key is for them"
        notes.note("algorithms", found, "what no key serves can be left out of algorithms")
    for key in key_set.keys:
        if key.algorithms.isdisjoint(issuer.algorithms):
            found = f"{_name(key)} is for {', '.join(sorted(key.algorithms))}, which algorithms does not allow"
            notes.note(
                "algorithms",
                found,
                "if the issuer signs access tokens with it, add the algorithm: they are refused now",
            )
    if not idle and all(key.algorithms & set(issuer.algorithms) for key in key_set.keys):
        notes.ok("algorithms", f"{', '.join(issuer.algorithms)}: each has a key, each key is allowed")


def _shown(key: Key) -> str:
    size = "" if key.bits is None else f" {key.bits} bits"
    return f"{_name(key)} {key.kty}{size}"


def _name(key: Key) -> str:
    return "no kid" if key.kid is None else f"kid {key.kid[:64]!r}"
