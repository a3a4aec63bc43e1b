"""The corpus of tricks against a live gateway: which of them may be sent, what came of each, and what the report says.

By default only what cannot do harm is sent: GET, HEAD and OPTIONS without a body, and nothing that an upstream could take for another
method, or a proxy for two requests.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bearerd.doctor import echo
from bearerd.doctor.talk import NoAnswer
from bearerd.tricks import GROUPS, TRICKS, Outcome, Target, Verdict, judge, readings
from bearerd.tricks.model import FORGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bearerd.doctor.finding import Notebook
    from bearerd.doctor.talk import Way
    from bearerd.tricks import Answer, Trick

_SAMPLE: Final = Target("/secret", "/open", forbidden="DOCTOR-NEVER")
_TELLING: Final = readings.OVERRIDES | {
    "content-length",
    "transfer-encoding",
    "expect",
}  # of another method, or another end

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SHOWN: Final = 8  # of one group, in words; the others are counted
_REMEDIES: Final = {
    "climbs": "ask bearerd about the very path that goes upstream, refuse or resolve dot segments before, and have a rule for each path",
    "spellings": "ask bearerd about the very path that goes upstream; no location of the gateway's own may open a path (examples/)",
    "queries": "ask bearerd about the raw target, and pass that on",
    "hosts": "pass the Host on that bearerd was told of, and none that a client may choose freely",
    "identity": "remove every spelling of the identity headers before bearerd's are set (docs/threat-model.md, examples/*/README.md)",
    "credentials": "ask bearerd about every request, and hand it Authorization as it came",
    "dialects": "say all of the question yourself, and remove X-Original-URL, X-Rewrite-URL, X-Forwarded-Uri and the like before the upstream",
    "methods": "tell bearerd the method, and remove X-HTTP-Method-Override and the like before the upstream",
    "connections": "remove Connection and Upgrade before identity is set, and ask about each request of a connection",
    "framing": "update the gateway, and refuse requests with two lengths",
    "lines": "update the gateway, and refuse lines that end otherwise than in CR LF",
}
_REMEDY: Final = "compare with the tested configuration: bearerd init GATEWAY; each line of examples/*/README.md says what it keeps out"


@dataclass(frozen=True, slots=True)
class Known:
    """Answers that say what a request got to."""

    open: Answer | None  # of the stepping stone: whoever gets that got nothing
    allowed: Answer | None  # of what is closed, to a good token: whoever gets that got through

    def tells(self, answer: Answer) -> bool:
        """Whether it is the answer to a good token, and no other."""
        if self.allowed is None or not _same(answer, self.allowed):
            return False
        return self.open is None or not _same(answer, self.open)


def harmless(trick: Trick) -> bool:
    """Whether it may be sent to a gateway that serves others meanwhile: judged by the bytes that would be sent."""
    head, _, rest = trick.request(_SAMPLE).partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    names = {readings.canonical(line.partition(b":")[0].decode("latin-1")) for line in lines}
    whole = (
        trick.raw is None
        and not rest
        and first.endswith(b" HTTP/1.1")
        and not re.search(rb"[\r\n\0]", head.replace(b"\r\n", b""))
    )
    reads = first.split(b" ")[0].decode("latin-1") in SAFE_METHODS and _SAMPLE.forbidden.encode() not in head
    return whole and reads and names.isdisjoint(_TELLING) and b"_method" not in head


def chosen(*, everything: bool) -> list[Trick]:
    """What is sent."""
    return [trick for trick in TRICKS if everything or harmless(trick)]


async def run(way: Way, target: Target, known: Known, tricks: Sequence[Trick], notes: Notebook, who: str) -> None:
    """Try each, and tell.  Raises NoAnswer when the gateway is gone."""
    run_id = secrets.token_hex(4)
    verdicts: list[tuple[Trick, Verdict]] = []
    for number, trick in enumerate(tricks):
        one = replace(target, tag=f"{run_id}x{number}")
        try:
            answers = await way.send(trick.request(one), way.patience)
        except NoAnswer:
            answers = []  # it hung up on this one; whether it is gone is asked below
        verdicts.append((trick, judged(trick, one, answers, known)))
    await way.ask(way.gateway.path)
    _tell(verdicts, target.token, notes, who)


def judged(trick: Trick, target: Target, answers: Sequence[Answer], known: Known) -> Verdict:
    """What came of one, by the upstream's own words where it has any, else by what was answered."""
    told = [seen for answer in answers if answer.status < 400 and (seen := echo.seen(answer)) is not None]
    if told:
        return judge(trick, target, answers, told)
    verdict = judge(trick, target, answers, None)
    if verdict.outcome is not Outcome.UNSEEN:
        return verdict
    passed = [answer for answer in answers if answer.status < 300 or known.tells(answer)]
    if not passed:  # a gateway sends //orders to /orders, and nobody has got anything yet
        return Verdict(Outcome.STOPPED, "sent elsewhere")
    if any(FORGED.encode() in answer.body for answer in passed):
        return Verdict(Outcome.FORGED, "the forged value came back in the answer")
    if any(answer.body and known.tells(answer) for answer in passed):
        return Verdict(Outcome.REACHED, "answered as to a good token")
    bare = _bare(trick, target, answers, known)
    if known.open is not None and all(answer is bare or _same(answer, known.open) for answer in passed):
        return Verdict(Outcome.UNSEEN, "open") if trick.group == "identity" else Verdict(Outcome.HARMLESS)
    return verdict


def _bare(trick: Trick, target: Target, answers: Sequence[Answer], known: Known) -> Answer | None:
    """The answer to a HEAD of the stepping stone: as open as its GET, and without the body by which that would be seen."""
    asked = trick.request(target).startswith(f"HEAD {target.open} ".encode("latin-1"))
    bare = asked and known.open is not None and (answers[0].status, answers[0].body) == (known.open.status, b"")
    return answers[0] if bare else None


def _same(one: Answer, other: Answer) -> bool:
    return (one.status, one.body) == (other.status, other.body)


def _tell(verdicts: Sequence[tuple[Trick, Verdict]], token: str | None, notes: Notebook, who: str) -> None:
    counts = Counter(verdict.outcome for _, verdict in verdicts)
    for group in dict.fromkeys(trick.group for trick, _ in verdicts):
        holes = [(trick, verdict) for trick, verdict in verdicts if trick.group == group and verdict.outcome.hole]
        for text in _lines(holes, token):
            notes.error("tricks", f"{who}: {text}", _REMEDIES.get(group, _REMEDY))
    unseen = [(trick, verdict) for trick, verdict in verdicts if verdict.outcome is Outcome.UNSEEN]
    blind = [trick.name for trick, verdict in unseen if verdict.why == "open"]
    odd = [trick.name for trick, verdict in unseen if verdict.why != "open"]
    if odd:
        found = f"{who}: answered with success, and nobody could see what the upstream received: {_some(odd)}"
        notes.warning(
            "tricks", found, "--echo PATH names one that shows the request's headers; else look into the upstream's log"
        )
    if blind:
        found = f"{who}: {len(blind)} tricks with forged identity passed to an open path, and nobody could see what of them arrived"
        notes.note("tricks", found, "--echo PATH names one that shows the request's headers")
    if not any(verdict.outcome.hole for _, verdict in verdicts):
        what = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        groups = ", ".join(f"{name} {count}" for name, count in Counter(trick.group for trick, _ in verdicts).items())
        notes.ok("tricks", f"{who}: {len(verdicts)} tricks ({groups}), none got through: {what}")


def _lines(holes: Sequence[tuple[Trick, Verdict]], token: str | None) -> Iterator[str]:
    for trick, verdict in holes[:_SHOWN]:
        why = verdict.why if not token else verdict.why.replace(token, "…")
        yield f"{trick.name} got through ({verdict.outcome}): {why[:300]}. {trick.tries}"
    if len(holes) > _SHOWN:
        rest = [trick.name for trick, _ in holes[_SHOWN:]]
        yield f"{len(rest)} more of {holes[0][0].group} ({GROUPS.get(holes[0][0].group, '')}) got through: {_some(rest)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
