"""Whole chains from the examples' very files: only ports are moved, and what a chain does not do is taken out.

So a gateway alone still clears the headers that its example clears, and what differs is the check.  Whatever starts a thread
for each processor starts one: there is one that it may use.
"""

from __future__ import annotations

from collections.abc import Mapping

from cores import pinned
from place import Absent, Place, Target, ask, refusals
from stage import EXAMPLES, GATEWAYS, Stage

from peers import bearerd, nginx
from peers.groups import ALONE, BEARERD


def part(gateway: str, file: str, first: str, last: str) -> str:
    """What stands in an example's file from these words to those.  Raises ValueError where it has them no longer."""
    text = (EXAMPLES / gateway / file).read_text()
    begin = text.index(first)
    return text[begin : text.index(last, begin) + len(last)]


def started(place: Place, gateway: str, stage: Stage) -> tuple[int, int]:
    """The gateway's port and pid.  Raises Absent, NotStarted."""
    if GATEWAYS[gateway].found() is None:
        raise Absent(f"{gateway} is not here: pip install {GATEWAYS[gateway].wheel}")
    try:
        with pinned(place.cores.server):
            stage.start_gateway(gateway)
    finally:
        place.running += [process for _, process in stage.running]
    return stage.ports[gateway], stage.pid(gateway)


def chained(place: Place, gateway: str, check: str, changes: Mapping[str, str] | None = None) -> Target:
    """The gateway between bearerd and nginx's upstream; whoever takes part in it is charged for it.  Raises Absent, NotStarted."""
    behind = place.once("chains", lambda: nginx.chains(place))
    service = place.once("bearerd", lambda: bearerd.serve(place))
    stage = Stage.on_free_ports(place.folder / f"{gateway} {check.replace('*', '')}")
    stage.ports |= {"upstream": behind.ports["app"], "bearerd": service.port}
    stage.changes |= changes or {}
    port, pid = started(place, gateway, stage)
    asks, bad = [ask(place.token())], [] if check == ALONE else refusals(place)
    if check != BEARERD:
        return Target(port, (pid, behind.pid), asks, bad)
    return Target(port, (pid, behind.pid, service.pid), asks, bad, service.checked)
