"""An answer in bytes.  That they are aiohttp's own: tests/lane/test_differential.py."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from bearerd.faces import wire
from bearerd.faces.answer import Answer
from bearerd.refusals import TABLE


def test_a_head_is_the_status_line_the_fields_in_order_and_the_length() -> None:
    made = Answer(401, (("Server", "bearerd"), ("A", "b"), ("A", "c")), b"body")
    assert wire.message(made) == (
        b"HTTP/1.1 401 Unauthorized\r\nServer: bearerd\r\nA: b\r\nA: c\r\nContent-Length: 4\r\n",
        b"body",
    )


@pytest.mark.parametrize("body", [b"", b"body"])
def test_the_answer_to_head_has_no_body_and_a_length_only_where_it_would_have_one(body: bytes) -> None:
    head, sent = wire.message(Answer(403, (), body), to_head=True)
    assert sent == b""
    assert (b"Content-Length: 4\r\n" in head) == bool(body)


def test_an_empty_answer_says_that_it_is() -> None:
    assert wire.message(Answer(200)) == (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", b"")


@pytest.mark.parametrize("status", sorted({row.status for row in TABLE.values()}))
def test_every_status_of_ours_has_a_phrase(status: int) -> None:
    assert wire.message(Answer(status))[0].startswith(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode())
