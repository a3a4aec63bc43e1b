"""Seeded bugs: each is one of the protocol's parts taken away, put into a worker by name (``faults.node``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MUTANTS: dict[str, Callable[[], None]] = {}


def apply(name: str) -> None:
    """Put one bug into this process."""
    MUTANTS[name]()
