"""Reviewed tools, held against what servers list: what is no longer as it was reviewed loses its place in the policy.

A review is the ``tools_file`` of a resource; its marks (``mcp.pins``) are those of the whole fleet.  A marked tool counts as
one that was never reviewed, everywhere: whoever has marked one builds the policy anew, so that no prepared answer outlives it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bearerd import log
from bearerd.errors import StoreError
from bearerd.mcp.pins import Pins
from bearerd.store.marks import Marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bearerd.config.model import Config
    from bearerd.mcp.listing import Tool
    from bearerd.mcp.reviewed import Review
    from bearerd.store.client import Client

FOLLOW_SECONDS: Final = 2.0  # between two looks at what the rest of the fleet has seen

_LOGGER: Final = logging.getLogger("bearerd.tools")


class Reviews:
    """Of one process.  ``renewed`` builds the policy anew."""

    def __init__(self, renewed: Callable[[], None]) -> None:
        self._renewed = renewed
        self._reviews: Mapping[str, Review] = {}
        self._pins = Pins()
        self._untold: dict[str, dict[str, str]] = {}  # to the fleet, by review

    def reduced(self, config: Config) -> Config:
        """The configuration without the marked tools."""
        reviewed = {name: review.without(self._pins.of(review.id)) for name, review in config.reviewed.items()}
        return config.model_copy(update={"reviewed": reviewed})

    def follow_those_of(self, config: Config) -> None:
        """From now on its reviews are those that count."""
        self._reviews = config.reviewed
        self._pins.keep({review.id for review in config.reviewed.values()})

    def has(self, resource: str) -> bool:
        """Whether somebody has reviewed a resource's tools."""
        return resource in self._reviews

    def see(self, resource: str, tools: Iterable[Tool]) -> None:
        """What a resource's server lists."""
        review = self._reviews.get(resource)
        if review is None:
            return
        new = self._pins.see(review.id, review.digests, tools)
        if new:
            self._untold.setdefault(review.id, {}).update(new)
            self._mark(resource, new)

    async def follow(self, client: Client) -> None:
        """Tell the fleet, and learn from it, for ever.  A store that does not answer changes nothing."""
        marks = Marks(client)
        while True:
            for resource, review in list(self._reviews.items()):
                try:
                    await self._exchange(marks, resource, review)
                except StoreError:
                    break
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _exchange(self, marks: Marks, resource: str, review: Review) -> None:
        if (untold := self._untold.get(review.id)) is not None:
            await marks.tell(review.id, untold)
            self._untold.pop(review.id, None)
        new = self._pins.take(review.id, review.digests, await marks.known(review.id))
        if new:
            self._mark(resource, new)

    def _mark(self, resource: str, tools: Mapping[str, str]) -> None:
        for name in tools:
            log.event(_LOGGER, logging.WARNING, "a tool is not what was reviewed", {"resource": resource, "tool": name})
        self._renewed()
