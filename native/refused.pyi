"""A short memory of tokens whose refusal is a pure function of their bytes, the key sets and the configuration."""

from typing import final

@final
class RefusedTokens:
    """A fixed-size table; a full bucket forgets its oldest."""

    hits: int

    def __init__(self, entries: int) -> None: ...
    def find(self, token: bytes, boot: float, generation: int) -> int:
        """The small integer put for these bytes, or -1.  ``generation`` covers configuration and all key sets."""

    def put(self, token: bytes, value: int, until_boot: float, generation: int) -> None: ...
