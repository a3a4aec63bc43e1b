"""What a worker answers the admin listener, when the store does not go along."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support import house

from bearerd._native.revocations import EVERY_KEY, FOREVER, TOMBSTONE
from bearerd.errors import StoreError, StoreFull
from bearerd.serve import errands
from bearerd.store.entries import Kind
from bearerd.store.revocations import Listed, Written

SUBJECT = {
    "kind": "subject",
    "issuer": house.ISS,
    "value": "alice",
    "token": None,
    "before": None,
    "expires_in": None,
    "ack": "enforced",
}


class Writer:
    """Does as a test says."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.asked: list[Any] = []

    async def revoke(self, *terms: Any, **more: Any) -> Any:
        self.asked.append((terms, more))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    lift = reset = page = revoke


def service(outcome: Any) -> Any:
    return SimpleNamespace(writer=None if outcome is None else Writer(outcome), writer_problem="the store is away")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (None, 503),
        (StoreError("the store is unreachable"), 503),
        (StoreFull("the store holds max_revocations entries"), 507),
        (ValueError("expires_in: at least 5 seconds"), 400),
    ],
)
async def test_what_was_not_written_is_never_acknowledged(outcome: Any, status: int) -> None:
    for errand in (errands.revoked, errands.lifted, errands.reset):
        told = await errand(service(outcome), SUBJECT)
        assert told["status"] == status
        assert set(told["body"]) == {"error"}
    if status != 400:
        listed = await errands.listed(service(outcome), {"after": 0, "most": 10})
        assert listed["status"] == 503


async def test_what_is_not_yet_enforced_is_202_with_what_is_missing_and_until_when() -> None:
    written = Written(7, "stored", "fsync", ("worker-2",), 1_800_000_000)
    told = await errands.revoked(service(written), SUBJECT)
    assert told["status"] == 202
    assert told["body"] == {
        "sequence": 7,
        "acknowledged": "stored",
        "durability": "fsync",
        "missing": ["worker-2"],
        "enforced_by": 1_800_000_000,
        "kind": "subject",
        "issuer": house.ISS,
        "value": "alice",
    }


async def test_what_is_asked_reaches_the_writer_unchanged() -> None:
    asked = service(Written(1, "enforced", "fsync"))
    await errands.revoked(asked, {**SUBJECT, "before": 5, "expires_in": 9.0, "ack": "stored"})
    await errands.lifted(asked, SUBJECT)
    assert asked.writer.asked == [
        ((Kind.SUBJECT, house.ISS, "alice", 5, 9.0, "stored"), {"until": None}),
        ((Kind.SUBJECT, house.ISS, "alice", "enforced"), {}),
    ]


async def test_an_issuer_is_revoked_under_the_key_that_tokens_are_probed_by() -> None:
    told = await errands.revoked(service(Written(1, "enforced", "fsync")), {**SUBJECT, "kind": "issuer", "value": ""})
    assert (told["status"], told["body"]["value"]) == (201, "")


async def test_entries_are_listed_with_their_meaning() -> None:
    key = bytes(range(16))
    entries = [
        Listed(1, key, 100, 200, 3_000_000),
        Listed(2, key, FOREVER, FOREVER, 0),
        Listed(3, EVERY_KEY, TOMBSTONE, 9, 0),
    ]
    told = await errands.listed(service(entries), {"after": 0, "most": 3})
    assert told["body"]["next"] == 3
    one, two, three = told["body"]["revocations"]
    assert one == {"sequence": 1, "key": key.hex(), "before": 100, "lifted": False, "expires": 200, "at": 3.0}
    assert (two["before"], two["expires"]) == ("all", None)
    assert (three["key"], three["lifted"]) == ("*", True)
    assert (await errands.listed(service(entries), {"after": 0, "most": 4}))["body"]["next"] is None
