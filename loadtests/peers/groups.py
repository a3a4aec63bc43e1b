"""The headings of the report, and what stands below those of the whole chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from place import Peer, Place, Target

FIXED: Final = "Nothing decided: a fixed answer"
KNOWN: Final = "The same good token again and again"
NEW: Final = "A token that has not been seen, or is no good"
CHAIN: Final = "Whole chains: {}, the check, an upstream that returns 204"

ALONE: Final = "alone"
BEARERD: Final = "with **bearerd**"
OWN: Final = "with its own check"


def chain(name: str, gateway: str, check: str, by: str, start: Callable[[Place], Target]) -> Peer:
    """A whole chain of a gateway: alone, with bearerd or with its own check, and by what."""
    label = " ".join(filter(None, (gateway, check, by and f"({by})")))
    return Peer(name, CHAIN.format(gateway), label, start, gateway, check == ALONE)
