"""How large a reply of the store may become: its bytes are measured as they come, before they are parsed."""

from typing import final

@final
class Meter:
    """Of one connection.  Until ``begin`` nothing may come."""

    def begin(self, most: int) -> None:
        """What comes from now on has at most so many bytes, of which each value of an array counts sixteen at least."""

    def take(self, piece: bytes) -> str | None:
        """Some more bytes: what is wrong with them; None: they may still become a good reply."""
