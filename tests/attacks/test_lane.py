"""The lane's queue and connections under clients that mean it ill: no place is lost, and no request is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from support.house import API, House, config, issuer, key, token
from support.issuer import Answer, Gate, ScriptedIssuer
from support.line import STRANGER, Line
from support.wire import request

from bearerd._native import clock
from bearerd.lane import leftovers
from bearerd.lane.clerk import Clerk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bearerd._native.connection import Connection
    from bearerd.config.model import Config

AT_ONCE = 32  # answers to one connection before others get theirs
RESOURCE = {"identifier": API, "gateway": ["nginx", "envoy"]}
OK = b"HTTP/1.1 200 "
REFUSED = b"HTTP/1.1 401 "


class Socket(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"socket": SimpleNamespace(family=socket.AF_UNIX)})
        self.written = b""
        self.high: int | None = None  # bytes, beyond which the protocol is told to pause
        self.answers = 0  # of what was taken
        self.closing = self.aborted = False
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        if self.high is not None and len(self.written) > self.high:
            self.protocol.pause_writing()

    def taken(self) -> bool:
        """The other end reads what was written; whether there was any."""
        found, self.written = self.written, b""
        self.answers += found.count(b"HTTP/1.1 ")
        return bool(found)

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Nobody is told of anything here."""

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""


@contextlib.asynccontextmanager
async def lane(made: Config, folder: Path) -> AsyncIterator[tuple[House, Clerk]]:
    async with House(made, folder) as house:
        assert house.runner.server is not None
        yield house, Clerk(house.service, house.runner.server)


def connected(clerk: Clerk) -> tuple[Connection, Socket]:
    made, transport = clerk.connection(), Socket()
    transport.protocol = made
    made.connection_made(transport)
    return made, transport


def asked(credential: str | None, *more: tuple[str, str], uri: str = "/", name: str = "api") -> bytes:
    """What nginx asks."""
    headers = [("X-Original-Method", "GET"), ("X-Original-URI", uri), *more]
    if credential is not None:
        headers.append(("Authorization", f"Bearer {credential}"))
    return request(f"/auth/{name}", *headers)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0.001)


async def test_what_a_client_sends_behind_its_last_request_holds_up_nobody(tmp_path: Path) -> None:
    async with lane(config(tmp_path, resource={"api": RESOURCE}), tmp_path) as (_, clerk):
        bad, answered = connected(clerk)
        bad.data_received(asked(token(), ("Connection", "close")))
        bad.data_received(b"GET / HTTP/1.1\r\n\r\n")
        others = [connected(clerk) for _ in range(3)]
        for place, (other, _) in enumerate(others):
            other.data_received(asked(token(sub=f"user{place}")))
        await turns()
        assert [transport.written[: len(OK)] for _, transport in others] == [OK] * 3
        assert answered.written.startswith(OK)
        assert answered.closing


async def test_who_has_a_place_in_the_queue_is_not_told_that_it_is_full(tmp_path: Path) -> None:
    made = config(tmp_path, resource={"api": RESOURCE}, limits={"max_waiting": 2})
    async with lane(made, tmp_path) as (_, clerk):
        waiting = [connected(clerk) for _ in range(3)]
        for place, (connection, _) in enumerate(waiting):
            connection.data_received(asked(token(sub=f"user{place}")))
        await turns()
        said = [transport.written[9:12] for _, transport in waiting]
        assert said[:2] == [b"200", b"200"]
        assert said[2] in (b"200", b"503")  # whether there was room again in time


async def test_who_hangs_up_before_a_key_is_asked_for_gives_its_place_back(tmp_path: Path) -> None:
    gate = Gate(Answer({"keys": [key()]}))
    async with ScriptedIssuer() as remote:
        remote.always("/jwks", gate)
        away = issuer(jwks=None, jwks_uri=f"{remote.url}/jwks", insecure_issuer=True)
        async with lane(config(tmp_path, issuer=[away], resource={"api": RESOURCE}), tmp_path) as (house, clerk):
            await house.service.start()
            connection, _ = connected(clerk)
            connection.data_received(asked(token()))
            while not isinstance(connection.waiter, asyncio.Task):
                await asyncio.sleep(0)
            connection.connection_lost(None)
            await turns()
            assert clerk._turns.waiting == 0
            gate.open.set()


async def test_a_fault_in_one_request_costs_no_other_its_answer(tmp_path: Path, monkeypatch: Any) -> None:
    table = RESOURCE | {"cacheable_for": "5s"}  # whose answers are not framed beforehand: each request is read
    async with lane(config(tmp_path, resource={"api": table}), tmp_path) as (_, clerk):
        read = clerk._read

        def faulty(connection: Any, question: Any) -> Any:
            if question[3] == b"/auth/api?fault":
                raise MemoryError
            return read(connection, question)

        monkeypatch.setattr(clerk, "_read", faulty)
        bad, broken = connected(clerk)
        bad.data_received(asked(token()).replace(b"/auth/api", b"/auth/api?fault"))
        good, answered = connected(clerk)
        good.data_received(asked(token()))
        await turns()
        assert (broken.aborted, broken.written) == (True, b"")
        assert answered.written.startswith(OK)


async def test_a_connection_counts_until_the_other_end_has_read_the_last_answer(tmp_path: Path) -> None:
    async with lane(config(tmp_path, resource={"api": RESOURCE}), tmp_path) as (_, clerk):
        connection, transport = connected(clerk)
        connection.data_received(asked(token(), ("Connection", "close")))
        await turns()
        assert transport.closing
        assert connection in clerk.lane.connections
        connection.check(clock.boot())
        assert not transport.aborted
        connection.check(clock.boot() + 61)
        assert transport.aborted
        connection.connection_lost(None)
        assert not clerk.lane.connections


async def test_a_peer_that_is_trusted_no_more_is_refused_what_it_waits_for(tmp_path: Path) -> None:
    ruled = RESOURCE | {"rule": [{"path": "/**"}]}
    async with lane(config(tmp_path, resource={"api": ruled}), tmp_path) as (house, clerk):
        connection, transport = connected(clerk)
        connection.data_received(asked(token()))
        await house.service.reload(config(tmp_path, resource={"api": ruled}, trust={"peers": ["192.0.2.1/32"]}))
        await turns()
        assert b"X-Auth-Reason: untrusted_peer" in transport.written


async def test_a_request_whose_resource_goes_while_it_waits_is_answered(tmp_path: Path) -> None:
    gate = Gate(Answer({"keys": [key()]}))
    async with ScriptedIssuer() as remote:
        remote.always("/jwks", gate)
        away = issuer(jwks=None, jwks_uri=f"{remote.url}/jwks", insecure_issuer=True)
        async with lane(config(tmp_path, issuer=[away], resource={"api": RESOURCE}), tmp_path) as (house, clerk):
            await house.service.start()
            connection, transport = connected(clerk)
            connection.data_received(asked(token()))
            while not isinstance(connection.waiter, asyncio.Task):
                await asyncio.sleep(0)
            await house.service.reload(config(tmp_path, issuer=[away], resource={"other": RESOURCE}))
            await turns()
            assert transport.written.startswith(b"HTTP/1.1 403 ")
            gate.open.set()


async def test_a_known_token_whose_issuer_has_new_keys_is_not_told_that_the_queue_is_full(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(leftovers, "AWAY_SECONDS", 0.0)
    async with lane(config(tmp_path, resource={"api": RESOURCE}), tmp_path) as (house, clerk):
        connection, transport = connected(clerk)
        known, new = token(), token(sub="new")
        connection.data_received(asked(known))
        await turns()
        house.service.generations.bump_key_set(0)
        clerk.lane.full = True
        connection.data_received(asked(known))
        connection.data_received(asked(new))
        assert transport.written.count(OK) == 2
        await turns()
        assert transport.written.count(b"HTTP/1.1 503 ") == 1


async def test_a_known_token_whose_key_is_another_now_is_not_verified_before_its_turn(tmp_path: Path) -> None:
    async with lane(config(tmp_path, resource={"api": RESOURCE}), tmp_path) as (house, clerk):
        connection, transport = connected(clerk)
        known = token()
        connection.data_received(asked(known))
        await turns()
        house.service.generations.bump_key_set(0)
        house.service.current.verifier._renewed = lambda *_: False  # type: ignore[method-assign]
        connection.data_received(asked(known))
        assert transport.written.count(OK) == 1
        await turns()
        assert transport.written.count(OK) == 2


async def test_a_hit_on_a_refused_token_is_counted_once(tmp_path: Path) -> None:
    shadow = RESOURCE | {"enforce": "shadow"}
    bad = token() + "x"
    async with lane(config(tmp_path, resource={"api": shadow}), tmp_path) as (house, clerk):
        connection, transport = connected(clerk)
        for _ in range(2):
            connection.data_received(asked(bad))
            await turns()
        assert transport.written.count(OK) == 2
        assert house.service.refused.hits == 1


async def test_two_credentials_in_one_field_are_not_a_token_that_was_refused_elsewhere(tmp_path: Path) -> None:
    async with lane(config(tmp_path, resource={"api": RESOURCE}), tmp_path) as (house, clerk):
        two = f"{token()},{token()}"
        house.service.current.verifier.verify_now(two.encode(), house.service.time.now())  # as introspection does
        connection, transport = connected(clerk)
        connection.data_received(asked(two))
        await turns()
        assert b"X-Auth-Reason: ambiguous_credentials" in transport.written


async def test_a_connection_that_is_lost_is_not_handed_over(tmp_path: Path, monkeypatch: Any) -> None:
    made: list[asyncio.Protocol] = []

    def handler() -> asyncio.Protocol:
        made.append(asyncio.Protocol())
        return made[-1]

    async with lane(config(tmp_path, resource={"api": RESOURCE}), tmp_path) as (_, clerk):
        monkeypatch.setattr(clerk, "handler", handler)
        for lost in (False, True):
            connection, transport = connected(clerk)
            connection.data_received(asked(token()) + request("/elsewhere"))
            transport.closing = lost
            await turns()
            assert len(made) == 1
            connection.connection_lost(None)
            assert not clerk.lane.connections


async def test_no_more_is_read_than_is_answered(tmp_path: Path) -> None:
    """Of somebody who asks without end what has to wait: each answer would let in more than it takes away."""
    async with lane(config(tmp_path), tmp_path) as (_, clerk):
        line = Line(clerk.connection(), STRANGER)
        one = asked(None)  # of one who may not ask: Python's to refuse
        fed = answered = number = 0
        while number < 300 or answered <= 10:  # how many are answered in so many turns is the machine's affair
            number += 1
            if line.reading:
                line.feed(one * 1000)
                fed += 1000
            await asyncio.sleep(0)
            answered = bytes(line.sent).count(b"HTTP/1.1 ")
        assert fed - answered <= 2000
        line.hang_up()


async def test_no_more_is_answered_than_is_taken(tmp_path: Path) -> None:
    """An answer is many times as long as its question: of one read, megabytes of them."""
    async with lane(config(tmp_path, resource={"api": RESOURCE}), tmp_path) as (_, clerk):
        made, transport = connected(clerk)
        transport.high = 64 * 1024
        one, few = asked(None), 4_000
        made.data_received(one * few)
        await turns()
        assert len(transport.written) < 128 * 1024
        async with asyncio.timeout(30):
            while transport.answers < few:
                if transport.taken():
                    made.resume_writing()
                await asyncio.sleep(0)
        assert transport.answers == few
        made.connection_lost(None)


async def test_a_crowd_that_sends_many_requests_at_once_is_answered_in_turn(tmp_path: Path) -> None:
    """Thousands of each in one turn of the loop would have it stand still for seconds: others waited, and the watchdog killed it."""
    async with lane(config(tmp_path, resource={"api": RESOURCE}), tmp_path) as (_, clerk):
        crowd = [Line(clerk.connection()) for _ in range(50)]
        for line in crowd:
            line.feed(asked(None) * 500)
        made = [bytes(line.sent).count(b"HTTP/1.1 ") for line in crowd]
        assert max(made) <= AT_ONCE
        other = Line(clerk.connection())
        other.feed(asked(None))
        await asyncio.sleep(0)
        assert bytes(other.sent).count(b"HTTP/1.1 ") == 1
        async with asyncio.timeout(30):
            while not all(bytes(line.sent).count(b"HTTP/1.1 ") == 500 for line in crowd):
                await asyncio.sleep(0)


async def test_a_crowd_of_long_heads_leaves_room_for_others_in_each_turn(tmp_path: Path) -> None:
    """Escapes have to be read one by one: a thousand such heads, with a good token or without any, were one standstill."""
    async with lane(config(tmp_path, resource={"api": RESOURCE | {"rule": [{"path": "/a"}]}}), tmp_path) as (_, clerk):
        crowd = [Line(clerk.connection()) for _ in range(200)]
        for line in crowd:
            line.feed(asked(None, uri="/" + "%41" * 10_000))
        made = [bytes(line.sent).count(b"HTTP/1.1 ") for line in crowd]
        assert sum(made) < 200
        other = Line(clerk.connection())
        other.feed(asked(None, uri="/a"))
        assert bytes(other.sent).count(b"HTTP/1.1 ") == 1
        async with asyncio.timeout(30):
            while not all(bytes(line.sent).count(b"HTTP/1.1 ") == 1 for line in crowd):
                await asyncio.sleep(0)
        assert all(line.reading for line in crowd)


async def test_when_a_crowd_is_over_what_is_known_is_decided_at_once_again(tmp_path: Path) -> None:
    """What the last of them took stood to the account of every turn that followed."""
    rules = [{"path": "/a"}, {"path": "/b", "scopes": ["nobody"]}]
    async with lane(config(tmp_path, resource={"api": RESOURCE | {"rule": rules}}), tmp_path) as (_, clerk):
        good, first = token(), Line(clerk.connection())
        first.feed(asked(good, uri="/a"))
        crowd = [Line(clerk.connection()) for _ in range(200)]
        for line in crowd:
            line.feed(asked(None, uri="/" + "%41" * 10_000))
        async with asyncio.timeout(30):
            while not all(line.sent for line in [first, *crowd]):
                await asyncio.sleep(0)
        at_once = 0
        for _ in range(60):  # many times a turn's slice in all
            await asyncio.sleep(0.001)
            other = Line(clerk.connection())
            other.feed(asked(good, uri="/b"))
            at_once += bytes(other.sent).startswith(b"HTTP/1.1 403 ")
        assert at_once > 30  # not each: a busy machine may take the slice away


async def test_who_waits_for_a_key_takes_no_turn_of_those_whose_key_is_there(tmp_path: Path) -> None:
    """One client with made-up ``kid``s, while an issuer hangs, must not have every new token refused (G3)."""
    gate = Gate(Answer({"keys": [key()]}))
    async with ScriptedIssuer() as remote:
        remote.always("/jwks", gate)
        other = "https://other.example"
        away = issuer(issuer=other, name="other", jwks=None, jwks_uri=f"{remote.url}/jwks", insecure_issuer=True)
        made = config(tmp_path, issuer=[issuer(), away], resource={"api": RESOURCE}, limits={"max_waiting": 2})
        async with lane(made, tmp_path) as (house, clerk):
            await house.service.start()
            crowd = [connected(clerk) for _ in range(4)]
            for place, (connection, _) in enumerate(crowd):
                connection.data_received(asked(token(iss=other, sub=f"user{place}", header={"kid": f"none{place}"})))
                await turns()
            assert [transport.written[9:12] for _, transport in crowd] == [b"", b"", b"503", b"503"]
            good, answered = connected(clerk)
            good.data_received(asked(token()))
            await turns()
            assert answered.written.startswith(OK)
            for connection, _ in crowd:
                connection.connection_lost(None)
            await turns()
            assert clerk._turns.waiting == 0
            gate.open.set()
