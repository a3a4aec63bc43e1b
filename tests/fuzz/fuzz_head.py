"""Changes heads for as long as it is told to and holds the recogniser to aiohttp's parser and to itself.

    PYTHONPATH=tests python -m fuzz.fuzz_head [SECONDS] [SEED]

What leads to something not seen before (another verdict, said at another place, or another word of aiohttp's) is kept and
changed further.  An input on which the two disagree is written to build/fuzz, and the program ends with 1.  Without aiohttp
(under the sanitizers) there is no oracle: then it looks for reads beyond the data, and at the verdicts in pieces.
"""

from __future__ import annotations

import hashlib
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from support.heads import SEEDS, holds_to_itself, mutated, told

from bearerd._native import head

ORACLE: Any = import_module("support.oracle") if find_spec("aiohttp") else None
FOUND = Path(__file__).parent.parent.parent / "build" / "fuzz"
MOST_BYTES = 4096
AS_OFTEN = ("COMPLETE", "COMPLETE", "COMPLETE", "MORE", "NOT_MINE")  # to be changed: most changes make it a NOT_MINE
BATCH = 500  # between two looks at the clock


def shape(data: bytes, found: head.Whole | int | None) -> tuple[object, ...]:
    """What is new about an input, if this is."""
    if isinstance(found, head.Whole):
        names = tuple(found.known), tuple(sorted(found.twice)), found.close, found.face, found.method
        return ("COMPLETE", *names, min(len(found.fields), 12), data[found.size :][:1])
    if isinstance(found, int):
        return ("MORE", data.count(b"\r\n"), data[-1:])
    told_at = next((end for end in range(len(data)) if head.read(data[:end]) is None), len(data))
    line = data[:told_at].rpartition(b"\n")[2]
    return ("NOT_MINE", data[:told_at].count(b"\n"), line.partition(b":")[0][-12:].lower(), data[told_at - 1 : told_at])


def heard(data: bytes) -> str:
    """What aiohttp says of it, without the bytes that it quotes."""
    if ORACLE is None:
        return ""
    try:
        return str(len(ORACLE.messages(data)))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what aiohttp says
        return f"{type(error).__name__} {str(error)[:60]}".partition(":\n")[0]


def hold(random: Random, data: bytes) -> head.Whole | int | None:
    """Every claim on one input."""
    found = head.read(data)
    holds_to_itself(data, sorted(random.choices(range(len(data) + 1), k=random.randrange(6))))
    if ORACLE is not None:
        ORACLE.agrees(data, found)
    return found


def keep(data: bytes) -> Path:
    """Write down an input for whoever looks into it."""
    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"head-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path


def run(seconds: float, seed: int) -> int:
    """0, or 1 at the first disagreement."""
    random, shapes = Random(seed), set()
    pools: dict[str, list[bytes]] = {"COMPLETE": [], "MORE": [], "NOT_MINE": []}
    for data in SEEDS:
        pools[told(head.read(data))].append(data)
    verdicts = dict.fromkeys(pools, 0)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(BATCH):
            data = mutated(random, random.choice(pools[random.choice(AS_OFTEN)]))[:MOST_BYTES]
            try:
                found = hold(random, data)
            except Exception as error:  # noqa: BLE001 - a parser that raises something else is a finding too
                print(f"seed {seed}: {type(error).__name__} {error}\n{data!r}\nkept as {keep(data)}")
                return 1
            verdicts[told(found)] += 1
            if random.random() < 0.2 and (new := (*shape(data, found), heard(data))) not in shapes:
                shapes.add(new)
                pools[told(found)].append(data)
    print(f"seed {seed}: {sum(verdicts.values())} heads, {verdicts}, {len(shapes)} shapes, no disagreement")
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1:] + ["60", ""][len(sys.argv) - 1 :]
    sys.exit(run(float(arguments[0]), int(arguments[1] or time.time())))
