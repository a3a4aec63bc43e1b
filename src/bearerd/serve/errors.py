"""Why bearerd does not start, in words for whoever started it."""

from __future__ import annotations


class NotStarted(Exception):
    """bearerd cannot start, or cannot go on.  ``remedy`` says what to do."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem + (f" ({remedy})" if remedy else ""))
        self.problem = problem
        self.remedy = remedy
