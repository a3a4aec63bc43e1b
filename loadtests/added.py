"""The report's section on what a check adds to a gateway: bearerd's beside the gateway's own, in CPU and in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from figures import table
from measure import LONE, Line

INTRODUCTION: Final = f"""
One thread each, the same upstream behind all of them; gateway, upstream and bearerd are charged together. CPU is that of the tables
above. Time is the median where a client asks one request at a time ({LONE:g} s after each round), so nobody queues; it holds the way to
bearerd and back, on one core for all of them. *Adds*: what was beyond the same gateway alone in the same round, the median.

- nginx and Envoy alone pass requests on, and do nothing else. Traefik, Caddy and HAProxy run the examples' very files, alone
  without the question: what clears a client's headers is there in all of a gateway's lines.
- Traefik (its open-source edition) and Caddy (as it is delivered) have no check of JWTs of their own: nothing to hold bearerd against.
- The gateways' own checks know no revocation and, as they stand here, no rules and no identity headers. HAProxy asks by a script in
  Lua, and Envoy's gRPC is answered by grpcio.
"""
HEAD: Final = ["gateway", "µs CPU / request", "adds", "µs, one request at a time", "adds"]


def section(lines: Sequence[Line]) -> Iterator[str]:
    """Nothing where no whole chain took part."""
    chains = [line for line in lines if line.peer.gateway]
    if chains:
        yield "## What a check adds to a gateway"
        yield INTRODUCTION
        yield table(HEAD, [row(line, alone(line, chains)) for line in chains])


def alone(line: Line, chains: Sequence[Line]) -> Line | None:
    """The same gateway where nobody checks."""
    return next((one for one in chains if one.peer.alone and one.peer.gateway == line.peer.gateway), None)


def row(line: Line, base: Line | None) -> list[str]:
    """One chain beside its gateway alone."""
    cpu = lone = "–"
    if base is not None and base is not line:
        cpu, lone = f"**{beyond(line, base, 'cpu'):+.1f}**", f"**{beyond(line, base, 'lone'):+.0f}**"
    return [line.peer.label, f"{line.cpu:.1f}", cpu, f"{line.middle('lone'):.0f}", lone]


def beyond(line: Line, base: Line, what: str) -> float:
    """By how much: each round is held against the same round, for between rounds a machine changes."""
    pairs = zip(line.rounds, base.rounds, strict=True)
    return float(median(getattr(one, what) - getattr(other, what) for one, other in pairs))
