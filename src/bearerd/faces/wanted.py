"""What the client at the other end of a gateway would do with a refusal: the form it reads, and whether it is a browser that
goes to a page.

Looked at only once a request is refused: to an allow none of it means anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bearerd._native import accept
from bearerd.faces.forms import Form
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd.decision import Decision
    from bearerd.policy.login import Login
    from bearerd.request import Headers, Request


def form(headers: Headers) -> Form:
    """By the Accept field; a second one is as good as none."""
    given = _values(headers, b"accept")
    return Form(accept.preferred(given[0])) if len(given) == 1 else Form.PROBLEM


def navigates(headers: Headers) -> bool:
    """Whether somebody goes to a page, and no script asks for data.

    Browsers say so (Fetch Metadata), and one that says anything of it is taken at its word.  Of one that does not (before
    2023, or over plain http) the Accept field has to do.  Whoever sends a credential of its own is no browser.
    """
    if _values(headers, b"authorization"):
        return False
    mode, destination = _values(headers, b"sec-fetch-mode"), _values(headers, b"sec-fetch-dest")
    if mode or destination:
        return mode == [b"navigate"] and destination == [b"document"]
    return form(headers) is Form.HTML


def login(offered: Login | None, request: Request | Refusal, decision: Decision) -> str | None:
    """Where to sign in: for a browser that goes to a page with GET and shows no credential at all."""
    if offered is None or isinstance(request, Refusal) or decision.code is not Code.MISSING_TOKEN:
        return None
    if request.method != "GET" or not navigates(request.headers):
        return None
    return offered.to(request)


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value.strip(b" \t") for given, value in headers if given.lower() == name]
