"""The fleet's budgets, in the store: told each second what a process spent, and asked first where a limit is ``exact``."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
from typing import TYPE_CHECKING, Final, NamedTuple

from bearerd.errors import StoreError
from bearerd.store import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bearerd.policy.terms import Budget
    from bearerd.rates.buckets import Key
    from bearerd.store.client import Client

AT_ONCE: Final = 256  # buckets in one script: a fraction of a millisecond of the store's time


class Ask(NamedTuple):
    """One bucket, and what is taken from it."""

    key: Key
    budget: Budget
    spent: int = 1
    only_if: bool = False  # it holds so many


class Held(NamedTuple):
    """What became of it."""

    taken: bool
    level: float


class Fleet:
    """The way to them.  Whoever asks at the same time is answered by one script."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asking: list[tuple[Ask, asyncio.Future[Held]]] = []
        self._task: asyncio.Task[None] | None = None
        self._away = False  # it did not answer the last time

    @property
    def waiting(self) -> int:
        """How many wait for an answer."""
        return len(self._asking)

    async def tell(self, asks: Sequence[Ask]) -> list[Held]:
        """At most ``AT_ONCE`` of them.  Raises StoreError; then it is not known whether they count."""
        keys = [self._client.names.rate(_digest(ask.key)) for ask in asks]
        given = [
            text
            for ask in asks
            for text in (repr(ask.budget.rate), repr(ask.budget.burst), str(ask.spent), "1" if ask.only_if else "0")
        ]
        reply = await self._client.run(script.RATE, keys, given)
        try:
            found = [Held(taken == b"1", float(level)) for taken, level in zip(*[iter(reply)] * 2, strict=True)]
        except (TypeError, ValueError):
            found = []
        if len(found) != len(asks) or not all(math.isfinite(held.level) for held in found):
            raise StoreError("the store answered what no budget is")
        return found

    async def take(self, ask: Ask) -> Held:
        """One, with whoever else asks meanwhile.  Raises StoreError: after a time-out at the latest, and at once while somebody
        else is finding out whether a store that did not answer does so again: gateways wait for seconds only.
        """
        idle = self._task is None or self._task.done()
        if self._away and not idle:
            raise StoreError("the store did not answer a moment ago")
        answer: asyncio.Future[Held] = asyncio.get_running_loop().create_future()
        self._asking.append((ask, answer))
        if idle:
            self._task = asyncio.create_task(self._answer(), name="bearerd rates")
        try:
            async with asyncio.timeout(self._client.timeout):
                return await answer
        except TimeoutError:
            self._away = True
            raise StoreError("the store did not answer in time") from None

    async def close(self) -> None:
        """Whoever still waits is refused."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _answer(self) -> None:
        now: list[tuple[Ask, asyncio.Future[Held]]] = []
        try:
            while self._asking:
                # Whoever gave up waiting was refused, and pays nothing: they will ask again.
                waiting = [one for one in self._asking if not one[1].done()]
                now, self._asking = waiting[:AT_ONCE], waiting[AT_ONCE:]
                if not now:
                    break
                try:
                    found = await self.tell([ask for ask, _ in now])
                except StoreError as error:
                    self._away = True
                    _fail([*now, *self._asking], error)  # none of them waits for a time-out of its own
                    self._asking = []
                else:
                    self._away = False
                    for (_, answer), held in zip(now, found, strict=True):
                        if not answer.done():
                            answer.set_result(held)
        except BaseException:
            _fail(now, StoreError("the budget was not asked"))
            _fail(self._asking, StoreError("the budget was not asked"))
            self._asking = []
            raise


def _fail(asked: Sequence[tuple[Ask, asyncio.Future[Held]]], error: StoreError) -> None:
    for _, answer in asked:
        with contextlib.suppress(asyncio.InvalidStateError):
            answer.set_exception(error)


def _digest(key: Key) -> str:
    """A name of fixed length that tells nobody's: each part with its length, so that no two keys are one."""
    parts = (key.budget, *key.principal, key.name)
    text = b"".join(
        len(part).to_bytes(4, "big") + part for part in (one.encode("utf-8", "surrogatepass") for one in parts)
    )
    return hashlib.sha256(text).hexdigest()[:32]
