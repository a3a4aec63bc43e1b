"""Routes: what is made of the policy once, and cannot be made wrong."""

from __future__ import annotations

from typing import Any

import pytest
from support.bay import FULL, NO, Bay, ask

from bearerd._native.route import NO_ID, Route, Routes
from bearerd._native.rules import Rules


def route(index: int = 0, name: str = "api", dialect: Any = "nginx") -> Route:
    made = Route(
        index,
        name,
        dialect,
        Rules([]),
        b"",
        plain=True,
        enforced=True,
        constrained=False,
        has_paths=False,
        identity=(),
        allowed=0,
        duration=0,
    )
    made.refuse_with([*[(NO, b"", 0)] * 3, (FULL, NO_ID.encode(), 0)])
    return made


def test_a_dialect_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="dialect"):
        route(dialect="apache")


@pytest.mark.parametrize(
    ("dialect", "face"), [("nginx", "forward_auth"), ("forwarded", "forward_auth"), ("envoy", "ext_authz")]
)
def test_a_dialect_has_its_face(dialect: str, face: str) -> None:
    made = route(dialect=dialect)
    assert (made.face, made.resource, made.index) == (face, "api", 0)


@pytest.mark.parametrize(
    ("head", "body"),
    [(b"no id\r\n", b""), (NO + NO, b""), (NO, NO_ID.encode() * 2), (b"", NO_ID.encode())],
)
def test_a_template_has_a_place_for_the_id(head: bytes, body: bytes) -> None:
    bare = Route(
        0, "a", "nginx", Rules([]), b"", plain=True, enforced=True, constrained=False, has_paths=False, identity=(),
        allowed=0, duration=0,
    )  # fmt: skip
    with pytest.raises(ValueError):
        bare.refuse_with([(head, body, 0)])


def test_templates_are_given_once() -> None:
    with pytest.raises(RuntimeError, match="once"):
        route().refuse_with([])


def test_a_routes_index_is_its_place() -> None:
    with pytest.raises(ValueError, match="place"):
        Routes(0, [route(1)])


def test_among_many_each_is_found_by_its_name_and_face() -> None:
    bay = Bay()
    names = [f"r{number}" for number in range(300)]
    bay.lane.routes = Routes(0, [route(number, name) for number, name in enumerate(names)])
    for name in names:
        line = bay.open()
        line.feed(ask().replace(b"/auth/api", b"/auth/" + name.encode()))
        assert not bay.behind  # it is known: it waits
        line.hang_up()
    for other in (b"r300", b"r", b"R1", b"r1x", b"api"):
        bay.behind.clear()
        bay.open().feed(ask().replace(b"/auth/api", b"/auth/" + other))
        assert bay.behind


def test_a_name_at_two_faces_is_two_routes() -> None:
    bay = Bay()
    bay.lane.routes = Routes(0, [route(0, "api", "nginx"), route(1, "api", "envoy")])
    bay.refuse(b"bad")
    line = bay.open()
    line.feed(ask(b"bad"))
    line.feed(b"GET /ext_authz/api/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer bad\r\n\r\n")
    assert line.sent.count(b" 401 ") == 2
    assert [note[3] for note in bay.lane.drained()] == [0, 1]


def test_what_templates_point_into_lives_as_long_as_they() -> None:
    bay = Bay()
    bay.refuse(b"bad")
    made = route()
    bay.lane.routes = Routes(0, [made])
    del made
    for _ in range(100):
        line = bay.open()
        line.feed(ask(b"bad"))
        assert line.sent.startswith(NO[:30])


def test_a_cell_that_there_is_not_counts_nothing() -> None:
    bay = Bay()
    bay.lane.routes = Routes(0, [route()])
    bay.refuse(b"bad")
    before = bytes(bay.buffer)
    bay.open().feed(ask(b"bad"))
    assert bytes(bay.buffer) == before
