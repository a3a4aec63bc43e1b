"""A service and its lane in one process, without a store, to be filled from standard input: ``filled.py CONFIG PORT``.

Commands, one a line, each answered by a line of JSON: ``tokens N`` (cached tokens in all), ``revocations FILE``
(packed entries), ``told``.  Tokens are put as the verifier puts them, but for the signature, of which a million would take minutes;
revocations are applied in the pieces in which the store's are.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from credentials import AUDIENCE, ISSUER, b64

from bearerd._native import clock
from bearerd.config import load
from bearerd.faces.app import public_runner
from bearerd.lane.clerk import Clerk
from bearerd.service import Service
from bearerd.verify.verified import Claims, Verified

AT_ONCE: Final = 20  # tokens put before others get the loop: a verified token a turn would be the least
BEAT: Final = 0.001


def stand_in(number: int) -> str:
    """What is put as a token: of the size and the shape of one, with a number for a signature."""
    head = b64(b'{"alg":"RS256","typ":"JWT","kid":"rs256"}')
    return f"{head}.{'p' * (739 - len(head) - 344)}.{number:0342d}"


class Filled:
    """See the module."""

    def __init__(self, config: str) -> None:
        loaded = load.load(config)
        loaded = loaded.model_copy(
            update={"store": loaded.store.model_copy(update={"url": "redis://127.0.0.1:1"})}  # nobody asks it
        )
        self.service = Service(loaded, data_dir=Path(config).parent)
        self.longest = 0.0  # seconds from one beat of the loop to the next, beyond what was meant
        self.busiest = 0.0  # … of it, what our own thread computed
        self.tokens = 0

    async def serve(self, port: int) -> None:
        """Until standard input ends."""
        runner = public_runner(self.service)
        await runner.setup()
        assert runner.server is not None
        clerk = Clerk(self.service, runner.server)
        clerk.start()
        loop = asyncio.get_running_loop()
        await loop.create_server(clerk.connection, "127.0.0.1", port)
        beating = [loop.create_task(self._beat()), loop.create_task(self._stay_fresh())]
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := (await reader.readline()).split():
            self.longest = self.busiest = 0.0
            if line[0] == b"tokens":
                await self._fill(int(line[1]))
            elif line[0] == b"revocations":
                await self._revoke(Path(line[1].decode()))
            print(json.dumps(self._told()), flush=True)
        for task in beating:
            task.cancel()

    def _told(self) -> dict[str, Any]:
        cache, table = self.service.cache, self.service.view.table
        return {
            "tokens": cache.entries,
            "evictions": cache.evictions,
            "cache_bytes": cache.memory(),
            "revocations": len(table),
            "table_bytes": table.memory(),
            "longest": self.longest,
            "busiest": self.busiest,
        }

    async def _beat(self) -> None:
        while True:
            at, computed = time.perf_counter(), time.thread_time()
            await asyncio.sleep(BEAT)
            self.longest = max(self.longest, time.perf_counter() - at - BEAT)
            self.busiest = max(self.busiest, time.thread_time() - computed)

    async def _stay_fresh(self) -> None:
        while True:
            self.service.view.count(clock.boot())
            await asyncio.sleep(1.0)

    async def _fill(self, until: int) -> None:
        issuer, now = next(iter(self.service.current.issuers)), self.service.time.now()
        for number in range(self.tokens, until):
            verified = record_of(number, issuer.generation, now.latest)
            self.service.cache.put(
                stand_in(number).encode(),
                verified.encode(),
                issuer.index,
                issuer.generation,
                self.service.generations.config,
                verified.issued_second,
                verified.expires_at,
                now.boot + 3600,
                verified.probes(),
            )
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        self.tokens = until

    async def _revoke(self, file: Path) -> None:
        entries = await asyncio.to_thread(file.read_bytes)
        self.longest = self.busiest = 0.0
        await self.service.view.apply(entries)


def record_of(number: int, generation: int, now: float) -> Verified:
    """What the verifier would have found in a token of the benchmark's."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": f"subject-{number}",
        "iat": int(now) - 5,
        "exp": int(now) + 3600,
        "jti": f"{number:012d}",
        "client_id": "orders",
        "scope": "orders:read",
        "name": "n" * 80,
    }
    return Verified(
        issuer=ISSUER,
        subject=str(claims["sub"]),
        client="orders",
        session=None,
        scopes=("orders:read",),
        roles=(),
        audience=(AUDIENCE,),
        issued_at=float(int(now) - 5),
        expires_at=float(int(now) + 3600),
        token_id=hashlib.sha256(b"%d" % number).hexdigest(),
        thumbprint="k" * 43,
        alg="RS256",
        kid="rs256",
        confirmed=False,
        claims=Claims.of(claims),
        key_generation=generation,
    )


if __name__ == "__main__":
    uvloop.run(Filled(sys.argv[1]).serve(int(sys.argv[2])))
