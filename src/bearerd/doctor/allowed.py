"""What a good token gets, and whether what it got is anybody else's afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.doctor import closed, echo
from bearerd.tricks import readings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bearerd.doctor.finding import Notebook
    from bearerd.doctor.talk import Way
    from bearerd.tricks import Answer

_NO_CACHE: Final = "do not cache what is behind a token (proxy_cache, a CDN): the answer belongs to whoever showed it"


async def look(way: Way, token: str, identity: Sequence[str], notes: Notebook) -> Answer | None:
    """The answer to a good token; None where the token is refused.  Raises NoAnswer."""
    path = way.gateway.path
    answer = await way.ask(path, token=token)
    if not _served(answer, notes):
        return None
    if (changed := _tampered(token)) is not None:
        closed.judge_wrong("yours, with another signature, behind yours", await way.ask(path, token=changed), notes)
    again = await way.ask(path)
    if again.status < 300:
        notes.error(
            "replay", f"once a token was allowed, whoever shows none is answered with {again.status}", _NO_CACHE
        )
    else:
        notes.ok("replay", "what a token was allowed is nobody else's afterwards")
    _look_at_answer(answer, token, identity, notes)
    return answer


def _served(answer: Answer, notes: Notebook) -> bool:
    if answer.status in (401, 403):
        known = answer.get("x-auth-request-id")
        remedy = "bearerd explain --config FILE --resource NAME < token says why" + (
            f", or --request {known}" if known.isalnum() else ""
        )
        notes.error("allowed", f"your token is refused: {answer.status}", remedy)
        return False
    if answer.status >= 500:
        notes.error(
            "allowed", f"{answer.status} to your token", "is the upstream up? bearerd health, and the gateway's log"
        )
        return False
    if answer.status >= 400:
        notes.note(
            "allowed",
            f"bearerd lets your token pass, and the upstream answers {answer.status}",
            "name a URL that it serves",
        )
    else:
        notes.ok("allowed", f"{answer.status} to your token")
    return True


def _look_at_answer(answer: Answer, token: str, identity: Sequence[str], notes: Notebook) -> None:
    """What is handed out with it."""
    known = {name.lower() for name in identity}
    leaked = sorted({name for name, _ in answer.fields if name in known})
    if leaked:
        remedy = "hand the client none of them (Envoy: allowed_client_headers_on_success names what it may see)"
        notes.warning("leak", f"the client is shown {', '.join(leaked)}", remedy)
    seen = echo.seen(answer)
    if seen is None:
        return
    fields = readings.fields(seen.head)
    told = {name: echo.values(fields, name) for name in identity}
    if any(told.values()):
        notes.ok("identity", f"the upstream is told: {', '.join(name for name, values in told.items() if values)}")
    else:
        remedy = "set the identity headers from bearerd's answer on the upstream request, as examples/ does"
        notes.warning("identity", "the upstream is not told whose token it is", remedy)
    if any(token in value for _, value in fields):
        remedy = "remove Authorization on the upstream request, unless the upstream needs it"
        notes.note("credential", "the upstream gets the token itself, which it could leak", remedy)


def _tampered(token: str) -> str | None:
    """The token with another signature; None: it has none."""
    head, dot, signature = token.rpartition(".")
    if not dot or len(signature) < 8:
        return None
    middle = len(signature) // 2  # the last letters may hold bits that nobody reads
    return f"{head}.{signature[:middle]}{'A' if signature[middle] != 'A' else 'B'}{signature[middle + 1 :]}"
