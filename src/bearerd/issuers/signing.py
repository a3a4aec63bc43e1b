"""The development issuer's private keys: made once, kept in a folder, rotated on demand.  For no other use."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from bearerd.config import pem
from bearerd.jws.signing import ALGORITHMS, SigningKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.jws.signing import PrivateKey

FILE: Final = "issuer-keys.json"
MOST_RETIRED: Final = 9
"""Keys that a rotation with overlap leaves in the key set: the last three of each algorithm."""


class KeyChain:
    """The current key of each algorithm, and the public halves of retired ones."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.current: dict[str, SigningKey] = {}
        self.retired: list[dict[str, str]] = []
        if self._path.exists():
            self._load()
        if set(self.current) != set(ALGORITHMS):
            self.rotate(overlap=True)

    def rotate(self, *, overlap: bool) -> None:
        """New keys for all algorithms; the old ones stay in the key set with ``overlap``, and leave it without."""
        old = [key.jwk() for key in self.current.values()]
        self.retired = [*old, *self.retired][:MOST_RETIRED] if overlap else []
        self.current = {alg: SigningKey(secrets.token_hex(8), alg, _generate(alg)) for alg in ALGORITHMS}
        self._save()

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JWK Set: current keys, then retired ones."""
        return {"keys": [*(key.jwk() for key in self.current.values()), *self.retired]}

    def _save(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        record = {
            "current": [
                {"kid": key.kid, "alg": key.alg, "pem": pem.written(key.private)} for key in self.current.values()
            ],
            "retired": self.retired,
        }
        handle, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=self._path.parent)  # mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(record))
        Path(name).replace(self._path)

    def _load(self) -> None:
        record: Mapping[str, Any] = orjson.loads(self._path.read_bytes())
        for entry in record["current"]:
            private = serialization.load_pem_private_key(entry["pem"].encode(), None)
            self.current[entry["alg"]] = SigningKey(entry["kid"], entry["alg"], private)  # type: ignore[arg-type]
        self.retired = list(record["retired"])


def _generate(alg: str) -> PrivateKey:
    if alg == "RS256":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else ed25519.Ed25519PrivateKey.generate()
