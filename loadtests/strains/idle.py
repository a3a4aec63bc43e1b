"""Connections that say nothing: what they weigh, whether the others feel them, what happens at the limit and at the end."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from pathlib import Path
from statistics import median
from typing import Final

from peers import bearerd
from peers.bearerd import question
from place import Place

from strains.scene import ROUNDS, Fired, Row, Section, at_most, open_many, questions, resident, window, worker_of

MOST: Final = 10_000  # limits.max_connections
ROOM: Final = 64  # for those who ask
WAITING: Final = 20  # beyond the limit
INTRO: Final = f"""A worker takes `limits.max_connections` ({MOST:,}) at once. {MOST - ROOM:,} connections are made and say nothing; hits before and beside them. Then
the rest is filled, and {WAITING} more connect and ask: they wait in the kernel until room is made: a sixteenth goes, of those
that have rested for ten seconds. Memory is the worker's own, without the kernel's for its sockets. At SIGTERM all are closed."""


def section(place: Place) -> Section:
    """Measure all of it."""
    open_many()
    made, service = Section(f"{MOST:,} idle connections", INTRO), bearerd.serve(place)
    worker, hits = worker_of(service.pid), questions(place, "hits", [place.token()])
    window(place, service.port, worker, hits)
    before, alone = resident(worker), [window(place, service.port, worker, hits) for _ in range(ROUNDS)]
    idle = [_connected(service.port) for _ in range(MOST - ROOM)]
    _until_open(worker, MOST - ROOM)
    weight = (resident(worker) - before) / len(idle)
    beside = [window(place, service.port, worker, hits) for _ in range(ROUNDS)]
    made.wrong = sum(each.counted.all["wrong"] for each in alone + beside)
    made.rows = [
        Row("bytes of the worker for an idle connection", f"{weight:,.0f}"),
        at_most("a hit beside them, times", _cost(beside) / _cost(alone), 1.1),
        Row("… without, beside", f"{_cost(alone):.2f} µs, {_cost(beside):.2f} µs"),
    ]
    _at_the_limit(made, place, service, worker, idle)
    _departure(made, service, idle)
    return made


def _cost(some: list[Fired]) -> float:
    return median(each.each for each in some)


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _open(pid: int) -> int:
    """How many sockets the process has."""
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += str(entry.readlink()).startswith("socket:")
        except OSError:
            continue
    return count


def _until_open(pid: int, count: int) -> None:
    for _ in range(300):
        if _open(pid) >= count:
            return
        time.sleep(0.1)
    raise RuntimeError(f"the worker took {_open(pid)} of {count} connections")


def _at_the_limit(
    made: Section, place: Place, service: bearerd.Service, worker: int, idle: list[socket.socket]
) -> None:
    """Fill it, and more come: room is made for them by those that have rested longest."""
    idle += [_connected(service.port) for _ in range(ROOM)]
    late = [_connected(service.port) for _ in range(WAITING)]
    for each in late:
        each.sendall(question(place.token()).request)
    answered = 0
    for each in late:
        each.settimeout(30)
        try:
            answered += each.recv(4096).startswith(b"HTTP/1.1 200 ")
        except OSError:
            continue
    made.wrong += WAITING - answered
    made.rows += [
        Row("beyond the limit: answered", f"{answered} of {WAITING}", f"{WAITING} of {WAITING}", answered == WAITING),
        Row("… and those that rested longest went for them", f"{len(_readable(idle, 2.0)):,}"),
    ]
    idle += late


def _readable(sockets: list[socket.socket], seconds: float) -> set[int]:
    """Those on which something has come within so long."""
    found, end = set[int](), time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                found.add(key.fd)
                selector.unregister(key.fileobj)
            if len(found) == len(sockets):
                break
    return found


def _departure(made: Section, service: bearerd.Service, idle: list[socket.socket]) -> None:
    start = time.monotonic()
    os.kill(service.pid, signal.SIGTERM)
    closed = 0
    for each in idle:
        each.settimeout(max(0.1, start + 60 - time.monotonic()))
        try:
            closed += each.recv(4096) == b""
        except ConnectionResetError:
            closed += 1
        except OSError:
            continue
    took = time.monotonic() - start
    made.rows.append(Row("closed after SIGTERM", f"{closed:,} of {len(idle):,}", "all", closed == len(idle)))
    made.rows.append(Row("… within", f"{took:.1f} s"))
    for each in idle:
        each.close()
