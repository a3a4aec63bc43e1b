"""The lane: requests of gateways answered from their bytes, by the tables that every face shares."""

from typing import Any, Self, final

from bearerd._native.anchor import Anchor
from bearerd._native.connection import Connection
from bearerd._native.counters import Page
from bearerd._native.generations import Generations
from bearerd._native.refused import RefusedTokens
from bearerd._native.revocations import Revocations
from bearerd._native.ring import Burst, Noted, Ring
from bearerd._native.route import Routes
from bearerd._native.tokens import TokenCache

@final
class Lane:
    """One a worker, around its tables.  ``max_*``: as of ``bearerd.limits``."""

    connections: set[Connection]
    routes: Routes
    ring: Ring
    burst: Burst
    log_allows: float
    """The share of allows that get a line."""
    full: bool
    """No more requests may wait: the answer to a further one is that bearerd is overloaded."""
    outside: bool
    """Somebody stands back until there is room: who comes stands behind him."""
    closing: bool
    """Each answer is the last on its connection."""
    noted: bool
    """There are notes that are to become lines."""
    answered: int
    allowed: int
    """Known tokens among them: whoever holds one is not to wait for others to be verified."""
    hits: int
    """Answers of known tokens."""
    misses: int
    """Answers of tokens that are remembered as refused, and of those that were not known before."""

    def __new__(
        cls,
        *,
        cache: TokenCache[Any],
        refused: RefusedTokens,
        revocations: Revocations,
        generations: Generations,
        anchor: Anchor,
        page: Page,
        burst: Burst,
        ring: Ring,
        suppressed: int,
        max_token_bytes: int,
        max_header_bytes: int,
        max_head_bytes: int,
        max_headers: int,
    ) -> Self:
        """``suppressed``: the metrics cell that counts refusals without a line."""

    def drained(self, most: int = -1) -> list[Noted]:
        """The notes that are to become lines (``ring.Noted``); a further one is announced by ``noted`` again."""

    def turned(self) -> None:
        """Another turn of the loop."""
