"""The doctor visits real gateways: as the examples have them, and with one line of them taken away."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import pytest
from stage import GATEWAYS
from support.gate import remedies, told

from bearerd.config import load
from bearerd.doctor import gateway as doctor
from bearerd.doctor import talk, trials
from bearerd.doctor.finding import Finding, healthy
from bearerd.doctor.gateway import Visit
from bearerd.tricks import Trick
from gateways.conftest import Gateway

pytestmark = pytest.mark.timeout(400)  # the first test of each gateway waits for six programs to start


def visit(gateway: Gateway, *, token: bool = True, path: str = "/orders/7") -> Visit:
    identity = load.load(gateway.config, {}).resource["api"].identity
    return Visit(
        talk.parse(gateway.stage.url(gateway.name, path)),
        tuple(identity),
        token=gateway.token() if token else None,
        open="/health",
        per_second=500.0,
    )


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the doctor know a few tricks only: all of them on all gateways are the corpus's own tests."""

    def choose(*names: str) -> None:
        tricks: Sequence[Trick] = [trick for trick in trials.TRICKS if trick.name in names]
        assert len(tricks) == len(names)
        monkeypatch.setattr(trials, "chosen", lambda everything: tricks)

    return choose


def errors(found: list[Finding], check: str) -> list[str]:
    return [one.found for one in found if one.check == check and one.severity == "error"]


USUAL = (
    "climbs/plain",
    "climbs/encoded-slash",
    "spellings/plain",
    "identity/plain",
    "identity/underscore",
    "identity/every",
    "connections/pipelined-head",  # of --all: a HEAD of what is open is answered without a body
    "framing/head-body",
)


async def test_the_examples_are_well(gateway: Gateway, only: Callable[..., None]) -> None:
    only(*USUAL)
    asked = visit(gateway)
    found = await doctor.examine(asked)
    assert healthy(found), [one for one in found if one.severity in ("error", "warning")]
    for check in ("closed", "challenge", "metadata", "bad_token", "allowed", "replay", "identity", "tricks"):
        assert set(told(found, check)) == {"ok"}, check
    assert asked.token is not None
    assert asked.token not in str(found)


# What a gateway's file loses; the check, and the trick if it is one, that shows it; a word of the remedy.
Weakness = tuple[dict[str, str], str, str, str]
WEAK: dict[str, list[Weakness]] = {
    "nginx": [
        ({"            auth_request /_bearerd;\n": ""}, "closed", "", "auth_request"),
        ({"proxy_set_header X-Auth-Subject $auth_subject;": ""}, "tricks", "identity/plain", "identity headers"),
        (
            {"underscores_in_headers off;": "underscores_in_headers on;"},
            "tricks",
            "identity/underscore",
            "every spelling",
        ),
        ({'        401     "";\n': ""}, "challenge", "", "add_header"),
    ],
    "envoy": [({"disabled: true": "disabled: false"}, "metadata", "", "well-known")],
    "traefik": [({"      middlewares: [guarded]\n": ""}, "closed", "", "forward auth")],
    "caddy": [
        (
            {"\t\t\trequest_header -X-Auth-Subject\n": "", "copy_headers X-Auth-Subject": "copy_headers"},
            "tricks",
            "identity/plain",
            "identity headers",
        )
    ],
}
FAILING_OPEN = {"envoy": {"failure_mode_allow: false": "failure_mode_allow: true"}}


@contextlib.contextmanager
def weakened(gateway: Gateway, changes: dict[str, str]) -> Iterator[None]:
    """The gateway with other files, and afterwards with its own again."""
    stage = gateway.stage
    stage.stop(gateway.name)
    stage.changes = changes
    try:
        stage.start_gateway(gateway.name)
        yield
        stage.stop(gateway.name)
    finally:
        stage.changes = {}
        stage.start_gateway(gateway.name)


async def test_a_weakness_is_found_and_what_helps_is_named(gateway: Gateway, only: Callable[..., None]) -> None:
    only(*USUAL)
    for changes, check, trick, remedy in WEAK.get(gateway.name, []):
        with weakened(gateway, changes):
            found = await doctor.examine(visit(gateway))
        assert not healthy(found), changes
        assert {"error", "warning"} & set(told(found, check)), (changes, found)
        assert remedy in remedies(found, check), changes
        assert any(trick in text for text in errors(found, check)) or not trick, changes


async def test_while_bearerd_is_down_nothing_passes_and_what_would_pass_is_found(gateway: Gateway) -> None:
    asked = visit(gateway)
    assert told(await doctor.examine_without_bearerd(asked), "unreachable") == ["warning"]  # it is not down yet
    gateway.stage.stop("bearerd")
    try:
        assert told(await doctor.examine_without_bearerd(asked), "unreachable") == ["ok"] * 5
        if gateway.name in FAILING_OPEN:
            with weakened(gateway, FAILING_OPEN[gateway.name]):
                found = await doctor.examine_without_bearerd(asked)
            assert told(found, "unreachable") == ["error"] * 5
            assert "failure_mode_allow: false" in remedies(found, "unreachable")
    finally:
        gateway.stage.start_bearerd(gateway.config)


def test_the_weaknesses_are_of_gateways_that_there_are() -> None:
    assert {*WEAK, *FAILING_OPEN} <= set(GATEWAYS)
