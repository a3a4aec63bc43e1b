"""Changed tools, told to the whole fleet: a hash for each review, tool -> the digest that it was seen with.

Written by whichever worker sees a server's list, read by all from time to time.  Without the store each worker knows what
it has seen itself; nobody becomes laxer by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.store import script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.store.client import Client

LIFE: Final = 90 * 24 * 3600 * 1000  # milliseconds from the last change that was seen
MOST: Final = 4096  # marks that are read of one review
_EACH: Final = 4096  # bytes of one, on average: beyond that nothing is read


class Marks:
    """Of one fleet.  Every method raises StoreError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tell(self, review: str, marks: Mapping[str, str]) -> None:
        """Add some."""
        fields = [part for name, digest in marks.items() for part in (name.encode(), digest)]
        await self._client.run(script.MARK, (self._client.names.marks(review),), (LIFE, *fields))

    async def known(self, review: str) -> dict[str, str]:
        """All of a review.  What nobody of ours can have written is passed over."""
        reply = await self._client.call("HGETALL", self._client.names.marks(review), most=MOST * _EACH)
        found = {}
        for name, digest in list(zip(reply[::2], reply[1::2], strict=True))[:MOST]:
            try:
                found[name.decode()] = digest.decode("ascii")
            except UnicodeDecodeError:
                continue
        return found
