"""What the supervisor shows: the state that probes and admin listener read, and the acts that they may ask for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bearerd import log
from bearerd.issuers.faults import Reason
from bearerd.metrics import SERVING, SNAPSHOT_REASONS
from bearerd.timekeeper import STEP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from bearerd.config.model import Config
    from bearerd.serve.crew import Crew
    from bearerd.serve.member import Member
    from bearerd.serve.page import Pages
    from bearerd.serve.renewal import Renewal


@dataclass
class Desk:
    """See the module."""

    crew: Crew
    pages: Pages
    config: Config  # in use
    reload: Callable[[], Awaitable[str | None]]  # why it failed, if it did
    roll: Callable[[], Awaitable[bool]]
    draining: bool = False
    reload_problem: str | None = None  # why the file on disk is not in use
    restart_for: list[str] = field(default_factory=list)  # keys that wait for a restart
    renewal: Renewal | None = None  # of the certificate
    readiness_asked: float = -1e9  # boot time (seconds) of the last question
    unreadiness_seen: asyncio.Event = field(default_factory=asyncio.Event)  # somebody was told while draining


def readiness(desk: Desk) -> tuple[bool, dict[str, Any]]:
    """Whether this bearerd should be asked, and why: names of components and faults, nothing else.

    Ready is one worker that serves some resource by what it knows of the revocations, and one key set ever loaded; at the
    start, such a worker behind every slot: until then a connection may find nobody.  The outage of one issuer is shown, and
    so is every fault of another worker, a view that is too old for some resources, and an audit sink that takes nothing,
    which is often everybody's: none makes bearerd unready.
    """
    members = [member for member in desk.crew.members if member.health is not None and member.able]
    healths = [member.health for member in members if member.health is not None]
    able = any(member.ready for member in members)
    ready = able and desk.crew.begun and not desk.draining
    document: dict[str, Any] = {
        "ready": ready,
        "components": {
            "workers": _workers(desk, sum(member.ready for member in members)),
            "store": max(map(_store, healths), key=_STORE_STATES.index, default="unknown"),
            "resources": _resources(desk, healths),
            "configuration": "ok" if desk.reload_problem is None else "not_reloaded",
            "issuers": _issuers(desk, healths),
        },
    }
    warnings = [f"insecure_issuer:{issuer.name}" for issuer in desk.config.issuer if issuer.insecure_issuer]
    warnings += ["restart_needed"] if desk.restart_for else []
    warnings += ["serving_stale"] if able and any(health.get("stale") is True for health in healths) else []
    warnings += _of_snapshots(told for health in healths if isinstance(told := health.get("snapshot"), dict))
    down = _down(desk, healths)
    warnings += [f"audit_sink_down:{name}" for name in down]
    warnings += ["clock_set_back"] if any(_behind(health) > STEP for health in healths) else []
    warnings += [] if desk.renewal is None else desk.renewal.warnings()
    if warnings:
        document["warnings"] = warnings
    if down:
        document["since"] = {f"audit_sink_down:{name}": log.stamp(since) for name, since in down.items()}
    return ready, document


def report(desk: Desk) -> dict[str, Any]:
    """``GET /v1/health``: all of it, for operators."""
    ready, document = readiness(desk)
    return {
        **document,
        "ready": ready,
        "draining": desk.draining,
        "reload_problem": desk.reload_problem,
        "restart_needed_for": desk.restart_for,
        "tls_problem": None if desk.renewal is None else desk.renewal.problem,
        "workers": [_worker(member) for member in desk.crew.members],
    }


def _behind(health: dict[str, Any]) -> float:
    """By how many seconds a worker's wall clock lies behind what it said before."""
    found = health.get("clock_behind_seconds")
    return float(found) if isinstance(found, int | float) else 0.0


def _worker(member: Member) -> dict[str, Any]:
    return {
        "pid": member.pid,
        "slot": member.slot,
        "phase": member.phase.name.lower(),
        "ready": member.ready,
        "serves": sorted(member.share.slots),
        "silent_seconds": member.silent,
        "health": member.health,
    }


_REASONS: Final = frozenset(map(str, Reason))
_SNAPSHOT_REASONS: Final = frozenset(SNAPSHOT_REASONS)
_SERVING: Final = dict(zip(SERVING, ("ok", "serving_stale", "stale_state"), strict=True))  # the later the worse
_AUDIT_DOWN: Final = "audit_down"
_RESOURCE_STATES: Final = (*_SERVING.values(), _AUDIT_DOWN)  # likewise: that one is asked first
_STORE_STATES: Final = ("ok", "unreachable", "stale_state")  # the later the worse


def _workers(desk: Desk, ready: int) -> str:
    if desk.draining:
        return "draining"
    if ready == 0:
        return "none_ready"
    if not desk.crew.begun:
        return "starting"
    return "ok" if ready >= desk.crew.slots else "fewer_than_configured"


def _store(health: dict[str, Any]) -> str:
    if health.get("fresh") is not True:
        return "stale_state"
    return "ok" if health.get("store_up") is True else "unreachable"


def _resources(desk: Desk, healths: list[dict[str, Any]]) -> dict[str, str]:
    """Each resource's worst state among the workers: ``ok``, ``serving_stale``; ``stale_state``, ``audit_down``: it is refused."""
    found = {}
    unkept = {name for audit in _audits(healths) for name in audit["refused"]}
    for name in desk.config.resource:
        told = [health["serving"].get(name) for health in healths if isinstance(health.get("serving"), dict)]
        states = [_SERVING[state] for state in told if state in _SERVING]
        states += [_AUDIT_DOWN] if name in unkept else []
        found[name] = max(states, key=_RESOURCE_STATES.index, default="unknown")
    return found


def _audits(healths: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the workers say of theirs."""
    return [told for health in healths if isinstance(told := health.get("audit"), dict)]


def _down(desk: Desk, healths: list[dict[str, Any]]) -> dict[str, float]:
    """The configured audit sinks that take nothing of some worker's, and since when: of the worker that has waited longest."""
    found: dict[str, float] = {}
    for name in desk.config.audit.sinks:
        since = [float(audit["down"][name]) for audit in _audits(healths) if name in audit["down"]]
        if since:
            found[name] = min(since)
    return found


def _of_snapshots(told: Iterable[dict[str, Any]]) -> list[str]:
    """What is worth a look: that one is being served by, was refused (until there is a good one), cannot be written."""
    found = set()
    for one in told:
        found |= {"snapshot_in_use"} if one.get("in_use") is True else set()
        found |= {f"snapshot_refused:{one['refused']}"} if one.get("refused") in _SNAPSHOT_REASONS else set()
        found |= {"snapshot_not_written"} if one.get("failing") is True else set()
    return sorted(found)


def _issuers(desk: Desk, healths: list[dict[str, Any]]) -> dict[str, str]:
    """Each configured issuer's worst state among the workers."""
    found = {}
    for issuer in desk.config.issuer:
        told = (one for health in healths for one in health.get("issuers", ()) if one.get("name") == issuer.name)
        states = sorted(map(_issuer, told), key=lambda state: state == "ok")
        found[issuer.name] = states[0] if states else "unknown"
    return found


def _issuer(told: dict[str, Any]) -> str:
    """``ok``, ``never_loaded``, ``too_old``, or why its last fetch failed."""
    if told.get("failing"):
        return str(told["failing"]) if told["failing"] in _REASONS else "failing"
    if not told.get("loaded"):
        return "never_loaded"
    return "ok" if told.get("usable") else "too_old"
