"""What the client at the other end would do with a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from bearerd import request as view
from bearerd.decision import Decision
from bearerd.faces import wanted
from bearerd.faces.forms import Form
from bearerd.policy.login import Login
from bearerd.refusals import TABLE, Code, Refusal

PAGE = b"text/html,*/*;q=0.8"
NAVIGATE = ((b"Sec-Fetch-Mode", b"navigate"), (b"Sec-Fetch-Dest", b"document"))
LOGIN = Login("https://login.example/start", "rd", "https://api.example")


def refused(code: Code) -> Decision:
    row = TABLE[code]
    return Decision(False, row.outcome, code, row.status, resource="api")


def asked(*headers: tuple[bytes, bytes], method: str | None = "GET", target: bytes = b"/a") -> view.Request:
    return view.of(method, target, None, headers, trusted=True)


def test_the_form_is_by_accept() -> None:
    assert wanted.form([(b"ACCEPT", b" text/html\t")]) is Form.HTML
    assert wanted.form([(b"accept", b"text/plain")]) is Form.TEXT
    assert wanted.form([(b"Accept-Language", b"text/html")]) is Form.PROBLEM
    assert wanted.form([]) is Form.PROBLEM


def test_two_accept_fields_are_as_good_as_none() -> None:
    assert wanted.form([(b"Accept", b"text/html"), (b"accept", b"text/html")]) is Form.PROBLEM


@pytest.mark.parametrize(
    ("headers", "navigates"),
    [
        (NAVIGATE, True),
        ((*NAVIGATE, (b"Accept", b"application/json")), True),  # it says what it is
        (((b"Accept", PAGE),), True),
        ((), False),
        (((b"Accept", b"*/*"),), False),
        (((b"Accept", b"application/json"),), False),
        ((NAVIGATE[0],), False),
        ((NAVIGATE[1], (b"Accept", PAGE)), False),
        (((b"Sec-Fetch-Mode", b"navigate"), (b"Sec-Fetch-Dest", b"iframe"), (b"Accept", PAGE)), False),
        (((b"Sec-Fetch-Mode", b"cors"), (b"Sec-Fetch-Dest", b"empty"), (b"Accept", PAGE)), False),
        (((b"Sec-Fetch-Mode", b"no-cors"), (b"Sec-Fetch-Dest", b"image"), (b"Accept", PAGE)), False),
        (((b"Sec-Fetch-Mode", b""), (b"Accept", PAGE)), False),
        (((b"Sec-Fetch-Mode", b"NAVIGATE"), NAVIGATE[1]), False),
        ((*NAVIGATE, NAVIGATE[0]), False),
        (((b"Sec-Fetch-Mode", b"navigate, navigate"), NAVIGATE[1]), False),
        ((*NAVIGATE, (b"Authorization", b"Bearer x")), False),
        ((*NAVIGATE, (b"authorization", b"")), False),
    ],
)
def test_a_navigation_is_what_a_browser_calls_so(headers: tuple[tuple[bytes, bytes], ...], navigates: bool) -> None:
    assert wanted.navigates(headers) is navigates


def test_a_browser_without_a_credential_is_sent_to_sign_in() -> None:
    where = wanted.login(LOGIN, asked(*NAVIGATE), refused(Code.MISSING_TOKEN))
    assert where == "https://login.example/start?rd=https%3A%2F%2Fapi.example%2Fa"


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.MISSING_TOKEN])
def test_no_other_refusal_is_mended_by_signing_in(code: Code) -> None:
    assert wanted.login(LOGIN, asked(*NAVIGATE), refused(code)) is None


@pytest.mark.parametrize("method", [None, "HEAD", "POST", "OPTIONS", "get", "PUT", ""])
def test_only_a_get_is_redirected(method: str | None) -> None:
    assert wanted.login(LOGIN, asked(*NAVIGATE, method=method), refused(Code.MISSING_TOKEN)) is None


@pytest.mark.parametrize(
    ("offered", "request_"), [(None, asked(*NAVIGATE)), (LOGIN, Refusal(Code.BAD_REQUEST)), (LOGIN, asked())]
)
def test_nobody_is_sent_anywhere_without_reason(offered: Login | None, request_: Any) -> None:
    assert wanted.login(offered, request_, refused(Code.MISSING_TOKEN)) is None
