"""What an upstream received, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass

from bearerd.tricks.readings import tag_of


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as an upstream received it (``mirror.py`` takes such notes)."""

    head: bytes  # from the request line to the empty line
    trailers: bytes = b""

    @property
    def tag(self) -> str:
        """Which request of a corpus it was; empty where nothing tells."""
        return tag_of(self.head)
