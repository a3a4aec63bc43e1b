"""The JOSE header of a compact JWS (RFC 7515 section 4): what is read of it, and what makes a token refused.

``jwk``, ``jku``, ``x5u`` and ``x5c`` are never looked at: a token does not bring its own key (RFC 8725 section 3.10).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from bearerd.errors import MalformedToken, UnsupportedAlg
from bearerd.jws.algorithms import ALGORITHMS, Algorithm

_REMEMBERED: Final = 256  # headers
_LONGEST: Final = 512  # bytes of one that is remembered: a flood of invented ones takes so much memory, and no more


@dataclass(frozen=True, slots=True)
class Header:
    """A header that promises nothing that we would not keep."""

    alg: Algorithm
    kid: str | None
    members: dict[str, Any]


def read(text: bytes) -> Header:
    """Read the decoded header of a split token (scanned already: an object, no duplicate members, within the caps).

    Raises MalformedToken for what is not JSON, for ``crit`` (we know no extension, RFC 7515 section 4.1.11), for an
    unencoded payload (RFC 7797) and for ``alg`` or ``kid`` of the wrong type; UnsupportedAlg for an unknown ``alg``.
    """
    try:
        members = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MalformedToken("the header is not JSON") from None
    if not isinstance(members, dict):
        raise MalformedToken("the header is not an object")
    if "crit" in members:
        raise MalformedToken("crit names extensions, and none is supported")
    if members.get("b64", True) is not True:
        raise MalformedToken("b64 asks for an unencoded payload")
    kid, name = members.get("kid"), members.get("alg")
    if not isinstance(kid, str) and "kid" in members:
        raise MalformedToken("kid is not a string")
    if not isinstance(name, str):
        raise MalformedToken("alg is missing or not a string")
    alg = ALGORITHMS.get(name)
    if alg is None:
        raise UnsupportedAlg("alg is no signature algorithm known here")
    return Header(alg, kid, members)


def known(text: bytes) -> Header:
    """``read``, which remembers: the tokens of one key begin alike.  The header is shared, so nobody may change it."""
    return _known(text) if len(text) <= _LONGEST else read(text)


_known: Final = lru_cache(_REMEMBERED)(read)
