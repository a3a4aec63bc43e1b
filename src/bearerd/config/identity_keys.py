"""The files of ``identity.key_files``: keys in PEM, or JWK Sets.  Their content is kept, not the paths (``model.Signing``)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from bearerd import jsonobject
from bearerd.config import files, pem
from bearerd.config.pem import Unfit, key_of
from bearerd.errors import UnusableKey
from bearerd.jws import keys, signing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bearerd.jws.signing import PrivateKey, PublicKey, SigningKey

MOST_KEYS: Final = 16  # of all files: a rotation needs two or three, and every upstream reads them all
NEW_KEY: Final = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE"
_KEY: Final = re.compile(rb"^-----BEGIN [A-Z ]*KEY-----", re.MULTILINE)
_DEPTH: Final = 4  # of a JWK Set
_MEMBERS: Final = 32 * MOST_KEYS


@dataclass(frozen=True)
class Found:
    """One key of a file."""

    kid: str
    private: bool
    pem: str = field(repr=False)


def read(path: Path) -> list[Found]:
    """The keys of a file that can be read.  Raises Unfit; no word of it quotes the file."""
    try:
        content = files.read(path, files.MAX_SECRET_BYTES).strip()
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
        raise Unfit(f"{path}: {why}", "name a file that can be read") from None
    entries: list[Callable[[], PrivateKey | PublicKey]] = [partial(_of_pem, path, content)]
    if content.startswith(b"{"):
        entries = _of_set(path, content)
    found = []
    for number, key in enumerate(entries, 1):
        try:
            found.append(_found(key()))
        except UnusableKey as fault:
            raise _unusable(path, number, len(entries), fault) from None
    return found


def load(pems: Sequence[str]) -> tuple[SigningKey, list[dict[str, str]]]:
    """What signs, and what is published, of keys that were read before.  Raises ValueError, UnusableKey."""
    held = [_parsed(text.encode()) for text in pems]
    first = held[0]
    if not isinstance(first, signing.PRIVATE):
        raise UnusableKey("the first key is not private")
    return signing.named(first), [signing.described(_public(key)) for key in held]


def _of_pem(path: Path, content: bytes) -> PrivateKey | PublicKey:
    blocks = len(_KEY.findall(content))
    if blocks > 1:  # the reader takes one, and says nothing of the other: it would not be published
        raise Unfit(
            f"{path} holds {blocks} keys in PEM", "give each a file of its own in key_files, the one that signs first"
        )
    return key_of(path, lambda: _parsed(content), (f"{path} holds no key in PEM, and no JWK Set", NEW_KEY))


def _parsed(text: bytes) -> PrivateKey | PublicKey:
    """Of any kind; ``signing.algorithm_of`` says whether it will do."""
    if b"-----BEGIN PUBLIC KEY-----" in text:
        return cast("PublicKey", load_pem_public_key(text))
    return cast("PrivateKey", load_pem_private_key(text, None))


def _of_set(path: Path, content: bytes) -> list[Callable[[], PrivateKey | PublicKey]]:
    """A JWK Set, or a single JWK: its keys, each to be read yet."""
    try:
        document = jsonobject.read(content, _DEPTH, _MEMBERS)
    except jsonobject.Malformed:
        raise Unfit(f"{path} is not JSON that can be read", 'a JWK Set has a list "keys" (RFC 7517)') from None
    entries = document.get("keys") if "kty" not in document else [document]
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise Unfit(f"{path} has no list of keys", 'a JWK Set has a list "keys" (RFC 7517)')
    return [partial(_of_jwk, entry) for entry in entries]


def _of_jwk(jwk: dict[str, Any]) -> PrivateKey | PublicKey:
    if "d" in jwk:
        return signing.from_private_jwk(jwk)
    return cast("PublicKey", keys.from_jwk(jwk).public)


def _unusable(path: Path, number: int, of: int, fault: UnusableKey) -> Unfit:
    which = f"key {number} of {path}" if of > 1 else str(path)
    return Unfit(f"{which} cannot be used: {fault}", f"RSA with 2,048 to 8,192 bits, P-256 or Ed25519: {NEW_KEY}")


def _found(key: PrivateKey | PublicKey) -> Found:
    signing.algorithm_of(key)
    kid = signing.thumbprint(_public(key))
    if isinstance(key, signing.PRIVATE):
        return Found(kid, True, pem.written(key))
    return Found(kid, False, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def _public(key: PrivateKey | PublicKey) -> PublicKey:
    return key.public_key() if isinstance(key, signing.PRIVATE) else key
