"""Handshakes: bounded, counted among the connections, and told apart by how they end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import socket
import ssl
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvloop
from support.certificates import authority
from support.tls13 import Client

from bearerd import metrics, series, turns
from bearerd.config import papers
from bearerd.config.model import Tls
from bearerd.serve import handshakes as module
from bearerd.serve.doors import Doors
from bearerd.serve.handshakes import Handshakes, result

HERE = "127.0.0.1"


def of(folder: Path, *, mutual: bool = False, **more: Any) -> papers.Papers:
    issued = authority().issue(folder, HERE)
    if mutual:
        more["client_ca_file"] = authority("clients").write(folder)
    return papers.read(Tls(certificate_file=issued.certificate, key_file=issued.key, **more), production=True)


class Echo(asyncio.Protocol):
    """Says what it hears, and knows who is there."""

    here: set[Echo]

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.here.add(self)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.here.discard(self)


class Porch:
    """Doors with handshakes."""

    def __init__(self, doors: Doors, handshakes: Handshakes, own: metrics.Metrics, port: int) -> None:
        self.doors, self.handshakes, self.port = doors, handshakes, port
        self._own = own

    def results(self) -> dict[str, int]:
        found = metrics.gather([self._own.buffer])
        return {key[1]: int(value[0]) for key, value in found.items() if "handshakes" in key[0] and value[0]}

    async def ended(self, **wanted: int) -> None:
        async with asyncio.timeout(30):
            while self.results() != wanted:
                await asyncio.sleep(0.005)

    async def echo(self, context: ssl.SSLContext) -> bytes:
        reader, writer = await asyncio.open_connection(HERE, self.port, ssl=context)
        writer.write(b"hello")
        said = await asyncio.wait_for(reader.read(5), 30)
        writer.close()
        return said


@contextlib.asynccontextmanager
async def porch(found: papers.Papers | None, most: int = 100, kind: type[Echo] = Echo) -> AsyncIterator[Porch]:
    own = metrics.Metrics()
    handshakes, here = Handshakes(own), set[Echo]()
    handshakes.take(found)
    doors = Doors(type("Here", (kind,), {"here": here}), lambda: len(here), most, handshakes)
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.bind((HERE, 0))
        doors.open([sock])
        try:
            yield Porch(doors, handshakes, own, sock.getsockname()[1])
        finally:
            doors.shut()
            await doors.turn_away()
            for one in list(here):
                one.transport.abort()
            await asyncio.sleep(0)


def under_uvloop(scene: Callable[[], Awaitable[None]]) -> None:
    """As a worker runs."""

    async def run() -> None:
        await scene()

    uvloop.run(run())


def test_a_good_handshake_is_counted_and_what_it_holds_back_is_bounded(tmp_path: Path) -> None:
    async def scene() -> None:
        async with porch(of(tmp_path)) as here:
            assert await here.echo(authority().client()) == b"hello"
            await here.ended(ok=1)
            _, writer = await asyncio.open_connection(HERE, here.port, ssl=authority().client())
            await here.ended(ok=2)
            (one,) = [one for one in here.doors._factory.here if not one.transport.is_closing()]  # type: ignore[attr-defined]
            assert one.transport.get_write_buffer_limits()[1] == module.MOST_UNSENT
            writer.close()

    under_uvloop(scene)


def test_whoever_connects_and_says_nothing_is_a_connection_until_its_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HANDSHAKE_SECONDS", 0.3)

    async def scene() -> None:
        async with porch(of(tmp_path), most=2) as here:
            mute = [await asyncio.open_connection(HERE, here.port) for _ in range(2)]
            while here.doors.coming < 2:
                await asyncio.sleep(0.005)
            late = asyncio.create_task(here.echo(authority().client()))  # full: it waits in the kernel
            assert await late == b"hello"
            await here.ended(timeout=2, ok=1)
            for reader, writer in mute:
                assert await asyncio.wait_for(reader.read(), 30) == b""  # closed
                writer.close()
            assert here.doors.coming == 0

    under_uvloop(scene)


class Hand:
    """One client's half of a handshake, step by step."""

    def __init__(self) -> None:
        self._into, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = authority().client().wrap_bio(self._into, self._out, server_hostname=HERE)

    def step(self, said: bytes = b"") -> bytes:
        """What is to be sent next, after what was heard."""
        self._into.write(said)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._out.read()

    def data(self, said: bytes) -> bytes:
        self.tls.write(said)
        return self._out.read()

    async def heard(self, reader: asyncio.StreamReader, size: int) -> bytes:
        said = b""
        while len(said) < size:  # before it, tickets
            self._into.write(await asyncio.wait_for(reader.read(65536), 30))
            with contextlib.suppress(ssl.SSLWantReadError):
                said += self.tls.read()
        return said


def test_what_comes_with_the_last_step_is_heard(tmp_path: Path) -> None:
    async def scene() -> None:
        async with porch(of(tmp_path)) as here:
            hand = Hand()
            reader, writer = await asyncio.open_connection(HERE, here.port)
            writer.write(hand.step())
            last = hand.step(await asyncio.wait_for(reader.read(65536), 30))
            writer.write(last + hand.data(b"hello"))
            assert await hand.heard(reader, 5) == b"hello"
            await here.ended(ok=1)
            writer.close()

    under_uvloop(scene)


def test_what_a_connection_begins_and_outlives_it_keeps_none_of_its_records(tmp_path: Path) -> None:
    """A task, or a connection to another server that is kept for later, runs in the context of whoever asked first."""
    found, release = list[weakref.ref[Any]](), asyncio.Event()

    class Beginner(Echo):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            found.append(weakref.ref(transport.get_extra_info("ssl_object")))
            self.tasks.append(asyncio.get_running_loop().create_task(release.wait()))

        tasks: ClassVar[list[asyncio.Task[bool]]] = []

    async def scene() -> None:
        async with porch(of(tmp_path), kind=Beginner) as here:
            assert await here.echo(authority().client()) == b"hello"
            await here.ended(ok=1)
            async with asyncio.timeout(30):
                while found[0]() is not None:
                    gc.collect()
                    await asyncio.sleep(0.005)
            release.set()

    under_uvloop(scene)


def test_keys_change_and_the_end_is_said_on_a_connection_of_ours(tmp_path: Path) -> None:
    """Whatever OpenSSL says by itself after the handshake, which ended with other buffers, reaches the other side."""

    async def scene() -> None:
        async with porch(of(tmp_path)) as here:
            with closing(await Client.to(here.port)) as client:
                for number in range(3):
                    await client.send(client.turn() + client.data(b"%d" % number))
                    assert await asyncio.wait_for(client.read(), 30) == b"%d" % number
            context = authority().client()
            reader, writer = await asyncio.open_connection(HERE, here.port, ssl=context)
            writer.write(b"bye")
            assert await asyncio.wait_for(reader.readexactly(3), 30) == b"bye"
            for one in list(here.doors._factory.here):  # type: ignore[attr-defined]
                one.transport.close()
            assert await asyncio.wait_for(reader.read(), 30) == b""  # an end without a word would be an error
            writer.close()

    under_uvloop(scene)


class Clock:
    """Time passes only while somebody takes a step."""

    now = 0.0

    def boot(self) -> float:
        return self.now

    wall = boot


def test_a_crowd_takes_its_steps_in_turn_and_those_that_have_begun_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, steps, rounds, step = Clock(), list[object](), [0], Handshakes._step
    monkeypatch.setattr(turns, "clock", clock)

    async def slow(self: Handshakes, connection: socket.socket, *more: Any) -> bool:
        clock.now += turns.SLICE
        rounds[-1] += 1
        steps.append(connection)
        return await step(self, connection, *more)

    async def count() -> None:
        while True:
            await asyncio.sleep(0)
            rounds.append(0)

    async def scene() -> None:
        async with porch(of(tmp_path)) as here:
            hands = [(Hand(), *(await asyncio.open_connection(HERE, here.port))) for _ in range(60)]
            counting = asyncio.create_task(count())
            for hand, _, writer in hands:
                writer.write(hand.step())
            for hand, reader, writer in hands:
                writer.write(hand.step(await asyncio.wait_for(reader.read(65536), 30)))
            await here.ended(ok=60)
            counting.cancel()
            for number, (hand, _, writer) in enumerate(hands):
                writer.write(hand.data(b"%02d" % number))
            for number, (hand, reader, writer) in enumerate(hands):  # nobody was handed another's records
                assert await hand.heard(reader, 2) == b"%02d" % number
                writer.close()

    monkeypatch.setattr(Handshakes, "_step", slow)
    under_uvloop(scene)
    assert len(steps) == 120
    assert max(rounds) <= 2  # the end of one turn of the loop, and the beginning of the next
    begun = [steps.index(connection) for connection in dict.fromkeys(steps)]
    ended = [number for number, connection in enumerate(steps) if connection in steps[:number]]
    assert min(ended) < max(begun)


def test_a_slow_handshake_that_ends_in_time_is_as_good_as_any(tmp_path: Path) -> None:
    async def scene() -> None:
        async with porch(of(tmp_path)) as here:
            into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = authority().client().wrap_bio(into, out, server_hostname=HERE)
            reader, writer = await asyncio.open_connection(HERE, here.port)
            done = False
            while not done:
                try:
                    client.do_handshake()
                    done = True
                except ssl.SSLWantReadError:
                    pass
                for byte in out.read():  # each in a packet of its own
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0)
                if not done:
                    into.write(await asyncio.wait_for(reader.read(65536), 30))
            await here.ended(ok=1)
            writer.close()

    under_uvloop(scene)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 20, b""], ids=["http", "bytes", "nothing"])
def test_what_is_no_handshake_ends_at_once(tmp_path: Path, first: bytes) -> None:
    async def scene() -> None:
        async with porch(of(tmp_path)) as here:
            reader, writer = await asyncio.open_connection(HERE, here.port)
            writer.write(first)
            if not first:
                writer.close()
            with contextlib.suppress(ConnectionError):
                assert not (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP")
            how = {b"G": "plain_http", b"\x00": "failed", b"": "hung_up"}[first[:1]]
            await here.ended(**{how: 1})
            writer.close()

    under_uvloop(scene)


def test_new_papers_are_shown_to_whoever_comes_next_and_nobody_else_notices(tmp_path: Path) -> None:
    async def scene() -> None:
        async with porch(of(tmp_path)) as here:
            reader, writer = await asyncio.open_connection(HERE, here.port, ssl=authority().client())
            here.handshakes.take(of(tmp_path, mutual=True))
            writer.write(b"still")
            assert await asyncio.wait_for(reader.read(5), 30) == b"still"
            with contextlib.suppress(OSError):  # TLS 1.3 tells a client after it believes to be done
                assert await here.echo(authority().client()) == b""
            await here.ended(ok=1, no_certificate=1)
            here.handshakes.take(None)
            plain, other = await asyncio.open_connection(HERE, here.port)
            other.write(b"plain")
            assert await asyncio.wait_for(plain.read(5), 30) == b"plain"
            writer.close()
            other.close()

    under_uvloop(scene)


def test_a_session_whose_certificate_has_ended_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = authority().client(authority("clients").issue(tmp_path, "gateway", days=2))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET  # by an id

    def ask(port: int, before: ssl.SSLSession | None) -> tuple[bytes, bool | None, ssl.SSLSession | None]:
        with (
            socket.create_connection((HERE, port), timeout=30) as sock,
            context.wrap_socket(sock, server_hostname=HERE, session=before) as secure,
        ):
            resumed, session = secure.session_reused, secure.session
            secure.sendall(b"hello")
            said = secure.recv(5)
            if said:
                secure.unwrap()  # who says good-bye may come again
            return said, resumed, session

    async def scene() -> None:
        async with porch(of(tmp_path, mutual=True)) as here:
            said, _, session = await asyncio.to_thread(ask, here.port, None)
            assert said == b"hello"
            assert (await asyncio.to_thread(ask, here.port, session))[:2] == (b"hello", True)
            late = Clock()
            late.now = time.time() + 9 * papers.DAY
            monkeypatch.setattr(module, "clock", late)
            with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
                assert (await asyncio.to_thread(ask, here.port, session))[:2] == (b"", True)
            await here.ended(ok=2, bad_certificate=1)
            # It is forgotten by then: a client with a new certificate, and the old session, is not kept out.
            assert (await asyncio.to_thread(ask, here.port, session))[:2] == (b"hello", False)

    under_uvloop(scene)


def test_papers_that_cannot_be_used_change_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        good = of(tmp_path)
        async with porch(good) as here:
            broken = papers.Papers(good.chain, "", "", "1.2", 0.0)
            with pytest.raises(ssl.SSLError):
                here.handshakes.take(broken)
            assert await here.echo(authority().client()) == b"hello"

    under_uvloop(scene)


def test_a_handshake_under_way_is_waited_for_and_then_turned_away(tmp_path: Path) -> None:
    async def scene() -> None:
        async with porch(of(tmp_path)) as here:
            _, writer = await asyncio.open_connection(HERE, here.port)
            while not here.doors.coming:
                await asyncio.sleep(0.005)
            await here.doors.shut_for_good(0.05)
            assert here.doors.coming == 1
            await here.doors.turn_away()
            assert here.doors.coming == 0
            writer.close()

    under_uvloop(scene)


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (TimeoutError(), "timeout"),
        (TimeoutError(errno.ETIMEDOUT, "by the kernel"), "hung_up"),
        (ConnectionResetError(), "hung_up"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "bad_certificate"),
        (ssl.SSLError(1, "something"), "failed"),
    ],
)
def test_each_end_has_its_name(error: OSError, how: str) -> None:
    assert result(error) == how
    assert how in series.HANDSHAKES
