"""The three forms of a refusal: what is in them, and that nothing breaks out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from bearerd._native import accept
from bearerd.faces import forms
from bearerd.faces.forms import Form, Told
from bearerd.refusals import TABLE, Code

ID = "0123456789abcdef0123456789abcdef"
STATUSES = sorted({row.status for row in TABLE.values()} | {404, 405})


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_forms_have_the_numbers_of_the_native_reader() -> None:
    named = {b"application/json": Form.PROBLEM, b"text/html": Form.HTML, b"text/plain": Form.TEXT}
    assert {value: Form(accept.preferred(value)) for value in named} == named
    assert list(named.values()) == list(Form)


@pytest.mark.parametrize("status", STATUSES)
def test_a_problem_has_the_members_of_rfc_9457_and_two_of_ours(status: int) -> None:
    said = json.loads(forms.body(Told(status, ID, "invalid_token")))
    assert list(said) == ["type", "title", "status", "error", "request_id"]
    assert (said["type"], said["status"], said["error"], said["request_id"]) == (
        "about:blank",
        status,
        "invalid_token",
        ID,
    )


def test_what_there_is_not_is_left_out() -> None:
    assert json.loads(forms.body(Told(404))) == {"type": "about:blank", "title": "Not Found", "status": 404}
    assert forms.body(Told(404), Form.TEXT) == b"404 Not Found\n"
    assert Page(forms.body(Told(404), Form.HTML)).tags.count("dt") == 0


def test_a_code_comes_with_its_sentence_from_the_table() -> None:
    told = Told(401, ID, "invalid_token", Code.REVOKED)
    said = json.loads(forms.body(told))
    assert (said["code"], said["detail"]) == ("revoked", TABLE[Code.REVOKED].meaning)
    assert forms.body(told, Form.TEXT).decode() == (
        f"401 Unauthorized; error invalid_token; reason revoked; {TABLE[Code.REVOKED].meaning}; request {ID}\n"
    )
    text = Page(forms.body(told, Form.HTML)).text
    assert all(part in text for part in ("invalid_token", "revoked", TABLE[Code.REVOKED].meaning, ID))


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("status", STATUSES)
def test_every_form_says_status_and_id_once_and_ends_its_last_line(status: int, form: Form) -> None:
    body = forms.body(Told(status, ID), form)
    assert body.count(ID.encode()) == 1  # the lane has one place for it
    assert str(status).encode() in body
    assert body.endswith(b"\n")
    assert len(body) < 1500


def test_a_line_is_one_line() -> None:
    for code, row in TABLE.items():
        assert forms.body(Told(row.status, ID, row.error, code), Form.TEXT).count(b"\n") == 1


@pytest.mark.parametrize("status", STATUSES)
def test_a_page_runs_nothing_and_loads_nothing(status: int) -> None:
    page = Page(forms.body(Told(status, ID, "invalid_token", Code.EXPIRED), Form.HTML))
    assert set(page.tags) <= {"html", "head", "meta", "title", "style", "body", "h1", "p", "dl", "dt", "dd"}
    assert {name for name, _ in page.attributes} == {"lang", "charset", "name", "content"}
    assert "url(" not in page.text
    assert "@import" not in page.text


def test_the_policy_allows_the_page_s_own_style_and_nothing_else() -> None:
    headers = dict(forms.headers(Form.HTML))
    style = re.findall(rb"<style>(.*?)</style>", forms.body(Told(401, ID), Form.HTML))
    digest = base64.b64encode(hashlib.sha256(style[0]).digest()).decode()
    assert headers["Content-Security-Policy"].split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]


@pytest.mark.parametrize("form", Form)
def test_no_form_is_guessed_at_by_a_browser(form: Form) -> None:
    headers = dict(forms.headers(form))
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"].partition(";")[0] == ("application/problem+json", "text/html", "text/plain")[form]
    assert ("Content-Security-Policy" in headers) == (form is Form.HTML)


def test_whatever_is_written_into_a_page_stays_text() -> None:
    evil: Any = "<script>alert(1)</script>\"'&{title}"
    page = Page(forms.body(Told(401, evil, evil, None), Form.HTML))
    assert "script" not in page.tags
    assert page.text.count(evil) == 2
