"""One compact JWS against one JWK (contracts, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bearerd._native import jws as _native
from bearerd.errors import MalformedToken, TooLarge, UnsupportedAlg, UnusableKey
from bearerd.jws import header, keys
from bearerd.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Collection

_DEFAULT_LIMITS: Final = Limits()


class Jws(NamedTuple):
    """A JWS whose signature verified."""

    header: Mapping[str, Any]
    payload: bytes


def verify(
    token: str | bytes, jwk: Mapping[str, Any], algorithms: Collection[str], *, limits: Limits = _DEFAULT_LIMITS
) -> Jws:
    """Verify a JWS in compact serialisation (RFC 7515 section 5.2) under this key, by one of these algorithms.

    The payload may be any bytes.  The key decides too: its ``alg``, ``use`` and ``key_ops`` are obeyed; ``oct`` keys
    verify HS algorithms.  ``kid`` is not compared, and no claim is looked at.

    Raises only ``bearerd.errors``: MalformedToken, TooLarge, UnsupportedAlg, UnusableKey, BadSignature.

    >>> verify(token, jwk, {"ES256"}).payload                                                       # doctest: +SKIP
    b'{"iss":"joe"}'
    """
    octets = _octets(token)
    if len(octets) > limits.max_token_bytes:
        raise TooLarge(f"the token is longer than max_token_bytes = {limits.max_token_bytes}")
    try:
        compact = _native.split_any(octets, limits.max_json_depth, limits.max_json_members)
    except _native.Malformed as fault:
        raise MalformedToken(str(fault)) from None
    head = header.read(compact.header)
    # A lone string is one name: as a collection of characters or substrings it would allow what nobody asked for.
    allowed = {algorithms} if isinstance(algorithms, str) else algorithms
    if head.alg.name not in allowed:
        raise UnsupportedAlg(f"{head.alg.name} is not among the algorithms allowed here")
    if not isinstance(jwk, Mapping):
        raise UnusableKey("the key is not a JWK")
    keys.from_jwk(dict(jwk), symmetric=True).verify(head.alg, compact.signing_input, compact.signature)
    return Jws(head.members, compact.payload)


def _octets(token: object) -> bytes:
    if isinstance(token, bytes):
        return bytes(token)  # of a subclass, exactly bytes
    if not isinstance(token, str) or not token.isascii():
        raise MalformedToken("a token is ASCII text")
    return token.encode()
