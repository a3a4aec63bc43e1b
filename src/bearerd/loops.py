"""The slow loops of one process: each runs until the process ends, and one that fails is told of and begun again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RESTART_SECONDS: Final = 1.0  # between a loop's end and its next start; doubles with each failure
LONGEST_PAUSE: Final = 60.0

_LOGGER: Final = logging.getLogger("bearerd.service")


class Loops:
    """Of one service.  Needs a running loop from the first ``begin`` on."""

    def __init__(self) -> None:
        self._running = contextlib.AsyncExitStack()

    def begin(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run it until ``close``."""
        task = asyncio.get_running_loop().create_task(_forever(name, run), name=f"bearerd {name}")

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.at_the_end(stop)

    def at_the_end(self, do: Callable[[], Awaitable[None]]) -> None:
        """Something to be done by ``close``, after everything that was begun later has ended."""
        self._running.push_async_callback(do)

    async def close(self) -> None:
        """End them, the latest first."""
        await self._running.aclose()


async def _forever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    pause = RESTART_SECONDS
    while True:
        try:
            await run()
            pause = RESTART_SECONDS
        except Exception as error:  # no fault may end a loop for good, but this one is to end
            if _ending():
                return
            _LOGGER.error("a slow loop failed", extra={"loop": name}, exc_info=error)
            pause = min(2 * pause, LONGEST_PAUSE)
        await asyncio.sleep(pause)


def _ending() -> bool:
    """Whether this task was cancelled: a fault in its clean-up has taken the cancellation's place."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
