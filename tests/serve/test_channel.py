"""The line between supervisor and worker: what is said arrives in order, and nonsense ends it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from bearerd.errors import ConfigError
from bearerd.serve import channel
from bearerd.serve.channel import Channel, ChannelClosed, NotDone


class Side:
    """One end that keeps what it hears."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.channel: Channel
        self.running: asyncio.Task[None]
        self.hold = asyncio.Event()

    def on_tell(self, what: str, fields: dict[str, Any]) -> None:
        self.told.append((what, fields))

    async def on_ask(self, what: str, fields: dict[str, Any]) -> Any:
        if what == "echo":
            return fields
        if what == "hold":
            await self.hold.wait()
        if what == "config":
            raise ConfigError("file", [("a.b", "is wrong", "mend it")])
        if what == "object":
            return object()
        raise KeyError("a secret word")


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[Side, Side]]:
    sides = (Side(), Side())
    for side, sock in zip(sides, socket.socketpair(), strict=True):
        side.channel = await Channel.over(sock, side.on_tell, side.on_ask)
        side.running = asyncio.create_task(side.channel.run())
    try:
        yield sides
    finally:
        for side in sides:
            side.channel.close()
            await side.running


async def test_news_arrives_in_order_and_questions_are_answered() -> None:
    async with pair() as (one, other):
        for number in range(100):
            assert one.channel.tell("news", number=number)
        answers = await asyncio.gather(*(one.channel.ask("echo", 10, n=n, text="é") for n in range(20)))
        assert answers == [{"n": n, "text": "é"} for n in range(20)]
        assert [fields["number"] for _, fields in other.told] == list(range(100))
        assert await other.channel.ask("echo", 10) == {}


async def test_large_frames_pass_whole() -> None:
    async with pair() as (one, _):
        text = "x" * 5_000_000
        assert await one.channel.ask("echo", 30, text=text) == {"text": text}


async def test_a_slow_answer_holds_up_no_other() -> None:
    async with pair() as (one, other):
        slow = asyncio.create_task(one.channel.ask("hold", 30))
        assert await one.channel.ask("echo", 10) == {}
        assert not slow.done()
        other.hold.set()
        with pytest.raises(NotDone):
            await slow


async def test_our_own_errors_keep_their_words_and_others_lose_them() -> None:
    async with pair() as (one, _):
        with pytest.raises(NotDone, match=r"a\.b: is wrong") as config:
            await one.channel.ask("config", 10)
        assert config.value.fault == "ConfigError"
        with pytest.raises(NotDone) as other:
            await one.channel.ask("unknown", 10)
        assert (other.value.fault, str(other.value)) == ("KeyError", "KeyError")


async def test_an_answer_that_is_no_json_is_a_fault_and_not_silence() -> None:
    async with pair() as (one, _):
        with pytest.raises(NotDone):
            await one.channel.ask("object", 10)


async def test_patience_ends_and_a_late_answer_is_dropped() -> None:
    async with pair() as (one, other):
        with pytest.raises(TimeoutError):
            await one.channel.ask("hold", 0.01)
        other.hold.set()
        assert await one.channel.ask("echo", 10) == {}


async def test_whoever_waits_hears_that_the_other_side_is_gone() -> None:
    async with pair() as (one, other):
        waiting = asyncio.create_task(one.channel.ask("hold", 30))
        await asyncio.sleep(0)
        other.channel.close()
        with pytest.raises(ChannelClosed):
            await waiting
        with pytest.raises(ChannelClosed):
            await one.channel.ask("echo", 10)
        assert one.channel.tell("news") is False
        assert one.channel.closed


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x02[]",
        b"\x00\x00\x00\x03nul",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x05{}",  # cut off
        b"\x00\x00",
    ],
)
async def test_nonsense_ends_the_channel_and_nothing_else(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        side = Side()
        found = await Channel.over(ours, side.on_tell)
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        await asyncio.wait_for(found.run(), 10)
        assert found.closed
        assert side.told == []


@pytest.mark.parametrize("answer", [{"re": 99, "ok": 1}, {"re": "1", "ok": 1}, {"re": [1]}, {"re": None, "do": 7}])
async def test_an_answer_to_no_question_is_ignored(answer: dict[str, Any]) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        side = Side()
        found = await Channel.over(ours, side.on_tell, side.on_ask)
        running = asyncio.create_task(found.run())
        for frame in (answer, {"do": "after"}):
            data = orjson.dumps(frame)
            theirs.sendall(len(data).to_bytes(4, "big") + data)
        async with asyncio.timeout(10):
            while ("after", {}) not in side.told:
                await asyncio.sleep(0)
        found.close()
        await running


async def test_news_is_dropped_when_nobody_reads_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MAX_UNREAD", 100_000)
    ours, theirs = socket.socketpair()
    with theirs:
        found = await Channel.over(ours, Side().on_tell)
        sent = 0
        while found.tell("beat", text="x" * 1000):
            sent += 1
            assert sent < 10_000
        assert not found.closed
        found.close()
