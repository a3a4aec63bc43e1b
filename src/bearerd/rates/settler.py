"""``rate``: takes one from the budget of whoever calls, once everything else has allowed it (``policy.settle``).

A limit is counted in each process by itself, and the processes tell each other through the store once a second, so that
a known token waits for nobody.  What the fleet spends too much by that is bounded (docs/arguments.md) and paid back.  A
limit that is ``exact`` is counted in the store, before the call passes.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd.errors import StoreError
from bearerd.rates.buckets import Buckets, Full
from bearerd.rates.fleet import AT_ONCE, Ask, Fleet
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bearerd.decision import Now
    from bearerd.policy.resource import Resource, Rule
    from bearerd.policy.terms import Budget
    from bearerd.request import Request
    from bearerd.store.client import Client
    from bearerd.verify.verified import Verified

SECONDS: Final = 1.0  # between two times that the fleet is told
_LONGEST: Final = 86_400  # seconds in Retry-After

_LOGGER: Final = logging.getLogger("bearerd.rates")


class Rates:
    """The budgets of one process."""

    def __init__(self, most: int, most_waiting: int, boot: Callable[[], float] = clock.boot) -> None:
        """``most`` buckets; for the store at most ``most_waiting`` calls wait."""
        self.buckets: Final = Buckets(most)
        self._most_waiting = most_waiting
        self._boot = boot
        self._fleet: Fleet | None = None
        self._failing = False

    async def settle(
        self, resource: Resource, rule: Rule, request: Request, verified: Verified, now: Now
    ) -> Refusal | None:
        """Spend one, or say when there will be one again."""
        budget = rule.rate
        if budget is None:
            return None
        name, principal = _tool(request), _principal(verified)
        try:
            if not budget.exact:
                return _limited(self.buckets.take(budget, principal, name, now.boot))
            return await self._exactly(budget, principal, name, now)
        except Full:
            return Refusal(Code.OVERLOADED, "more principals spend from budgets than rate_buckets counts")

    async def follow(self, client: Client) -> None:
        """Tell the fleet each second what was spent here, and learn what it holds; for ever."""
        fleet = self._fleet = Fleet(client)
        try:
            while True:
                await asyncio.sleep(random.uniform(0.9, 1.0) * SECONDS)  # noqa: S311 - jitter
                await self.share(fleet)
        finally:
            self._fleet = None
            await fleet.close()

    async def share(self, fleet: Fleet) -> None:
        """Once.  What the store does not take now is told the next time."""
        for _ in range(math.ceil(self.buckets.unsaid_of / AT_ONCE)):  # what comes meanwhile is told the next time
            told = self.buckets.unsaid(AT_ONCE)
            try:
                found = await fleet.tell([Ask(key, bucket.budget, spent) for key, bucket, spent in told])
            except BaseException as error:
                self.buckets.unsay(told)
                if not isinstance(error, StoreError):
                    raise
                self._told(failing=True)
                return
            boot = self._boot()
            for (_, bucket, _), held in zip(told, found, strict=True):
                bucket.told(held.level, boot)
        self._told(failing=False)

    async def _exactly(self, budget: Budget, principal: tuple[str, ...], name: str, now: Now) -> Refusal | None:
        fleet = self._fleet
        if fleet is not None and fleet.waiting >= self._most_waiting:
            return Refusal(Code.OVERLOADED, "more calls wait for an exact budget than may")
        try:
            if fleet is None:
                raise StoreError("the store has not been reached yet")
            held = await fleet.take(Ask(self.buckets.key(budget, principal, name), budget, only_if=True))
        except StoreError:
            if budget.local:
                return _limited(self.buckets.take(budget, principal, name, now.boot))
            return Refusal(Code.STALE_STATE, "the store did not answer, and the budget is exact")
        return None if held.taken else _limited((1 - held.level) / budget.rate)

    def _told(self, *, failing: bool) -> None:
        if failing != self._failing:
            self._failing = failing
            said = "budgets are counted by each process alone" if failing else "budgets are shared again"
            _LOGGER.log(logging.WARNING if failing else logging.INFO, said)


def _limited(wait: float) -> Refusal | None:
    if wait <= 0:
        return None
    seconds = min(_LONGEST, max(1, math.ceil(wait)))
    return Refusal(Code.RATE_LIMITED, "the budget of this principal is spent", retry_after=seconds)


def _tool(request: Request) -> str:
    """Each tool has a budget of its own under one rule; whatever else it is spent on shares one."""
    operation = request.operation
    return (operation.name or "") if operation is not None and operation.item == "tool" else ""


def _principal(verified: Verified) -> tuple[str, ...]:
    """Who pays: the subject, where there is none the client.  Whoever is neither shares one with all such of the issuer."""
    if verified.subject:
        return verified.issuer, "sub", verified.subject
    return verified.issuer, "client", verified.client or ""


async def follow_all(settlers: Iterable[object], client: Client) -> None:
    """Whichever of them keeps budgets; for ever."""
    await asyncio.gather(*(settler.follow(client) for settler in settlers if isinstance(settler, Rates)))
