"""How fast a revocation reaches a worker that is busy to the brim, and whether anything is allowed after its acknowledgement.

One thread asks on every connection without pause and revokes through another bearerd.  So it knows, without comparing
clocks, which questions were sent after an acknowledgement had been read: an allow for one of those is wrong.
"""

from __future__ import annotations

import itertools
import json
import selectors
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from figures import Histogram
from lines import Line, jti, question, revocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rig import Rig

ALLOWED, REFUSED = 200, 401
LIVING = 200  # tokens that stay good
DOOMED_EVERY = 8  # one question in so many is about the token that is to be revoked


@dataclass
class Token:
    """A token and what is certain about it."""

    question: bytes
    revocation: bytes = b""  # empty: it stays good
    allowed: bool = False  # seen at least once, so that the worker has it in memory
    posted: bool = False
    acknowledged: bool = False


@dataclass
class Asking:
    """A connection, what is under way on it, and what that must not be answered."""

    line: Line
    token: Token
    wrong: int | None = None
    next: Token | None = None

    def about(self, token: Token) -> None:
        """A question about this token is to be sent now: what is certain now must hold for its answer."""
        self.token, self.next = token, None
        self.wrong = ALLOWED if token.acknowledged else None if token.posted else REFUSED


@dataclass
class Outcome:
    """What one run showed."""

    durability: str
    seconds: float = 0.0
    answers: int = 0
    busy: float = 0.0  # share of its core that the worker used
    acknowledged: list[float] = field(default_factory=list)  # seconds from POST to 201
    incomplete: Counter[str] = field(default_factory=Counter)  # 202, by what was missing
    asked_after: int = 0  # questions about a token that were sent after its acknowledgement
    allowed_after: int = 0
    other_wrong: int = 0  # a good token that was refused, or anything else that should not be
    histogram: Histogram | None = None

    @property
    def wrong(self) -> int:
        """Answers that were not the right ones."""
        return self.allowed_after + self.other_wrong

    def heard(self, asking: Asking, status: int) -> None:
        """Judge one answer.  While a revocation is under way either is right."""
        self.answers += 1
        token = asking.token
        if status == ALLOWED:
            token.allowed = True
            self.allowed_after += asking.wrong == ALLOWED
        elif status != REFUSED or (asking.wrong == REFUSED and not token.posted):
            self.other_wrong += 1


class Rush:
    """The load and the revocations of one run."""

    def __init__(self, rig: Rig, connections: int, revocations: int, outcome: Outcome) -> None:
        def one(name: str) -> tuple[str, bytes]:
            made = rig.token(name, "strict")
            return made, question("strict", made)

        living = [Token(one(f"living-{number}")[1]) for number in range(LIVING)]
        doomed = [one(f"doomed-{number}") for number in range(revocations)]
        self._doomed = iter(
            [Token(asked, revocation(rig.issuer, jti(made), rig.other.admin_token)) for made, asked in doomed]
        )
        self._rig, self._outcome = rig, outcome
        self._admin = Line(rig.other.admin)
        self._until_enforced(rig)
        self._picks = self._pick(itertools.cycle(living))
        self._doom: Token | None = next(self._doomed)
        self._sent = 0.0
        self._askings = [Asking(Line(rig.asked.port), living[0]) for _ in range(connections)]

    def run(self, rate: float) -> None:
        """Revoke at a rate until no token is left; report."""
        asked, outcome = self._rig.asked, self._outcome
        for asking in self._askings:
            self._ask(asking)
        with selectors.DefaultSelector() as selector:
            for asking in self._askings:
                selector.register(asking.line.socket, selectors.EVENT_READ, asking)
            selector.register(self._admin.socket, selectors.EVENT_READ)
            before, cpu, start = asked.metrics(), asked.cpu(), time.perf_counter()
            due = start + 1.0  # everybody is known by then
            while self._doom is not None or any(asking.next for asking in self._askings):
                for key, _ in selector.select(0.01):
                    if key.data is None:
                        self._acknowledged()
                    else:
                        self._judge(key.data)
                        self._ask(key.data)
                if self._doom and self._doom.allowed and not self._doom.posted and time.perf_counter() >= due:
                    self._post(self._doom)
                    due = max(due + 1 / rate, self._sent)
            outcome.seconds = time.perf_counter() - start
            outcome.busy = (asked.cpu() - cpu) / outcome.seconds
            outcome.histogram = Histogram("bearerd_revocation_propagation_seconds", before, asked.metrics())
        for asking in self._askings:
            self._judge(asking)
            asking.line.close()
        self._admin.close()

    def _until_enforced(self, rig: Rig) -> None:
        """A bearerd that has known its store for less than the longest lease acknowledges nothing as enforced (contracts 5)."""
        for _ in range(60):
            if self._admin.ask(revocation(rig.issuer, "nobody's", rig.other.admin_token)) == 201:
                return
        raise RuntimeError(f"nothing is enforced: {self._admin.body.decode()}")

    def _pick(self, living: Iterator[Token]) -> Iterator[Token]:
        while True:
            for _ in range(DOOMED_EVERY - 1):
                yield next(living)
            yield self._doom or next(living)

    def _ask(self, asking: Asking) -> None:
        asking.about(asking.next or next(self._picks))
        self._outcome.asked_after += asking.token.acknowledged
        asking.line.send(asking.token.question)

    def _judge(self, asking: Asking) -> None:
        self._outcome.heard(asking, asking.line.read())

    def _post(self, token: Token) -> None:
        token.posted = True
        self._sent = time.perf_counter()
        self._admin.send(token.revocation)

    def _acknowledged(self) -> None:
        status, outcome, token = self._admin.read(), self._outcome, self._doom
        assert token is not None
        if status == 201:
            outcome.acknowledged.append(time.perf_counter() - self._sent)
            token.acknowledged = True
            for asking in self._askings:  # each connection asks about it next
                asking.next = token
        elif status == 202:
            outcome.incomplete.update(json.loads(self._admin.body)["missing"])
        else:
            raise RuntimeError(f"the revocation was refused: {status} {self._admin.body.decode()}")
        self._doom = next(self._doomed, None)


def measure(rig: Rig, durability: str, connections: int, rate: float, seconds: float) -> Outcome:
    """One run."""
    outcome = Outcome(durability)
    Rush(rig, connections, max(1, int(rate * seconds)), outcome).run(rate)
    return outcome
