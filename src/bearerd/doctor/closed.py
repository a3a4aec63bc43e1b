"""Whether a protected URL is closed to whoever shows no good token, and says to them what bearerd meant to say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from bearerd.tricks.model import NOBODYS

if TYPE_CHECKING:
    from bearerd.doctor.finding import Notebook
    from bearerd.doctor.talk import Way
    from bearerd.tricks import Answer

_METADATA: Final = re.compile(r'resource_metadata="([^"]+)"')
_OURS: Final = ("x-auth-status", "x-auth-reason")  # for nginx's own use
_GUARD: Final = (
    "put the path behind bearerd: auth_request, ext_authz or forward auth, as in examples/ (bearerd init GATEWAY)"
)
_WRONG: Final = {
    "what is no token": "doctor.is.here",
    "one that nobody signed": NOBODYS,
    "an empty one": "",
}


async def look(way: Way, notes: Notebook) -> Answer:
    """The answer to whoever shows nothing, and findings about it.  Raises NoAnswer."""
    path = way.gateway.path
    answer = await way.ask(path)
    _look_at_status(answer, notes)
    if answer.status == 401:
        _look_at_challenge(answer, notes)
        await _look_at_metadata(way, answer, notes)
    _look_at_leaks(answer, notes)
    await _look_at_head(way, notes)
    for what, token in _WRONG.items():
        judge_wrong(what, await way.ask(path, token=token), notes)
    return answer


def judge_wrong(what: str, answer: Answer, notes: Notebook) -> None:
    """The answer to a token that is not good."""
    if answer.status < 300:
        found = f"a wrong token ({what}) was answered with {answer.status}: the path is open"
        notes.error("bad_token", found, _GUARD)
    elif answer.status == 401:
        notes.ok("bad_token", f"{what}: 401")
    else:
        notes.warning(
            "bad_token", f"{what}: {answer.status} instead of 401", "pass bearerd's status on, as examples/ does"
        )


def _look_at_status(answer: Answer, notes: Notebook) -> None:
    status = answer.status
    if status < 300:
        notes.error("closed", f"served with {status} to whoever shows no token", _GUARD)
    elif status < 400:
        where = answer.get("location")[:200] or "nowhere"
        remedy = "name the URL that is served in the end, with --host if clients call it otherwise"
        notes.warning("closed", f"{status}: whoever shows no token is sent to {where}, where bearerd says 401", remedy)
    elif status == 401:
        notes.ok("closed", "401 without a token")
    elif status >= 500:
        remedy = "is bearerd up, and does the gateway ask the right address? Its log says; then: bearerd health --config FILE"
        notes.error(
            "closed",
            f"{status} without a token: the gateway gets no answer from bearerd, or none that it understands",
            remedy,
        )
    elif status == 403:
        remedy = f"trust.peers must hold the gateway's address, and its dialect must be the resource's gateway{_asking(answer)}"
        notes.warning("closed", "403 without a token, where bearerd says 401", remedy)
    else:
        remedy = "name a URL that is answered with 200 to a good token; else the gateway does not route this path through bearerd"
        notes.warning("closed", f"{status} without a token, where bearerd says 401", remedy)


def _asking(answer: Answer) -> str:
    known = answer.get("x-auth-request-id")
    return f"; bearerd explain --config FILE --request {known}" if re.fullmatch(r"[0-9a-f]{32}", known) else ""


def _look_at_challenge(answer: Answer, notes: Notebook) -> None:
    challenges = [value for name, value in answer.fields if name == "www-authenticate"]
    bearers = sum(len(re.findall(r"(?i)(?:^|,\s*)bearer(?=\s|,|$)", value)) for value in challenges)
    if not challenges:
        notes.warning(
            "challenge",
            "the 401 has no WWW-Authenticate",
            "let bearerd's WWW-Authenticate through to the client, as examples/ does",
        )
    elif bearers != 1:
        remedy = "let it through once: nginx copies it on 401 by itself, so add_header only beyond 401 (examples/nginx)"
        notes.warning("challenge", f"WWW-Authenticate names Bearer {bearers} times", remedy)
    elif "error=" in challenges[0]:
        notes.warning(
            "challenge",
            "it names an error where no token was shown",
            "is a token added on the way, by a proxy in front?",
        )
    elif not _METADATA.search(challenges[0]):
        notes.note("challenge", "it names no resource_metadata", "give the resource an identifier that is a URL")
    else:
        notes.ok("challenge", "WWW-Authenticate: Bearer, once, with resource_metadata")
    if not answer.get("x-auth-request-id"):
        remedy = "let X-Auth-Request-Id through to the client: bearerd explain --request needs it"
        notes.note(
            "request_id", "the 401 has no X-Auth-Request-Id: it is not bearerd's, or the gateway took it away", remedy
        )


async def _look_at_metadata(way: Way, answer: Answer, notes: Notebook) -> None:
    found = _METADATA.search(answer.get("www-authenticate"))
    if found is None:
        return
    parts = urlsplit(found[1])
    if f"{parts.scheme}://{parts.netloc}" != way.gateway.origin:
        remedy = "is that where clients reach this gateway? If not, identifier is wrong; --host asks in another name"
        notes.note(
            "metadata", f"the challenge names {found[1][:200]}, which is not at {way.gateway.origin}: not asked", remedy
        )
        return
    told = await way.ask(parts.path or "/")
    try:
        document = orjson.loads(told.body) if told.status == 200 else None
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict) and isinstance(document.get("resource"), str):
        notes.ok("metadata", f"{parts.path} is served, of {document['resource'][:200]}")
    else:
        remedy = "route /.well-known/oauth-protected-resource to bearerd, without a token (RFC 9728)"
        notes.warning("metadata", f"{parts.path} is answered with {told.status}, and not with metadata", remedy)


def _look_at_leaks(answer: Answer, notes: Notebook) -> None:
    leaked = [name for name in _OURS if answer.get(name)]
    if leaked:
        remedy = "hide it: it is for nginx alone, and tells why a token was refused"
        notes.warning("leak", f"clients are shown {', '.join(leaked)}", remedy)


async def _look_at_head(way: Way, notes: Notebook) -> None:
    answer = await way.ask(way.gateway.path, method="HEAD")
    if answer.status < 300:
        notes.error("closed", f"HEAD is served with {answer.status} to whoever shows no token", _GUARD)
