"""The API keys of a fleet in its store: sealed records, each read and changed by one script.

What is read here and does not carry the seal is nobody's key, whoever wrote it.  A record is changed only by somebody who has
seen it as it is, so that of two changes at once neither is lost.  Every method raises StoreError.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bearerd.apikeys.record import Record
from bearerd.errors import StoreError, StoreFull
from bearerd.store import script
from bearerd.store.replies import shaped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bearerd.apikeys.pepper import Pepper
    from bearerd.store.client import Client

MOST_AT_ONCE: Final = 100  # records that one script reads
KEPT: Final = 24 * 3600  # seconds for which a record stays after its key's end, for whoever wonders
_MOST_BYTES: Final = 64 * 1024  # of a record
_MOST_IDS: Final = 32 << 20  # bytes: a million ids, which is what limits.max_apikeys may be, take 19,000,000
_TRIES: Final = 8

_LOGGER: Final = logging.getLogger("bearerd.apikey")


class Changed(StoreError):
    """Somebody else changed the record again and again."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as the store has it."""

    record: Record
    mac: bytes
    used: int | None  # seconds since the epoch, roughly; None: never


@dataclass(frozen=True, slots=True)
class Found:
    """What a read brought: each key's record, or None where there is none that is any good."""

    active: int  # keys in force, in the whole fleet
    keys: dict[str, Stored | None]
    forged: int  # records without the seal


class Vault:
    """Of one fleet."""

    def __init__(self, client: Client, pepper: Pepper) -> None:
        self._client = client
        self.pepper: Final = pepper

    async def read(self, ids: Sequence[str]) -> Found:
        """These keys' records, at most ``MOST_AT_ONCE``."""
        names = self._client.names
        keys = (*self._indices, *map(names.api_key, ids))
        reply = await self._client.run(script.APIKEY_READ, keys, (), most=MOST_AT_ONCE * 2 * _MOST_BYTES)
        with shaped():
            count, rows = reply
            active = int(count)
            read = dict(zip(ids, [_parts(row) if row else None for row in rows], strict=True))
        found = {key_id: self._opened(key_id, *row) if row else None for key_id, row in read.items()}
        return Found(active, found, sum(found[key_id] is None for key_id, row in read.items() if row))

    async def find(self, key_id: str) -> Stored | None:
        """One key's."""
        return (await self.read([key_id])).keys[key_id]

    async def ids(self) -> list[str]:
        """Of all keys that have not expired, in their order as text."""
        reply = await self._client.call("ZRANGE", self._client.names.api_keys, 0, -1, most=_MOST_IDS)
        return sorted(key_id.decode("ascii", "replace") for key_id in reply)

    async def create(self, record: Record, most: int) -> bool:
        """Write a new key's record.  False: there is one of its id.  Raises StoreFull where there are ``most`` keys."""
        return await self._write(record, b"", most)

    async def change(self, key_id: str, how: Callable[[Record], Record]) -> tuple[Record, Record] | None:
        """Change a record that is there: what it was and what it is now.  ``how`` may be asked more than once."""
        for _ in range(_TRIES):
            stored = await self.find(key_id)
            if stored is None:
                return None
            new = how(stored.record)
            if new == stored.record or await self._write(new, stored.mac, 0):
                return stored.record, new
        raise Changed("others change this API key at the same time: try again")

    async def used(self, ids: Sequence[str], at: int) -> None:
        """These were used."""
        await self._client.run(script.APIKEY_USED, tuple(map(self._client.names.api_key, ids)), (at,))

    @property
    def _indices(self) -> tuple[str, str]:
        names = self._client.names
        return names.api_keys, names.api_keys_revoked

    async def _write(self, record: Record, seen: bytes, most: int) -> bool:
        text = record.encode()
        if len(text) > _MOST_BYTES:
            raise ValueError("the record is too long")
        fields = (record.id, text, self.pepper.seal(record.id, text), seen, record.expires, record.expires + KEPT)
        keys = (*self._indices, self._client.names.api_key(record.id))
        revoked = "" if record.revoked is None else "1"
        answer = await self._client.run(script.APIKEY_WRITE, keys, (*fields, most, revoked))
        if answer == b"full":
            raise StoreFull(f"there are max_apikeys = {most} API keys: none is made")
        return bool(answer == b"ok")

    def _opened(self, key_id: str, text: bytes, mac: bytes, used: bytes) -> Stored | None:
        if not self.pepper.holds(mac, key_id, text):
            _LOGGER.warning("apikey_record_forged", extra={"id": key_id})
            return None
        try:
            record = Record.decode(text)
        except ValueError:
            _LOGGER.warning("apikey_record_unreadable", extra={"id": key_id})
            return None
        return Stored(record, mac, int(used) if used.isdigit() and len(used) < 12 else None)


def _parts(row: Any) -> tuple[bytes, bytes, bytes]:
    """Record, seal, and when it was used.  Raises TypeError and ValueError."""
    text, mac, used = row
    if not all(isinstance(part, bytes) for part in (text, mac, used)):
        raise TypeError("not bytes")
    return text, mac, used
