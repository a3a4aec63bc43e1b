#!/usr/bin/env python3
"""``make bench``: bearerd and its peers in one run, CPU microseconds per request and, in process, per token, and what a check
adds to each gateway, bearerd's beside the gateway's own; writes docs/bench-report.md.  About eleven minutes.

BENCH_SECONDS (3) a round, BENCH_ROUNDS (5), BENCH_ONLY=name,name (then the report goes to standard output only).
ALL=1 adds node with fast-jwt, and express with jose.
Exit code 1 if a single answer was not the right one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

import added
import facts
import report
import verify
from cores import Cores
from measure import LONE, WARM_UP, Line, Round, Wrong, run_round, take_part
from peers import ALL, MORE
from place import Absent, NotStarted, Peer, Place

LONGEST: Final = 3000  # seconds: the tokens are good for an hour


def chosen(names: str, *, everybody: bool = False) -> list[Peer]:
    """The peers to compare: those named, else the usual ones, or everybody.  Raises SystemExit for a name that nobody has."""
    wanted = {name for name in names.replace(" ", "").split(",") if name}
    unknown = wanted - {peer.name for peer in ALL}
    if unknown:
        raise SystemExit(
            f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(peer.name for peer in ALL)}"
        )
    if wanted:
        return [peer for peer in ALL if peer.name in wanted]
    return [peer for peer in ALL if everybody or peer.name not in MORE]


def gather(peers: list[Peer], place: Place) -> tuple[list[Line], list[tuple[str, str]]]:
    """Start them all; those that are not here are named with the reason."""
    lines, left_out = [], []
    for peer in peers:
        try:
            lines.append(take_part(peer, peer.start(place), place.folder, place.cores))
        except Absent as reason:
            left_out.append((peer.label, str(reason)))
            print(f"{peer.name:19} left out: {reason}", flush=True)
    return lines, left_out


def take_turns(lines: list[Line], cores: Cores, rounds: int, seconds: float) -> None:
    """So many rounds, there and back, so that a machine that grows slower does so for everybody."""
    for number in range(rounds):
        for line in lines if number % 2 == 0 else reversed(lines):
            done = run_round(line, cores, seconds)
            print(f"round {number + 1}  {line.peer.name:19}{told(done)}", flush=True)


def told(done: Round) -> str:
    """A round on one line."""
    shares = f"server {done.busy:4.0%}  load {done.client_busy:4.0%}  others {done.others:4.0%}"
    return f"{done.cpu:8.1f} µs{done.rate:10,.0f}/s  {shares}"


def main() -> int:
    """Start, measure, report."""
    seconds, rounds = float(os.environ.get("BENCH_SECONDS", "3")), int(os.environ.get("BENCH_ROUNDS", "5"))
    only, cores = os.environ.get("BENCH_ONLY", ""), Cores.at_hand()
    peers = chosen(only, everybody=bool(os.environ.get("ALL")))
    if not (seconds > 0 and rounds > 0 and len(peers) * rounds * (seconds + WARM_UP + LONE) < LONGEST):
        raise SystemExit(
            f"{rounds} rounds of {seconds:g} s for {len(peers)} peers: at most {LONGEST} s, as tokens expire"
        )
    machine = list(facts.machine(cores))  # before our own load is on it
    with tempfile.TemporaryDirectory() as name, Place(Path(name), cores) as place:
        try:
            lines, left_out = gather(peers, place)
            take_turns(lines, cores, rounds, seconds)
        except (NotStarted, Wrong) as fault:
            print(f"no report: {fault}", file=sys.stderr)
            return 1
    print("\n".join([*report.table(lines), "", *added.section(lines)]))
    if not only:
        report.write(lines, left_out, machine, seconds, verify.measured(cores))
        print(f"\nreport: {report.FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
