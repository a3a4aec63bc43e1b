"""What came of a trick, told from what the gateway answered and from what the upstream received.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bearerd.tricks import readings
from bearerd.tricks.model import NOBODYS, Answer, Outcome, Target, Verdict
from bearerd.tricks.seen import Seen
from bearerd.tricks.trick import Trick

_CREDENTIALS = frozenset({"authorization", "proxy-authorization"})
_LENGTHS = ("content-length", "transfer-encoding")


def judge(trick: Trick, target: Target, answers: Sequence[Answer], seen: Sequence[Seen] | None) -> Verdict:
    """The verdict; ``seen`` is what the upstream received under this tag, None where nobody took notes there."""
    if seen is None:
        return _unwatched(answers)
    for received in seen:
        for outcome, why in faults(received, target):
            if outcome is not Outcome.LOST or trick.credential:  # who shows no token is nobody
                return Verdict(outcome, why)
    if seen:
        return Verdict(Outcome.HARMLESS)
    return Verdict(Outcome.REFUSED if any(answer.get("x-auth-request-id") for answer in answers) else Outcome.STOPPED)


def _unwatched(answers: Sequence[Answer]) -> Verdict:
    """From outside nobody can tell an application's 200 for the open path from one for the secret: somebody has to look."""
    for answer in answers:
        if answer.status < 400 and not answer.get("x-auth-request-id"):
            return Verdict(Outcome.UNSEEN, f"answered {answer.status}")
    return Verdict(Outcome.REFUSED if any(answer.get("x-auth-request-id") for answer in answers) else Outcome.STOPPED)


def faults(received: Seen, target: Target) -> Iterator[tuple[Outcome, str]]:
    """Everything that is wrong with a request that reached the upstream."""
    method, asked = readings.request_line(received.head)
    fields = readings.fields(received.head)
    names = [(readings.canonical(name), value) for name, value in fields]
    trailing = [
        (readings.canonical(name), value) for name, value in readings.fields(b"trailers\r\n" + received.trailers)
    ]
    asked_for = [asked, *(value for name, value in names if name in readings.REROUTES)]
    paths = frozenset[str]().union(*map(readings.paths, asked_for))
    if target.secret.casefold().rstrip("/") in paths:
        yield Outcome.REACHED, f"the upstream was asked for {asked_for}"
    methods = {method.upper(), *(value.upper() for name, value in names if name in readings.OVERRIDES)}
    if target.forbidden in methods and target.open.casefold() in paths:
        yield Outcome.REACHED, f"the upstream was asked for {target.forbidden} {target.open} ({method} {asked})"
    yield from _identity_faults(names + trailing, paths, target)
    if what := desync(received.head):
        yield Outcome.DESYNC, what


def _identity_faults(
    names: Sequence[tuple[str, str]], paths: frozenset[str], target: Target
) -> Iterator[tuple[Outcome, str]]:
    told = False
    for header in target.identity:
        right = target.holder.get(header, "")
        for name, value in names:
            if name == readings.canonical(header) and value not in ("", right):
                yield Outcome.FORGED, f"{header}: {value}"
            told = told or (name == readings.canonical(header) and value == right != "")
    for name, value in names:
        if told and name in _CREDENTIALS and NOBODYS in value:
            yield Outcome.FORGED, f"{name} with another's credential"
    if any(target.holder.values()) and not target.anonymous and target.open.casefold() in paths and not told:
        yield Outcome.LOST, "none of the identity headers says whose token it was"


def desync(head: bytes) -> str:
    """Why two readers may find two different requests in what begins with this head; empty where they will not."""
    if b"\0" in head:
        return "a NUL in the head"
    if re.search(rb"(?<!\r)\n|\r(?!\n)", head):
        return "a bare CR or LF in the head"
    lines = head.split(b"\r\n")[1:]
    if any(line[:1] in (b" ", b"\t") for line in lines):
        return "a folded line in the head"
    named = [line.partition(b":")[0] for line in lines if line]
    if any(name != name.strip() or not name for name in named):
        return "a space around a field's name"
    lengths = [(name.lower(), value.strip()) for name, value in readings.fields(head) if name.lower() in _LENGTHS]
    codings = [value for name, value in lengths if name == "transfer-encoding"]
    if len(lengths) > 1:
        return "more than one length of the body"
    if codings and codings[0].lower() != "chunked":
        return "a transfer coding that not everybody knows"
    if lengths and not codings and not re.fullmatch(r"\d+", lengths[0][1]):
        return "a length that is no number"
    return ""
