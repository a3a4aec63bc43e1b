"""What a good token gets, and who gets it afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.gate import CHALLENGE, Gate, Reply, Seen, echoed, guarded, remedies, told

from bearerd.doctor import allowed
from bearerd.doctor.finding import Notebook

TOKEN = "header.payload.signature-of-some-length"
IDENTITY = ("X-Auth-Subject", "X-Auth-Roles")


async def look(answer: Callable[[Seen], Reply]) -> tuple[Notebook, bool]:
    notes = Notebook("gateway")
    async with Gate(answer) as gate:
        granted = await allowed.look(gate.way(), TOKEN, IDENTITY, notes)
    assert TOKEN not in str(notes.findings)
    return notes, granted is not None


async def test_a_good_token_passes_and_nobody_else_afterwards() -> None:
    notes, granted = await look(guarded(TOKEN))
    assert granted
    assert [(one.check, one.severity.value) for one in notes.findings] == [
        ("allowed", "ok"), ("bad_token", "ok"), ("replay", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize("status", [401, 403, 502])
async def test_a_token_that_is_refused_is_an_error_and_ends_the_look(status: int) -> None:
    notes, granted = await look(lambda _: Reply(status, CHALLENGE))
    assert not granted
    assert [(one.check, one.severity.value) for one in notes.findings] == [("allowed", "error")]


async def test_an_upstream_that_has_nothing_there_is_a_note() -> None:
    notes, granted = await look(guarded(TOKEN, lambda _: Reply(404)))
    assert granted
    assert told(notes, "allowed") == ["note"]


async def test_an_answer_that_is_kept_for_the_next_is_an_error() -> None:
    kept: list[str] = []

    def caching(seen: Seen) -> Reply:
        kept.append(seen.target) if seen.token == TOKEN else None
        return Reply(200, body=b"secret") if seen.target in kept else Reply(401, CHALLENGE)

    notes, _ = await look(caching)
    assert told(notes, "replay") == ["error"]
    assert told(notes, "bad_token") == ["error"]
    assert "cache" in remedies(notes, "replay")


async def test_a_gateway_that_does_not_look_at_the_signature_is_an_error() -> None:
    notes, _ = await look(lambda seen: Reply() if (seen.token or "").startswith("header.") else Reply(401, CHALLENGE))
    assert told(notes, "bad_token") == ["error"]
    assert told(notes, "replay") == ["ok"]


async def test_identity_that_clients_are_shown_is_a_warning() -> None:
    notes, _ = await look(guarded(TOKEN, lambda _: Reply(200, {"X-Auth-Subject": "alice"})))
    assert told(notes, "leak") == ["warning"]


async def test_what_the_upstream_is_told_is_seen_where_it_says_so() -> None:
    well, _ = await look(guarded(TOKEN, lambda seen: echoed(seen, X_Auth_Subject="alice")))
    assert told(well, "identity") == ["ok"]
    assert told(well, "credential") == ["note"]  # the token itself arrived, too
    nobody, _ = await look(guarded(TOKEN, echoed))
    assert told(nobody, "identity") == ["warning"]
