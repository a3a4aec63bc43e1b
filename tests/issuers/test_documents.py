"""What an issuer says of itself, kept to be passed on: its own bytes, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from support.issuer import OAUTH, OPENID, Answer, ScriptedIssuer

from bearerd.config import model
from bearerd.issuers import documents
from bearerd.issuers.documents import Documents
from bearerd.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def named(server: ScriptedIssuer, **more: object) -> model.Issuer:
    return model.Issuer(issuer=server.issuer, name="test", insecure_issuer=True, **more)


@contextlib.asynccontextmanager
async def kept(*wanted: model.Issuer) -> AsyncIterator[tuple[Documents, list[model.Issuer]]]:
    """The loop, running; the list is what is wanted."""
    listed = list(wanted)
    made = Documents(lambda: listed, Limits())
    task = asyncio.create_task(made.run())
    try:
        yield made, listed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LOOK", 0.01)
    monkeypatch.setattr(documents, "FIRST_RETRY", 0.01)


async def test_the_document_is_the_issuers_to_the_byte_and_from_the_oauth_place() -> None:
    async with ScriptedIssuer() as server:
        text = json.dumps({"issuer": server.issuer, "x": "\u00fc", "token_endpoint": "t"}, indent=3).encode()
        server.always(OAUTH, Answer(text))
        async with kept(named(server)) as (made, _):
            await until(lambda: made.find(named(server)))
            assert made.find(named(server)) == text
            assert {seen.target for seen in server.seen} == {OAUTH}


async def test_openid_metadata_serve_where_there_is_nothing_else() -> None:
    async with ScriptedIssuer() as server:
        server.always(OAUTH, Answer(status=404))
        async with kept(named(server)) as (made, _):
            await until(lambda: made.find(named(server)))
            assert json.loads(made.find(named(server)) or b"")["issuer"] == server.issuer


@pytest.mark.parametrize(
    "body",
    [
        b'{"issuer": "https://attacker.example"}',
        b'{"issuer": ["ISSUER"]}',
        b'{"issuer": "ISSUER", "issuer": "ISSUER"}',
        b'{"token_endpoint": "https://attacker.example"}',
        b"[]",
        b'{"issuer": "ISSUER"',
        b'{"issuer": "ISSUER", "x": "' + b"x" * 300_000 + b'"}',
    ],
)
async def test_what_is_not_the_issuers_own_word_is_not_passed_on(body: bytes) -> None:
    async with ScriptedIssuer() as server:
        server.always(OAUTH, Answer(body.replace(b"ISSUER", server.issuer.encode())))
        async with kept(named(server)) as (made, _):
            await until(lambda: server.count(OAUTH) > 1)  # it was asked again
            assert made.find(named(server)) is None


async def test_what_was_known_stays_while_the_issuer_is_away_and_until_it_is_too_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "LIFE", 0.01)
    async with ScriptedIssuer() as server:
        issuer = named(server)
        async with kept(issuer) as (made, _):
            await until(lambda: made.find(issuer))
            server.always(OAUTH, Answer(status=500))
            server.always(OPENID, Answer(status=500))
            before = server.count(OAUTH)
            await until(lambda: server.count(OAUTH) > before + 2)
            assert made.find(issuer)
            aged = documents.clock.boot() + issuer.key_set_max_stale
            monkeypatch.setattr(documents.clock, "boot", lambda: aged + 1)
            assert made.find(issuer) is None


async def test_nobody_is_asked_whose_document_is_not_wanted_and_a_reload_begins_anew() -> None:
    async with ScriptedIssuer() as server, kept() as (made, wanted):
        await asyncio.sleep(0.05)
        assert server.seen == []
        wanted.append(named(server))
        await until(lambda: made.find(named(server)))
        other = named(server, connect_to="127.0.0.1:1")
        assert made.find(other) is None
        wanted[:] = [other]
        await until(lambda: made.find(named(server)) is None)
        wanted.clear()
        await until(lambda: not made._kept)
