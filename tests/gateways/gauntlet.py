"""Runs the corpus of tricks against a gateway, with an upstream behind it that takes notes."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Self

from bearerd.tricks import Answer, Seen, Target, Trick, Verdict, judge, wire
from bearerd.tricks.judge import faults
from bearerd.tricks.mirror import Believes, Mirror

AT_ONCE = 24
_TOKEN = re.compile(rb"eyJ[\w.-]{40,}")
SECONDS = 2.0  # for an answer; a request that is taken for half of one gets none


@dataclasses.dataclass(frozen=True)
class Result:
    """One trick, tried once."""

    trick: Trick
    as_whom: str
    request: bytes
    answers: Sequence[Answer]
    seen: Sequence[Seen]
    verdict: Verdict

    def __str__(self) -> str:
        said = ", ".join(str(answer.status) for answer in self.answers) or "nothing"
        sent, *heads = (
            _TOKEN.sub(b"TOKEN", part) for part in (self.request, *(one.head + one.trailers for one in self.seen))
        )
        received = b" | ".join(head[:600] for head in heads)
        return (
            f"{self.trick.name} as {self.as_whom}: {self.verdict.outcome}, {self.verdict.why}\n"
            f"    sent {sent[:600]!r}\n    was answered {said}; the upstream received {received!r}"
        )


class Gauntlet:
    """The upstream with its notes, on a loop of its own, from which the tricks are sent, too."""

    def __init__(self, port: int, believes: Believes = "transfer-encoding") -> None:
        self.port = port
        self.mirror = Mirror(believes)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._numbers = iter(range(1, 1_000_000))

    def __enter__(self) -> Self:
        self._thread.start()
        self.do(self.mirror.start(self.port))
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.mirror.close())
        self.do(_end_the_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, work: Any) -> Any:
        """Run a coroutine on the loop, and wait for it."""
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result()

    def run(self, port: int, tricks: Iterable[Trick], targets: dict[str, Target]) -> list[Result]:
        """Every trick as everybody, in this order."""
        return list(self.do(self._run(port, [(trick, whom) for trick in tricks for whom in targets], targets)))

    async def _run(self, port: int, tries: list[tuple[Trick, str]], targets: dict[str, Target]) -> list[Result]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def attempt(trick: Trick, whom: str) -> tuple[Trick, str, Target, bytes, list[Answer]]:
            target = dataclasses.replace(targets[whom], tag=str(next(self._numbers)))
            request = trick.request(target)
            async with turns:
                return trick, whom, target, request, await wire.send("127.0.0.1", port, request, seconds=SECONDS)

        results = []
        for trick, whom, target, request, answers in await asyncio.gather(*(attempt(*one) for one in tries)):
            seen = self.mirror.take(target.tag)
            results.append(Result(trick, whom, request, answers, seen, judge(trick, target, answers, seen)))
        return results

    def strays(self, target: Target) -> list[str]:
        """What reached the upstream without a tag, and would have been a hole from somebody who shows nothing."""
        return [f"{why}: {seen.head[:300]!r}" for seen in self.mirror.take("") for _, why in faults(seen, target)]


async def _end_the_others() -> None:
    """Whatever still serves a connection on this loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
