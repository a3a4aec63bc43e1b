"""What is prepared under a token: an answer for each resource that it is used at, the newest sixteen of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bay import FOREVER, OK, Bay, ask

from bearerd._native import clock

MOST, BYTES = 16, 1 << 16
NAMES = [f"r{number}" for number in range(40)]


def text(said: str) -> bytes:
    return OK + b"X-Said: " + said.encode() + b"\r\n"


def said(bay: Bay, token: bytes, at: int) -> str | None:
    """What the lane answers by itself for this token at this resource; None: it asks."""
    line = bay.open()
    line.feed(ask(token, name=NAMES[at].encode()))
    bay.serve()
    asked = bool(bay.asked or bay.waiting)
    bay.asked.clear()
    bay.waiting.clear()
    line.hang_up()
    if asked:
        return None
    head = line.sent[len(OK) :]
    assert line.sent.startswith(OK)
    assert head.startswith(b"X-Said: ")
    return head[8:].partition(b"\r\n")[0].decode()


def bay_of(*tokens: bytes, size: int = 1 << 22) -> Bay:
    bay = Bay(resources=NAMES, size=size)
    for token in tokens:
        bay.know(token)
    return bay


def test_a_token_that_is_used_at_several_resources_by_turns_is_answered_at_each() -> None:
    bay = bay_of(b"good")
    for at in range(MOST):
        bay.prepare(b"good", head=text(f"of {at}"), at=at)
    assert [said(bay, b"good", at) for at in range(MOST)] == [f"of {at}" for at in range(MOST)]
    assert said(bay, b"good", MOST) is None


def test_one_more_takes_the_place_of_the_oldest() -> None:
    bay = bay_of(b"good")
    for at in range(MOST):
        bay.prepare(b"good", head=text("x"), at=at)
    bay.prepare(b"good", head=text("again"), at=0)  # the newest now
    bay.prepare(b"good", head=text("new"), at=MOST)
    assert [said(bay, b"good", at) for at in range(MOST + 2)] == ["again", None, *["x"] * (MOST - 2), "new", None]


def test_another_text_takes_the_place_of_its_own_resources_only() -> None:
    bay = bay_of(b"good")
    for at in range(3):
        bay.prepare(b"good", head=text("first"), at=at)
    bay.prepare(b"good", head=text("a longer second one"), at=1)
    assert [said(bay, b"good", at) for at in range(3)] == ["first", "a longer second one", "first"]
    bay.prepare(b"good", head=text(""), at=0)
    assert [said(bay, b"good", at) for at in range(3)] == ["", "a longer second one", "first"]


def test_each_ends_by_its_own_time() -> None:
    bay, now = bay_of(b"good"), clock.boot()
    bay.prepare(b"good", head=text("over"), at=0, until=(FOREVER, now - 1e-6))
    bay.prepare(b"good", head=text("on"), at=1)
    assert [said(bay, b"good", at) for at in range(2)] == [None, "on"]


def test_a_token_without_any_ends_where_its_record_does() -> None:
    bay = bay_of()
    for number in range(40):
        bay.know(b"%d" % number, bytes(number))  # every length modulo eight
        for at in range(3):
            bay.prepare(b"%d" % number, head=text("y" * (number + at)), at=at)
    for number in range(40):
        assert [said(bay, b"%d" % number, at) for at in range(4)] == [
            *("y" * (number + at) for at in range(3)),
            None,
        ]


def test_all_of_a_tokens_are_counted_and_given_back() -> None:
    bay = bay_of(b"good")
    before = bay.cache.bytes
    for at in range(5):
        bay.prepare(b"good", head=text("z" * 1000), at=at)
    assert bay.cache.bytes >= before + 5 * 1000
    for at in range(5):
        bay.prepare(b"good", head=text(""), at=at)
    assert bay.cache.bytes < before + 5 * 200
    bay.cache.drop(b"good")
    assert bay.cache.bytes == 0


def test_without_room_for_one_more_those_before_it_stand() -> None:
    bay = bay_of(b"good", size=2500)
    for at in range(3):
        bay.prepare(b"good", head=text("w" * 400), at=at)
    bay.prepare(b"good", head=text("w" * 4000), at=3)
    assert [said(bay, b"good", at) for at in range(4)] == [*["w" * 400] * 3, None]
    assert bay.cache.bytes <= 2500


@pytest.mark.parametrize("size", [1000, 5000, 30_000, 60_000])
def test_together_they_are_bounded_in_bytes_and_the_oldest_go(size: int) -> None:
    bay = bay_of(b"good")
    for at in range(MOST):
        bay.prepare(b"good", head=text("v" * size), at=at)
    left = [at for at in range(MOST) if said(bay, b"good", at)]
    assert left == list(range(MOST))[-min(MOST, BYTES // (size + 100)) :]
    assert bay.cache.bytes < BYTES + 500


changes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 19), st.integers(0, 12_000)), max_size=60)


@given(changes, st.randoms(use_true_random=False))
def test_what_is_answered_is_what_was_prepared_last_for_just_this_token_and_resource(
    steps: list[tuple[int, int, int]], chance: random.Random
) -> None:
    tokens = [b"a", b"b", b"c", b"d"]
    bay = bay_of(*tokens)
    model: dict[bytes, dict[int, str]] = {token: {} for token in tokens}
    for number, (who, at, size) in enumerate(steps):
        token, mine = tokens[who], model[tokens[who]]
        told = f"{number}:" + "u" * (size if chance.random() < 0.3 else size % 200)
        bay.prepare(token, head=text(told), at=at)
        mine.pop(at, None)
        mine[at] = told
        while len(mine) > MOST or sum(span(one) for one in mine.values()) > BYTES:
            del mine[next(iter(mine))]
    for token in tokens:
        assert {at: one for at in range(20) if (one := said(bay, token, at)) is not None} == model[token]


def span(told: str) -> int:
    """Bytes of a prepared text with what heads it."""
    return (32 + 8 + len(text(told)) + 7) // 8 * 8
