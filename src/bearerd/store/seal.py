"""The fleet key: what tells an entry that one of us wrote from one that somebody with access to the store wrote.

Without a fleet key every seal is empty and whoever can write the store owns the fleet.  With one, revocations and key sets
carry a MAC.  It does not keep anyone from *deleting*; the position, put-back and leases are there for that.

What lies in data_dir (the snapshot of the revocations, key sets) is sealed in the same way, with a key of its own or with the
fleet key: it is a way into the fleet, for what a snapshot holds is put back into a store that lacks it.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from bearerd.config.files import LEAST_KEY_BYTES
from bearerd.errors import ConfigError
from bearerd.store import names

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.config import model

SIZE: Final = 16  # bytes of a MAC


class Seal:
    """Makes and checks MACs for one fleet; of size 0 without a key.

    Deterministic, so that an entry put back by another worker is byte for byte the original.
    """

    def __init__(self, fleet: str, key: bytes | None) -> None:
        self._fleet = fleet.encode()
        self._key = key
        self.size = 0 if key is None else SIZE
        check = self.make(b"schema", names.SCHEMA.encode()).hex()
        # The mark of the store: the version and, with a key, a value that only its holders can name.  A process with
        # another key, or with none, stops here: its entries would be refused by the others after it had acknowledged them.
        self.mark = f"{names.SCHEMA}:{check}" if check else names.SCHEMA

    def make(self, purpose: bytes, *parts: bytes) -> bytes:
        """The MAC of these parts for this purpose; empty without a key."""
        if self._key is None:
            return b""
        text = b"".join(
            len(part).to_bytes(4, "big") + part for part in (b"bearerd-mac-1", purpose, self._fleet, *parts)
        )
        return hmac.digest(self._key, text, "sha256")[:SIZE]

    def holds(self, mac: bytes, purpose: bytes, *parts: bytes) -> bool:
        """Whether that MAC is right (constant time)."""
        return hmac.compare_digest(mac, self.make(purpose, *parts))


def of_fleet(store: model.Store) -> Seal:
    """For what is kept in the store.  Raises ConfigError."""
    path = store.fleet_key_file
    return _sealed(store, None if path is None else read_key(path))


def of_data_dir(store: model.Store) -> Seal:
    """For what is kept in data_dir: by ``snapshot_key_file``, else by the fleet key.  Raises ConfigError."""
    if store.snapshot_key_file is None:
        return of_fleet(store)
    return _sealed(store, read_key(store.snapshot_key_file, "store.snapshot_key_file"))


def _sealed(store: model.Store, key: bytes | None) -> Seal:
    return Seal(store.fleet or names.DEFAULT_FLEET, key)


def read_key(path: Path, name: str = "store.fleet_key_file") -> bytes:
    """The content of a key file without surrounding white space; ``name`` is its dotted key.  Raises ConfigError."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        wrong = f"cannot be read: {error.strerror}"
        raise ConfigError("config", [(name, wrong, "make it readable to bearerd")]) from None
    if len(key) < LEAST_KEY_BYTES:
        wrong = f"holds {len(key)} bytes, at least {LEAST_KEY_BYTES} are needed"
        raise ConfigError("config", [(name, wrong, "openssl rand -base64 48 > FILE")])
    return key
