"""The scripts of the revocation log as typed calls, and what travels in them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from bearerd._native.revocations import ENTRY_SIZE
from bearerd.store import script
from bearerd.store.replies import shaped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bearerd.store.client import Argument, Client, Link
    from bearerd.store.names import Names

_PURPOSE: Final = b"entry"


class Position(NamedTuple):
    """How far somebody has read: the sequence, and the head of the chain of entries up to it."""

    sequence: int
    head: str


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a heartbeat."""

    known: bool  # the position that was sent is in the store's history; ``members`` came after it
    marked: bool  # the store has a schema key and a chain: False when new or flushed
    position: Position  # of the store, at the moment of the heartbeat
    now: int  # the store's clock (microseconds)
    longest: float  # seconds: the longest lease that the store has seen
    behind: bool  # more came after than one reply holds: page through the buckets
    members: list[bytes]


@dataclass(frozen=True, slots=True)
class Wrote:
    """The answer to a write."""

    answer: str  # "ok" | "retry" | "lost" | "full"
    now: int  # microseconds
    latest_at: int  # the largest ``at`` in the store
    position: Position


@dataclass(frozen=True, slots=True)
class Enforcement:
    """Who still lacks an entry."""

    answer: str  # "ok" | "lost" | "gone" | "waiting"
    sequence: int
    longest: float
    missing: tuple[str, ...]


class Log:
    """One fleet's revocation log, over any link to its store."""

    def __init__(self, client: Client) -> None:
        self.names: Names = client.names
        self.seal = client.seal
        self.member_size = ENTRY_SIZE + client.seal.size

    def sealed(self, entry: bytes) -> bytes:
        """An entry as the store holds it: with its MAC, if there is a fleet key."""
        return entry + self.seal.make(_PURPOSE, entry)

    def opened(self, members: Iterable[bytes]) -> tuple[bytes, int]:
        """The entries of these members, concatenated, and how many were refused: of another size or not from the fleet."""
        size, seal = self.member_size, self.seal
        members = list(members)
        if seal.size:
            good = [
                m[:ENTRY_SIZE]
                for m in members
                if len(m) == size and seal.holds(m[ENTRY_SIZE:], _PURPOSE, m[:ENTRY_SIZE])
            ]
        else:
            good = [m for m in members if len(m) == size]
        return b"".join(good), len(members) - len(good)

    async def beat(self, link: Link, position: Position | None, lease: str, runs: float, most: int) -> Beat:
        """One heartbeat.  ``lease`` may be empty: an observer.  ``runs`` in seconds."""
        reply = await link.run(*self._call(script.BEAT, position, lease, int(runs * 1000), most))
        with shaped():
            known, marked, sequence, head, now, longest, behind, members = reply
            where = Position(sequence, head.decode())
            return Beat(bool(known), bool(marked), where, int(now), longest / 1000, bool(behind), members)

    async def write(self, link: Link, position: Position | None, member: bytes, most: int) -> Wrote:
        """Append one member, if the writer's position is known."""
        reply = await link.run(*self._call(script.WRITE, position, member, most))
        with shaped():
            answer, now, latest, sequence, head = reply
            return Wrote(answer.decode(), int(now), int(latest), Position(sequence, head.decode()))

    async def put_back(self, link: Link, members: bytes, most: int) -> int:
        """Put back what the store lacks of these; returns how many, -1 if they do not fit.  Marks an unmarked store."""
        reply = await link.run(
            *self._call(script.PUTBACK, None, members, self.member_size, most, secrets.token_hex(20))
        )
        with shaped():
            return int(reply)

    async def enforced(self, link: Link, position: Position | None, member: bytes) -> Enforcement:
        """Is that member still there, and acknowledged by every live lease?"""
        reply = await link.run(*self._call(script.ENFORCED, position, member))
        with shaped():
            answer, sequence, longest, missing = reply
            return Enforcement(answer.decode(), sequence, longest / 1000, tuple(name.decode() for name in missing))

    async def buckets(self, link: Link) -> list[str]:
        """The names of all buckets."""
        reply = await link.call("ZRANGE", self.names.buckets, 0, -1)
        with shaped():
            return [name.decode() for name in reply]

    async def page(self, link: Link, bucket: str, after: int, most: int) -> list[tuple[int, bytes]]:
        """(sequence, member) of a bucket after a sequence, in order.

        By score, never by rank: a sweep of expired members between two pages moves every rank, and pages would skip live
        ones.
        """
        reply = await link.call(
            "ZRANGEBYSCORE", self.names.bucket(bucket), f"({after}", "+inf", "WITHSCORES", "LIMIT", 0, most
        )
        with shaped():
            return [(int(score), member) for member, score in zip(reply[::2], reply[1::2], strict=True)]

    def _call(
        self, what: script.Script, position: Position | None, *args: Argument
    ) -> tuple[script.Script, tuple[str, ...], tuple[Argument, ...]]:
        sequence, head = ("", "") if position is None else (str(position.sequence), position.head)
        return what, self.names.fixed, (self.seal.mark, self.names.logs, sequence, head, *args)
