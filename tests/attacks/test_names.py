"""A name server that never answers holds up the issuer that it was asked for, and no other work of the process."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

from support.issuer import ScriptedIssuer

from bearerd.config.model import Issuer
from bearerd.errors import IssuerFault
from bearerd.issuers.fetch import Fetcher

if TYPE_CHECKING:
    import pytest

MOST_THREADS = 40  # more than the loop's own pool has on any machine (32)


async def test_names_that_never_resolve_leave_other_issuers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, real = threading.Event(), socket.getaddrinfo

    def slow(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "127.0.0.1":
            return real(host, *rest, **more)
        answer.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def lost(number: int) -> str:
        url = f"https://dead{number}.example"
        try:
            await Fetcher(Issuer(issuer=url, algorithms=["ES256"]), 1000, timeout=0.2).get(url)
        except IssuerFault as fault:
            return fault.reason
        return "an answer"

    try:
        async with ScriptedIssuer() as remote:
            assert set(await asyncio.gather(*map(lost, range(MOST_THREADS)))) == {"timeout"}
            alive = Issuer(issuer=remote.url, algorithms=["ES256"], insecure_issuer=True)
            assert (await Fetcher(alive, 100_000).get(f"{remote.url}/jwks")).body
    finally:
        answer.set()
