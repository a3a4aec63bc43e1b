"""CheckRequests that say two things at once, or less than they should."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("grpc")

from support.calls import asked, bearer

from bearerd.faces.grpc import question
from bearerd.limits import Limits
from bearerd.refusals import Code, Refusal
from bearerd.request import Request


def read(made: Any, *, trusted: bool = True) -> Request | Refusal:
    return question.read(made, Limits(), trusted=trusted, peer="127.0.0.1").request


def view(made: Any, *, trusted: bool = True) -> Request:
    found = read(made, trusted=trusted)
    assert isinstance(found, Request)
    return found


@pytest.mark.parametrize("raw", [True, False])
def test_the_view_is_that_of_the_http_face(raw: bool) -> None:
    found = view(asked(("cookie", "a=b"), ("origin", "x"), path="/a%20b?c", raw=raw))
    assert (found.method, found.target, found.path, found.host) == ("GET", b"/a%20b?c", "/a b", "api.example")
    assert sorted(found.headers) == [(b"cookie", b"a=b"), (b"origin", b"x")]  # no pseudo-header field is one
    assert found.trusted
    assert found.sees_all_headers
    assert found.peer == "127.0.0.1"


def test_fields_of_one_name_stay_apart_where_envoy_keeps_them_so() -> None:
    two = (("x-a", "1"), ("x-a", b"\xff"))
    assert view(asked(*two)).headers == [(b"x-a", b"1"), (b"x-a", b"\xff")]
    assert view(asked(*two, raw=False)).headers == [(b"x-a", b"1,!")]


def test_a_byte_that_envoy_could_not_write_makes_the_path_ambiguous() -> None:
    assert view(asked(path="/a/!")).path == "/a/!"  # seen in its own bytes
    assert view(asked(path="/a/!", raw=False)).ambiguous
    assert view(asked(path=b"/a/\xff")).ambiguous
    assert view(asked(path=b"/a/\xff", raw=False)).ambiguous


def test_what_an_untrusted_peer_tells_is_not_read() -> None:
    found = view(asked(bearer()), trusted=False)
    assert (found.method, found.target, found.host, found.trusted) == (None, None, None, False)
    assert found.sees_all_headers


def changed(**parts: str) -> Any:
    made = asked()
    for name, value in parts.items():
        setattr(made.attributes.request.http, name, value)
    return made


def with_field(key: str, value: bytes) -> Any:
    made = asked()
    made.attributes.request.http.header_map.headers.add(key=key, raw_value=value)
    return made


@pytest.mark.parametrize(
    "made",
    [
        changed(path="/health"),
        changed(method="POST"),
        changed(host="other.example"),
        changed(query="access_token=x"),
        changed(fragment="x"),
        with_field(":path", b"/health"),
        with_field(":path", b"/orders/1"),
        with_field(":method", b"GET"),
        with_field(":authority", b"x"),
        asked(method=""),
        asked(method="G\tT"),
        asked(method="X" * 33),
    ],
)
def test_what_is_said_in_two_ways_is_a_bad_request(made: Any) -> None:
    found = read(made)
    assert isinstance(found, Refusal)
    assert found.code is Code.BAD_REQUEST


@pytest.mark.parametrize("host", ["a,b", "a b", "a!b", "\u00e9", "a\x00"])
def test_what_is_no_host_is_a_bad_request(host: str) -> None:
    made = asked(raw=False)
    made.attributes.request.http.host = host
    found = read(made)
    assert isinstance(found, Refusal)
    assert found.code is Code.BAD_REQUEST


def test_asking_makes_no_name_of_a_resource_in_the_message() -> None:
    made = asked(name=None)
    assert question.read(made, Limits(), trusted=True, peer="").name == ""
    assert not made.attributes.context_extensions
