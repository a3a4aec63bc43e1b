"""The gateway while bearerd is away: nothing may pass.  Whoever runs the doctor stops bearerd; the doctor stops nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.tricks.model import NOBODYS

if TYPE_CHECKING:
    from bearerd.doctor.finding import Notebook
    from bearerd.doctor.talk import Way
    from bearerd.tricks import Answer

_PREFLIGHT: Final = ("Origin: https://doctor.invalid", "Access-Control-Request-Method: GET")
_REMEDY: Final = (
    "fail closed: Envoy: failure_mode_allow: false; nginx: no error_page or proxy_intercept_errors that turns auth_request's 500 into "
    "content; HAProxy: deny unless the variable says allowed; a CDN or cache in front must not serve stale (proxy_cache_use_stale)"
)


async def look(way: Way, token: str | None, notes: Notebook) -> None:
    """Ask for what is protected in every way that a client would.  Raises NoAnswer."""
    path = way.gateway.path
    first = await way.ask(path)
    if first.status == 401 or first.get("x-auth-request-id"):
        found = f"{first.status} without a token: bearerd, or somebody in its place, still answers; nothing can be told"
        notes.warning("unreachable", found, "stop every bearerd that this gateway asks, then ask again")
        return
    _judge("without a token", first, notes)
    _judge("HEAD without a token", await way.ask(path, method="HEAD"), notes)
    _judge("with a token that nobody signed", await way.ask(path, token=NOBODYS), notes)
    if token is not None:
        _judge("with your token", await way.ask(path, token=token), notes)
    _judge("as a preflight", await way.ask(path, *_PREFLIGHT, method="OPTIONS"), notes)


def _judge(what: str, answer: Answer, notes: Notebook) -> None:
    status = answer.status
    if status < 300:
        notes.error("unreachable", f"{what}: {status} while bearerd cannot be asked: the gateway fails open", _REMEDY)
    elif status >= 500 or status == 403:
        notes.ok("unreachable", f"{what}: {status}")
    else:
        found = f"{what}: {status}, where 5xx or 403 was expected: perhaps somebody else answers, or a cache"
        notes.warning("unreachable", found, "is this URL behind bearerd, and is bearerd really stopped?")
