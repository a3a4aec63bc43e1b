"""A short memory of tokens whose refusal is a pure function of their bytes, the key sets and the configuration."""

from typing import Self, final

@final
class RefusedTokens:
    """A fixed-size table; a full set forgets its oldest.  ``entries`` is rounded up to whole sets of eight."""

    hits: int

    def __new__(cls, entries: int) -> Self: ...
    def find(self, token: bytes, boot: float, generation: int) -> int:
        """The small integer put for these bytes, or -1.  ``generation`` covers configuration and all key sets."""

    def put(self, token: bytes, value: int, until_boot: float, generation: int, name: bytes = ...) -> None:
        """Remember ``value`` (not negative) for these bytes until ``until_boot`` (seconds), under this generation.

        ``name``: the 32 bytes by which logs call the token (SHA-256 of its signing input).
        """

    def memory(self) -> int:
        """Bytes held: the same at all times."""
