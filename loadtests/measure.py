"""One peer, one round: what an answer cost in CPU, how many came in a second, how long each took."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from cores import Cores, busy_seconds, cpu_seconds
from hammer import Counted, fire, write
from place import Peer, Target

CONNECTIONS: Final = 32
WARM_UP: Final = 0.5  # seconds before each round
LONE: Final = 0.5  # seconds of one request at a time, after each round of a whole chain
SATURATED: Final = 0.95  # of the client's core: beyond it the rate is the client's, not the server's


class Wrong(Exception):
    """An answer was not the right one, or did not cost what it should: the figures count for nothing."""


@dataclass(frozen=True)
class Round:
    """What one round measured."""

    cpu: float  # microseconds of the server's process tree per answer
    rate: float  # answers a second
    p50: float  # microseconds
    p99: float
    p999: float
    busy: float  # the share of its core that the server used
    client_busy: float
    others: float  # the share of the server's core that went to anybody else
    lone: float = 0.0  # p50 in microseconds, one request at a time; whole chains only


@dataclass
class Line:
    """A peer that takes part, and its rounds."""

    peer: Peer
    target: Target
    requests: Path
    rounds: list[Round] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """The median over the rounds."""
        return median(each.cpu for each in self.rounds)

    @property
    def spread(self) -> tuple[float, float]:
        """The cheapest round and the dearest."""
        costs = [each.cpu for each in self.rounds]
        return min(costs), max(costs)

    def middle(self, what: str) -> float:
        """The median of another figure."""
        return float(median(getattr(each, what) for each in self.rounds))


def take_part(peer: Peer, target: Target, folder: Path, cores: Cores) -> Line:
    """Show that the peer accepts what it should and refuses what it should.  Raises Wrong."""
    requests = write(target.asks, folder / f"{peer.name}.requests")
    ask_once(peer, target.port, requests, len(target.asks), cores)
    if target.refuses:
        bad = write(target.refuses, folder / f"{peer.name}.refuses")
        ask_once(peer, target.port, bad, len(target.refuses), cores)
    return Line(peer, target, requests)


def ask_once(peer: Peer, port: int, requests: Path, count: int, cores: Cores) -> None:
    """Each request of the file, one after the other."""
    judge(peer, fire(port, requests, cores.client, seconds=30, connections=1, count=count))


def run_round(line: Line, cores: Cores, seconds: float) -> Round:
    """Warm up, measure, judge.  Raises Wrong."""
    target = line.target
    judge(line.peer, fire(target.port, line.requests, cores.client, seconds=WARM_UP, connections=CONNECTIONS))
    checked = target.checked() if target.checked else 0.0
    before, busy = cpu_seconds(target.pids), busy_seconds(cores.server)
    counted = fire(target.port, line.requests, cores.client, seconds=seconds, connections=CONNECTIONS)
    used, busy = cpu_seconds(target.pids) - before, busy_seconds(cores.server) - busy
    judge(line.peer, counted)
    if target.checked:
        judge_checks(line, target.checked() - checked, counted.answered)
    lone = latency_of_one(line, cores) if line.peer.gateway else 0.0
    done = Round(
        cpu=used / counted.answered * 1e6,
        rate=counted.answered / counted.seconds,
        p50=counted.p50,
        p99=counted.p99,
        p999=counted.all["latency_us"]["p999"],
        busy=used / counted.seconds,
        client_busy=counted.client_cpu / counted.seconds,
        others=max(0.0, busy - used) / counted.seconds,
        lone=lone,
    )
    line.rounds.append(done)
    return done


def latency_of_one(line: Line, cores: Cores) -> float:
    """How long an answer takes where nobody queues: p50 in microseconds.  Raises Wrong."""
    counted = fire(line.target.port, line.requests, cores.client, seconds=LONE, connections=1)
    judge(line.peer, counted)
    return counted.p50


def judge(peer: Peer, counted: Counted) -> None:
    """Raises Wrong."""
    if counted.fault:
        raise Wrong(f"{peer.name}: {counted.fault}")


def judge_checks(line: Line, checked: float, answered: int) -> None:
    """A hit that checks signatures is no hit; a miss that checks none was answered from memory.  Raises Wrong."""
    due = line.target.checks_each * answered
    if not due * 0.99 - line.target.known <= checked <= due + answered * 0.01:
        raise Wrong(
            f"{line.peer.name}: {checked / answered:.3f} signatures checked per answer, not {line.target.checks_each}"
        )
