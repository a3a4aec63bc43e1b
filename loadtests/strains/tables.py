"""The tables alone, in a process of their own: a look-up, bytes and the longest call, with one entry and with a million."""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any, Final

from cores import pinned
from place import Place, environment

from bearerd._native import clock
from bearerd._native.generations import Generations
from bearerd._native.revocations import ENTRY_SIZE, FOREVER, Revocations, pack
from bearerd._native.tokens import Found, TokenCache
from strains.scene import Row, Section, at_most

MANY: Final = 1_000_000
ASKED: Final = 100_000
LONGER: Final = 1.3  # times as long, at most
RECORD: Final = bytes(900)
TOKEN: Final = b"t" * 727
PROBES: Final = 7
CHUNK: Final = 2048  # entries of one call, as store/view.py makes them
TIMES: Final = 3
INTRO: Final = f"""{MANY:,} tokens of {len(TOKEN) + 12} bytes, records of {len(RECORD)} bytes with {PROBES} probes, and {MANY:,} revocations, in one process without
a loop. A look-up is a call from Python, the call itself included; the tokens looked up lie scattered in memory in both cases, so that
what differs is the table. The longest call is in CPU time of the thread, so that other programs are not in it."""


def section(place: Place) -> Section:
    """In a process of its own, so that nothing else is in its memory."""
    command = [sys.executable, "-c", "from strains import tables; tables.main()"]
    here = Path(__file__).parent.parent
    with pinned(place.cores.server):
        run = subprocess.run(command, cwd=here, env=environment(), capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr[-2000:])
    found: dict[str, Any] = json.loads(run.stdout)
    made = Section("The tables", INTRO)
    made.rows = [
        Row("a look-up of one cached token", f"{found['find_one']:.0f} ns"),
        Row(f"… with {MANY:,} beside it", f"{found['find_same']:.0f} ns"),
        at_most("times as long", found["find_same"] / found["find_one"], LONGER),
        Row(f"a look-up of any of {MANY:,}, at random", f"{found['find_many']:.0f} ns"),
        at_most(
            "times as long (the processor's caches no longer help)", found["find_many"] / found["find_one"], LONGER
        ),
        Row("7 probes in one revocation", f"{found['probe_one']:.0f} ns"),
        Row(f"… in {MANY:,}", f"{found['probe_many']:.0f} ns"),
        at_most("times as long", found["probe_many"] / found["probe_one"], LONGER),
        at_most("bytes for a token beyond record and probes", found["token_bytes"], 128, "{:.1f}"),
        at_most(
            f"bytes for a revocation, its entry of {ENTRY_SIZE} and the free slots", found["entry_bytes"], 32, "{:.1f}"
        ),
        at_most("the longest `put` while it grows, ms", found["put_longest"] * 1e3, 10, "{:.3f}"),
        at_most("… while it evicts", found["evict_longest"] * 1e3, 10, "{:.3f}"),
        at_most(f"the longest `apply` of {CHUNK:,} entries while it grows, ms", found["apply_longest"] * 1e3, 10),
        at_most(f"the longest `expire` of {CHUNK:,} slots, ms", found["expire_longest"] * 1e3, 10),
    ]
    return made


def token(number: int) -> bytes:
    """A token's bytes."""
    return b"%b%012d" % (TOKEN, number)


def longest(calls: Iterable[Callable[[], object]]) -> float:
    """Seconds of CPU that the longest took."""
    found = 0.0
    for call in calls:
        before = time.thread_time()
        call()
        found = max(found, time.thread_time() - before)
    return found


def nanoseconds(call: Callable[[bytes], object], over: list[bytes]) -> float:
    """Of one call: the median of some runs."""
    runs = []
    for _ in range(TIMES):
        before = time.thread_time()
        for each in over:
            call(each)
        runs.append((time.thread_time() - before) / len(over) * 1e9)
    return median(runs)


def keys(number: int) -> bytes:
    """Seven probes, none of them revoked."""
    return hashlib.shake_128(b"probe %d" % number).digest(16 * PROBES)


def filled_tokens(numbers: Iterable[int], cache: TokenCache, generation: int) -> float:
    """Put so many; the longest call."""
    wall, boot = clock.wall() + 3600, clock.boot() + 3600
    probes = keys(1)
    return longest(
        (lambda n=n: cache.put(token(n), RECORD, 0, 1, generation, 0, wall, boot, probes))  # type: ignore[misc]
        for n in numbers
    )


def entries(count: int, expiry: int = FOREVER) -> bytes:
    """So many revocations, packed."""
    return b"".join(pack(hashlib.md5(b"%d" % n).digest(), FOREVER, expiry, n + 1) for n in range(count))


def tokens_measured(found: dict[str, float]) -> None:
    """Time, bytes, longest call of the cache."""
    generations, revocations = Generations(), Revocations(1000)
    generations.config, cache = 1, TokenCache(MANY, 1 << 36)
    generations.bump_key_set(0)

    def find(asked: bytes) -> None:
        assert cache.find(asked, wall, boot, generations, revocations)[0] is Found.HIT

    wall, boot = clock.wall(), clock.boot()
    filled_tokens(range(1), cache, 1)
    found["find_one"] = nanoseconds(find, [token(0) for _ in range(ASKED)])
    before = cache.memory()
    found["put_longest"] = filled_tokens(range(1, MANY), cache, 1)
    found["token_bytes"] = (cache.memory() - before) / (MANY - 1) - len(RECORD) - 16 * PROBES
    found["find_same"] = nanoseconds(find, [token(0) for _ in range(ASKED)])
    found["find_many"] = nanoseconds(find, [token(n) for n in random.Random(1).sample(range(MANY), ASKED)])
    found["evict_longest"] = filled_tokens(range(MANY, MANY + ASKED), cache, 1)
    assert cache.evictions == ASKED


def revocations_measured(found: dict[str, float]) -> None:
    """The same of the revocations."""
    now = int(clock.wall())
    packed, probes = entries(MANY), [keys(n) for n in range(ASKED)]
    table = Revocations(2 * MANY)

    def revoked(asked: bytes) -> None:
        assert table.revoked(asked, now, now) < 0

    table.apply(packed[:ENTRY_SIZE], now)
    found["probe_one"] = nanoseconds(revoked, probes)
    step = CHUNK * ENTRY_SIZE
    pieces = [packed[start : start + step] for start in range(0, len(packed), step)]
    found["apply_longest"] = longest((lambda piece=piece: table.apply(piece, now)) for piece in pieces)  # type: ignore[misc]
    assert len(table) == MANY
    found["entry_bytes"] = table.memory() / MANY
    found["probe_many"] = nanoseconds(revoked, probes)
    mortal = Revocations(2 * MANY)
    mortal.apply(entries(MANY, now + 100), now)
    calls = (lambda: mortal.expire(now + 200, CHUNK) for _ in itertools.count())
    found["expire_longest"] = longest(itertools.takewhile(lambda _: len(mortal) > 0, calls))


def main() -> None:
    """Measure, and tell in JSON."""
    gc.disable()
    found: dict[str, float] = {}
    tokens_measured(found)
    revocations_measured(found)
    print(json.dumps(found))
