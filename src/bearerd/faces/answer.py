"""A decision in HTTP: status, headers, challenge (contracts, section 4).

The one place that knows what gateways do to an answer.  nginx's auth_request makes 500 of every status but 2xx, 401 and
403, and drops bodies: it gets a status that it keeps, and the meant one in ``X-Auth-Status``.  The others copy our headers
to the client, so they get nothing that a client must not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from bearerd.faces import forms, storing
from bearerd.faces.forms import Form, Told
from bearerd.refusals import TABLE, Code

if TYPE_CHECKING:
    from bearerd.decision import Challenge, Decision

REQUEST_ID: Final = "X-Auth-Request-Id"
STATUS: Final = "X-Auth-Status"
REASON: Final = "X-Auth-Reason"
REDIRECT: Final = "X-Auth-Redirect"
ENVOY_REMOVES: Final = "X-Envoy-Auth-Headers-To-Remove"
RETRY_SECONDS: Final = 1  # where a refusal that may pass does not say when
SOFTWARE: Final = "bearerd"  # instead of aiohttp's and Python's versions

_NO_STORE: Final = storing.NO_STORE
_SERVER: Final = ("Server", SOFTWARE)
_JSON: Final = ("Content-Type", "application/json")
_BY_ACCEPT: Final = ("Vary", "Accept")
_BY_CLIENT: Final = ("Vary", "Accept, Sec-Fetch-Dest, Sec-Fetch-Mode")
_TRY_AGAIN: Final = frozenset({429, 503})
_NGINX_LOSES: Final = frozenset({400, 429})  # sent to nginx as 403
_AUTH_DIALECTS: Final = frozenset({"nginx", "forwarded"})


class Answer(NamedTuple):
    """What goes out: any HTTP server can send it."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def answer(
    decision: Decision,
    request_id: str,
    dialect: str,
    *,
    reveal: bool = False,
    form: Form = Form.PROBLEM,
    login: str | None = None,
) -> Answer:
    """The answer to a gateway.

    ``dialect``: "nginx", "forwarded", "envoy" or "grpc".  ``reveal``: clients may know the code (``server.reveal_reason``).
    ``form``: of a refusal that has a body.  ``login``: where the client, a browser, is sent instead of being refused.
    """
    if decision.allowed:
        kept = storing.fields(decision.reuse, dialect)
        return Answer(200, (_SERVER, *kept, *decision.headers_add, *_removed(decision, dialect)))
    meant = meant_status(decision, dialect)
    headers = [_SERVER, _NO_STORE, (REQUEST_ID, request_id)]
    if login is not None and dialect != "nginx":
        return Answer(302, (*headers, ("Location", login), _BY_CLIENT))
    if decision.challenge is not None:
        headers.append(("WWW-Authenticate", challenge(decision.challenge)))
    if meant in _TRY_AGAIN:
        headers.append(("Retry-After", str(decision.retry_after or RETRY_SECONDS)))
    code = decision.code or Code.INTERNAL_ERROR
    if dialect == "nginx":
        headers += [(STATUS, str(meant)), (REASON, code), *([(REDIRECT, login)] if login is not None else [])]
        return Answer(403 if meant in _NGINX_LOSES else meant, tuple(headers))
    told = Told(meant, request_id, TABLE[code].error, code if reveal else None, decision.approval)
    return Answer(meant, (*headers, *forms.headers(form), _BY_ACCEPT), forms.body(told, form))


def _removed(decision: Decision, dialect: str) -> tuple[tuple[str, str], ...]:
    """What Envoy is to take from the client's request: what our own headers do not overwrite (``X_Auth_Subject``).

    It keeps this header to itself.  Only a shadow resource lets such a request pass.
    """
    if dialect != "envoy":
        return ()
    ours = {name.lower() for name, _ in decision.headers_add}
    names = dict.fromkeys(name.lower() for name in decision.headers_remove if name.lower() not in ours)
    return ((ENVOY_REMOVES, ",".join(names)),) if names else ()


def meant_status(decision: Decision, dialect: str) -> int:
    """The status meant for the client.

    RFC 6750 has 400 for a request with two credentials; ``/auth`` says 401, which nginx keeps and a browser understands.
    """
    if decision.code is Code.AMBIGUOUS_CREDENTIALS and dialect not in _AUTH_DIALECTS:
        return 400
    return decision.status


def challenge(parameters: Challenge) -> str:
    """``WWW-Authenticate: Bearer …`` (RFC 6750 section 3, RFC 9728 section 5.1)."""
    given = (
        ("realm", parameters.realm),
        ("error", parameters.error),
        ("scope", parameters.scope),
        ("resource_metadata", parameters.resource_metadata),
    )
    return "Bearer " + ", ".join(f'{name}="{_quoted(value)}"' for name, value in given if value is not None)


def _quoted(value: str) -> str:
    """The inside of a quoted-string (RFC 9110 section 5.6.4): what does not fit in one is left out."""
    if not (value.isascii() and value.isprintable()):  # nearly never: it is the operator's
        value = "".join(character for character in value if " " <= character <= "~")
    return value.replace("\\", "\\\\").replace('"', '\\"')


def basic_challenge() -> tuple[str, str]:
    """The header that asks a caller for its own credentials (RFC 6749 section 5.2)."""
    return "WWW-Authenticate", 'Basic realm="bearerd", charset="UTF-8"'


def oauth_error(status: int, request_id: str, *, retry_after: int | None = None) -> Answer:
    """The error of an OAuth endpoint for callers (RFC 6749 section 5.2, RFC 7009 section 2.2.1)."""
    headers = [_SERVER, _NO_STORE, _JSON, (REQUEST_ID, request_id)]
    if status == 401:
        headers.append(basic_challenge())
    if status in _TRY_AGAIN:
        headers.append(("Retry-After", str(retry_after or RETRY_SECONDS)))
    return Answer(status, tuple(headers), orjson.dumps({"error": _OAUTH_ERRORS.get(status, "server_error")}) + b"\n")


_OAUTH_ERRORS: Final = {
    400: "invalid_request",
    401: "invalid_client",
    403: "unauthorized_client",
    503: "temporarily_unavailable",
    507: "temporarily_unavailable",
}


def empty(*headers: tuple[str, str]) -> Answer:
    """200 and nothing else to say."""
    return Answer(200, (_SERVER, _NO_STORE, *headers))


def unread(code: Code, request_id: str) -> Answer:
    """For a head that was not read, whoever asks: no gateway was listened to yet.

    nginx finds the meant status where it looks for it; it is no other than the status itself, so anyone may read it.
    """
    row = TABLE[code]
    headers = (_SERVER, _NO_STORE, *forms.headers(Form.PROBLEM), (REQUEST_ID, request_id), (STATUS, str(row.status)))
    return Answer(row.status, headers, forms.body(Told(row.status, request_id, row.error)))


def json_answer(value: object, *headers: tuple[str, str], status: int = 200) -> Answer:
    """A JSON document for a caller or client; never stored on the way unless a header says so."""
    store = () if any(name == "Cache-Control" for name, _ in headers) else (_NO_STORE,)
    return Answer(status, (_SERVER, *store, _JSON, *headers), orjson.dumps(value))


def document(body: bytes, media_type: str, *headers: tuple[str, str]) -> Answer:
    """A document that was written before, which ``headers`` say how to keep."""
    return Answer(200, (_SERVER, ("Content-Type", media_type), *headers), body)


def preflight(methods: str) -> Answer:
    """What may be asked of a document that anybody may read, by a page of anybody's (Fetch, section 3.2.2).

    No field of the question is read, so each may be sent: MCP clients send their protocol version.
    """
    allowed = ("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Methods", methods)
    more = ("Access-Control-Allow-Headers", "*"), ("Access-Control-Max-Age", "3600")
    return Answer(204, (_SERVER, _NO_STORE, ("Allow", methods), *allowed, *more))


def unchanged(*headers: tuple[str, str]) -> Answer:
    """304: the asker has that document."""
    return Answer(304, (_SERVER, *headers))


def plain(status: int, *headers: tuple[str, str]) -> Answer:
    """An answer that concerns no token: an unknown path, a wrong method.  Nothing of the request is repeated."""
    return Answer(status, (_SERVER, _NO_STORE, *forms.headers(Form.PROBLEM), *headers), forms.body(Told(status)))
