"""``grpc.health.v1.Health``: whether this worker should be asked, as ``/readyz`` has it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from bearerd.faces.grpc import authorization

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SERVICE: Final = "grpc.health.v1.Health"
KNOWN: Final = frozenset({"", authorization.SERVICE})  # "": the server as a whole
LOOK_SECONDS: Final = 1.0  # between two looks, for whoever watches
MOST_WATCHERS: Final = 100


class Health:
    """See the module.  ``ready`` is asked at each question."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        self._leaving = asyncio.Event()
        self._watchers = 0

    def leave(self) -> None:
        """Not to be asked any more; whoever watches is told, and let go."""
        self._leaving.set()

    async def check(self, data: bytes, context: Any) -> bytes:
        """One question."""
        if await _service(data, context) not in KNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return _written(self._status())

    async def watch(self, data: bytes, context: Any) -> AsyncIterator[bytes]:
        """The status, and each change of it."""
        known = await _service(data, context) in KNOWN
        if self._watchers >= MOST_WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch already")
        self._watchers += 1
        try:
            async for status in self._changes(known=known):
                yield _written(status)
        finally:
            self._watchers -= 1

    async def _changes(self, *, known: bool) -> AsyncIterator[int]:
        told = None
        while True:
            status = self._status() if known else HealthCheckResponse.SERVICE_UNKNOWN
            if status != told:
                told = status
                yield status
            if self._leaving.is_set():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), LOOK_SECONDS)

    def _status(self) -> int:
        ready = not self._leaving.is_set() and self._ready()
        status: int = HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
        return status


async def _service(data: bytes, context: Any) -> str:
    asked = HealthCheckRequest()
    try:
        asked.ParseFromString(data)
    except Exception:  # noqa: BLE001 - and none of its words
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not a HealthCheckRequest")
    name: str = asked.service
    return name


def _written(status: int) -> bytes:
    written: bytes = HealthCheckResponse(status=status).SerializeToString()
    return written
