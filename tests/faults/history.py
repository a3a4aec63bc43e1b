"""What happened in a run, in causal order: one list, written by one process, and as JSON lines on disk.

Only the driver writes, and what it writes gets the next number ``n``.  A question is noted *before* it is sent to a worker and
an acknowledgement *after* it was received, so ``ask.n > done.n`` means that the question was asked by somebody who could know
of the acknowledgement: no clock is compared.  Where a worker names a time, it is CLOCK_BOOTTIME, one clock for the machine.

Events (``e``), with what they hold:

    world     seed, topology, durability, lease (seconds), retention, mutants
    token     token (its name), keys (hex, all under which it may be revoked), iat, exp
    node      node, life (a new one for each process), pid: it answers
    ask       id, node, life, token, resource ("api", which is strict, or "lax", which is available)
    answer    id, allowed, code, boot, wall, age (None: infinite): the time of the decision, and the age that the view claimed
    invoke    op, node, life, do ("revoke" | "lift" | "reset"), key (hex), ack ("stored" | "enforced")
    done      op, acknowledged ("enforced" | "stored" | None), durability, missing, enforced_by, boot, member (hex)
    failed    op, error, sure (nothing was written), members (hex: what may have been written)
    fault     what, loses (the durability levels that it is allowed to break), and what it was done to
    heal      what
    primary   server: the one whose content counts from now on; None while that is being found out
    route     node, server: whom the node is led to (where the driver decides that); None: to one or the other
    view      phase ("run" | "heal" | "end"), node, life, boot, wall, age, position, entries (hex)
    store     phase, position, wall, entries (hex)
    settled   seconds
    unsettled why
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bearerd._native import clock

if TYPE_CHECKING:
    from collections.abc import Iterable

Event = dict[str, Any]


class History:
    """A run's events."""

    def __init__(self, path: Path | None = None) -> None:
        self.events: list[Event] = []
        self._file = None if path is None else path.open("w", encoding="utf-8")

    def note(self, kind: str, **fields: Any) -> Event:
        """Write one event down; it has happened after all those before it."""
        event: Event = {"n": len(self.events), "t": round(clock.boot(), 6), "e": kind, **fields}
        self.events.append(event)
        if self._file is not None:
            self._file.write(json.dumps(event, separators=(",", ":")) + "\n")
        return event

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def load(path: Path) -> list[Event]:
    """A history that was written to a file; a line that was cut off ends it."""
    events: list[Event] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            break
    return events


def of(events: Iterable[Event], *kinds: str) -> list[Event]:
    """The events of some kinds, in order."""
    return [event for event in events if event["e"] in kinds]
