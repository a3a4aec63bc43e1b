"""Refusals in the form that a client reads, through each gateway; and that a browser's fields change no allow."""

from __future__ import annotations

import json

import pytest
from ask import Answer

from bearerd._native import head
from gateways.conftest import Gateway, Watched, said

pytestmark = pytest.mark.timeout(300)  # the first test of each gateway waits for six programs to start
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PROBLEM, PAGE, LINE = "application/problem+json", "text/html", "text/plain"


def refused(gateway: Gateway, accept: str | None, path: str = "/orders/7", bearer: str | None = None) -> Answer:
    fields = {} if accept is None else {"Accept": accept}
    answer = gateway.ask(path, bearer, **fields)
    assert answer.status == 401
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["www-authenticate"].count("Bearer") == 1
    return answer


@pytest.mark.parametrize("accept", [None, "*/*", "application/json, text/plain, */*", "image/png", "text/html;q=0"])
def test_programs_get_a_problem(gateway: Gateway, accept: str | None) -> None:
    for bearer, error in ((None, None), ("a.b.c", "invalid_token")):
        answer = refused(gateway, accept, bearer=bearer)
        assert answer.headers["content-type"] == PROBLEM
        assert "content-security-policy" not in answer.headers
        expected = {"type": "about:blank", "title": "Unauthorized", "status": 401, "error": error}
        expected["request_id"] = answer.headers["x-auth-request-id"]
        assert json.loads(answer.body) == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/html, */*;q=0.1"])
def test_browsers_get_a_page_that_runs_nothing(gateway: Gateway, accept: str) -> None:
    for bearer in (None, "a.b.c"):
        answer = refused(gateway, accept, bearer=bearer)
        assert answer.headers["content-type"].partition(";")[0] == PAGE
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
        assert b"<h1>401 Unauthorized</h1>" in answer.body
        assert answer.headers["x-auth-request-id"].encode() in answer.body


def test_a_terminal_gets_a_line(gateway: Gateway) -> None:
    answer = refused(gateway, "text/plain", bearer="a.b.c")
    if gateway.name == "nginx":  # writes two forms itself, since it drops ours
        assert answer.headers["content-type"] == PROBLEM
        return
    request_id = answer.headers["x-auth-request-id"]
    assert answer.headers["content-type"].partition(";")[0] == LINE
    assert answer.body.decode() == f"401 Unauthorized; error invalid_token; request {request_id}\n"


@pytest.mark.parametrize("path", ["/orders/7.html", "/orders/7.json", "/orders/7.jpg", "/orders/<script>"])
@pytest.mark.parametrize(("accept", "kind"), [("*/*", PROBLEM), (BROWSER, PAGE)])
def test_the_form_is_the_client_s_wish_and_nothing_of_the_path(
    gateway: Gateway, accept: str, kind: str, path: str
) -> None:
    answer = gateway.say(path.replace("<", "%3C").replace(">", "%3E"), f"Accept: {accept}")
    fields = answer.partition(b"\r\n\r\n")[0].lower().decode()
    assert f"\r\ncontent-type: {kind}" in fields
    assert b"script" not in answer
    for raw in (gateway.say(path, f"Accept: {accept}"), gateway.say(f"{path}?a=<script>", f"Accept: {accept}")):
        assert b"<script" not in raw


def test_head_has_no_body(gateway: Gateway) -> None:
    for accept in ("*/*", BROWSER):
        answer = gateway.say("/orders/7", f"Accept: {accept}", method="HEAD")
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert answer.partition(b"\r\n\r\n")[2] == b""


def test_an_allow_is_no_other_for_a_browser(gateway: Gateway) -> None:
    token = gateway.token()
    for accept in ("*/*", BROWSER, "text/html," * 500):
        answer = gateway.ask("/orders/7", token, Accept=accept, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")
        assert answer.status == 200
        headers = answer.upstream_saw()
        assert headers is not None
        assert headers["x-auth-subject"] == "alice"
        assert headers["accept"] == accept


def test_what_a_browser_sends_takes_no_question_from_the_lane(watched: Watched) -> None:
    sent = [f"Accept: {BROWSER}", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-User: ?1"]
    watched.witness.questions.clear()
    said(watched.port, "/orders/7", *sent, "Accept-Language: de", "Upgrade-Insecure-Requests: 1")
    (question,) = watched.witness.questions
    if watched.name != "envoy-grpc":  # has no lane
        assert isinstance(head.read(question.head), head.Whole)
    told = {name: question.all(name) for name in ("Accept", "Sec-Fetch-Mode", "Sec-Fetch-Dest")}
    assert told == {"Accept": [BROWSER], "Sec-Fetch-Mode": ["navigate"], "Sec-Fetch-Dest": ["document"]}


@pytest.mark.parametrize("form", ["json", "html", "css"])
def test_the_places_where_nginx_keeps_its_forms_are_for_nobody_to_ask(gateway: Gateway, form: str) -> None:
    answer = gateway.ask(f"/_bearerd_refused.{form}")
    assert answer.status == (404 if gateway.name == "nginx" else 401)
    assert answer.upstream_saw() is None
    assert gateway.ask(f"/_bearerd_refused.{form}", gateway.token()).status == (404 if gateway.name == "nginx" else 403)
