"""What is kept of one decision: for the log line, and for ``/v1/decisions/ID``.  Never a token, never a header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bearerd.audit import operations
from bearerd.log import Clean, clean, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.decision import Decision
    from bearerd.mcp.operation import Misread, Operation
    from bearerd.mcp.redact import Watched
    from bearerd.request import Request
    from bearerd.verify.verified import Verified

_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"},
)
OTHER_METHOD: Final = "_OTHER"  # OpenTelemetry's word for a method outside the known ones
_TRACEPARENT: Final = re.compile(
    rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
)  # W3C Trace Context, section 3.2
_LONGEST: Final = 256  # characters of a claim in a line


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision: what was looked at, and how it went."""

    name: str  # "resource", "rule", "credential", "token", "decision"
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One decision, with what a reader of logs needs to know about it."""

    at: float  # seconds since the epoch
    face: str
    decision: Decision
    request_id: str
    seconds: float  # how long it took
    method: str | None = None
    template: str | None = None  # the path pattern of the rule that decided
    peer: str = ""
    token_id: str | None = None
    traceparent: str | None = None
    verified: Verified | None = None
    cache: str | None = None  # "hit" or "miss"; None: no token was looked at
    caller: str | None = None
    steps: tuple[Step, ...] = ()
    operation: Operation | None = None  # of an MCP server
    misread: Misread | None = None
    watched: Watched | None = None  # what is sensitive in its arguments; None: not known

    def line(self, subject: Callable[[str], str]) -> Clean:
        """The fields of contracts, section 9, without those that have no value.  ``subject``: how ``sub`` is written."""
        decision, verified = self.decision, self.verified
        fields: dict[str, Any] = {
            "outcome": decision.outcome,
            "code": decision.code,
            "resource": decision.resource or None,
            "face": self.face,
            "rule": decision.rule,
            "http.request.method": known_method(self.method),
            "url.template": self.template,
            **operations.fields(self.operation, self.misread),
            "detail": decision.detail or None,
            "hints": list(decision.hints) or None,
            "token_id": self.token_id,
            "cache": self.cache,
            "duration_us": round(self.seconds * 1e6),
            "request_id": self.request_id,
            "traceparent": self.traceparent,
            "peer": self.peer or None,
            "caller": self.caller,
        }
        if verified is not None:
            fields |= {
                "iss": _short(verified.issuer),
                "sub": None if verified.subject is None else subject(verified.subject),
                "client": _short(verified.client),
                "kid": _short(verified.kid),
                "alg": verified.alg,
            }
        if decision.would_refuse:
            fields["would_refuse"] = [{"code": found.code, "rule": found.rule} for found in decision.would_refuse]
        return Clean({name: clean(value) for name, value in fields.items() if value is not None})

    def as_dict(self, subject: Callable[[str], str]) -> dict[str, Any]:
        """The answer of ``/v1/decisions/ID``."""
        steps = [{"step": step.name, "ok": step.ok, "detail": clean(step.detail)} for step in self.steps]
        return {"ts": stamp(self.at), **self.line(subject), "steps": steps}


def known_method(method: str | None) -> str | None:
    """The method, or ``_OTHER``: an unknown one is text that a client chose."""
    return method if method is None or method in _METHODS else OTHER_METHOD


def traceparent(request: Request) -> str | None:
    """The request's trace, if the field is well-formed and there once; nothing else of it is repeated."""
    found = [value for name, value in request.headers if len(name) == 11 and name.lower() == b"traceparent"]
    return found[0].decode() if len(found) == 1 and _TRACEPARENT.fullmatch(found[0]) else None


def _short(text: str | None) -> str | None:
    return None if text is None else text[:_LONGEST]
