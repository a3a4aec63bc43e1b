"""One planned run: load and faults, then everything healed, settled and looked at."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faults.checker import Violation, check
from faults.deeds import Deeds
from faults.history import History
from faults.world import ISSUERS, PATIENCE, Token, World

from bearerd._native import clock
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from faults.generator import Plan
    from faults.nursery import Nursery

_LOOK = 0.7  # seconds between two looks at the views
_STILL = 4  # looks in a row at which nothing may have moved
_LAGGING = 40  # questions that a worker may be behind: no more are asked until it answers
_KINDS = (Kind.TOKEN,) * 5 + (Kind.SUBJECT,) * 2 + (Kind.SESSION,) * 2 + (Kind.CLIENT,)


@dataclass
class Outcome:
    """What came of a run."""

    plan: Plan
    history: History
    violations: list[Violation]
    delays: list[tuple[float, float]] = field(
        default_factory=list
    )  # (boot time of arrival, seconds) of each revocation


class Load:
    """Questions and writes, until told to end."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._rng = random.Random(plan.load)
        self._ended = asyncio.Event()
        self._recent: list[Token] = []
        self._writes: set[asyncio.Task[Any]] = set()
        self._questions: set[asyncio.Task[Any]] = set()
        self.tokens = [self._mint(number) for number in range(plan.tokens)]

    def _mint(self, number: int) -> Token:
        issuer = ISSUERS[0] if self._rng.random() < 0.9 else self._rng.choice(ISSUERS[1:])
        return self._world.token(number, issuer=issuer, lifetime=self._rng.choice([3600, 3600, 3600, 20]))

    async def run(self) -> None:
        """Until ``end``."""
        asking = [asyncio.create_task(self._ask(name)) for name in self._world.nodes]
        writing = asyncio.create_task(self._write())
        looking = asyncio.create_task(self._look())
        try:
            await self._ended.wait()
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if self._writes:
                await asyncio.wait(self._writes, timeout=PATIENCE)
            for task in (*asking, looking):
                task.cancel()
            await asyncio.gather(*asking, looking, return_exceptions=True)

    def end(self) -> None:
        self._ended.set()

    async def _pause(self, rate: float) -> None:
        await asyncio.sleep(self._rng.expovariate(rate))

    async def _ask(self, name: str) -> None:
        node = self._world.nodes[name]
        while True:
            await self._pause(self._plan.questions)
            if node.up and node.lagging < _LAGGING:
                recent = self._recent and self._rng.random() < 0.6
                token = self._rng.choice(self._recent if recent else self.tokens)
                resource = "api" if self._rng.random() < 0.85 else "lax"
                _keep(self._questions, asyncio.create_task(node.ask(token.name, token.text, resource)))

    async def _write(self) -> None:
        resets = sorted(self._rng.uniform(1, self._plan.seconds) for _ in range(self._plan.resets))
        start = clock.boot()
        while True:
            await self._pause(self._plan.writes)
            node = self._world.nodes[self._rng.choice(list(self._world.nodes))]
            ack = "enforced" if self._rng.random() < 0.7 else "stored"
            if resets and clock.boot() - start > resets[0]:
                resets.pop(0)
                _keep(self._writes, asyncio.create_task(node.write("reset", {}, ack=ack)))
                continue
            do, token, kind = self._choice()
            more = {"until": token.claims["exp"]} if do == "revoke" and kind is Kind.TOKEN else {}
            _keep(self._writes, asyncio.create_task(node.write(do, token.target(kind), ack=ack, **more)))

    def _choice(self) -> tuple[str, Token, Kind]:
        if self._recent and self._rng.random() < 0.3:
            token = self._rng.choice(self._recent)
            do = "lift" if self._rng.random() < 0.6 else "revoke"
        else:
            token = self._rng.choice(self.tokens)
            do = "revoke" if self._rng.random() < 0.95 else "lift"
            self._recent = [*self._recent[-15:], token]
        other = token.claims["iss"] != ISSUERS[0] and self._rng.random() < 0.1
        return do, token, Kind.ISSUER if other else self._rng.choice(_KINDS)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            for node in self._world.nodes.values():
                if node.up and not node.stopped:
                    _keep(self._questions, asyncio.create_task(node.look("run")))


def _keep(tasks: set[asyncio.Task[Any]], task: asyncio.Task[Any]) -> None:
    tasks.add(task)
    task.add_done_callback(lambda done: (tasks.discard(done), done.cancelled() or done.result()))


async def execute(
    plan: Plan, path: Path | None = None, mutants: tuple[str, ...] = (), nursery: Nursery | None = None
) -> Outcome:
    """Run a plan and check its history."""
    history = History(path)
    try:
        async with World(plan.topology, history, mutants, plan.seed, nursery=nursery) as world:
            load = Load(world, plan)
            loading = asyncio.create_task(load.run())
            await _faults(world, plan)
            load.end()
            await loading
            await settle(world, load.tokens)
            delays = [pair for node in world.nodes.values() for pair in await node.collect()]
        return Outcome(plan, history, check(history.events), delays)
    finally:
        history.close()


async def _faults(world: World, plan: Plan) -> None:
    """Every deed at its time; returns when all is mended."""
    deeds = Deeds(world)
    start = clock.boot()
    running = []
    for deed in plan.deeds:
        await asyncio.sleep(max(0.0, start + deed.at - clock.boot()))
        running.append(asyncio.create_task(deeds.do(deed.what, deed.args)))
    await asyncio.sleep(max(0.0, start + plan.seconds - clock.boot()))
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*running)
    world.history.note("heal", what="everything")


async def settle(world: World, tokens: list[Token]) -> None:
    """Look at what is known; wait until nothing moves and everybody serves; look again, and ask about every token."""
    await asyncio.gather(*(node.look("heal") for node in world.nodes.values()))
    await world.store("heal")
    start = clock.boot()
    if not await _still(world):
        return
    world.history.note("settled", seconds=round(clock.boot() - start, 3))
    await asyncio.gather(*(node.look("end") for node in world.nodes.values()))
    await world.store("end")
    for node in world.nodes.values():
        await asyncio.gather(*(_final(node, token) for token in tokens))


async def _final(node: Any, token: Token) -> None:
    for _ in range(3):  # a slow machine may let a lease lapse once more
        answer = await node.ask(token.name, token.text)
        if answer is None or answer["code"] != "stale_state":
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(node.call("caught_up"), PATIENCE)


async def _still(world: World) -> bool:
    """Whether, before patience ends, nothing moves any more and every worker serves at the store's position."""
    deadline = clock.boot() + PATIENCE
    calm, last, why = 0, None, ""
    while calm < _STILL:
        await asyncio.sleep(0.25)
        position = await world.position()
        views = await asyncio.gather(*(node.call("export") for node in world.nodes.values()))
        behind = [name for name, view in zip(world.nodes, views, strict=True) if view["position"] != position]
        idle = [name for name, view in zip(world.nodes, views, strict=True) if not world.serves(view)]
        calm = calm + 1 if position == last and not behind and not idle else 0
        why = f"moved from {last} to {position}; behind: {behind}; not serving: {idle}"
        last = position
        if clock.boot() > deadline:
            world.history.note("unsettled", why=why, problems=[view["problem"] for view in views])
            return False
    return True
