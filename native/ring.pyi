"""A ring of fixed size for what is noted of decisions that no Python saw, and the bucket that says which get a line."""

from collections.abc import Callable
from typing import Self, TypeAlias, final

Noted: TypeAlias = tuple[
    float, float, int, int, int, int, bytes, bytes, bytes, bytes, bytes, bytes, int, bytes, bool, bool
]
"""Wall time, seconds, generation of the configuration, route, rule's place (-1: none), refusal's place (-1: allowed), method, peer, traceparent, request id,
token's name in logs, its keyed digest, its length, and of an MCP server's what is asked: version, method and, if there is one, the item's name, each with a NUL behind it, whether a line is to be written, and
whether an audit record."""

__pyx_capi__: dict[str, object]  # the C entry points of ring.pxd

@final
class Burst:
    """A bucket of ``rate`` lines a second, and no more than a second's worth at once."""

    rate: float

    def __new__(cls, rate: float) -> Self: ...
    def take(self) -> bool:
        """Whether one more line may be written now."""

@final
class Ring:
    """The last ``most`` notes."""

    lost: int
    unaudited: int
    drainer: Callable[[], object] | None
    """Called where there is no room for a note: it drains what it can."""

    def __new__(cls, most: int) -> Self: ...
    def __len__(self) -> int: ...
    @property
    def waiting(self) -> int:
        """How many notes were not drained yet."""

    @property
    def half(self) -> int:
        """At how many that wait the lane tells its clerk to hurry."""

    def drain(self, most: int = -1) -> list[Noted]:
        """The notes that are to become lines or records and were not drained before, oldest first (``Noted`` in the stub).

        ``most``: of them, so that a long row of notes is told in several pieces; negative: all.
        """

    def find(self, request_id: bytes) -> Noted | None:
        """The refusal of this request id (16 bytes), or None."""
