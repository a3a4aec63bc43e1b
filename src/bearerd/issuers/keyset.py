"""A key set as it is used: an immutable snapshot of one issuer's keys, and which of them a token means."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd.errors import IssuerFault
from bearerd.issuers.faults import Reason
from bearerd.jws import keysets
from bearerd.jws.keys import PRIVATE_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bearerd.jws.keys import Key
    from bearerd.limits import Limits

SHORTEST_LIFE: Final = 10.0
"""Seconds: no Cache-Control makes us ask more often (unless ``key_set_refresh`` itself is shorter)."""

_SECRET: Final = frozenset({*PRIVATE_MEMBERS, "k"})
_HASH_KEY: Final = secrets.token_bytes(32)


class Origin(StrEnum):
    """Where a key set came from."""

    NETWORK = "network"
    STORE = "store"
    DISK = "disk"
    FILE = "file"
    INLINE = "inline"
    SECRET = "secret"  # noqa: S105 - a word, not a secret


class Miss(StrEnum):
    """Why no key of the set is the one that a token means."""

    UNKNOWN_KID = "no key has this kid"
    OTHER_ALGORITHM = "the key of this kid is not for this algorithm"
    NONE_FITS = "the token has no kid, and no key fits its algorithm"
    SEVERAL_FIT = "the token has no kid, and more than one key fits its algorithm"


@dataclass(frozen=True, slots=True)
class Validators:
    """What is known of a document beside its bytes; kept with it in the store and on disk."""

    jwks_uri: str | None  # where it was fetched; None: not from the network
    etag: str | None
    fetched_at: float  # seconds since the epoch: when the request was made that brought or confirmed it
    expires_at: float  # seconds since the epoch: when it should be asked for again


@dataclass(frozen=True, slots=True)
class KeySet:
    """Usable keys, each bound to its algorithms.  Made by ``read`` or ``of_secret``; never changed."""

    keys: tuple[Key, ...]
    origin: Origin
    validators: Validators
    document: bytes = field(repr=False)  # as it was fetched; empty where it must not leave the process
    hash: str  # of the usable keys: equal exactly when they are (16 hexadecimal digits)
    problems: tuple[str, ...]  # one line for each key that was dropped
    _by_kid: Mapping[str, Mapping[str, Key]] = field(repr=False)  # and by algorithm

    @property
    def fetched_at(self) -> float:
        """Seconds since the epoch."""
        return self.validators.fetched_at

    @property
    def expires_at(self) -> float:
        """Seconds since the epoch: when to ask again, long before the set stops being used."""
        return self.validators.expires_at

    def find(self, alg: str, kid: str | None) -> Key | Miss:
        """The one key for a token (contracts, section 2, Keys): that of its ``kid``; without one, the only that fits."""
        if kid is None:
            fitting = [key for key in self.keys if alg in key.algorithms]
            if len(fitting) == 1:
                return fitting[0]
            return Miss.SEVERAL_FIT if fitting else Miss.NONE_FITS
        if self.origin is Origin.SECRET:  # one secret, which has no name: whatever kid its issuer writes means it
            return self.keys[0] if alg in self.keys[0].algorithms else Miss.OTHER_ALGORITHM
        named = self._by_kid.get(kid)
        if named is None:
            return Miss.UNKNOWN_KID
        return named.get(alg, Miss.OTHER_ALGORITHM)

    def holds(self, kid: str) -> bool:
        """Whether a key has this kid."""
        return kid in self._by_kid

    def renewed(self, validators: Validators, origin: Origin = Origin.NETWORK) -> KeySet:
        """The same keys, confirmed (304, or an unchanged file)."""
        return replace(self, validators=validators, origin=origin)


def read(
    document: bytes | Mapping[str, Any],
    origin: Origin,
    validators: Validators,
    algorithms: Collection[str],
    limits: Limits,
) -> KeySet:
    """Read a JWK Set; the same checks whatever its origin.  ``algorithms`` are the issuer's.

    Raises IssuerFault, also where no key is for any of these algorithms: such a set would refuse every token, and
    last-known-good must not give way to it.
    """
    found = keysets.read(document, limits)
    if not any(name in key.algorithms for key in found.keys for name in algorithms):
        raise IssuerFault(
            Reason.NO_USABLE_KEY, f"no key is for any of the issuer's algorithms ({', '.join(algorithms)})"
        )
    raw = _keepable(document, found.problems) if isinstance(document, bytes) else b""
    return KeySet(found.keys, origin, validators, raw, _hash(found.keys), found.problems, _index(found.keys))


def of_secret(key: Key, validators: Validators) -> KeySet:
    """The set of one shared secret.  Its hash tells a change within this process and, unlike a digest, nothing else."""
    tag = hmac.digest(_HASH_KEY, key.thumbprint.encode(), "sha256").hex()[:16]
    return KeySet((key,), Origin.SECRET, validators, b"", tag, (), MappingProxyType({}))


def lifetime(max_age: float | None, refresh: float) -> float:
    """Seconds until a set should be asked for again: Cache-Control's wish within [10 s, ``key_set_refresh``]."""
    return refresh if max_age is None else min(max(max_age, SHORTEST_LIFE), refresh)


def _keepable(document: bytes, problems: Collection[str]) -> bytes:
    """The document for the store and the disk: without private keys, which an issuer may have published by mistake."""
    if not problems:
        return document
    entries = orjson.loads(document)["keys"]
    public = [entry for entry in entries if not (isinstance(entry, dict) and _SECRET & entry.keys())]
    return document if len(public) == len(entries) else orjson.dumps({"keys": public})


def _index(keys: tuple[Key, ...]) -> Mapping[str, Mapping[str, Key]]:
    """One kid with two kty is two keys; no algorithm fits both."""
    by_kid: dict[str, dict[str, Key]] = {}
    for key in keys:
        if key.kid is not None:
            named = by_kid.setdefault(key.kid, {})
            for alg in key.algorithms:
                named.setdefault(alg, key)
    return MappingProxyType(by_kid)


def _hash(keys: tuple[Key, ...]) -> str:
    lines = sorted(repr((key.kid, key.thumbprint, sorted(key.algorithms))) for key in keys)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
