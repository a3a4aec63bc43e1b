"""What a decision becomes in HTTP, for each gateway."""

from __future__ import annotations

import json

import pytest

from bearerd.decision import Challenge, Decision
from bearerd.faces import answer
from bearerd.refusals import TABLE, Code, Outcome

ID = "0123456789abcdef0123456789abcdef"
DIALECTS = ("nginx", "forwarded", "envoy")


def refused(code: Code, **more: object) -> Decision:
    row = TABLE[code]
    return Decision(allowed=False, outcome=row.outcome, code=code, status=row.status, resource="api", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_allow_is_200_with_the_identity_headers(dialect: str) -> None:
    decision = Decision(
        allowed=True,
        outcome=Outcome.ALLOW,
        code=None,
        status=200,
        resource="api",
        headers_add=(("X-Auth-Subject", "alice"), ("X-Auth-Roles", "")),
    )
    made = answer.answer(decision, "", dialect)
    assert (made.status, made.body) == (200, b"")
    assert made.headers == (
        ("Server", "bearerd"),
        ("Cache-Control", "no-store"),
        ("X-Auth-Subject", "alice"),
        ("X-Auth-Roles", ""),
    )


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("code", list(Code))
def test_every_refusal_has_an_id_and_the_status_that_the_gateway_keeps(code: Code, dialect: str) -> None:
    made = answer.answer(refused(code), ID, dialect)
    headers = dict(made.headers)
    meant = TABLE[code].status
    if code is Code.AMBIGUOUS_CREDENTIALS and dialect == "envoy":
        meant = 400
    assert made.status == (403 if dialect == "nginx" and meant in (400, 429) else meant)
    assert headers["X-Auth-Request-Id"] == ID
    assert headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in headers) == (meant in (429, 503))
    if dialect == "nginx":
        assert (headers["X-Auth-Status"], headers["X-Auth-Reason"]) == (str(meant), code)
        assert made.body == b""
    else:
        assert "X-Auth-Status" not in headers
        assert "X-Auth-Reason" not in headers
        said = {"type", "title", "status", "request_id"} | ({"error"} if TABLE[code].error else set())
        assert json.loads(made.body).keys() == said
        assert (code.encode() in made.body) == (code == TABLE[code].error)  # of two the standards' word is ours, too


def test_clients_learn_the_code_only_where_the_operator_says_so() -> None:
    assert json.loads(answer.answer(refused(Code.REVOKED), ID, "envoy", reveal=True).body)["code"] == "revoked"


def test_a_refusal_says_when_to_come_back() -> None:
    assert ("Retry-After", "30") in answer.answer(refused(Code.STALE_STATE, retry_after=30), ID, "nginx").headers


def test_a_challenge_has_all_its_parameters_in_order() -> None:
    parameters = Challenge("api", "insufficient_scope", "a b", "https://x/.well-known/oauth-protected-resource")
    assert answer.challenge(parameters) == (
        'Bearer realm="api", error="insufficient_scope", scope="a b",'
        ' resource_metadata="https://x/.well-known/oauth-protected-resource"'
    )
    assert answer.challenge(Challenge("api")) == 'Bearer realm="api"'
    made = answer.answer(refused(Code.EXPIRED, challenge=Challenge("api", "invalid_token")), ID, "nginx")
    assert ("WWW-Authenticate", 'Bearer realm="api", error="invalid_token"') in made.headers


def test_a_challenge_cannot_be_broken_out_of() -> None:
    assert answer.challenge(Challenge('a"b\\c\r\nX: yä')) == 'Bearer realm="a\\"b\\\\cX: y"'


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "invalid_request"), (401, "invalid_client"), (403, "unauthorized_client"), (500, "server_error")],
)
def test_callers_get_oauth_errors(status: int, error: str) -> None:
    made = answer.oauth_error(status, ID)
    assert json.loads(made.body) == {"error": error}
    assert any(name == "WWW-Authenticate" and value.startswith("Basic ") for name, value in made.headers) == (
        status == 401
    )


def test_a_caller_learns_when_to_come_back() -> None:
    assert ("Retry-After", "7") in answer.oauth_error(503, ID, retry_after=7).headers
    assert ("Retry-After", "1") in answer.oauth_error(503, ID).headers


def test_a_document_is_not_stored_unless_it_says_so() -> None:
    assert ("Cache-Control", "no-store") in answer.json_answer({"active": False}).headers
    cached = answer.json_answer({}, ("Cache-Control", "max-age=300")).headers
    assert [value for name, value in cached if name == "Cache-Control"] == ["max-age=300"]


def test_what_concerns_no_token_says_its_status_and_nothing_else() -> None:
    made = answer.plain(405, ("Allow", "POST"))
    assert json.loads(made.body) == {"type": "about:blank", "status": 405, "title": "Method Not Allowed"}
    assert ("Allow", "POST") in made.headers
