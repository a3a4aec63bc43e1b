"""What a worker is told first, over its channel: the supervisor writes it and knows nothing else of workers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Orders:
    """Descriptors are those that the worker's process inherited."""

    slot: int
    config: dict[str, Any]
    data_dir: str
    store_is_ours: bool
    clocks: tuple[float, ...]  # what the supervisor has seen of them (Timekeeper.seen)
    page: int  # descriptor of the metrics page
    slots: list[list[int]]  # TCP sockets, by worker slot
    unix: list[int]
    papers: dict[str, Any] | None  # what TCP connections are greeted with; None: nothing, they are plain
    dialects: Sequence[tuple[int, str]] = ()  # sockets that are asked at /auth, and in which dialect
    grpc: list[str] = field(default_factory=list)  # addresses that are reserved for gRPC
    approvals: list[int] = field(default_factory=list)  # sockets of the approvals page
    session_secret: str = field(default="", repr=False)  # what seals its cookies, where there is no fleet key

    def as_dict(self) -> dict[str, Any]:
        """As it goes over the channel."""
        return asdict(self)
