"""What clients learn of a refusal, whatever its code, its form and the gateway: nothing but what they may."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bearerd import request as view
from bearerd.decision import Challenge, Decision, WouldRefuse
from bearerd.faces import reply
from bearerd.faces.answer import Answer
from bearerd.faces.asked import Asked
from bearerd.faces.forms import Form
from bearerd.flow import Decided
from bearerd.refusals import TABLE, Code, Outcome, Refusal

ID = "0123456789abcdef0123456789abcdef"
DIALECTS = ("nginx", "forwarded", "envoy", "")
ACCEPTS = {Form.PROBLEM: b"application/json", Form.HTML: b"text/html", Form.TEXT: b"text/plain"}
SECRET = "canary"
CHALLENGE = Challenge("api", None, "read write", "https://api.example/.well-known/oauth-protected-resource")

# All that the answer to a refusal may hold: by name, what its value may be.
FIELDS = {
    "Server": "bearerd",
    "Cache-Control": "no-store",
    "X-Auth-Request-Id": ID,
    "Retry-After": "7",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    "Content-Type": "application/problem[+]json|text/html; charset=utf-8|text/plain; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; [^<>]*",
}
FOR_NGINX = {"X-Auth-Status": "[0-9]{3}", "X-Auth-Reason": "[a-z_]+"}


def told(code: Code, dialect: str, form: Form, *, reveal: bool, method: str = "GET") -> Answer:
    """A refusal with everything in it that nobody outside may read."""
    row = TABLE[code]
    challenge = Challenge("api", row.error, CHALLENGE.scope, CHALLENGE.resource_metadata) if row.status == 401 else None
    decision = Decision(
        False,
        row.outcome,
        code,
        row.status,
        resource="api",
        rule=3,
        claims={"sub": SECRET},
        challenge=challenge,
        headers_add=(("X-Auth-Subject", SECRET),),
        headers_remove=(f"X-{SECRET}",),
        retry_after=7 if row.status in (429, 503) else None,
        would_refuse=(WouldRefuse(Code.FORBIDDEN, 1),),
        detail=f"{SECRET}: the token's scp has what scope_claims does not name",
        hints=(f"{SECRET} differs by its final slash",),
    )
    headers = [
        (b"Accept", ACCEPTS[form]),
        (b"Authorization", f"Bearer {SECRET}".encode()),
        (b"Cookie", f"a={SECRET}".encode()),
        (b"Host", f"{SECRET}.example".encode()),
    ]
    request = view.of(method, f"/{SECRET}?{SECRET}=<script>".encode(), f"{SECRET}.example", headers, trusted=True)
    return made(decision, dialect, request, reveal=reveal)


def made(decision: Decision, dialect: str, request: Any, *, reveal: bool = False, resources: Any = ()) -> Answer:
    current: Any = type("Current", (), {})()
    current.policy = type("Policy", (), {"resources": dict(resources)})()
    current.config = type("Config", (), {"server": type("Server", (), {"reveal_reason": reveal})()})()
    asked = Asked("api", "ext_authz", dialect, request, view.of(None, None, None, request.headers))
    return reply.reply(Decided(decision, ID), asked, current)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("code", Code)
def test_a_client_learns_the_status_the_error_and_the_id(code: Code, dialect: str, form: Form) -> None:
    answer = told(code, dialect, form, reveal=False)
    row = TABLE[code]
    allowed = FIELDS | (FOR_NGINX if dialect == "nginx" else {})
    for name, value in answer.headers:
        if name == "WWW-Authenticate":
            error = f'error="{row.error}", ' if row.error else ""
            assert value == (
                f'Bearer realm="api", {error}scope="{CHALLENGE.scope}", resource_metadata="{CHALLENGE.resource_metadata}"'
            )
        else:
            assert re.fullmatch(allowed[name], value), (name, value)
    if dialect == "nginx":
        assert answer.body == b""
        return
    body = answer.body.decode()
    assert ID in body
    assert (row.error is None) or row.error in body
    for other in Code:
        if other != row.error:
            assert not re.search(rf"\b{other}\b", body), other
        assert TABLE[other].meaning not in body


@pytest.mark.parametrize("reveal", [False, True])
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("code", Code)
def test_nothing_of_the_request_the_token_or_our_own_thoughts_is_told(
    code: Code, dialect: str, form: Form, reveal: bool
) -> None:
    answer = told(code, dialect, form, reveal=reveal)
    everything = repr(answer.headers) + answer.body.decode()
    assert SECRET not in everything
    assert "script" not in everything
    assert "scope_claims" not in everything


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("dialect", DIALECTS[1:])
@pytest.mark.parametrize("code", Code)
def test_the_code_and_its_sentence_are_told_where_the_operator_says_so(code: Code, dialect: str, form: Form) -> None:
    import html

    body = html.unescape(told(code, dialect, form, reveal=True).body.decode())
    assert re.search(rf"\b{code}\b", body)
    assert TABLE[code].meaning in body


@pytest.mark.parametrize("reveal", [False, True])
@pytest.mark.parametrize("code", Code)
def test_the_form_changes_neither_status_nor_what_machines_read(code: Code, reveal: bool) -> None:
    for dialect in DIALECTS:
        answers = [told(code, dialect, form, reveal=reveal) for form in Form]
        assert len({answer.status for answer in answers}) == 1
        kept = ("WWW-Authenticate", "Retry-After", "X-Auth-Request-Id", "Cache-Control")
        assert len({tuple(field for field in answer.headers if field[0] in kept) for answer in answers}) == 1


def test_an_allow_is_the_same_for_every_client() -> None:
    allowed = Decision(True, Outcome.ALLOW, None, 200, "api", headers_add=(("X-Auth-Subject", "alice"),))
    requests = [view.of("GET", b"/", None, [(b"Accept", value)], trusted=True) for value in ACCEPTS.values()]
    for dialect in DIALECTS:
        answers = {made(allowed, dialect, request) for request in requests}
        assert len(answers) == 1
        assert not {name for name, _ in answers.pop().headers} & {"Vary", "Content-Type", "Location"}


def test_a_question_that_cannot_be_is_refused_in_the_form_that_its_client_reads() -> None:
    row = TABLE[Code.BAD_REQUEST]
    decision = Decision(False, row.outcome, row.code, row.status, resource="api")
    current: Any = type("Current", (), {"policy": type("Policy", (), {"resources": {}})()})()
    current.config = type("Config", (), {"server": type("Server", (), {"reveal_reason": False})()})()
    unknown = view.of(None, None, None, [(b"Accept", b"text/html")])
    asked = Asked("api", "forward_auth", "forwarded", Refusal(Code.BAD_REQUEST), unknown)
    answer = reply.reply(Decided(decision, ID), asked, current)
    assert answer.status == 400
    assert answer.body.startswith(b"<!doctype html>")
