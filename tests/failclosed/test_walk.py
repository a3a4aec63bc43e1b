"""Whatever fails, and wherever, nobody is allowed who must not be; and the process goes on as if nothing had been.

The suite has a budget for each question: every await that it passes, and other places evenly.  ``make failclosed`` injects
an exception, a cancellation and a time-out at each of them, and where each function begins (``walk.Budget``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from failclosed import guard_scenes, key_scenes, scenes
from failclosed.scenes import Scene
from failclosed.subjects import Subject
from failclosed.walk import Budget, awaits, events, walk
from support.injector import SOURCE, Place

BUDGET: Budget = cast("Budget", os.environ.get("FAILCLOSED", 20))

SCENES: tuple[type[Scene], ...] = (
    scenes.ForwardAuth,
    scenes.ForwardAuthAnew,
    scenes.Lane,
    scenes.LaneAnew,
    scenes.ExtAuthz,
    scenes.Grpc,
    scenes.Introspection,
    scenes.Revocation,
    scenes.Python,
    scenes.PythonNow,
    key_scenes.NewKey,
    key_scenes.GrpcNewKey,
    key_scenes.NewKid,
    key_scenes.LaneNewKey,
    key_scenes.PeersKey,
    key_scenes.PeerGaveUp,
    key_scenes.KeyFile,
    key_scenes.IntrospectionNewKey,
    key_scenes.RevocationNewKey,
    key_scenes.Rotated,
    key_scenes.Background,
    guard_scenes.Settled,
    guard_scenes.Body,
    guard_scenes.Proxied,
)

MUST_BE_SEEN = (
    "flow.py:Flow.decide_now",
    "flow.py:Flow.run",
    "flow.py:Flow.run_now",
    "flow.py:Flow.verify",
    "flow.py:Flow._rounds",
    "flow.py:Flow._recorded",
    "verify/verifier.py:TokenVerifier._noted",
    "verify/verifier.py:TokenVerifier._judged_again",
    "verify/verifier.py:TokenVerifier._renewed",
    "verify/examine.py:Examiner._unsigned",
    "jws/keys.py:Key.check",
    "verify/flights.py:Flights.wait",
    "verify/flights.py:Flights._run",
    "verify/flights.py:Flights._ended",
    "policy/rules.py:select_rule",
    "policy/decide.py:decide_now",
    "policy/decide.py:judge_for_introspection",
    "policy/decide.py:_judge_token",
    "policy/decide.py:_judge_proof",
    "policy/decide.py:_judge_view",
    "policy/decide.py:_judge_use",
    "faces/app.py:Faces.handle",
    "faces/app.py:Faces._decide",
    "faces/asked.py:read",
    "faces/wire.py:message",
    "faces/grpc/authorization.py:Authorization.check",
    "faces/grpc/authorization.py:Authorization._decided",
    "faces/grpc/question.py:read",
    "faces/grpc/reply.py:allowed",
    "faces/grpc/metadata.py:of_allow",
    "lane/clerk.py:Clerk.decide",
    "lane/clerk.py:Clerk._waited",
    "lane/turns.py:Turns._turn",
    "faces/server.py:Handler.data_received",
    "faces/clients.py:Clients._introspect",
    "faces/clients.py:Clients._judged",
    "faces/clients.py:Clients._revoke",
    "faces/clients.py:Clients._write",
    "faces/answer.py:answer",
    "issuers/refresh.py:Refresher.want",
    "issuers/refresh.py:Refresher.run",
    "issuers/keeper.py:Keeper.want",
    "issuers/keeper.py:Keeper.run",
    "issuers/keeper.py:Keeper._fly",
    "issuers/keeper.py:Keeper._may_fetch",
    "issuers/keeper.py:Keeper._fetch",
    "issuers/registry.py:Issuer.adopt",
    "audit/recorder.py:Recorder.record",
    "audit/auditor.py:Auditor.kept",
    "rates/settler.py:Rates.settle",
    "faces/mcp/proxy.py:Proxy.answer",
)

WAITING = (
    "flow.py",
    "faces/*.py",
    "faces/grpc/*.py",
    "verify/*.py",
    "policy/*.py",
    "issuers/refresh.py",
    "issuers/keeper.py",
)
PASSED_BY = {
    ("faces/server.py", "_AppRunner._make_server"): "the listeners of probes and admin, which decide nothing",
    ("faces/server.py", "_discreet.<locals>.answer"): "likewise",
    **{("faces/grpc/health.py", f"Health.{name}"): "decides nothing" for name in ("check", "watch", "_changes")},
    ("faces/grpc/health.py", "_service"): "likewise",
    ("verify/flights.py", "Flights.close"): "the end of the process",
    ("faces/app.py", "Faces.close"): "likewise",
    ("faces/app.py", "_Runner.cleanup"): "likewise",
    ("faces/revoke.py", "write"): "an API key's, which the store's script revokes: tests/apikeys",
    ("faces/revoke.py", "_key"): "likewise",
    ("issuers/refresh.py", "Refresher.load"): "before serving",
}

PAIRS = [pytest.param(scene, who, id=f"{scene.__name__}-{who.name}") for scene in SCENES for who in scene.asked_by]


@pytest.mark.parametrize(("scene", "who"), PAIRS)
async def test_no_fault_at_any_place_ends_as_an_allow_or_outlasts_its_request(
    tmp_path: Path, scene: type[Scene], who: Subject
) -> None:
    async with scene(tmp_path) as made:
        found = await walk(made, who, BUDGET)
    assert found.findings == []
    # The faults were met; where loops run beside, a question may take another way than the one that was counted.
    assert found.met >= min(found.tried, BUDGET if isinstance(BUDGET, int) else found.tried) / 2


async def test_the_walk_passes_what_it_is_meant_to_and_every_await_of_the_decision_path(tmp_path: Path) -> None:
    passed: set[Place] = set()
    for number, scene in enumerate(SCENES):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with scene(folder) as made:
            passed |= set(await events(made, scene.asked_by[0]))
    names = {place.name for place in passed}
    assert [name for name in MUST_BE_SEEN if name not in names] == []
    lines = {(place.file, place.line) for place in passed}
    missed = [(file, line, name) for file, line, name in _waits() if (file, line) not in lines]
    assert "\n".join(f"{file}:{line} in {name}" for file, line, name in missed if (file, name) not in PASSED_BY) == ""
    assert {(file, name) for file, _, name in missed} == set(PASSED_BY)  # no exception is kept that is none


def _waits() -> Iterator[tuple[str, int, str]]:
    """Each line of the decision path at which a coroutine may wait: file, line, function."""
    for pattern in WAITING:
        for path in sorted(Path(SOURCE).glob(pattern)):
            file = str(path.relative_to(SOURCE))
            yield from ((file, line, name) for line, name in awaits(file).items())
