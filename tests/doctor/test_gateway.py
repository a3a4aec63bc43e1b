"""A whole visit to a gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stage import free_port
from support.gate import Gate, Reply, Seen, echoed, guarded, told

from bearerd.config.model import IDENTITY
from bearerd.doctor import gateway, trials
from bearerd.doctor.finding import Finding, healthy
from bearerd.doctor.gateway import Visit
from bearerd.doctor.talk import Gateway, NoAnswer
from bearerd.tricks import TRICKS

TOKEN = "header.payload.signature-of-some-length"
FEW = [
    trick
    for trick in TRICKS
    if trick.name in ("climbs/plain", "spellings/plain", "identity/plain", "identity/underscore")
]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(FEW) == 4
    monkeypatch.setattr(trials, "chosen", lambda everything: FEW)


async def look(answer: Callable[[Seen], Reply], **said: Any) -> tuple[list[Finding], list[Seen]]:
    async with Gate(answer) as gate:
        visit = Visit(gate.gateway(), tuple(IDENTITY), per_second=1000.0, **said)
        found = await gateway.examine(visit)
        assert len(gate.seen) <= visit.most()
    assert TOKEN not in str(found)
    return found, gate.seen


def as_it_should_be(seen: Seen) -> Reply:
    clean = Seen(seen.method, seen.target, tuple(field for field in seen.fields if "auth" not in field[0].lower()))
    if seen.token == TOKEN and seen.target == "/orders/7":
        return echoed(clean, X_Auth_Subject="alice")
    return echoed(clean) if seen.target == "/health" else guarded("nobody")(seen)


async def test_a_gateway_as_it_should_be_is_well() -> None:
    found, seen = await look(as_it_should_be, token=TOKEN, open="/health")
    assert healthy(found), found
    assert told(found, "tricks") == ["ok", "ok"]
    assert {one.method for one in seen} == {"GET", "HEAD"}


async def test_without_a_token_only_the_door_is_looked_at() -> None:
    found, seen = await look(as_it_should_be, open="/health")
    assert healthy(found)
    assert told(found, "allowed") == ["note"]
    assert told(found, "tricks") == ["ok"]
    assert TOKEN not in {one.token for one in seen}


async def test_a_gateway_that_passes_identity_on_is_found_with_and_without_a_token() -> None:
    def passing(seen: Seen) -> Reply:
        served = seen.target == "/health" or (seen.token == TOKEN and seen.target == "/orders/7")
        return echoed(seen, X_Auth_Subject="alice") if served else guarded("nobody")(seen)

    found, _ = await look(passing, token=TOKEN, open="/health")
    holes = [one.found for one in found if one.check == "tricks" and one.severity == "error"]
    assert any(hole.startswith("without a token: identity/plain") for hole in holes)
    assert any(hole.startswith("with your token: identity/underscore") for hole in holes)


async def test_a_method_that_the_token_may_not_and_an_override_brings_is_found_with_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "methods/override-x-http-method-get"
    monkeypatch.setattr(trials, "chosen", lambda everything: [trick for trick in TRICKS if trick.name == name])

    def passing_overrides_on(seen: Seen) -> Reply:
        return Reply(403) if seen.method == "DELETE" else as_it_should_be(seen)

    found, _ = await look(passing_overrides_on, token=TOKEN, open="/health", everything=True)
    assert any(f"with your token: {name} got through" in one.found for one in found if one.severity == "error")
    _, seen = await look(passing_overrides_on, token=TOKEN, open="/health")
    assert "DELETE" not in {one.method for one in seen}


async def test_an_open_path_is_told_once_and_not_climbed_from() -> None:
    found, _ = await look(lambda _: Reply(200, body=b"secret"))
    assert told(found, "closed")[0] == "error"
    assert told(found, "tricks") == []


async def test_a_token_that_is_good_for_everything_shows_nothing_forbidden() -> None:
    found, _ = await look(guarded(TOKEN), token=TOKEN, open="/health")
    (note,) = [one for one in found if one.check == "tricks" and one.severity == "note" and "good for" in one.found]
    assert "--forbidden" in note.remedy


async def test_a_gateway_that_is_gone_is_no_answer() -> None:
    visit = Visit(Gateway("127.0.0.1", free_port(), False, "gate", "/"), tuple(IDENTITY))
    with pytest.raises(NoAnswer):
        await gateway.examine(visit)
    with pytest.raises(NoAnswer):
        await gateway.examine_without_bearerd(visit)


async def test_a_gateway_that_goes_away_meanwhile_is_a_finding_beside_the_others() -> None:
    asked: list[Seen] = []

    def tired(seen: Seen) -> Reply | None:
        asked.append(seen)
        return guarded("nobody")(seen) if len(asked) < 5 else None

    found, _ = await look(tired)  # type: ignore[arg-type]
    assert told(found, "closed") == ["ok"]
    assert told(found, "sent") == ["error"]


async def test_while_bearerd_is_away_nothing_else_is_asked() -> None:
    async with Gate(lambda _: Reply(503)) as gate:
        found = await gateway.examine_without_bearerd(Visit(gate.gateway(), tuple(IDENTITY), per_second=1000.0))
        assert {seen.target for seen in gate.seen} == {"/orders/7"}
    assert told(found, "unreachable") == ["ok"] * 4
