"""The pages: plain templates, no script, nothing loaded.  Whatever is not ours goes through ``visible``."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from bearerd.approvals.record import State
from bearerd.approvals.visible import arguments, holds_far, visible
from bearerd.log import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bearerd.approvals.record import Approval
    from bearerd.approvals.session import Person

MOST_LISTED: Final = 120  # characters of a name in the list
_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:2rem 1.5rem}"
    "h1{font-size:1.5rem}"
    "dt{font-size:.875rem;opacity:.75}"
    "dd{margin:0 0 .75rem}"
    "dd,td,pre{font-family:ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}"
    "pre{border:1px solid;padding:1rem;margin:0}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{border-bottom:1px solid;padding:.5rem;text-align:left;vertical-align:top}"
    "form{display:inline-block;margin:1.5rem 1rem 0 0}"
    "button{font:inherit;padding:.5rem 1.5rem}"
    ".far{text-decoration:underline dotted}"
    ".code{background:#b00020;color:#fff;padding:0 .25em}"
    ".note{border-left:.25rem solid #b00020;padding-left:1rem}"
)
_STYLE_HASH: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with it a form is sent with "Origin: null", and the origin is what every form is checked by.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What every answer of this listener is sent with."""

_PAGE: Final = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n"
    "</body>\n</html>\n"
)
_FORM: Final = (
    '<form method="post" action="/a/{id}/{act}"><input type="hidden" name="csrf" value="{csrf}">'
    '<input type="hidden" name="seen" value="{seen}"><button type="submit">{label}</button></form>\n'
)
_SIGN_OUT: Final = (
    '<form method="post" action="/logout"><input type="hidden" name="csrf" value="{csrf}">'
    '<button type="submit">Sign out</button></form>\n'
)
_WORDS: Final = {
    State.APPROVED: "It has been approved, and may be made once.",
    State.DENIED: "It has been denied.",
    State.USED: "It was approved, and has been made.",
}


def message(title: str, *sentences: str, link: tuple[str, str] | None = None) -> str:
    """A page of our own words; ``link``: a path of ours, and its text."""
    body = "".join(f"<p>{sentence}</p>\n" for sentence in sentences)
    if link is not None:
        body += f'<p><a href="{link[0]}">{link[1]}</a></p>\n'
    return _PAGE.format(title=title, style=_STYLE, body=body)


def listed(approvals: Sequence[Approval], person: Person, *, more: bool = False) -> str:
    """What waits.  ``more``: these are not all."""
    rows = "".join(
        f'<tr><td><a href="/a/{one.id}">{_brief(one.call.name or one.call.method)}</a></td>'
        f"<td>{_brief(one.call.resource)}</td><td>{_brief(_asker(one))}</td><td>{stamp(one.expires_at)}</td></tr>\n"
        for one in approvals
    )
    head = '<tr><th scope="col">Call</th><th scope="col">Of</th><th scope="col">Asked by</th><th scope="col">Until</th></tr>\n'
    found = f"<table>\n{head}{rows}</table>\n" if rows else "<p>Nothing waits for an approval.</p>\n"
    found += "<p>More wait than are shown: decide these first.</p>\n" if more else ""
    return _PAGE.format(title="Approvals", style=_STYLE, body=found + _signed_in(person))


def shown(approval: Approval, person: Person, *, may_approve: bool) -> str:
    """One, whole, with what can be said of it."""
    call = approval.call
    rows: Iterable[tuple[str, str | None]] = (
        ("Tool or method", call.name),
        ("Method", call.method),
        ("Resource", call.resource),
        ("Asked by (subject)", call.subject),
        ("Known by (issuer)", call.issuer),
        ("Through (client)", call.client),
        ("Asked at", stamp(approval.opened_at)),
        ("Can be approved and made until", stamp(approval.expires_at)),
        ("SHA-256 of the arguments", call.digest),
    )
    told = "".join(f"<dt>{name}</dt><dd>{visible(value)}</dd>\n" for name, value in rows if value is not None)
    told += f"<dt>Arguments</dt><dd><pre>{arguments(call.arguments)}</pre></dd>\n"
    notes = ""
    if any(holds_far(text) for text in (call.arguments, call.name or "", call.subject or "", call.client or "")):
        notes = (
            '<p class="note">There are characters beyond plain ASCII: those that can be seen are underlined, '
            "the others are written as their code points. Letters may look like others.</p>\n"
        )
    return _PAGE.format(
        title="Approve this call?" if approval.state is State.PENDING else "This call has been decided",
        style=_STYLE,
        body=f"{notes}<dl>\n{told}</dl>\n{_acts(approval, person, may_approve=may_approve)}{_signed_in(person)}",
    )


def _acts(approval: Approval, person: Person, *, may_approve: bool) -> str:
    if approval.state is not State.PENDING:
        return f"<p>{_WORDS[approval.state]}</p>\n"
    fields = {"id": approval.id, "csrf": person.csrf, "seen": approval.call.binding}
    deny = _FORM.format(act="deny", label="Deny", **fields)
    if may_approve:
        return _FORM.format(act="approve", label="Approve, once", **fields) + deny
    return (
        '<p class="note">This call must be approved by another person than the one who asks, and you are not known '
        f"to be another.</p>\n{deny}"
    )


def _signed_in(person: Person) -> str:
    who = f'<p>Signed in as {visible(person.name)} until {stamp(person.until)}. <a href="/">All that waits</a></p>\n'
    return who + _SIGN_OUT.format(csrf=person.csrf)


def _brief(text: str) -> str:
    """For the list: whoever asks may fill two thousand bytes, and what is decided by stands on each one's own page."""
    return visible(text[:MOST_LISTED]) + ("…" if len(text) > MOST_LISTED else "")


def _asker(approval: Approval) -> str:
    return approval.call.subject or approval.call.client or ""
