"""A lane whose tables are full: what a hit costs, what an entry weighs, and how long the loop stands still while they grow."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from cores import pinned
from credentials import AUDIENCE, ISSUER
from hammer import Counted, begin, ended
from peers.bearerd import CONFIG, KEYS
from place import Place, environment, free_port

from strains import filled, tables
from strains.scene import ROUNDS, Row, Section, at_most, questions, resident, window

MANY: Final = 1_000_000
DIFFERENT: Final = 10_000  # tokens that take turns
MORE: Final = 100_000  # beyond what the cache holds
LIMITS: Final = f"token_cache_entries = {MANY}\ntoken_cache_bytes = {1 << 33}\nmax_revocations = {2 * MANY}"
PROBE_RATE: Final = 500
PAUSE: Final = 10.0  # milliseconds
INTRO: Final = f"""One process with the lane, filled while it serves: {MANY:,} cached tokens, then {MANY:,} revocations. The same requests before and after.
*Stands still*: from the loop's own beat every millisecond (what the process computed meanwhile; all that passed, with what
other programs took), and from a client that asks {PROBE_RATE} times a second all the while, from when each request was due."""


@dataclass
class Server:
    """The process that is filled."""

    process: subprocess.Popen[str]
    port: int

    def told(self, command: str) -> dict[str, Any]:
        """Let it do something, and hear how it is then."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> None:
        """And wait."""
        self.process.communicate(timeout=60)


def start(place: Place) -> Server:
    """On the server's core."""
    folder, port = place.folder / "full", free_port()
    folder.mkdir()
    (folder / "jwks.json").write_text(place.jwks())
    addresses = {"port": port, "socket": folder / "bearerd.sock", "admin": free_port(), "probes": free_port()}
    text = CONFIG.format(limits=LIMITS, keys=KEYS, server="", store="", issuer=ISSUER, audience=AUDIENCE, **addresses)
    (folder / "bearerd.toml").write_text(text)
    command = [sys.executable, str(Path(filled.__file__)), str(folder / "bearerd.toml"), str(port)]
    with pinned(place.cores.server), (place.folder / "full.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment()
        )
    server = Server(process, port)
    server.told("told")
    return server


def section(place: Place) -> Section:
    """Measure all of it."""
    made, server = Section("Full tables", INTRO), start(place)
    try:
        _measure(made, place, server)
    finally:
        server.end()
    return made


def _measure(made: Section, place: Place, server: Server) -> None:
    server.told(f"tokens {DIFFERENT}")
    packed = place.folder / "revocations"
    packed.write_bytes(tables.entries(MANY))
    one = questions(place, "full-one", [filled.stand_in(0)])
    all_of_them = questions(place, "full-all", map(filled.stand_in, range(DIFFERENT)))
    before = _cost(made, place, server, one), _cost(made, place, server, all_of_them)
    weight, empty = resident(server.process.pid), server.told("told")
    full = _while(made, place, server, one, f"tokens {MANY}", "tokens come in")
    came, record = MANY - DIFFERENT, _record_bytes()
    weight, held = resident(server.process.pid) - weight, full["cache_bytes"] - empty["cache_bytes"]
    made.rows.append(Row("bytes of the process for a token, its record in them", f"{weight / came:.0f} ({record:.0f})"))
    made.rows.append(at_most("bytes of the cache for a token beyond its record", held / came - record, 128, "{:.1f}"))
    _compare(made, place, server, (one, all_of_them), before, f"{MANY:,} tokens")
    loaded = _while(made, place, server, one, f"revocations {packed}", "revocations come in")
    made.rows.append(at_most("bytes of the table for a revocation", loaded["table_bytes"] / MANY, 32, "{:.1f}"))
    _compare(made, place, server, (one, all_of_them), before, f"{MANY:,} tokens and {MANY:,} revocations")
    evicted = _while(made, place, server, one, f"tokens {MANY + MORE}", "tokens push others out")
    made.rows.append(Row("tokens pushed out", f"{evicted['evictions']:,}"))


def _record_bytes() -> float:
    """Record and probes of a stand-in: the mean over some of those that come in."""
    some = [filled.record_of(number, 1, time.time()) for number in range(DIFFERENT, MANY, 997)]
    return sum(len(each.encode()) + len(each.probes()) for each in some) / len(some)


def _cost(made: Section, place: Place, server: Server, requests: Path) -> float:
    """Microseconds of a hit: the median of some windows, after one in which all is asked once."""
    pid, costs = server.process.pid, []
    window(place, server.port, pid, requests, seconds=60, count=DIFFERENT)
    for _ in range(ROUNDS):
        fired = window(place, server.port, pid, requests, random=7)
        made.wrong += fired.counted.all["wrong"]
        costs.append(fired.each)
    return median(costs)


def _compare(
    made: Section, place: Place, server: Server, files: tuple[Path, Path], before: tuple[float, float], what: str
) -> None:
    for name, file, cost in zip(("the same token", f"{DIFFERENT:,} tokens in turn"), files, before, strict=True):
        after = _cost(made, place, server, file)
        made.rows.append(Row(f"a hit with {what}, {name}", f"{after:.2f} µs (with {DIFFERENT:,} cached: {cost:.2f})"))
        made.rows.append(at_most("times as dear", after / cost, 1.3))


def _while(made: Section, place: Place, server: Server, requests: Path, command: str, what: str) -> dict[str, Any]:
    """Ask steadily while it obeys."""
    found: dict[str, Any] = {}
    working = threading.Thread(target=lambda: found.update(server.told(command)))
    probes: list[Counted] = []
    working.start()
    while working.is_alive():
        options = {"rate": PROBE_RATE, "connections": 4, "pipeline": 64}
        probes.append(ended(begin(server.port, requests, place.cores.client, seconds=2, grace=10, **options), 12))
    working.join()
    made.wrong += sum(probe.all["wrong"] for probe in probes)
    worst = max(probe.all["latency_us"]["max"] for probe in probes) / 1e3
    usual = median(probe.all["latency_us"]["p999"] for probe in probes) / 1e3
    made.rows += [
        at_most(f"while {what}: the loop stands still at most, of its own, ms", found["busiest"] * 1e3, PAUSE),
        Row("… with what others took", f"{found['longest'] * 1e3:.2f} ms"),
        Row("… a client's p99.9 and longest", f"{usual:.2f} ms, {worst:.2f} ms"),
    ]
    return found
