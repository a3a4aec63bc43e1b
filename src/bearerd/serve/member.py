"""The workers as the supervisor sees them: who they are, and which of them serves which slot."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable

    from bearerd.serve.channel import Channel
    from bearerd.serve.page import Page


class Phase(enum.Enum):
    """A worker's life, in order."""

    STARTING = 1  # reads its configuration
    UP = 2  # may accept
    LEAVING = 3  # answers what is under way
    GONE = 4


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker accepts from."""

    slots: frozenset[int] = frozenset()
    unix: bool = False  # the unix sockets, which all workers share


@dataclass(eq=False)
class Member:
    """One worker process."""

    slot: int
    number: int  # a later worker has a larger one
    process: subprocess.Popen[bytes]
    page: Page
    channel: Channel
    phase: Phase = Phase.STARTING
    ordered: bool = False  # it was told what to start with
    silent: int = 0  # ticks of the watchdog since its last beat
    ticks: int = 0  # ticks since it is up
    suspected: bool = False  # silent for so long that a sibling serves its slot
    settled: bool = False  # it may accept: it has tried all that it decides by, or nobody waits for that any longer
    trial: bool = False  # it is to replace a worker that still serves
    leaving: bool = False  # a successor is being hired
    health: dict[str, Any] | None = None  # its last word
    open: frozenset[int] = frozenset()  # the slots that by its last word it accepts from
    lease: str = ""  # its name among the store's leases
    share: Share = Share()
    news: asyncio.Event = field(default_factory=asyncio.Event)  # set once it can decide, or is gone

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def able(self) -> bool:
        """Whether it can be told to accept."""
        return self.phase is Phase.UP and not self.suspected

    @property
    def decides(self) -> bool:
        """Whether it said a moment ago that its view and its keys are good enough."""
        return self.able and self.health is not None and self.health.get("ready") is True

    @property
    def succeeds(self) -> bool:
        """Whether it may take the place of one that serves: by a snapshot it may not know what that one refuses."""
        snapshot = self.health.get("snapshot") if self.health is not None else None
        return self.decides and not (isinstance(snapshot, dict) and snapshot.get("in_use") is True)

    @property
    def ready(self) -> bool:
        """Whether it decides, and can be reached."""
        return self.decides and bool(self.open)

    @property
    def tried(self) -> bool:
        """Whether it said that it decides as well as it can for now: a fresh view, and keys or why there are none."""
        return self.able and self.health is not None and self.health.get("tried") is True


def assignment(members: Iterable[Member], slots: int) -> dict[Member, Share]:
    """Who accepts from what.

    A slot is its own worker's as soon as that one has settled; until then a settled sibling serves it, the one with the
    least to do.  Where nobody has settled nobody accepts: connections wait in the kernel for an answer that is worth
    having.  Of two workers of one slot (a rolling restart) the newer, once it has settled.
    """
    able = [member for member in members if member.able]
    found: dict[Member, set[int]] = {member: set() for member in able if member.settled}
    orphans = []
    for slot in range(slots):
        own = [member for member in found if member.slot == slot]
        if own:
            found[max(own, key=lambda member: member.number)].add(slot)
        else:
            orphans.append(slot)
    for slot in orphans if found else ():
        found[_helper(slot, found)].add(slot)
    return {member: Share(frozenset(found.get(member, ())), unix=member.settled) for member in able}


def _helper(slot: int, found: dict[Member, set[int]]) -> Member:
    """For a slot without a settled worker of its own: whoever serves it already, else whoever has the least to do."""
    return min(found, key=lambda member: (slot not in member.share.slots, len(found[member]), member.number))
