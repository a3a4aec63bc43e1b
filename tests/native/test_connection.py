"""A connection of the lane: order, patience and the door, on lines that need no network."""

from __future__ import annotations

import asyncio

import pytest
from support.bay import FOREVER, OK, Bay, Behind, ask
from support.line import Line

from bearerd._native import clock
from bearerd._native.connection import HEAD_SECONDS, IDLE_SECONDS, STALLED_SECONDS, Connection
from bearerd._native.revocations import FOREVER as FOR_EVER
from bearerd._native.revocations import pack

AT_ONCE = 32
PASSES = ask(b"stranger")  # it has to wait
ELSEWHERE = b"GET /metadata HTTP/1.1\r\nHost: a\r\n\r\n"


def connection_of(line: Line) -> Connection:
    connection = line.get_protocol()
    assert isinstance(connection, Connection)
    return connection


def answers(line: Line) -> list[bytes]:
    """What was answered: the bodies, or the second header where there is none."""
    heads = bytes(line.sent).split(b"HTTP/1.1 ")[1:]
    return [head.partition(b"\r\n\r\n")[2] or head.split(b"\r\n")[1] for head in heads]


@pytest.fixture
async def bay() -> Bay:
    bay = Bay()
    bay.know(b"good")
    bay.prepare(b"good")
    return bay


async def rest() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_head_is_answered_wherever_it_is_split(bay: Bay) -> None:
    whole = bay.open()
    whole.feed(ask())
    for at in range(1, len(ask())):
        line = bay.open()
        line.feed(ask()[:at])
        assert not line.sent
        line.feed(ask()[at:])
        assert line.sent == whole.sent
        line.hang_up()


async def test_a_head_is_answered_that_comes_byte_by_byte(bay: Bay) -> None:
    line = bay.open()
    for byte in ask() * 2:
        line.feed(bytes((byte,)))
    assert answers(line) == [b"Server: bay"] * 2


async def test_all_heads_of_one_read_are_answered_by_one_write(bay: Bay, monkeypatch: pytest.MonkeyPatch) -> None:
    line, writes = bay.open(), []
    monkeypatch.setattr(line, "write", writes.append)
    line.feed(ask() * AT_ONCE + ask()[:20])
    assert [write.count(b"HTTP/1.1 200") for write in writes] == [AT_ONCE]


# ---- many at once


async def test_who_sends_many_at_once_gets_some_answers_and_the_others_when_its_turn_comes(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask() * (2 * AT_ONCE + 5))
    assert (len(answers(line)), line.reading) == (AT_ONCE, False)
    line.feed(ask() + ask()[:20])  # what was read already
    assert len(answers(line)) == AT_ONCE
    bay.queued.pop().more()
    assert (len(answers(line)), line.reading) == (2 * AT_ONCE, False)
    bay.serve()
    assert (len(answers(line)), line.reading) == (2 * AT_ONCE + 6, True)
    line.feed(ask()[20:])
    assert len(answers(line)) == 2 * AT_ONCE + 7


async def test_its_turn_is_none_of_a_client_that_reads_nothing_and_comes_once_it_does(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask() * (AT_ONCE + 1))
    line.stall()
    bay.serve()
    assert len(answers(line)) == AT_ONCE
    line.flow()
    assert (len(answers(line)), line.reading) == (AT_ONCE + 1, True)


async def test_what_is_left_over_may_be_aiohttp_s_or_have_to_wait(bay: Bay) -> None:
    for other in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PASSES):
        line = bay.open()
        line.feed(ask() * AT_ONCE + other + ask())
        bay.serve()
        assert len(answers(line)) == AT_ONCE
    assert bay.behind[0].got == b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + ask()
    connection_of(line).reply(OK, b"")
    assert len(answers(line)) == AT_ONCE + 2


async def test_whose_turn_is_still_to_come_is_neither_slow_nor_at_rest_and_may_leave(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask() * (AT_ONCE + 1))
    connection = connection_of(line)
    connection.check(clock.boot() + 2 * IDLE_SECONDS)
    connection.shut()
    assert (line.closed, connection.rested()) == (False, 0.0)
    line.hang_up()
    bay.serve()
    assert len(answers(line)) == AT_ONCE


# ---- who is refused again

BAD = ask(b"bad")


@pytest.fixture
async def told(bay: Bay) -> Bay:
    """Of a bad token."""
    bay.refuse(b"bad")
    return bay


@pytest.mark.parametrize("again", [BAD, ask(None)])
async def test_who_is_refused_again_stands_back_for_those_who_are_known_and_nobody_else_does(
    told: Bay, again: bytes
) -> None:
    line, other = told.open(), told.open()
    line.feed(ask() + again + ask() + again)  # of one read, so that known tokens have come just now
    assert (len(answers(line)), line.reading) == (1, True)
    other.feed(ask())
    assert len(answers(other)) == 1
    assert told.back == [connection_of(line)]
    told.back.pop().more()
    assert len(answers(line)) == 3  # and the other one stands back for itself
    told.back.pop().more()
    assert [head[:3] for head in bytes(line.sent).split(b"HTTP/1.1 ")[1:]] == [b"200", b"401", b"200", b"401"]
    assert not told.asked
    assert not told.waiting


async def test_nobody_stands_back_where_no_known_token_comes(told: Bay) -> None:
    line = told.open()
    line.feed(BAD + ask(None) + BAD)
    assert (len(answers(line)), told.back) == (3, [])


async def test_nobody_stands_back_twice_and_it_needs_no_room_to_wait(told: Bay) -> None:
    line = told.open()
    line.feed(ask() + BAD)
    told.open().feed(ask())  # known tokens still come
    told.back.pop().more()
    assert (len(answers(line)), told.back) == (2, [])
    told.lane.full = True  # of strangers, who would else undo it
    line.feed(ask() + BAD)
    assert (len(answers(line)), told.back) == (3, [connection_of(line)])


async def test_who_stands_back_is_neither_slow_nor_at_rest_and_may_leave(told: Bay) -> None:
    line = told.open()
    line.feed(ask() + BAD)
    connection = connection_of(line)
    connection.check(clock.boot() + 2 * IDLE_SECONDS)
    connection.shut()
    assert (line.closed, connection.rested()) == (False, 0.0)
    line.hang_up()
    told.serve()
    assert len(answers(line)) == 1


async def test_what_comes_from_who_stands_back_is_kept_within_the_limit_and_answered_in_order(told: Bay) -> None:
    line = told.open()
    line.feed(ask() + BAD[:-2])
    assert not told.back
    line.feed(BAD[-2:])  # the rest of it: however long that took, it is refused
    told.serve()
    assert len(answers(line)) == 2
    line.feed(ask() + BAD)
    line.feed(ask() + BAD[:20])
    assert line.reading
    line.feed(BAD[20:] + ask() * 100)
    assert (len(answers(line)), line.reading) == (3, False)
    told.serve()
    assert (len(answers(line)), line.reading) == (3 + 3 + 100, True)


async def test_a_last_request_that_stands_back_is_answered_before_the_end(told: Bay) -> None:
    line = told.open()
    line.feed(ask() + BAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert (len(answers(line)), line.closed) == (1, False)
    told.serve()
    assert (len(answers(line)), line.closed) == (2, True)
    assert bytes(line.sent).endswith(b"\r\nConnection: close\r\n\r\n")


async def test_who_stands_back_and_reads_nothing_is_answered_once_it_does(told: Bay) -> None:
    line = told.open()
    line.feed(ask() + BAD)
    line.stall()
    told.serve()
    assert len(answers(line)) == 1
    line.flow()
    assert len(answers(line)) == 2


async def test_what_stood_back_may_be_anything_by_then(told: Bay) -> None:
    """The configuration is another, so what was remembered is not: it waits its turn like any other."""
    line = told.open()
    line.feed(ask() + BAD)
    told.generations.bump_key_set(7)
    told.serve()
    assert (len(answers(line)), told.waiting) == (1, [connection_of(line)])
    connection_of(line).reply(OK, b"")
    assert len(answers(line)) == 2


# ---- what takes long


@pytest.fixture
def crowded(bay: Bay) -> Bay:
    """In one turn of the loop a decision has taken all that there is for what takes long."""
    bay.know(b"other")
    bay.turns, bay.seconds, bay.watched = False, 0.003, 0
    line = bay.open()
    line.feed(ask(b"other"))
    assert (len(answers(line)), bay.watched) == (1, 1)
    return bay


LONG = ask(b"good", *(b"X-A%d: " % number + 1000 * b"a" for number in range(6)))


async def test_others_that_take_long_wait_for_the_next_turn_of_the_loop_and_nobody_else_does(crowded: Bay) -> None:
    line, quick, dear = crowded.open(), crowded.open(), crowded.open()
    line.feed(LONG)
    assert (answers(line), line.reading) == ([], False)
    quick.feed(ask())
    assert len(answers(quick)) == 1
    dear.feed(ask(b"other"))
    while crowded.back:  # as a known token has come just now
        crowded.back.pop().more()
    assert (answers(dear), crowded.waiting) == ([], [connection_of(dear)])
    crowded.lane.turned()
    crowded.serve()
    assert (len(answers(line)), line.reading) == (1, True)
    line.feed(LONG)
    assert len(answers(line)) == 2


async def test_a_head_that_waits_for_its_turn_may_come_in_pieces_and_is_not_late(crowded: Bay) -> None:
    line = crowded.open()
    line.feed(LONG[:-20])
    connection_of(line).check(clock.boot() + 2 * HEAD_SECONDS)
    assert not line.closed
    line.feed(LONG[-20:-10])  # what was read already
    crowded.lane.turned()
    crowded.serve()
    assert (answers(line), line.reading) == ([], True)
    connection_of(line).check(clock.boot() + HEAD_SECONDS - 1)
    assert not line.closed
    line.feed(LONG[-10:] + ask())
    assert len(answers(line)) == 2
    line.feed(LONG[:-20])
    connection_of(line).check(clock.boot() + HEAD_SECONDS + 1)
    assert line.closed


async def test_the_rest_of_a_long_head_waits_as_well(crowded: Bay) -> None:
    line = crowded.open()
    crowded.lane.turned()
    line.feed(LONG[:-1])
    assert line.reading
    other = crowded.open()
    other.feed(ask(b"other"))
    line.feed(LONG[-1:])
    assert (answers(line), line.reading) == ([], False)
    crowded.lane.turned()
    crowded.serve()
    assert len(answers(line)) == 1


async def test_what_has_to_wait_holds_up_its_own_connection_only_and_keeps_its_order(bay: Bay) -> None:
    line, other = bay.open(), bay.open()
    line.feed(ask() + PASSES + ask() + ask(uri=b"/b"))
    other.feed(ask())
    assert (len(answers(line)), len(answers(other))) == (1, 1)
    line.feed(ask())
    assert bay.waiting == [connection_of(line)]
    assert connection_of(line).owes()
    question = connection_of(line).question()
    assert question[4][-1] == (b"Authorization", b"Bearer stranger")
    connection_of(line).reply(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n", b"late")
    assert answers(line) == [b"Server: bay", b"late", b"Server: bay", b"Server: bay", b"Server: bay"]


async def test_a_second_reply_is_none(bay: Bay) -> None:
    line = bay.open()
    line.feed(PASSES)
    for _ in range(3):
        connection_of(line).reply(OK, b"once")
    assert answers(line) == [b"once"]
    assert not connection_of(line).owes()


async def test_what_stands_ready_by_its_turn_is_answered_and_not_asked(bay: Bay) -> None:
    line = bay.open()
    line.feed(PASSES)
    bay.know(b"stranger")
    bay.prepare(b"stranger")
    assert not connection_of(line).owes()
    assert answers(line) == [b"Server: bay"]


def known_now(bay: Bay, connection: Connection, head: bytes = OK) -> None:
    """As the clerk does it with a new token."""
    bay.know(b"stranger")
    connection.prepare(bay.route, -1, FOREVER, FOREVER, head)


async def test_what_is_prepared_while_it_waits_settles_it_and_is_no_hit(bay: Bay) -> None:
    line = bay.open()
    line.feed(PASSES + ask() + PASSES)
    connection, allowed = connection_of(line), bay.lane.allowed
    assert (connection.owes(), connection.shown()) == (True, (0, -1, b"stranger"))
    known_now(bay, connection, b"HTTP/1.1 200 OK\r\nServer: first\r\n")
    assert connection.settle()
    assert answers(line) == [b"Server: first", b"Server: bay", b"Server: first"]
    assert (bay.lane.allowed - allowed, bay.lane.hits, bay.lane.misses) == (2, 2, 1)


async def test_where_its_line_is_due_the_request_is_asked_for(bay: Bay) -> None:
    bay.lane.log_allows = 0.5
    settled = []
    for _ in range(4):
        bay.cache.clear()
        line = bay.open()
        line.feed(PASSES)
        connection = connection_of(line)
        assert connection.owes()
        known_now(bay, connection)
        settled.append(connection.settle())
        connection.reply(OK, b"")  # of whoever writes it
    assert settled == [True, False, False, False]  # the next known token has the lane's
    assert bay.lane.drained() == []


async def test_where_nothing_was_prepared_there_is_more_to_it(bay: Bay) -> None:
    line = bay.open()
    line.feed(PASSES)
    connection = connection_of(line)
    assert connection.owes()
    assert not connection.settle()
    assert connection.question()[4][-1] == (b"Authorization", b"Bearer stranger")
    bay.know(b"stranger")
    assert not connection.settle()
    assert not line.sent
    connection.reply(OK, b"late")
    assert answers(line) == [b"late"]
    assert connection.settle()  # nobody waits any more
    assert answers(line) == [b"late"]


@pytest.mark.parametrize(
    "asked",
    [
        ask(b"str!nger"),
        ask(b"stranger", b"X-Original-URI: /c"),
        ask(b"stranger").replace(b"GET ", b"HEAD ", 1),
        ask(b"stranger", uri=b"/a?access_token=1"),
        ask(b"stranger").replace(b"Bearer", b"Basic"),
    ],
)
async def test_where_more_than_route_rule_and_token_may_decide_the_request_is_asked_for(bay: Bay, asked: bytes) -> None:
    line = bay.open()
    line.feed(asked)
    assert connection_of(line).owes()
    assert connection_of(line).shown() is None


async def test_of_a_revoked_token_the_request_is_asked_for(bay: Bay) -> None:
    bay.know(b"stranger", probes=b"k" * 16)
    bay.revocations.apply(pack(b"k" * 16, FOR_EVER, FOR_EVER, 1), 0)
    line = bay.open()
    line.feed(PASSES)
    assert connection_of(line).owes()
    assert connection_of(line).shown() is None


@pytest.mark.parametrize("how", ["answered", "aborted", "hung up"])
async def test_where_nobody_waits_there_is_nothing_to_be_told(bay: Bay, how: str) -> None:
    line = bay.open()
    line.feed(PASSES)
    connection = connection_of(line)
    assert connection.owes()
    if how == "answered":
        connection.reply(OK, b"")
    elif how == "aborted":
        connection.abort()
    else:
        line.hang_up()
    for tell in (connection.question, connection.shown):
        with pytest.raises(RuntimeError, match="not what it was"):
            tell()


async def test_who_comes_while_another_stands_back_for_room_stands_behind_him(bay: Bay) -> None:
    bay.lane.outside = True
    line, known = bay.open(), bay.open()
    line.feed(PASSES)
    known.feed(ask())
    assert answers(known) == [b"Server: bay"]
    assert (bytes(line.sent), bay.away, bay.waiting) == (b"", [connection_of(line)], [])
    bay.serve()  # it is his turn, and there is room
    assert (bytes(line.sent), bay.waiting) == (b"", [connection_of(line)])


async def test_whoever_has_waited_is_not_turned_away_because_others_wait(bay: Bay) -> None:
    line, late = bay.open(), bay.open()
    line.feed(PASSES)
    bay.lane.full = True
    assert connection_of(line).owes()
    late.feed(PASSES)
    assert (bytes(late.sent), bay.away) == (b"", [connection_of(late)])
    bay.serve()
    assert b" 503 " in late.sent
    assert not line.sent
    connection_of(line).reply(OK, b"")
    line.feed(PASSES)  # nor does having waited once help with the next
    bay.serve()
    assert b" 503 " in line.sent


async def test_who_found_no_room_waits_its_turn_where_there_is_some_by_then(bay: Bay) -> None:
    line = bay.open()
    bay.lane.full = True
    line.feed(PASSES + ask())
    bay.lane.full = False
    bay.serve()
    assert (answers(line), bay.waiting) == ([], [connection_of(line)])
    connection_of(line).reply(OK, b"")
    assert len(answers(line)) == 2


async def test_several_that_find_no_room_are_told_so_one_by_one(bay: Bay) -> None:
    line = bay.open()
    bay.lane.full = True
    line.feed(PASSES * 2 + ask())
    bay.away.pop().more()
    assert (line.sent.count(b" 503 "), bay.away) == (1, [connection_of(line)])
    bay.serve()
    assert [head[:3] for head in bytes(line.sent).split(b"HTTP/1.1 ")[1:]] == [b"503", b"503", b"200"]


async def test_bytes_behind_the_last_request_change_nothing_about_its_answer(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask(b"stranger", b"Connection: close"))
    line.feed(ask())
    assert connection_of(line).owes()
    connection_of(line).reply(OK, b"last")
    assert answers(line) == [b"last"]
    assert b"\r\nConnection: close\r\n" in line.sent
    assert line.closed


async def test_nothing_is_answered_behind_the_last_answer(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask(b"good", b"Connection: close"))
    line.feed(ask())
    assert answers(line) == [b"Server: bay"]
    assert line.closed
    await rest()
    assert not bay.lane.connections


async def test_while_the_lane_closes_each_answer_is_its_connections_last(bay: Bay) -> None:
    known, waits = bay.open(), bay.open()
    waits.feed(PASSES)
    bay.lane.closing = True
    known.feed(ask() * 3)
    connection_of(waits).reply(OK, b"")
    for line in (known, waits):
        assert line.sent.count(b"HTTP/1.1") == line.sent.count(b"\r\nConnection: close\r\n") == 1
        assert line.closed


async def test_shut_closes_who_is_owed_nothing(bay: Bay) -> None:
    idle, waits, begun = bay.open(), bay.open(), bay.open()
    waits.feed(PASSES)
    begun.feed(ask()[:9])
    for line in (idle, waits, begun):
        connection_of(line).shut()
    assert [line.closed for line in (idle, waits, begun)] == [True, False, False]


# ---- a client that does not read


async def test_a_client_that_does_not_read_is_not_read_from(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask())
    line.stall()
    assert not line.reading
    for _ in range(3):
        line.feed(ask())  # it was on its way already
    assert len(answers(line)) == 1
    line.flow()
    assert line.reading
    assert len(answers(line)) == 4


async def test_a_client_that_does_not_read_while_it_waits_gets_its_answer_and_the_next_ones_in_order(bay: Bay) -> None:
    line = bay.open()
    line.feed(PASSES + ask())
    line.stall()
    connection_of(line).reply(OK, b"first")
    line.feed(ask())
    assert answers(line) == [b"first"]
    line.flow()
    assert answers(line) == [b"first", b"Server: bay", b"Server: bay"]
    assert line.reading


async def test_a_transport_that_resumes_from_within_a_write_is_given_each_answer_once(
    bay: Bay, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = bay.open()
    line.feed(PASSES + ask())
    line.stall()
    write = line.write

    def written(data: bytes) -> None:  # as TLS may: what waited has gone with it
        write(data)
        if line.stalled:
            line.flow()

    monkeypatch.setattr(line, "write", written)
    connection_of(line).reply(OK, b"first")
    assert answers(line) == [b"first", b"Server: bay"]
    assert line.reading


async def test_of_a_client_that_waits_no_more_is_kept_than_one_head_may_have(bay: Bay) -> None:
    line = bay.open()
    line.feed(PASSES)
    sent = 0
    while line.reading:
        line.feed(ask())
        sent += 1
    assert sent * len(ask()) < 8192 + 2 * len(ask())
    connection_of(line).reply(OK, b"first")
    bay.serve()
    assert line.reading
    assert answers(line) == [b"first", *[b"Server: bay"] * sent]


# ---- patience


@pytest.mark.parametrize(("sent", "seconds"), [(b"", IDLE_SECONDS), (ask()[:30], HEAD_SECONDS), (ask(), IDLE_SECONDS)])
async def test_who_is_slow_is_closed_and_not_before(bay: Bay, sent: bytes, seconds: float) -> None:
    line = bay.open()
    line.feed(sent)
    now = clock.boot()
    connection_of(line).check(now + seconds - 5)
    assert not line.closed
    connection_of(line).check(now + seconds + 1)
    assert line.closed


async def test_a_head_in_pieces_has_its_time_once_and_the_next_head_has_its_own(bay: Bay) -> None:
    line = bay.open()
    start = clock.boot()
    for at in range(0, 40, 4):
        line.feed(ask()[at : at + 4])
    connection_of(line).check(start + HEAD_SECONDS + 1)
    assert line.closed


async def test_who_waits_for_us_is_not_closed(bay: Bay) -> None:
    line = bay.open()
    line.feed(PASSES + ask()[:10])
    connection_of(line).check(clock.boot() + 1e6)
    assert not line.closed


async def test_who_does_not_read_is_cut_off_in_the_end(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask())
    line.stall()
    connection_of(line).check(clock.boot() + STALLED_SECONDS - 5)
    assert not line.closed
    connection_of(line).check(clock.boot() + STALLED_SECONDS + 1)
    assert line.aborted


async def test_a_last_answer_that_nobody_reads_counts_as_a_connection_until_it_is_cut_off(bay: Bay) -> None:
    line = bay.open()
    line.stall()
    line.flow()
    line.stalled = True  # from the write on
    line.feed(ask(b"good", b"Connection: close"))
    connection = connection_of(line)
    assert line.closed
    assert bay.lane.connections == {connection}
    connection.check(clock.boot() + STALLED_SECONDS - 5)
    assert not line.aborted
    connection.check(clock.boot() + STALLED_SECONDS + 1)
    assert line.aborted
    await rest()
    assert not bay.lane.connections


# ---- the door


async def test_what_is_not_ours_goes_through_the_door_with_all_that_follows(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask() + ELSEWHERE + ask())
    line.feed(ask())
    assert answers(line) == [b"Server: bay"]
    assert [behind.got for behind in bay.behind] == [ELSEWHERE + ask() * 2]
    assert line.at_door == len(line.sent)
    assert not bay.lane.connections


async def test_an_unknown_resource_goes_through_the_door(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask().replace(b"/auth/api", b"/auth/apj"))
    line.feed(ask())
    assert bay.behind[0].got.startswith(b"GET /auth/apj ")
    assert not line.sent


async def test_nobody_leaves_while_an_answer_is_owed(bay: Bay) -> None:
    line = bay.open()
    line.feed(PASSES + ELSEWHERE)
    assert not bay.behind
    connection_of(line).reply(OK, b"first")
    assert bay.behind[0].got == ELSEWHERE
    assert answers(line) == [b"first"]


async def test_nobody_leaves_while_what_was_written_waits(bay: Bay) -> None:
    line = bay.open()
    line.stall()
    line.feed(ELSEWHERE)
    line.feed(b"more")
    assert not bay.behind
    line.flow()
    assert bay.behind[0].got == ELSEWHERE + b"more"
    assert line.reading


async def test_a_large_body_goes_through_the_door_whole(bay: Bay) -> None:
    body = bytes(range(256)) * 400
    sent = b"POST /auth/api HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body + ask()
    line = bay.open()
    line.feed(PASSES)
    for at in range(0, len(sent), 5000):
        line.feed(sent[at : at + 5000])
    connection_of(line).reply(OK, b"first")
    assert bay.behind[0].got == sent
    assert line.reading


# ---- faults


@pytest.mark.parametrize("split", [False, True])
async def test_a_fault_at_the_desk_ends_the_connection_and_answers_nothing(bay: Bay, split: bool) -> None:
    bay.now = RuntimeError("a fault")
    bay.know(b"known")  # and nothing prepared
    bay.refuse(b"bad")  # not allowed: nobody stands back for that
    line = bay.open()
    for piece in [BAD, ask(b"known") + ask()] if split else [BAD + ask(b"known") + ask()]:
        line.feed(piece)
    line.feed(ask())
    assert len(answers(line)) == int(split)  # what came before it in another read
    assert line.aborted
    await rest()
    assert not bay.lane.connections


@pytest.mark.parametrize("when", ["reply", "ask", "flow"])
async def test_a_fault_over_what_waited_ends_the_connection_too(bay: Bay, when: str) -> None:
    bay.now = RuntimeError("a fault")
    bay.know(b"known")
    line = bay.open()
    if when == "flow":
        line.stall()
        line.feed(ask(b"known") + ask())
        with pytest.raises(RuntimeError, match="a fault"):
            line.flow()
    else:
        line.feed(PASSES + ask(b"known") + ask())
        if when == "ask":
            bay.know(b"stranger")
            bay.prepare(b"stranger")
        connection = connection_of(line)
        with pytest.raises(RuntimeError, match="a fault"):
            connection.owes() if when == "ask" else connection.reply(OK, b"")
            bay.serve()
    assert line.aborted
    line.feed(ask())
    assert line.sent.count(b"HTTP/1.1") <= 1


@pytest.mark.parametrize("how", ["data_received", "connection_made"])
@pytest.mark.parametrize("waits", [False, True])
async def test_a_fault_behind_the_door_ends_the_connection(
    bay: Bay, monkeypatch: pytest.MonkeyPatch, how: str, waits: bool
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Behind, how, fails)
    line = bay.open()
    line.feed((PASSES if waits else b"") + ELSEWHERE)
    if waits:
        with pytest.raises(RuntimeError, match="a fault"):
            connection_of(line).reply(OK, b"")
    assert line.aborted
    assert not bay.lane.connections


async def test_what_was_written_before_a_fault_is_nobody_elses_answer(bay: Bay) -> None:
    bay.now = RuntimeError("a fault")
    bay.know(b"known")
    line, other = bay.open(), bay.open()
    line.feed(ask() * 5 + ask(b"known"))
    other.feed(ask())
    assert other.sent.count(b"HTTP/1.1") == 1


# ---- the end


@pytest.mark.parametrize("how", ["hang_up", "end", "abort"])
async def test_who_is_gone_is_told_of_and_waits_no_more(bay: Bay, how: str) -> None:
    line = bay.open()
    line.feed(PASSES + ask())
    connection = connection_of(line)
    getattr(connection if how == "abort" else line, how)()
    await rest()
    assert bay.left == [connection]
    assert not connection.owes()
    connection.reply(OK, b"to nobody")
    assert not line.sent
    assert not bay.lane.connections


async def test_a_thousand_connections_that_come_and_go_leave_nothing(bay: Bay) -> None:
    ways = (b"", ask(), PASSES, ELSEWHERE, ask()[:20], ask(b"good", b"Connection: close"))
    for number in range(1000):
        line = bay.open()
        line.feed(ways[number % len(ways)])
        line.hang_up()
    await rest()
    assert not bay.lane.connections
    assert len(bay.left) == len([n for n in range(1000) if n % len(ways) == 2])


async def test_trust_is_looked_at_again_under_another_configuration(bay: Bay) -> None:
    line = bay.open()
    line.feed(ask())
    bay.trusted = False
    bay.generations.config += 1
    bay.know(b"good")
    line.feed(ask())
    assert bay.renewed == 2
    bay.serve()
    (question,) = bay.asked  # what it may do is Python's to say now
    assert question[-2] is False
