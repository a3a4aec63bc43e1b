"""The walk: one question, with a fault at each place that it passes, and what came of it.

An allow is a finding where the token is bad.  Where it is good, an allow is one only if the fault was met while the decision
was being made, or where nothing is known to outlive a fault (``OUTLIVED``).  Whatever came of the fault, the same process
must then answer as if there had been none.
"""

from __future__ import annotations

import ast
import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from failclosed.scenes import Lie, Scene
from failclosed.subjects import Subject
from support.injector import SOURCE, Injector, Place

from bearerd.errors import IssuerFault, StoreError


class Slippery(KeyError, ValueError, TypeError, ArithmeticError):
    """What any handler of one of these catches."""


class Strange(Exception):
    """What no handler names."""


def _cancel() -> None:
    """As whoever gives up waiting does: it is felt at the next await."""
    task = asyncio.current_task()
    if task is not None:
        task.cancel()


FAULTS: dict[str, Callable[[], BaseException | None]] = {
    "strange": lambda: Strange("injected"),
    "cancelled": lambda: asyncio.CancelledError("injected"),
    "time-out": lambda: TimeoutError("injected"),
    "no memory": lambda: MemoryError("injected"),
    "slippery": lambda: Slippery("injected"),
    "store": lambda: StoreError("injected"),
    "issuer": lambda: IssuerFault("internal", "injected"),
    "connection": lambda: ConnectionResetError("injected"),
    "task cancelled": _cancel,
}

DOORS = ("strange", "cancelled", "time-out", "task cancelled")
"""What comes through an await: an exception, a cancellation, a time-out."""

Budget = int | Literal["doors", "all"]
"""So many faults of a question; or all of ``DOORS`` at every await and at the first line of every function, callbacks among
them; or every fault at every event, which takes half a day."""

DECISION = (
    "flow.py:Flow.decide_now",
    "flow.py:Flow._verified",
    "faces/clients.py:Clients._judged",
    "policy/decide.py:",
    "verify/verifier.py:",
)
OUTLIVED: tuple[str, ...] = (
    "loops.py:_forever",  # a slow loop is begun again
    "issuers/keeper.py:",
    "lane/turns.py:",
    "lane/leftovers.py:Leftovers._turn",  # likewise
    "lane/leftovers.py:Leftovers.waiting",
    "turns.py:Turns._turned",  # another turn comes
    "lane/clerk.py:Clerk._check",  # what time brings: it came to pass while the question was under way
    "lane/clerk.py:Clerk._write",
    "issuers/refresh.py:Refresher.run",
    "issuers/refresh.py:Refresher.close",
    "audit/auditor.py:Auditor._sleep",  # whoever wakes looks again whether its record is kept, and is woken again
    "audit/auditor.py:Auditor._wake",
    "verify/flights.py:Flights._ended",  # a flight is struck off: whoever finds one that has ended begins another
    "verify/flights.py:Flights._flight.<locals>.<lambda>",
)
"""Beneath these a fault may be met, and a good token be allowed all the same."""

PATIENCE = 5
"""Questions of a good token's after a fault: a slow machine may let a wait for a key run out, but not again and again."""

COUNTING = "verify/flights.py:Flights.wait"
COUNTS = ("try:", "self.waiting -= 1")
"""Lines at which nothing can go wrong, and after which one more would count as waiting if it did."""


@dataclass
class Found:
    """What a walk came to."""

    findings: list[str] = field(default_factory=list)
    tried: int = 0  # faults
    met: int = 0  # of them: the question passed the place again
    allowed: int = 0  # after one, good tokens
    seen: set[Place] = field(default_factory=set)
    hit: set[Place] = field(default_factory=set)


async def walk(scene: Scene, subject: Subject, budget: Budget) -> Found:
    """Walk once."""
    found = Found()
    passed = await events(scene, subject)
    found.seen |= set(passed)
    names = list(FAULTS)
    for turn, at in enumerate(chosen(passed, budget)):
        for name in names if budget == "all" else DOORS if budget == "doors" else [names[turn % len(names)]]:
            await _one(scene, subject, at, name, found)
    return found


def chosen(passed: Sequence[Place], budget: Budget) -> list[int]:
    """The numbers of the events.  A number: each await that is passed, and others evenly."""
    if budget == "all":
        return list(range(1, len(passed) + 1))
    first: dict[Place, int] = {}
    for number, place in enumerate(passed, 1):
        first.setdefault(place, number)
    waits = [number for place, number in first.items() if place.line in awaits(place.file)]
    if budget == "doors":
        begins: dict[tuple[str, str], int] = {}
        for place, number in first.items():
            begins.setdefault((place.file, place.name), number)
        return sorted({*waits, *begins.values()})
    rest = [number for number in first.values() if number not in waits]
    left = max(budget - len(waits), 1)
    return waits + rest[:: max(1, -(-len(rest) // left))]


@cache
def awaits(file: str) -> dict[int, str]:
    """The lines of a file of ours at which a coroutine may wait, and their functions."""
    return dict(_waiting(ast.parse("\n".join(_source(file))), ""))


def _parsed() -> None:
    """Every file, before any fault: an interpreter that failed beneath deep calls may compile nothing more (CPython 3.11)."""
    for file in Path(SOURCE).rglob("*.py"):
        awaits(str(file.relative_to(SOURCE)))


def _waiting(node: ast.AST, name: str) -> Iterator[tuple[int, str]]:
    for child in ast.iter_child_nodes(node):
        inner = name
        if isinstance(child, ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield child.lineno, name
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            within = f"{name}.<locals>." if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else f"{name}."
            inner = child.name if not name else within + child.name
        yield from _waiting(child, inner)


async def events(scene: Scene, subject: Subject) -> list[Place]:
    """What a question passes when nothing goes wrong; the second time, for the first one imports and compiles."""
    for _ in range(2):
        counting = Injector()
        token = subject.make()
        await scene.ready(token, subject)
        with subject.asking(scene.service), counting.running():
            granted = await scene.answer(token)
        assert granted is subject.good, f"{type(scene).__name__}: {subject.name}: {granted} without any fault"
    return counting.seen


async def _one(scene: Scene, subject: Subject, at: int, name: str, found: Found) -> None:
    found.tried += 1
    token = subject.make()
    await scene.ready(token, subject)
    fault = Injector(at, FAULTS[name])
    granted, said = False, []
    try:
        with subject.asking(scene.service), fault.running():
            granted = await scene.answer(token)
    except Lie as lie:
        said.append(str(lie))
    except TimeoutError:
        said.append("no answer")
    if fault.hit is None:  # it took a shorter way this time
        return
    found.met += 1
    found.hit.add(fault.hit)
    if granted and not subject.good:
        said.append("allowed")
    elif granted:
        found.allowed += 1
        if name != "task cancelled" and not _outlived(fault.beneath) and not _ignored(fault.hit):
            said.append("a good token was allowed beyond a fault of the decision")
    said += await _afterwards(scene, subject, token, counted=not _counts(fault.hit))
    found.findings += [f"{type(scene).__name__}, {subject.name}: {name} at {fault.hit}: {what}" for what in said]


def _outlived(beneath: tuple[str, ...]) -> bool:
    if any(name.startswith(DECISION) for name in beneath):
        return False
    return any(name.startswith(OUTLIVED) for name in beneath)


def _ignored(place: Place) -> bool:
    """Whether the interpreter may have: a generator that ``any`` lets go of is closed, and what goes wrong there is nobody's."""
    return place.event == "call" and place.name.endswith(".<genexpr>")


async def _afterwards(scene: Scene, subject: Subject, token: str, *, counted: bool) -> list[str]:
    """Whether the process is as it was."""
    said = []
    scene.later()
    await scene.hang_up()
    await _settled(scene)
    for who, its in ((subject, token), (scene.well, scene.well.make())):
        for _ in range(PATIENCE):
            wrong = await _once_more(scene, who, its)
            scene.later()
            if wrong is None or not who.good:
                break
        if wrong is not None:
            said.append(f"afterwards: {who.name}: {wrong}")
    if scene.service.flights.waiting:
        gc.collect()  # a coroutine that was left where it waited ends when it is let go of
    if scene.service.flights.waiting:
        if counted:
            said.append(f"afterwards: {scene.service.flights.waiting} count as waiting")
        scene.service.flights.waiting = 0
    return said


async def _once_more(scene: Scene, who: Subject, token: str) -> str | None:
    try:
        with who.asking(scene.service):
            granted = await scene.answer(token)
    except (Lie, TimeoutError) as error:
        return f"{type(error).__name__} {error}"
    if granted is who.good:
        return None
    return "allowed" if granted else "refused"


def _counts(place: Place) -> bool:
    return place.name == COUNTING and _source(place.file)[place.line - 1].strip() in COUNTS


@cache
def _source(file: str) -> tuple[str, ...]:
    return tuple((Path(SOURCE) / file).read_text().splitlines())


async def _settled(scene: Scene) -> None:
    """Let what is under way end."""
    for _ in range(200):
        if not scene.service.flights._under_way:
            return
        await asyncio.sleep(0.001)


_parsed()
