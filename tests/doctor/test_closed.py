"""A protected URL, seen by whoever shows no good token."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.gate import CHALLENGE, METADATA, Gate, Reply, Seen, guarded, remedies, told

from bearerd.doctor import closed
from bearerd.doctor.finding import Notebook


async def look(answer: Callable[[Seen], Reply]) -> Notebook:
    notes = Notebook("gateway")
    async with Gate(answer) as gate:
        await closed.look(gate.way(), notes)
    return notes


def always(reply: Reply) -> Callable[[Seen], Reply]:
    """Every request but that for the metadata."""
    return lambda seen: METADATA if seen.target.startswith("/.well-known") else reply


async def test_a_guarded_path_is_closed_with_its_challenge_intact() -> None:
    notes = await look(guarded("good"))
    assert {one.severity.value for one in notes.findings} == {"ok"}
    assert [one.check for one in notes.findings] == ["closed", "challenge", "metadata", *["bad_token"] * 3]


async def test_a_path_that_is_served_to_anybody_is_an_error() -> None:
    notes = await look(lambda _: Reply(200, body=b"secret"))
    assert told(notes, "closed") == ["error", "error"]  # GET and HEAD
    assert told(notes, "bad_token") == ["error"] * 3
    assert "bearerd init" in remedies(notes, "closed")


async def test_a_path_that_is_open_to_heads_or_to_any_token_is_an_error() -> None:
    heads = await look(lambda seen: Reply() if seen.method == "HEAD" else guarded("good")(seen))
    assert told(heads, "closed") == ["ok", "error"]
    tokens = await look(lambda seen: Reply() if seen.token else guarded("good")(seen))
    assert "error" in told(tokens, "bad_token")


@pytest.mark.parametrize(
    ("status", "severity", "remedy"),
    [
        (500, "error", "bearerd health"),
        (403, "warning", "trust.peers"),
        (404, "warning", "route"),
        (302, "warning", "--host"),
    ],
)
async def test_other_statuses_are_told_apart(status: int, severity: str, remedy: str) -> None:
    notes = await look(always(Reply(status)))
    assert told(notes, "closed")[0] == severity
    assert remedy in remedies(notes, "closed")


async def test_a_refusal_of_bearerd_s_can_be_looked_up() -> None:
    notes = await look(always(Reply(403, {"X-Auth-Request-Id": "ab" * 16})))
    assert "--request " + "ab" * 16 in remedies(notes, "closed")


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ((), "warning"),
        ((("WWW-Authenticate", "Bearer"), ("WWW-Authenticate", "Bearer")), "warning"),
        ((("WWW-Authenticate", 'Bearer realm="x", Bearer realm="x"'),), "warning"),
        ((("WWW-Authenticate", 'Bearer error="invalid_token"'),), "warning"),
        ((("WWW-Authenticate", 'Bearer realm="Bearer of x"'),), "note"),
    ],
    ids=["none", "two fields", "twice in one", "an error", "no metadata"],
)
async def test_a_challenge_that_did_not_come_through_whole_is_told(
    fields: tuple[tuple[str, str], ...], severity: str
) -> None:
    assert told(await look(always(Reply(401, fields))), "challenge") == [severity]


async def test_metadata_that_is_not_served_is_a_warning() -> None:
    notes = await look(lambda _: Reply(401, CHALLENGE))
    assert told(notes, "metadata") == ["warning"]
    assert "well-known" in remedies(notes, "metadata")


async def test_metadata_of_another_host_is_not_asked_for() -> None:
    challenge = CHALLENGE | {"WWW-Authenticate": 'Bearer resource_metadata="https://evil.test/.well-known/x"'}
    async with Gate(always(Reply(401, challenge))) as gate:
        notes = Notebook("gateway")
        await closed.look(gate.way(), notes)
        assert not [seen for seen in gate.seen if "well-known" in seen.target]
    assert told(notes, "metadata") == ["note"]


async def test_a_reason_that_clients_are_shown_is_a_warning() -> None:
    notes = await look(always(Reply(401, CHALLENGE | {"X-Auth-Reason": "expired"})))
    assert told(notes, "leak") == ["warning"]
