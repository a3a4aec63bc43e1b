"""What gateways ask, held against what they then pass on: a bearerd that allows everything takes notes."""

from __future__ import annotations

import json

import pytest

from bearerd._native import head
from gateways.conftest import ENVOYS, Watched, said
from gateways.witness import Question

# What is matched, cleaned, decoded or encoded on the way, by one or another.
TARGETS = (
    "/orders/7", "/?", "/a?", "/a?b?c", "/a?b=%2e%2e/&c=%zz", "/a?b=1;c=2", "/a?b#c", "/a%2fb", "/a%2Fb%5cc", "/a\\b", "/a%00b", "/a%2500",
    "/a%3fb", "/a%23b", "/a#b", "/a;b", "/..;/a", "/a/..;/b", "/./a", "/a/.", "/a/..", "/a/../b", "/a/%2e%2e/b", "/a/%2E./b",
    "/health/../orders/7", "/health/..%2forders/7", "//orders/7", "/a//b", "///", "/%6frders/7", "/%7e", "/a+b", "/a%20b", "/caf\xc3\xa9",
    "/\xff\xfe", "/%E2%80%8Bx", "/a|b", "/a\"b<c>", "/a^b", "/a{http.request.host}", "/${PATH}", "/a:b@c!$&'()*,=~", "/A%2Fb",
    "http://evil.example/orders/7", "http://evil.example/../a", "http://evil.example//a", "http://evil.example?a", "*", "orders/7",
)  # fmt: skip

READ = {"Authorization": "Bearer x", "Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
NOBODYS = {
    "Cookie": "a=b",
    "Content-Type": "text/plain",
    "Content-Range": "bytes 0-1/2",
    "Expect": "100-continue",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
NOT_TWICE = ("ETag", "Max-Forwards", "Server", "User-Agent")


def send(watched: Watched, target: str, *lines: str, method: str = "GET") -> tuple[bytes, Question | None]:
    """The answer, and what was asked about the request."""
    questions = watched.witness.questions
    questions.clear()
    answer = said(watched.port, target, *lines, method=method)
    assert len(questions) <= 1
    return answer, questions[0] if questions else None


def told(name: str, question: Question) -> tuple[list[str], list[str]]:
    """Methods and targets of the original request, as bearerd reads them of this gateway."""
    if name == "envoy-grpc":
        return [question.method], [question.target]
    if name == "envoy":
        prefix = "/ext_authz/api"
        assert question.target.startswith(prefix)
        return [question.method], [question.target.removeprefix(prefix)]
    assert question.target in ("/auth/api", "/auth/api?")  # the latter of Caddy, where the client's query is empty
    family = "X-Original-" if name == "nginx" else "X-Forwarded-"
    return question.all(family + "Method"), question.all(family + "Uri")


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_asked_about_is_what_the_upstream_gets(watched: Watched, target: str) -> None:
    """Whatever a gateway makes of a path, it makes it before it asks."""
    answer, question = send(watched, target)
    if b'"body_bytes"' not in answer:
        assert int(answer.split(b" ", 2)[1]) in (400, 404)
        return
    got = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
    assert question is not None
    methods, targets = told(watched.name, question)
    assert methods == [got["method"]]
    if watched.name == "nginx" and target == "http://evil.example?a":
        targets = ["/" + only for only in targets]  # it asks about ?a, which bearerd refuses: no path begins so
    assert targets == [got["target"]]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "get"])
def test_the_method_that_is_asked_about_is_the_original_one(watched: Watched, method: str) -> None:
    lies = [f"{name}: GET" for name in ("X-Forwarded-Method", "X-Original-Method", "X-HTTP-Method-Override")]
    answer, question = send(watched, "/orders/7", *lies, method=method)
    if question is None:  # not a method to this gateway
        assert watched.name in ("nginx", *ENVOYS)
        assert int(answer.split(b" ", 2)[1]) == 400
        return
    assert told(watched.name, question)[0] == [method]


@pytest.mark.parametrize("length", ["Content-Length: 0", "Transfer-Encoding: chunked"])
def test_a_question_carries_nothing_that_takes_it_from_the_lane(watched: Watched, length: str) -> None:
    """Whatever a client sends: one such question, and aiohttp has that connection for good."""
    sent = [f"{name}: {value}" for name, value in (*READ.items(), *NOBODYS.items())]
    sent += [f"{name}: 1" for name in NOT_TWICE for _ in range(2)]
    upgrade = ["Upgrade: websocket"] * (watched.name not in ENVOYS)  # which refuses the request whole
    answer, question = send(watched, "/orders/7", length, *sent, *upgrade, method="POST")
    if watched.name == "haproxy" and "chunked" in length:  # a body of no stated length, which may have trailers
        assert (question, answer.split(b" ", 2)[1]) == (None, b"411")
        return
    assert question is not None
    assert {name: question.all(name) for name in READ} == {name: [value] for name, value in READ.items()}
    if watched.name == "envoy-grpc":  # has no lane, and shows all but this
        assert not question.all("Cookie")
        return
    assert isinstance(head.read(question.head), head.Whole)
    assert not any(question.all(name) for name in NOBODYS)


def test_questions_are_asked_on_connections_that_are_kept(watched: Watched) -> None:
    before = watched.witness.connections
    for _ in range(20):
        send(watched, "/orders/7")
    assert watched.witness.connections - before <= 1


def test_a_host_in_the_target_is_the_host_that_is_told(watched: Watched) -> None:
    answer, question = send(watched, "http://other.example/orders/7")
    if watched.name == "haproxy":  # refuses a request that names two hosts
        assert (question, answer.split(b" ", 2)[1]) == (None, b"400")
        return
    assert question is not None
    family = {"nginx": "X-Original-Host", **dict.fromkeys(ENVOYS, "Host")}.get(watched.name, "X-Forwarded-Host")
    assert question.all(family) == ["other.example"]
