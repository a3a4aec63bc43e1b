"""What is kept of a body that is not decided by, for the application to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bearerd.adapters.bodies import whole
from bearerd.limits import Limits
from bearerd.request import of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

POST = of("POST", b"/mcp", None, (), trusted=True)
LIMITS = Limits(max_mcp_body_bytes=1024)


def says(*messages: dict[str, Any]) -> Callable[[], Awaitable[Any]]:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    return receive


def pieces(count: int, *, more: bool) -> list[dict[str, Any]]:
    found = [{"type": "http.request", "body": b"x", "more_body": True} for _ in range(count)]
    found[-1]["more_body"] = more
    return found


async def test_of_many_small_pieces_no_more_is_kept_than_their_bytes() -> None:
    last = {"type": "http.request", "body": b"y", "more_body": False}
    body, receive = await whole(says(*pieces(1025, more=True), last), POST, LIMITS)
    assert body is None
    assert await receive() == {"type": "http.request", "body": b"x" * 1025, "more_body": True}
    assert await receive() == last


@pytest.mark.parametrize("count", [1, 1024])
async def test_a_whole_body_is_given_in_one_piece(count: int) -> None:
    body, receive = await whole(says(*pieces(count, more=False)), POST, LIMITS)
    assert body == b"x" * count
    assert await receive() == {"type": "http.request", "body": body, "more_body": False}


async def test_one_that_is_too_long_by_its_last_piece_has_an_end() -> None:
    body, receive = await whole(says(*pieces(1025, more=False)), POST, LIMITS)
    assert body is None
    assert await receive() == {"type": "http.request", "body": b"x" * 1025, "more_body": False}


@pytest.mark.parametrize("count", [0, 3])
async def test_that_whoever_asked_is_gone_is_said_after_what_came(count: int) -> None:
    gone = {"type": "http.disconnect"}
    sent = pieces(3, more=True)[:count]
    body, receive = await whole(says(*sent, gone), POST, LIMITS)
    assert body is None
    if count:
        assert await receive() == {"type": "http.request", "body": b"xxx", "more_body": True}
    assert await receive() == gone
