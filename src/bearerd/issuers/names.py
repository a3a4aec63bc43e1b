"""Resolving an issuer's host names on threads of its own.

A look-up cannot be cancelled: one that no name server answers holds its thread for half a minute, whoever has given up on
it.  On the event loop's shared threads (under uvloop there are four) a few of them would hold up every other issuer, and
the reading of files.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS: Final = 2  # of one issuer; further look-ups wait, and their fetch's time-out runs on

_NUMERIC: Final = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class Resolver(AbstractResolver):
    """The system's resolver, for one issuer."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Every address of a name.  Raises OSError, UnicodeError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look_up, host, port, family)

    async def close(self) -> None:
        """Nothing to close: the threads serve the next fetch, and end with this object."""


def _look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [_result(host, kind, protocol, address) for kind, _, protocol, _, address in found]


def _result(host: str, family: int, protocol: int, address: tuple[Any, ...]) -> ResolveResult:
    # A link-local address has its zone (scope) beside it, and in its text form within.
    literal, port = socket.getnameinfo(address, _NUMERIC) if len(address) > 3 and address[3] else address[:2]
    return ResolveResult(
        hostname=host,
        host=str(literal),
        port=int(port),
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
