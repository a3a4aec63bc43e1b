"""The three forms of a refusal: a problem document (RFC 9457), a page for people, a line of text.

All say the same, and no more than a client may learn: the status, the error of RFC 6750, the id under which the operator finds
the rest, and, where ``server.reveal_reason`` is set, the code with its sentence from the table of refusals.  Nothing of the
request is in any of them, so there is nothing to inject; what is written into the page is escaped all the same.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from enum import IntEnum
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import orjson

from bearerd.refusals import TABLE

if TYPE_CHECKING:
    from bearerd.refusals import Approval, Code


class Form(IntEnum):
    """By the numbers of ``native/accept``."""

    PROBLEM = 0
    HTML = 1
    TEXT = 2


@dataclass(frozen=True, slots=True)
class Told:
    """All that a client is told."""

    status: int
    request_id: str | None = None
    error: str | None = None  # RFC 6750 section 3.1
    code: Code | None = None  # only where it may be known
    approval: Approval | None = None  # what to wait for; only programs can, so it stands in the problem alone

    @property
    def title(self) -> str:
        """The phrase of the status, which RFC 9457 asks for where a problem has no type of its own."""
        return HTTPStatus(self.status).phrase

    @property
    def meaning(self) -> str | None:
        """The code in a sentence, the same for every request."""
        return None if self.code is None else TABLE[self.code].meaning


_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:36rem;padding:12vh 1.5rem}"
    "h1{font-size:1.5rem}"
    "dt{font-size:.875rem;opacity:.7}"
    "dd{margin:0 0 .75rem;font-family:ui-monospace,monospace;overflow-wrap:anywhere}"
)
_STYLE_HASH: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{sentence}</p>\n"
    "<dl>\n{rows}</dl>\n</body>\n</html>\n"
)
_SENTENCES: Final = {
    400: "The request cannot be understood.",
    401: "This page is for those who have signed in.",
    403: "You may not do this.",
    404: "There is nothing here.",
    429: "That was too often. Please try again in a moment.",
    431: "The request is too large.",
    503: "This cannot be decided at present. Please try again in a moment.",
}

_NO_SNIFFING: Final = ("X-Content-Type-Options", "nosniff")
_HEADERS: Final[dict[Form, tuple[tuple[str, str], ...]]] = {
    Form.PROBLEM: (("Content-Type", "application/problem+json"), _NO_SNIFFING),
    Form.HTML: (
        ("Content-Type", "text/html; charset=utf-8"),
        _NO_SNIFFING,
        ("Content-Security-Policy", _POLICY),
    ),
    Form.TEXT: (("Content-Type", "text/plain; charset=utf-8"), _NO_SNIFFING),
}


def headers(form: Form) -> tuple[tuple[str, str], ...]:
    """What a body of this form is sent with."""
    return _HEADERS[form]


def body(told: Told, form: Form = Form.PROBLEM) -> bytes:
    """The body, which names the request id once."""
    return _WRITERS[form](told)


def _problem(told: Told) -> bytes:
    """A type of its own for each code would tell the code, so the type is that of a status and no more."""
    members = {
        "type": "about:blank",
        "title": told.title,
        "status": told.status,
        "error": told.error,
        "code": told.code,
        "detail": told.meaning,
        "request_id": told.request_id,
        "approval": told.approval,  # a dataclass: orjson writes it
    }
    return orjson.dumps({name: value for name, value in members.items() if value is not None}) + b"\n"


def _page(told: Told) -> bytes:
    rows = (("Error", told.error), ("Reason", told.code), ("Meaning", told.meaning), ("Request", told.request_id))
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>\n" for name, value in rows if value is not None)
    page = _PAGE.format(
        title=escape(f"{told.status} {told.title}"),
        style=_STYLE,
        sentence=escape(_SENTENCES.get(told.status, told.title)),
        rows=listed,
    )
    return page.encode()


def _line(told: Told) -> bytes:
    parts = (("error", told.error), ("reason", told.code), (None, told.meaning), ("request", told.request_id))
    said = [f"{name} {value}" if name else value for name, value in parts if value is not None]
    return ("; ".join([f"{told.status} {told.title}", *said]) + "\n").encode()


_WRITERS: Final = {Form.PROBLEM: _problem, Form.HTML: _page, Form.TEXT: _line}
