"""The judge: what is a hole, and what is none."""

from __future__ import annotations

import dataclasses

import pytest

from bearerd.tricks import Answer, Outcome, Seen, Target, Trick, judge
from bearerd.tricks.judge import desync
from bearerd.tricks.model import NOBODYS

TRICK = Trick("x/y", "")
NOBODY = Target(secret="/tasks/7", open="/open/x")
ALICE = Target(
    secret="/tasks/7", open="/orders/7", token="a.b.c", holder={"X-Auth-Subject": "alice"}, forbidden="DELETE"
)
REFUSED = Answer(401, (("x-auth-request-id", "1"),))


def seen(target: str, *lines: str, method: str = "GET", trailers: bytes = b"") -> Seen:
    return Seen("\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1"), trailers)


def outcome(target: Target, *received: Seen, trick: Trick = TRICK) -> Outcome:
    return judge(trick, target, [Answer(200)], received).outcome


@pytest.mark.parametrize(
    ("target", "received", "expected"),
    [
        (NOBODY, seen("/open/x"), Outcome.HARMLESS),
        (NOBODY, seen("/open/x", "X-Auth-Subject:"), Outcome.HARMLESS),
        (NOBODY, seen("/tasks/7"), Outcome.REACHED),
        (NOBODY, seen("/open/..%2ftasks/7"), Outcome.REACHED),
        (NOBODY, seen("/open/x", "X-Rewrite-URL: /tasks/7"), Outcome.REACHED),
        (NOBODY, seen("/open/x", "X-Auth-Subject: root"), Outcome.FORGED),
        (NOBODY, seen("/open/x", "x_auth~roles: root"), Outcome.FORGED),
        (NOBODY, seen("/open/x", trailers=b"X-Auth-Subject: root\r\n"), Outcome.FORGED),
        (NOBODY, seen("/open/x", "Content-Length: 1", "Transfer-Encoding: chunked"), Outcome.DESYNC),
        (ALICE, seen("/orders/7", "X-Auth-Subject: alice"), Outcome.HARMLESS),
        (ALICE, seen("/orders/7", "X-Auth-Subject: alice", "X-Auth-Subject: root"), Outcome.FORGED),
        (ALICE, seen("/orders/7", "X-Auth-Subject: bob"), Outcome.FORGED),
        (ALICE, seen("/orders/7"), Outcome.LOST),
        (ALICE, seen("/orders/7", "X-Auth-Subject: alice", f"Authorization: Bearer {NOBODYS}"), Outcome.FORGED),
        (ALICE, seen("/orders/7", "X-Auth-Subject: alice", method="delete"), Outcome.REACHED),
        (ALICE, seen("/orders/7", "X-Auth-Subject: alice", "X-HTTP-Method-Override: DELETE"), Outcome.REACHED),
        (dataclasses.replace(ALICE, anonymous=True), seen("/orders/7"), Outcome.HARMLESS),
    ],
)  # fmt: skip
def test_what_reached_the_upstream_is_judged(target: Target, received: Seen, expected: Outcome) -> None:
    assert outcome(target, received) is expected


def test_whoever_shows_no_token_loses_no_identity() -> None:
    assert outcome(ALICE, seen("/orders/7"), trick=dataclasses.replace(TRICK, credential=False)) is Outcome.HARMLESS


def test_a_second_request_that_came_along_is_judged_like_the_first() -> None:
    assert outcome(NOBODY, seen("/open/x"), seen("/tasks/7")) is Outcome.REACHED


def test_what_did_not_reach_it_was_refused_or_stopped() -> None:
    assert judge(TRICK, NOBODY, [REFUSED], []).outcome is Outcome.REFUSED
    assert judge(TRICK, NOBODY, [Answer(400)], []).outcome is Outcome.STOPPED
    assert judge(TRICK, NOBODY, [], []).outcome is Outcome.STOPPED


def test_without_notes_a_yes_is_for_somebody_to_look_at() -> None:
    assert judge(TRICK, NOBODY, [Answer(200)], None).outcome is Outcome.UNSEEN
    assert judge(TRICK, NOBODY, [REFUSED], None).outcome is Outcome.REFUSED
    assert judge(TRICK, NOBODY, [Answer(404)], None).outcome is Outcome.STOPPED


@pytest.mark.parametrize(
    "line",
    [
        "A: b\nC: d", "A: b\rC: d", "A: \0", "A: b\r\n c", "A : b", "Content-Length: 1\r\nContent-Length: 1", "Content-Length: +1",
        "Transfer-Encoding: x, chunked", "Transfer-Encoding: chunked\r\nContent-Length: 0",
    ],
)  # fmt: skip
def test_what_two_readers_end_in_two_places(line: str) -> None:
    assert desync(seen("/", line).head)


@pytest.mark.parametrize("line", ["A: b", "Content-Length: 5", "Transfer-Encoding: chunked", "A:"])
def test_what_everybody_reads_alike(line: str) -> None:
    assert desync(seen("/", line).head) == ""
