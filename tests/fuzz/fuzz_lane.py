"""Asks lane and aiohttp the same for as long as it is told to, and holds all that they say, count and write to be equal.

    PYTHONPATH=tests python -m fuzz.fuzz_lane [SECONDS] [SEED]

Requests of every kind, alone and behind each other, whole and in pieces, changed by chance; keys of revocations come and go
meanwhile.  What the two differ on is written to build/fuzz, and the program ends with 1.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from fuzz.fuzz_head import keep
from support.heads import mutated
from support.lanes import Pair
from support.line import HERE, STRANGER
from support.questions import ended, mix, pieces_of

from bearerd._native.revocations import TOMBSTONE
from bearerd.store.entries import Kind

ROUND = 400  # questions to one pair of houses


async def asked(random: Random, folder: Path, until: float) -> int:
    """Questions to one pair of houses; how many."""
    async with Pair(folder, anew=random.random() < 0.3) as pair:
        for number in range(ROUND):
            if time.monotonic() > until:
                return number
            data = b"".join(mix(random) for _ in range(random.choice((1, 1, 2, 4))))
            if random.random() < 0.6:
                data = ended(mutated(random, data))
            pieces = pieces_of(data, random.choice((max(1, len(data)), max(1, len(data)), 500, 60)))
            if random.random() < 0.05:
                before = random.choice((TOMBSTONE, 4_000_000_000))
                pair.revoke(Kind.SUBJECT, random.choice(("alice", "mallory")), before=before, at=number + 1)
            try:
                listener = random.choice(("", "nginx", "forwarded"))
                await pair.ask(pieces, random.choice((HERE, HERE, HERE, STRANGER)), listener)
            except Exception:
                print(f"kept as {keep(data)}")
                raise
    return ROUND


def run(seconds: float, seed: int) -> int:
    """0, or 1 at the first difference."""
    logging.disable()
    random, until, count = Random(seed), time.monotonic() + seconds, 0
    try:
        while time.monotonic() < until:
            with tempfile.TemporaryDirectory() as folder:
                count += asyncio.run(asked(random, Path(folder), until))
    except Exception as error:  # noqa: BLE001 - a fault is a finding too
        print(f"seed {seed}: {type(error).__name__} {str(error)[:4000]}")
        return 1
    print(f"seed {seed}: {count} questions, and no difference between lane and aiohttp")
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1:] + ["60", ""][len(sys.argv) - 1 :]
    sys.exit(run(float(arguments[0]), int(arguments[1] or time.time())))
