"""Frames: a new token's allow that needs no request is decided and worded as any other, and counts as no known token's."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, House
from support.house import token as signed
from support.lanes import DIALECTS, OTHER, made, question
from support.line import lane_line, settle, told

from bearerd.mcp.condition import Condition
from bearerd.metrics import HITS, MISSES, gather
from bearerd.policy import decide
from bearerd.verify.verifier import TokenVerifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bearerd.config.model import Config

FRAMED = ("bare", "scoped", "ruled", "methods", "headers", "available", "login")
NUMBERS = itertools.count()
READ = ("kept", "shadowed", "shade")  # a time is said, or the request has a say


def quiet(tmp_path: Path, share: float = 0.0, **tables: Any) -> Config:
    """``share``: of the allows, that get a line."""
    return made(tmp_path, server={"profile": "development", "log_allows": share}, **tables)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(quiet(tmp_path), tmp_path, lane=True) as house:
        yield house


def new(**claims: Any) -> str:
    """A token that nobody has seen, of the issuer whose key is at hand."""
    return signed(1, {"kid": "k2"}, iss=OTHER, **({"jti": f"new {next(NUMBERS)}"} | claims))


def broken(*_: object, **__: object) -> Any:
    raise RuntimeError("a fault of ours")


async def asked(house: House, *texts: bytes) -> bytes:
    """What is answered on one connection."""
    line = lane_line(house)
    line.feed(b"".join(texts))
    await settle(house)
    sent = bytes(line.sent)
    line.hang_up()
    return sent


def counts(house: House) -> tuple[float, float]:
    """Hits and misses."""
    house.clerk._count()
    found = gather([house.service.metrics.buffer])
    return found[HITS,][0], found[MISSES,][0]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("table", FRAMED)
async def test_no_request_is_read_for_it(
    house: House, monkeypatch: pytest.MonkeyPatch, table: str, dialect: str
) -> None:
    monkeypatch.setattr(house.clerk, "_read", broken)
    assert (await asked(house, question(dialect, table, new()))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("table", READ)
async def test_where_more_has_a_say_it_is_read(house: House, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    assert (await asked(house, question("nginx", table, new()))).startswith(b"HTTP/1.1 200 ")
    monkeypatch.setattr(house.clerk, "_read", broken)
    assert await asked(house, question("nginx", table, new())) == b""


CLAIMS: tuple[dict[str, Any], ...] = (
    {},
    {"sub": "bob"},
    {"sub": ...},
    {"sub": "a b%é\u2028", "tier": ["%s", "a,b"]},
    {"sub": "%(x)s %s %%", "client_id": "%s"},
    {"scope": "read"},
    {"scope": "openid"},
    {"scope": ["read", "w%x"]},
    {"roles": ["editor", "a,b"]},
    {"tier": "gold"},
    {"aud": "https://else.example"},
    {"aud": ["https://else.example", "https://api.example"]},
    {"cnf": {"jkt": "x"}},
    {"client_id": ..., "azp": "other"},
    {"exp": 4_000_000_000},
)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_tokens_that_differ_in_one_thing_are_each_told_their_own(house: House, dialect: str) -> None:
    """Two of a kind, one decided from its request and one without, for whom nothing but the moment may differ."""
    for table in FRAMED:
        for uri in ("/a/b", "/b", "/roles/1", "/claims", "/public/x", "/maybe/x"):
            for claims in CLAIMS:
                framed = await asked(house, question(dialect, table, new(**claims), "GET", uri))
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(house.clerk._frames, "prepare", lambda *_: False)
                    read = await asked(house, question(dialect, table, new(**claims), "GET", uri))
                assert told(framed) == told(read), (table, uri, claims)


async def test_it_is_no_known_token(house: House) -> None:
    """Others stand back for those: a flood of new tokens would have it that they are all known."""
    sent = await asked(house, *(question("nginx", "bare", new()) for _ in range(20)))
    assert sent.count(b"HTTP/1.1 200 ") == 20
    assert house.clerk.lane.allowed == 0
    assert counts(house) == (0, 20)
    good = question("nginx", "bare", new())
    await asked(house, good, good)
    assert house.clerk.lane.allowed == 1
    assert counts(house) == (1, 21)


def told_lines(house: House, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is written from now on."""
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(house.service.recorder, "write", lambda record: lines.append(record.line(str)))
    return lines


async def test_a_line_is_whole_whatever_becomes_of_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"token_cache_entries": 1, "refusal_logs_per_second": 1_000_000, "decision_ring": 1000}
    async with House(quiet(tmp_path, 1.0, limits=limits), tmp_path, lane=True) as house:
        lines = told_lines(house, monkeypatch)
        await asked(house, *(question("nginx", "ruled", new(sub=f"s{number}")) for number in range(3)))
        house.clerk._write(last=True)
    assert [(one["sub"], one["cache"]) for one in lines] == [(f"s{number}", "miss") for number in range(3)]


async def test_a_share_of_them_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with House(quiet(tmp_path, 0.25), tmp_path, lane=True) as house:
        lines = told_lines(house, monkeypatch)
        for number in range(80):
            good = question("nginx", "bare", new(sub=f"s{number}"))
            await asked(house, good, good)
        house.clerk._write(last=True)
    assert len(lines) in (38, 39, 40)
    assert all(one["sub"] for one in lines)


async def test_answers_stay_in_order_and_each_is_its_own(house: House) -> None:
    names = [f"number {number}" for number in range(12)]
    texts = [question("nginx", "headers" if number % 3 else "kept", new(sub=name)) for number, name in enumerate(names)]
    sent = await asked(house, *texts)
    subjects = [part.split(b"\r\n")[0].decode() for part in sent.split(b"X-Auth-Subject: ")[1:]]
    assert subjects == [name.replace(" ", "%20") for name in names]


FAULTS = {
    "looking": lambda house, patch: patch.setattr(TokenVerifier, "verify_now", broken),
    "deciding": lambda house, patch: patch.setattr(decide, "plainly", broken),
    "preparing": lambda house, patch: patch.setattr(house.clerk._frames, "prepare", broken),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_fault_nothing_is_tried_again(house: House, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    with monkeypatch.context() as patch:
        FAULTS[fault](house, patch)
        sent = await asked(house, question("nginx", "bare", new()))
        assert sent.startswith(b"HTTP/1.1 503 ")
        assert b"internal_error" in sent
    assert (await asked(house, question("nginx", "bare", new()))).startswith(b"HTTP/1.1 200 ")


async def test_a_fault_of_the_time_is_told_to_each(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(house.service.time, "now", broken)
        sent = await asked(house, question("nginx", "bare", new()), question("nginx", "bare", new()))
    assert sent.count(b"HTTP/1.1 503 ") == 2


async def test_a_fault_in_the_policy_itself_is_no_allow(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "_judge", broken)
    assert (await asked(house, question("nginx", "bare", new()))).startswith(b"HTTP/1.1 503 ")


async def test_a_rule_that_asks_for_more_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"identifier": API, "gateway": "nginx", "rule": [{"path": "/**", "when": "request.path != '/b'"}]}
    asks: list[str] = []
    fault = Condition.fault
    monkeypatch.setattr(Condition, "fault", lambda self, known: (asks.append(""), fault(self, known))[1])
    async with House(quiet(tmp_path, resource={"when": table}), tmp_path, lane=True) as house:
        assert (await asked(house, question("nginx", "when", new()))).startswith(b"HTTP/1.1 200 ")
        assert len(asks) == 1
        assert (await asked(house, question("nginx", "when", new(), "GET", "/b"))).startswith(b"HTTP/1.1 403 ")


async def test_a_frame_is_of_the_configuration_in_use(house: House, tmp_path: Path) -> None:
    assert b"X-Tier" in await asked(house, question("nginx", "headers", new(tier="gold")))
    plain = quiet(tmp_path, resource={"headers": {"identifier": "https://api.example", "gateway": "nginx"}})
    await house.service.reload(plain)
    sent = await asked(house, question("nginx", "headers", new(tier="gold")))
    assert sent.startswith(b"HTTP/1.1 200 ")
    assert b"X-Tier" not in sent
    await house.service.reload(
        made(tmp_path, resource={"headers": {"identifier": "https://else.example", "gateway": "nginx"}})
    )
    assert (await asked(house, question("nginx", "headers", new(tier="gold")))).startswith(b"HTTP/1.1 401 ")
