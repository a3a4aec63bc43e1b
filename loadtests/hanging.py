"""How fast known tokens are decided while store and issuer hang, against windows before and after, in turns.

Beside the measured client strangers come once a second, with tokens of a key that nobody has: they are what makes a worker
ask the issuer, and wait for it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lines import Heard, Line, of_a_stranger, paced, question

if TYPE_CHECKING:
    from rig import Rig

RESOURCES = ("strict", "available")
MARGIN = 5.0  # seconds by which max_staleness is longer than a window
SETTLING = 2.0  # seconds after the outage, once the worker says that it has caught up
ALLOWED, STALE = 200, 503


@dataclass
class Window:
    """One window's answers and what they cost."""

    heard: Heard
    seconds: float
    cpu: float  # seconds of the worker, for each request

    def of(self, resource: str) -> list[float]:
        """Seconds that its answers took."""
        return self.heard.latencies[RESOURCES.index(resource)]


@dataclass
class Outcome:
    """What all rounds showed."""

    well: list[Window] = field(default_factory=list)  # one more than of the others: before, between and after
    young: list[Window] = field(default_factory=list)  # the view is younger than max_staleness
    old: list[Window] = field(default_factory=list)  # and older: only the available resource is asked
    strangers: Counter[tuple[str, int]] = field(default_factory=Counter)  # by state and status
    mistakes: int = 0  # a known token that was not answered as it should be

    @property
    def wrong(self) -> int:
        """Answers that were not the right ones: a stranger must never be let in."""
        return self.mistakes + sum(count for (_, status), count in self.strangers.items() if status == ALLOWED)


class Strangers(threading.Thread):
    """Asks once a second with a token of an unknown key, and waits for the answer."""

    def __init__(self, rig: Rig, outcome: Outcome) -> None:
        super().__init__(daemon=True)
        self.state = "well"
        self._line = Line(rig.asked.port)
        self._token = rig.token("stranger", "strict")
        self._outcome = outcome
        self._over = threading.Event()

    def run(self) -> None:
        """Until ``stop``."""
        while not self._over.wait(1.0):
            state = self.state
            status = self._line.ask(question("strict", of_a_stranger(self._token)))
            self._outcome.strangers[state, status] += 1

    def stop(self) -> None:
        """Go."""
        self._over.set()
        self.join()
        self._line.close()


class Rounds:
    """The windows, in turns."""

    def __init__(self, rig: Rig, rate: float, seconds: float, outcome: Outcome) -> None:
        self._rig, self._rate, self._seconds, self._outcome = rig, rate, seconds, outcome
        self._line = Line(rig.asked.port)
        self._questions = [question(name, rig.token(f"known-{name}", name)) for name in RESOURCES]

    def run(self, rounds: int) -> None:
        """Well, then hanging and well again, so many times."""
        strangers = Strangers(self._rig, self._outcome)
        strangers.start()
        self._until_strict(ALLOWED)
        paced(self._line, self._questions, self._rate, 1.0)  # everything is warm
        self._outcome.well.append(self._window())
        for _ in range(rounds):
            with self._rig.outage():
                strangers.state = "hanging"
                self._outcome.young.append(self._window())
                self._until_strict(STALE)
                self._outcome.old.append(self._window(only_available=True))
                self._outcome.mistakes += self._line.ask(self._questions[0]) != STALE
            self._until_strict(ALLOWED)
            time.sleep(SETTLING)
            strangers.state = "well"
            self._outcome.well.append(self._window())
        strangers.stop()
        self._line.close()

    def _window(self, *, only_available: bool = False) -> Window:
        questions = [self._questions[1]] * 2 if only_available else self._questions
        worker = self._rig.asked
        cpu = worker.cpu()
        heard = paced(self._line, questions, self._rate, self._seconds)
        window = Window(heard, self._seconds, (worker.cpu() - cpu) / heard.count)
        self._outcome.mistakes += sum(statuses.total() - statuses[ALLOWED] for statuses in heard.statuses)
        return window

    def _until_strict(self, status: int) -> None:
        for _ in range(600):
            if self._line.ask(self._questions[0]) == status:
                return
            time.sleep(0.1)
        raise RuntimeError(f"the strict resource does not come to answer {status}")


def measure(rig: Rig, rounds: int, rate: float, seconds: float) -> Outcome:
    """All rounds."""
    outcome = Outcome()
    Rounds(rig, rate, seconds, outcome).run(rounds)
    return outcome
