"""Dynamic metadata: who it was, exactly, within bounds, and never the token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc")

from google.protobuf.json_format import MessageToDict
from support.calls import Calls, asked, bearer
from support.house import token


async def told(calls: Calls, *fields: Any, **more: Any) -> dict[str, Any]:
    found = await calls.ask(asked(*fields, **more))
    return dict(MessageToDict(found.dynamic_metadata))


async def test_an_allow_says_who_it_was_and_every_verified_claim(tmp_path: Path) -> None:
    async with Calls(tmp_path) as calls:
        for _ in range(2):  # verified, and then known
            found = await told(calls, bearer(token(roles=["a", "b"], realm={"team": ["x"], "on": True, "no": None})))
            claims = found.pop("claims")
            assert found == {
                "resource": "api",
                "rule": 1,
                "subject": "alice",
                "issuer": "https://issuer.example",
                "client": "app",
                "scopes": ["read", "write"],
                "roles": ["a", "b"],
            }
            assert claims["realm"] == {"team": ["x"], "on": True, "no": None}
            assert claims["aud"] == "https://api.example/"


async def test_a_number_that_a_double_does_not_hold_is_text(tmp_path: Path) -> None:
    """A Struct's numbers are doubles: 2**53 + 1 would be another account's number."""
    numbers = {"exact": 2**53, "more": 2**53 + 1, "less": -(2**53) - 1, "part": 0.5, "in": [2**60]}
    async with Calls(tmp_path) as calls:
        claims = (await told(calls, bearer(token(**numbers))))["claims"]
        assert {name: claims[name] for name in numbers} == {
            "exact": 2**53,
            "more": "9007199254740993",
            "less": "-9007199254740993",
            "part": 0.5,
            "in": [str(2**60)],
        }


async def test_claims_beyond_the_bound_are_left_out_and_it_is_said(tmp_path: Path) -> None:
    limits = {"max_token_bytes": 32 * 1024}
    async with Calls(tmp_path, limits=limits) as calls:
        found = await told(calls, bearer(token(long="x" * 17_000)))
        assert "claims" not in found
        assert found["claims_omitted"] is True
        assert found["subject"] == "alice"


@pytest.mark.parametrize("kind", ["lists", "objects"])
async def test_claims_that_a_reader_of_messages_would_not_take_are_left_out(tmp_path: Path, kind: str) -> None:
    """Envoy reads a hundred levels; an answer that it cannot read would be a failure of ours to it."""
    async with Calls(tmp_path, limits={"max_json_depth": 64}) as calls:
        for levels, told_of in ((20, True), (40, False)):
            value: Any = "x"
            for _ in range(levels):
                value = [value] if kind == "lists" else {"a": value}
            found = await told(calls, bearer(token(deep=value)))
            assert ("claims" in found, "claims_omitted" in found) == (told_of, not told_of)
            assert found["subject"] == "alice"


async def test_the_token_is_in_no_answer(tmp_path: Path) -> None:
    async with Calls(tmp_path) as calls:
        good = token()
        for path in ("/orders/1", "/nowhere", "/health", "/orders/../x"):
            found = await calls.ask(asked(bearer(good), path=path))
            assert good.rpartition(".")[2] not in str(found)
            assert good.split(".")[1] not in str(found)


async def test_nobody_is_named_where_nobody_was_verified(tmp_path: Path) -> None:
    async with Calls(tmp_path) as calls:
        assert await told(calls, bearer(), path="/health") == {"resource": "api", "rule": 0}


async def test_a_refusal_says_why_and_under_which_id_and_not_who(tmp_path: Path) -> None:
    async with Calls(tmp_path) as calls:
        found = await told(calls, bearer(token(scope="write")))
        assert len(found.pop("request_id")) == 32
        assert found == {"resource": "api", "outcome": "forbid", "code": "insufficient_scope"}
        assert (await told(calls, name="nowhere"))["resource"] == ""
