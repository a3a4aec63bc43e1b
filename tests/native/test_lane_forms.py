"""The lane's refusals in the form that a client reads, prepared; and what a browser's fields do to nothing else."""

from __future__ import annotations

import re

import pytest
from support.bay import NO, OK, Bay, ask

from bearerd._native.route import NO_ID, Route, Routes
from bearerd._native.rules import Rules

BROWSER = b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
WISHES = {
    b"Accept: */*": b"problem",
    b"Accept: application/json": b"problem",
    b"Accept: text/html;q=2": b"problem",
    b"Accept:": b"problem",
    b"X-Accept: text/html": b"problem",
    BROWSER: b"page",
    b"ACCEPT: text/plain": b"line",
}
PLACES = (b"bad", b"long", b"none", b"full")


def form(name: bytes, place: bytes) -> tuple[bytes, bytes]:
    body = name + b" of " + place + b" " + NO_ID.encode() + b"\n"
    head = b"HTTP/1.1 401 Unauthorized\r\nX-Id: %s\r\nContent-Length: %d\r\n" % (NO_ID.encode(), len(body))
    return head, body


def bay_with(*, redirects: bool = False, dialect: str = "nginx") -> Bay:
    bay = Bay(dialect=dialect, redirects=redirects)
    made = Route(
        0, "api", bay._dialect, Rules([]), b"", plain=True, enforced=True, constrained=False, has_paths=False,
        identity=(), allowed=bay.allowed, duration=bay.duration, redirects=redirects,
    )  # fmt: skip
    made.refuse_with(
        [(*form(name, place), bay.denied) for name in (b"problem", b"page", b"line") for place in PLACES], 3
    )
    bay.routes, bay.route = [made], made
    bay.lane.routes = Routes(bay.generations.config, bay.routes)
    bay.refuse(b"bad")
    return bay


def said(bay: Bay, *lines: bytes, token: bytes | None = b"bad") -> bytes:
    line = bay.open()
    line.feed(ask(token, *lines))
    bay.serve()
    line.hang_up()
    return bytes(line.sent)


@pytest.mark.parametrize("field", WISHES)
def test_a_refusal_stands_ready_in_every_form(field: bytes) -> None:
    bay = bay_with()
    for token, place in ((b"bad", b"bad"), (None, b"none")):
        head, _, body = said(bay, field, token=token).partition(b"\r\n\r\n")
        (number,) = re.findall(rb"X-Id: ([0-9a-f]{32})\r\n", head + b"\r\n")
        assert body == WISHES[field] + b" of " + place + b" " + number + b"\n"
        assert b"Content-Length: %d\r\n" % len(body) in head
    assert not bay.asked
    assert not bay.waiting


def test_whom_the_full_lane_turns_away_is_told_in_that_form() -> None:
    bay = bay_with()
    bay.lane.full = True
    assert b"page of full" in said(bay, BROWSER, token=b"unknown")


def test_a_browser_that_would_be_sent_to_sign_in_is_turned_away_by_the_full_lane() -> None:
    bay = bay_with(redirects=True)
    bay.lane.full = True
    assert b"page of full" in said(bay, BROWSER, token=None)
    assert not bay.waiting


def test_two_accept_fields_are_as_good_as_none() -> None:
    assert b"problem of bad" in said(bay_with(), BROWSER, BROWSER)


def test_without_a_wish_it_is_the_first_form() -> None:
    assert b"problem of bad" in said(bay_with())


def test_a_route_with_one_form_has_it_for_everybody() -> None:
    bay = Bay()
    bay.refuse(b"bad")
    assert said(bay, BROWSER).startswith(NO[:30])


def test_every_form_is_counted_and_noted_as_the_one_refusal() -> None:
    bay = bay_with()
    before = bay.counts()
    for field in WISHES:
        said(bay, field)
    assert [now - then for now, then in zip(bay.counts(), before, strict=True)] == [0, len(WISHES), len(WISHES)]
    assert {note[5] for note in bay.lane.drained()} == {0}


@pytest.mark.parametrize("redirects", [False, True])
@pytest.mark.parametrize("field", [*WISHES, b"Sec-Fetch-Mode: navigate"])
def test_an_allow_is_the_same_for_every_client_and_asks_nobody(field: bytes, redirects: bool) -> None:
    bay = bay_with(redirects=redirects)
    bay.know(b"good")
    bay.prepare(b"good")
    assert said(bay, field, token=b"good").startswith(OK)
    assert not bay.asked
    assert not bay.waiting


@pytest.mark.parametrize("field", [BROWSER, b"Sec-Fetch-Mode: navigate", b"sec-fetch-mode: anything"])
def test_only_who_may_be_a_browser_without_a_credential_is_for_python_to_look_at(field: bytes) -> None:
    bay = bay_with(redirects=True)
    assert said(bay, field, token=None) == b""
    assert len(bay.waiting) == 1  # its turn: anybody may say that it is a browser
    assert b" of bad " in said(bay, field)  # a token was shown
    assert b" of none " in said(bay_with(), field, token=None)  # nobody is sent anywhere
    assert len(bay.waiting) == 1
    assert not bay.asked


@pytest.mark.parametrize("field", [b"Accept: */*", b"Accept: text/plain", b"Sec-Fetch-Dest: document", b"X: y"])
def test_who_is_no_browser_is_refused_by_the_lane_where_browsers_are_sent_to_sign_in(field: bytes) -> None:
    bay = bay_with(redirects=True)
    assert b" of none " in said(bay, field, token=None)
    assert not bay.asked


@pytest.mark.parametrize(("count", "forms"), [(3, 2), (4, 3), (3, 0), (3, -1), (4, 4)])
def test_a_refusal_has_one_form_or_all(count: int, forms: int) -> None:
    bare = Route(
        0, "a", "nginx", Rules([]), b"", plain=True, enforced=True, constrained=False, has_paths=False, identity=(),
        allowed=0, duration=0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="form"):
        bare.refuse_with([(*form(b"x", b"y"), 0)] * count, forms)
