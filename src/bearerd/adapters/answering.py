"""What a client is told in process: the same status, challenge and body as the service would have given a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bearerd import request as view
from bearerd.faces import answer, jsonrpc, metadata
from bearerd.faces.reply import reply
from bearerd.mcp import body
from bearerd.mcp.operation import Misread
from bearerd.refusals import Code

if TYPE_CHECKING:
    from bearerd.api import Judged, Verifier
    from bearerd.decision import Decision
    from bearerd.faces.answer import Answer
    from bearerd.request import Headers, Request

DECISION: Final = "bearerd"  # under this name an application finds the decision
DIALECT: Final = "python"  # none of a gateway's: the answer goes to the client itself
_PUBLIC: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Question(NamedTuple):
    """As much of one as an answer depends on (``faces.reply``)."""

    request: Request
    dialect: str = DIALECT

    @property
    def unknown(self) -> Request:
        return self.request


def read(method: str, target: bytes | None, headers: Headers, *, peer: str) -> Request:
    """The view of a request that this very process would serve: all of it is known, and nobody stands in between."""
    made = view.of(method, target, _host(headers), headers, trusted=True, sees_all_headers=True, peer=peer)
    return made._replace(direct=True)


def reads_operations(verifier: Verifier, resource: str, asked: Request) -> bool:
    """Whether it is decided by what it asks of an MCP server.

    Not before there is a credential: without one the answer is the same whatever is asked, and nobody's body is read.
    """
    found = verifier.current.policy.resources.get(resource)
    return found is not None and found.reads_operations and isinstance(view.bearer_token(asked.headers), bytes)


def with_operation(asked: Request, sent: bytes | None, verifier: Verifier) -> Request:
    """The request with what it asks of the server, or why that could not be read."""
    found = body.read(asked.method or "", asked.headers, sent, verifier.current.config.limits)
    if isinstance(found, Misread):
        return asked._replace(misread=found)
    return asked._replace(operation=found)


def refusal(judged: Judged, asked: Request, verifier: Verifier) -> Answer:
    """What the client gets instead of the application's answer."""
    made = reply(judged.decided, Question(asked), verifier.current)
    return _unsigned(jsonrpc.asked_back(made, asked, judged.decided.decision))


def not_running() -> Answer:
    """Of a program whose verifier does not run: nothing passes."""
    return _unsigned(answer.oauth_error(503, ""))


def described(verifier: Verifier, resource: str, asked: Request) -> Answer | None:
    """The resource's own metadata (RFC 9728), where it was asked for: every challenge leads there."""
    if asked.target is None or asked.method not in _PUBLIC or not asked.target.startswith(metadata.PREFIX):
        return None
    found = metadata.Metadata(verifier.current.policy).find(_host(asked.headers), asked.target)
    if found is None or found.name != resource:
        return None
    return _unsigned(answer.preflight(metadata.METHODS) if asked.method == "OPTIONS" else metadata.answer(found))


def identified(headers: Headers, decision: Decision) -> list[tuple[bytes, bytes]]:
    """The request's fields as an upstream would get them: who it is by bearerd's word, and by nobody else's."""
    ours = {view.canonical(name.encode()) for name in decision.headers_remove}
    kept = [(name, value) for name, value in headers if view.canonical(name) not in ours]
    return [*kept, *((name.lower().encode(), value.encode()) for name, value in decision.headers_add)]


def unsure(decision: Decision) -> bool:
    """Whether the refusal says nothing of the token: who was refused so may ask again with the same."""
    return decision.status >= 500 or decision.code in (Code.RATE_LIMITED, Code.OVERLOADED)


def _host(headers: Headers) -> str | None:
    """With its port; None where it is not one."""
    given = [value for name, value in headers if name.lower() == b"host"]
    return given[0].decode("latin-1") if len(given) == 1 else None


def _unsigned(made: Answer) -> Answer:
    """Whose program this is, its own server says."""
    return made._replace(headers=tuple((name, value) for name, value in made.headers if name != "Server"))
