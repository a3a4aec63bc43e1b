"""What is done with API keys: made, rotated, revoked.

What ends at once (a key, or a secret that a rotation gives no overlap) ends by an entry among the revocations, so that every
worker refuses it as it would a revoked token, whatever it has in memory; the record then says so for good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd.apikeys import form
from bearerd.apikeys.record import Record, Secret, session_of
from bearerd.errors import StoreError
from bearerd.store.entries import API_KEYS, Kind

if TYPE_CHECKING:
    from bearerd.apikeys.ring import Ring
    from bearerd.apikeys.vault import Vault
    from bearerd.store.revocations import Ack, Writer, Written

MOST_OVERLAP: Final = 30 * 86400  # seconds


class NotFound(Exception):
    """There is no such key."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A key to be made.  ``lifetime`` in seconds."""

    name: str
    owner: str
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    resources: tuple[str, ...]
    lifetime: float


async def create(ring: Ring, wish: Wish, most: int) -> tuple[Record, bytes]:
    """A new key: its record, and the key, which nobody can be shown again.  Raises StoreFull, StoreError."""
    vault, now = _vault(ring), int(clock.wall())
    ends = now + math.ceil(wish.lifetime)
    for _ in range(3):  # that an id is taken already happens to nobody
        key_id = form.new_id()
        key = form.new(key_id)
        record = Record(
            key_id,
            wish.name,
            wish.owner,
            wish.scopes,
            wish.roles,
            wish.resources,
            created=now,
            expires=ends,
            secrets=(Secret(1, vault.pepper.digest(key), now, ends),),
        )
        if await vault.create(record, most):
            return record, key
    raise StoreError("every id is taken: is the store's random?")


async def rotate(
    ring: Ring, writer: Writer, key_id: str, overlap: int, ack: Ack
) -> tuple[Record, bytes, Written | None]:
    """A new secret for a key: its record, the key, and what became of the end of those that end now.

    The last secret is good for ``overlap`` seconds more; with none, it ends at once, as any older one does.  Raises NotFound,
    ValueError for a key that has ended, StoreFull, StoreError: then the new secret is nobody's, and rotating again replaces it.

    The entries of those that end now come first: once the record has forgotten a secret, nobody who tries again knows that
    there was one to revoke.
    """
    vault, now = _vault(ring), int(clock.wall())
    key = form.new(key_id)
    digest = vault.pepper.digest(key)

    def rotated(record: Record) -> Record:
        if record.revoked is not None or record.expires <= now:
            raise ValueError("the key is revoked, or has expired: create another")
        number = record.secrets[-1].number + 1
        # The store may have been restored from before other rotations, whose secrets were revoked by their numbers since.
        while writer.revoked(Kind.SESSION, API_KEYS, session_of(key_id, number)):
            number += 1
        return record.rotated(digest, now, overlap, number)

    ended: dict[int, Written] = {}

    async def end(before: Record, after: Record) -> None:
        kept = {secret.number for secret in after.secrets}
        for secret in before.secrets:
            if secret.number not in kept | ended.keys() and secret.ends > now:
                name = session_of(key_id, secret.number)
                ended[secret.number] = await writer.revoke(Kind.SESSION, API_KEYS, name, ack=ack, until=after.expires)

    stored = await vault.find(key_id)
    if stored is None:
        raise NotFound
    await end(stored.record, rotated(stored.record))
    done = await vault.change(key_id, rotated)
    if done is None:
        raise NotFound
    await end(*done)  # of another rotation that came in between
    return done[1], key, next(reversed(ended.values()), None)


async def revoke(ring: Ring, writer: Writer, key_id: str, ack: Ack = "enforced") -> tuple[Record, Written]:
    """End a key, for good, everywhere.  Raises NotFound, ValueError for a key that has expired, StoreFull, StoreError.

    The entry comes first: it is what other workers are told by.
    """
    vault = _vault(ring)
    stored = await vault.find(key_id)
    if stored is None:
        raise NotFound
    now = int(clock.wall())
    if stored.record.expires <= now:
        raise ValueError("the key has expired")
    written = await writer.revoke(Kind.TOKEN, API_KEYS, key_id, ack=ack, until=stored.record.expires)
    done = await vault.change(key_id, lambda record: record if record.revoked else replace(record, revoked=now))
    record = stored.record if done is None else done[1]
    return record, written


def _vault(ring: Ring) -> Vault:
    if not ring.on:
        raise ValueError('no resource takes API keys: add "apikey" to the credentials of one')
    if ring.vault is None:
        raise StoreError("the store has not been reached yet")
    return ring.vault
