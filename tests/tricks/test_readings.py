"""How the laxest upstreams read: every path that somebody would find in a target, and no other."""

from __future__ import annotations

import pytest

from bearerd.tricks import TRICKS, Seen, Target, readings


@pytest.mark.parametrize(
    "target",
    [
        "/tasks/7", "/TASKS/7/", "//tasks//7", "/x/../tasks/7", "/x/..%2ftasks/7", "/x/%252e%252e/tasks/7", "/x/..;/tasks/7", "\\tasks\\7",
        "/tasks%5c7", "/tasks/7;a=b", "/tasks/7%00.css", "/tasks/7%0a", "/x/..%c0%aftasks/7", "/x/..%u002ftasks/7", "/%c1%b4asks/7",
        "/ta%c5%bfks/7", "/tas%e2%84%aas/7", "/tasks./7", "/tasks%20/7", "http://x/tasks/7", "//x/tasks/7", "/tasks/7?a=/open", "/tasks/7#/open",
        "/tasks/7%3f/../open", "/x/%ae%ae/tasks/7",
    ],
)  # fmt: skip
def test_a_spelling_of_a_path_is_that_path_to_somebody(target: str) -> None:
    assert "/tasks/7" in readings.paths(target)


@pytest.mark.parametrize("target", ["/open/x", "/open?/tasks/7", "/open/x?/../../tasks/7", "/tasks", "/tasks/77", "/x/tasks/7", "/ tasks/7", "*"])  # fmt: skip
def test_another_path_is_that_path_to_nobody(target: str) -> None:
    assert "/tasks/7" not in readings.paths(target)


def test_a_hostile_target_is_read_in_bounded_time() -> None:
    assert len(readings.paths("/" + "%2e%2e%2f;/\\" * 500 + "x")) <= readings.MOST_READINGS


@pytest.mark.parametrize("name", ["X-Auth-Subject", "x_auth_subject", "X.Auth~Subject", " X-Auth-Subject "])
def test_a_name_is_read_as_the_laxest_upstream_does(name: str) -> None:
    assert readings.canonical(name) == "x-auth-subject"


def test_lines_end_wherever_somebody_ends_them() -> None:
    head = b"GET / HTTP/1.1\r\nA: 1\nB: 2\rC: 3\r\nD:\r\n 4\r\n:E: 5\r\n\r\n"
    assert readings.fields(head) == [("A", "1"), ("B", "2"), ("C", "3"), ("D", " 4"), ("E", "5")]


def test_a_tag_is_found_in_a_field_and_in_a_query() -> None:
    assert Seen(b"GET / HTTP/1.1\r\ntrick-tag: 12\r\n\r\n").tag == "12"
    assert Seen(b"GET /?trick-tag=13\r\n").tag == "13"
    assert Seen(b"GET / HTTP/1.1\r\n\r\n").tag == ""


def test_every_climb_that_is_not_inert_arrives() -> None:
    target = Target(secret="/tasks/7", open="/open/x")
    for trick in TRICKS:
        if trick.group == "climbs" and not trick.inert:
            _, asked = readings.request_line(trick.request(target))
            assert "/tasks/7" in readings.paths(asked), trick.name
