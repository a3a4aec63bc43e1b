"""A live gateway: whether it asks bearerd, believes it, and lets nobody past it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bearerd.doctor import allowed, closed, echo, silence, trials
from bearerd.doctor.finding import Finding, Notebook
from bearerd.doctor.talk import NoAnswer, Way
from bearerd.tricks import Target, readings

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.doctor.talk import Gateway
    from bearerd.tricks import Answer, Trick

METADATA: Final = "/.well-known/oauth-protected-resource"
_OTHER: Final = "DELETE"  # which --all sends anyway; where it is refused, no override may bring it to the upstream
_NOWHERE: Final = "/bearerd-doctor/nobody-has-a-rule-for-this"


@dataclass(frozen=True, slots=True)
class Visit:
    """What is to be examined, and with what."""

    gateway: Gateway
    identity: tuple[str, ...]
    token: str | None = None
    open: str | None = None  # a path that needs no token
    echo: str | None = None  # one that shows what the upstream received
    forbidden: str | None = None  # one that the token is not good for
    everything: bool = False
    per_second: float = 20.0
    ca_file: Path | None = None

    def most(self) -> int:
        """How many requests it takes, roughly and at most."""
        return 20 + len(trials.chosen(everything=self.everything)) * (2 if self.token else 1)


async def examine(visit: Visit) -> list[Finding]:
    """Findings about it, bearerd being up.  Raises NoAnswer where nobody answers at all."""
    way, notes = _begun(visit)
    try:
        await _look(way, visit, notes)
    except NoAnswer as gone:
        if way.sent == 1:
            raise
        found = f"it stopped answering at the {way.sent}th request: {gone}"
        notes.error("sent", found, "look at its log: a request took it down, or it bars this client")
        return notes.findings
    remedy = "stop bearerd, then ask again with --unreachable: every answer must be 5xx or 403"
    notes.note("unreachable", "not tried: what it serves while bearerd cannot be asked", remedy)
    notes.note(
        "sent",
        f"{way.sent} requests{'' if visit.everything else ', GET, HEAD and OPTIONS only; --all tries the others'}",
    )
    return notes.findings


async def _look(way: Way, visit: Visit, notes: Notebook) -> None:
    refused = await closed.look(way, notes)
    granted = None
    if visit.token is None:
        notes.note("allowed", "not tried: no token was given", "--token-file FILE, or - for standard input")
    else:
        granted = await allowed.look(way, visit.token, visit.identity, notes)
    tricks = trials.chosen(everything=visit.everything)
    if refused.status >= 400:
        await _try_as_nobody(way, visit, granted, tricks, notes)
    if granted is not None and visit.token is not None:
        await _try_as_holder(way, visit, visit.token, granted, tricks, notes)


async def examine_without_bearerd(visit: Visit) -> list[Finding]:
    """Findings about it while bearerd is stopped.  Raises NoAnswer."""
    way, notes = _begun(visit)
    await silence.look(way, visit.token, notes)
    return notes.findings


def _begun(visit: Visit) -> tuple[Way, Notebook]:
    way = Way(visit.gateway, per_second=visit.per_second, ca_file=visit.ca_file)
    return way, Notebook(f"gateway {visit.gateway.origin}{visit.gateway.path.partition('?')[0]}")


async def _try_as_nobody(way: Way, visit: Visit, granted: Answer | None, tricks: list[Trick], notes: Notebook) -> None:
    """From a path that is open to the one that is not."""
    stone, answer = await _stepping_stone(way, visit)
    target = Target(secret=_plain(visit.gateway.path), open=stone, host=visit.gateway.host, identity=visit.identity)
    await trials.run(way, target, trials.Known(answer, granted), tricks, notes, "without a token")


async def _stepping_stone(way: Way, visit: Visit) -> tuple[str, Answer | None]:
    """The first path that really needs no token, and its answer."""
    named = [path for path in (visit.echo, visit.open, METADATA) if path is not None]
    for path in named:
        answer = await way.ask(path)
        if answer.status < 400:
            return _plain(path), answer
    return _plain(named[0]), None


async def _try_as_holder(
    way: Way, visit: Visit, token: str, granted: Answer, tricks: list[Trick], notes: Notebook
) -> None:
    """From what the token is good for to what it is not."""
    secret = visit.forbidden or _NOWHERE
    if (await way.ask(secret, token=token)).status < 400:
        remedy = "--forbidden PATH names one that it is not good for"
        notes.note("tricks", f"with your token: not tried, for it is good for {secret}, too", remedy)
        return
    path, answer = visit.gateway.path, granted
    if visit.echo is not None:
        path, answer = visit.echo, await way.ask(visit.echo, token=token)
    refused = visit.everything and (await way.ask(path, method=_OTHER, token=token)).status in (403, 405)
    target = Target(
        secret=_plain(secret),
        open=_plain(path),
        host=visit.gateway.host,
        token=token,
        identity=visit.identity,
        forbidden=_OTHER if refused else "",
        holder=_holder(answer, visit.identity),
    )
    await trials.run(way, target, trials.Known(answer, None), tricks, notes, "with your token")


def _holder(answer: Answer, identity: tuple[str, ...]) -> dict[str, str]:
    """Whose token it is, as the upstream was told; empty where it does not say."""
    seen = echo.seen(answer)
    fields = [] if seen is None else readings.fields(seen.head)
    told = {name: echo.values(fields, name) for name in identity}
    return {name: values[0] for name, values in told.items() if len(values) == 1}


def _plain(path: str) -> str:
    """Without its query."""
    return path.partition("?")[0]
