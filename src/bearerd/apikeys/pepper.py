"""The key that stands between the store and the API keys: what is stored is worth nothing to whoever has not got it.

A digest made without it is no digest here, and a record without its seal is none: whoever reads the store can use no key, and
whoever writes it can neither make one nor give one more than it had.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from bearerd import log
from bearerd.config import check_apikeys, files
from bearerd.errors import BearerdError, ConfigError
from bearerd.store import seal
from bearerd.store.names import DEFAULT_FLEET

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.config.model import Config

OWN_FILE: Final = "apikeys.pepper"  # in data_dir, and in the development profile only


class Pepper:
    """Of one fleet."""

    def __init__(self, fleet: str, key: bytes) -> None:
        self._digests = hmac.digest(key, b"bearerd-apikey-digest-1", "sha256")
        self._seals = hmac.digest(key, b"bearerd-apikey-record-1\0" + fleet.encode(), "sha256")

    def digest(self, key: bytes) -> str:
        """What is kept of an API key (hex)."""
        return hmac.digest(self._digests, key, "sha256").hex()

    def seal(self, key_id: str, record: bytes) -> bytes:
        """The seal of a record under its id (hex)."""
        return hmac.digest(self._seals, key_id.encode() + b"\0" + record, "sha256").hex().encode()

    def holds(self, mac: bytes, key_id: str, record: bytes) -> bool:
        """Whether that is the seal (constant time)."""
        return hmac.compare_digest(mac, self.seal(key_id, record))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pepper) and hmac.compare_digest(self._seals, other._seals)

    __hash__ = None  # type: ignore[assignment]


def of(config: Config, data_dir: Path) -> Pepper | None:
    """As configured; None where no resource takes API keys.  Raises ConfigError."""
    if not check_apikeys.taken(config.resource):
        return None
    fleet = config.store.fleet or DEFAULT_FLEET
    if config.apikeys.pepper_file is not None:
        return Pepper(fleet, seal.read_key(config.apikeys.pepper_file, "apikeys.pepper_file"))
    if config.store.fleet_key_file is not None:
        return Pepper(fleet, seal.read_key(config.store.fleet_key_file))
    if config.server.profile == "production":
        raise ConfigError("configuration", [check_apikeys.NO_PEPPER])
    try:
        return Pepper(fleet, files.own_key(data_dir / OWN_FILE))
    except (OSError, BearerdError) as error:
        why = f"the development profile keeps one in data_dir, and cannot: {log.told(error)}"
        raise ConfigError("configuration", [("apikeys.pepper_file", why, f"let {data_dir} be written")]) from None
