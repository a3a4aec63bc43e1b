"""The whole corpus of tricks against every gateway and its example: nothing gets through, and nobody is taken for somebody else.

The policy is the hardest that there is: all is open but what a rule guards, so every spelling of a guarded path is one that must be
recognised.  The upstream is the laxest one (`src/bearerd/tricks/readings.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ask import token
from stage import EXAMPLES, GATEWAYS, Stage

from bearerd.tricks import GROUPS, TRICKS, Outcome, Target, Trick
from gateways.conftest import ONE_WORKER
from gateways.gauntlet import Gauntlet, Result

pytestmark = pytest.mark.timeout(300)  # the first test of each gateway waits for its programs to start

RULES = """
[[resource.api.rule]]
path = "/open/**"
auth = "none"

[[resource.api.rule]]
path = "/maybe/**"
auth = "optional"

[[resource.api.rule]]
methods = ["GET", "POST"]
path = "/orders/**"
scopes = ["orders:read"]

[[resource.api.rule]]
path = "/orders/**"
scopes = ["orders:write"]

[[resource.api.rule]]
path = "/tasks/**"
scopes = ["tasks"]

[[resource.api.rule]]
path = "/**"
auth = "none"
"""


@dataclass
class Course:
    """A gateway, everybody who tries the tricks on it, and what came of them."""

    gauntlet: Gauntlet
    port: int
    targets: dict[str, Target]

    def run(self, group: str) -> list[Result]:
        return self.gauntlet.run(self.port, [trick for trick in TRICKS if trick.group == group], self.targets)


def everybody(stage: Stage, name: str) -> dict[str, Target]:
    """Nobody, somebody with a token that is none, and a holder of a good one who wants more."""
    good = token(stage.ports["issuer"], "alice", stage.url(name, "/"), "api orders:read")
    body, _, signature = good.rpartition(".")
    alice = {
        "X-Auth-Subject": "alice",
        "X-Auth-Issuer": stage.url("issuer"),
        "X-Auth-Client": "alice",
        "X-Auth-Scopes": "api orders:read",
    }
    return {
        "nobody": Target(secret="/tasks/7", open="/open/x"),
        "nobody on an optional path": Target(secret="/tasks/7", open="/maybe/x"),
        "a forger": Target(secret="/tasks/7", open="/open/x", token=f"{body}.{signature[::-1]}"),
        "alice": Target(secret="/tasks/7", open="/orders/7", token=good, holder=alice, forbidden="DELETE"),
        "alice on an optional path": Target(
            secret="/tasks/7", open="/maybe/x", token=good, holder=alice, anonymous=True
        ),
    }


@contextlib.contextmanager
def on_course(name: str, folder: Path) -> Iterator[Course]:
    """A gateway as its example has it, before the hardest policy."""
    with Stage.on_free_ports(folder) as stage, Gauntlet(stage.ports["upstream"]) as gauntlet:
        example = (EXAMPLES / name / "bearerd.toml").read_text()
        stage.changes |= ONE_WORKER
        stage.changes[example[example.index("[[resource.api.rule]]") :]] = RULES
        stage.start_issuer()
        stage.start_bearerd(stage.copy(name) / "bearerd.toml")
        stage.start_gateway(name)
        yield Course(gauntlet, stage.ports[name], everybody(stage, name))


@pytest.fixture(scope="module", params=GATEWAYS)
def course(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    if GATEWAYS[request.param].found() is None:
        pytest.skip(f"{request.param} is absent")
    with on_course(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.mark.parametrize("group", GROUPS)
def test_no_trick_gets_through_and_no_identity_is_forged(course: Course, group: str) -> None:
    holes = [str(result) for result in course.run(group) if result.verdict.outcome.hole]
    if holes:
        pytest.fail("\n".join([f"{len(holes)} got through", *holes]), pytrace=False)
    assert course.gauntlet.strays(course.targets["nobody"]) == []


def test_the_gateway_lets_through_what_it_should(course: Course) -> None:
    """Else nothing above would mean anything."""
    plain = Trick("plain/open", "No trick.")
    results = course.gauntlet.run(course.port, [plain], course.targets)
    assert {result.as_whom: result.verdict.outcome for result in results} == dict.fromkeys(
        course.targets, Outcome.HARMLESS
    )
