"""What answering costs when nothing is decided: in C, in nginx, in Python."""

from __future__ import annotations

import sys
from pathlib import Path

from hammer import compiled
from place import Peer, Place, Target, ask, free_port

from peers import nginx
from peers.groups import FIXED

SERVERS = Path(__file__).parent / "servers"


def floor(place: Place) -> Target:
    """A C program of ours."""
    port = free_port()
    return Target(port, (place.start("floor", [compiled(SERVERS / "floor.c"), str(port)], port),), [ask(place.token())])


def script(place: Place, name: str) -> Target:
    """A server in Python that answers 204."""
    port = free_port()
    pid = place.start(name, [sys.executable, SERVERS / f"{name}.py", str(port)], port)
    return Target(port, (pid,), [ask(place.token())])


PEERS = (
    Peer("floor", FIXED, "C epoll loop", floor),
    Peer("nginx-204", FIXED, "nginx `return 204`", nginx.fixed),
    Peer("uvloop", FIXED, "uvloop and a bare protocol", lambda place: script(place, "uvloop_fixed")),
    Peer("aiohttp", FIXED, "aiohttp under uvloop", lambda place: script(place, "aiohttp_fixed")),
)
