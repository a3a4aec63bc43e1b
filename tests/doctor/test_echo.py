"""What an upstream received, in its own words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bearerd.doctor import echo
from bearerd.tricks import Answer


def seen(body: Any) -> bytes | None:
    found = echo.seen(Answer(200, (), json.dumps(body).encode() if not isinstance(body, bytes) else body))
    return None if found is None else found.head


def test_pairs_and_objects_are_read() -> None:
    expected = b"GET /x HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n"
    assert seen({"method": "GET", "target": "/x", "headers": [["A", "1"], ["B", "2"]]}) == expected
    assert seen({"method": "GET", "path": "/x", "headers": {"A": "1", "B": ["2"]}}) == expected
    assert seen({"headers": {"A": "1"}, "url": "http://h/x"}) == b"GET http://h/x HTTP/1.1\r\nA: 1\r\n\r\n"


@pytest.mark.parametrize("body", [b"<html>", b"", [], {"headers": "x"}, {"headers": [["a"]]}, {"resource": "x"}])
def test_other_answers_tell_nothing(body: Any) -> None:
    assert seen(body) is None
