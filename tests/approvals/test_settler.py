"""A call that needs a yes passes exactly once, as it was approved, and whoever asks for anything else begins anew."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest
from support.approving import Floor, asked, resource, verified

from bearerd.approvals.record import Approver
from bearerd.refusals import Approval, Code, Refusal

if TYPE_CHECKING:
    from bearerd.store.client import Client

ATTEMPT = (b"X-Auth-Attempt", b"0123456789abcdef0123456789abcdef")


@pytest.fixture
def floor(client: Client) -> Floor:
    return Floor(client)


async def pending(floor: Floor, *more: Any) -> Approval:
    """What a refused call is told to wait for."""
    said = await floor.ask(*more)
    assert isinstance(said, Refusal)
    assert said.code is Code.CONFIRMATION_REQUIRED
    assert said.approval is not None
    return said.approval


def code(said: Any) -> Code:
    assert isinstance(said, Refusal), said
    return said.code


async def test_a_call_is_refused_once_and_passes_once_when_a_human_has_said_yes(floor: Floor) -> None:
    told = await pending(floor)
    assert (told.state, told.url) == ("pending", f"https://approvals.example/a/{told.id}")
    assert 0 < told.expires_in <= 600
    assert (await pending(floor)).id == told.id
    assert await floor.decide(told.id) == "ok"
    passed = await floor.ask()
    assert isinstance(passed, Approval)
    assert (passed.id, passed.state) == (told.id, "used")
    assert (await pending(floor)).id != told.id
    assert [floor.count(event) for event in ("opened", "approved", "used", "denied")] == [2, 1, 1, 0]


async def test_of_many_retries_at_once_one_passes(floor: Floor) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    said = await asyncio.gather(*(floor.ask() for _ in range(10)))
    assert sum(isinstance(one, Approval) for one in said) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"arguments": {"path": "/tmp/y"}},
        {"arguments": {"path": "/tmp/x", "force": True}},
        {"arguments": {}},
        {"operation": {"name": "erase"}},
        {"operation": {"method": "prompts/get"}},
    ],
)
async def test_another_call_is_not_the_one_that_was_approved(floor: Floor, changes: dict[str, Any]) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    assert (await pending(floor, asked(**changes))).id != told.id


async def test_a_call_that_goes_on_with_answers_is_not_the_one_that_was_approved(floor: Floor) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    assert code(await floor.ask(asked(operation={"goes_on": True}))) is Code.FORBIDDEN
    assert isinstance(await floor.ask(), Approval)


async def test_the_same_arguments_in_another_spelling_are_the_same_call(floor: Floor) -> None:
    told = await pending(floor, asked({"a": 1, "b": [1.0, {"d": 2, "c": 3}]}))
    assert (await pending(floor, asked({"b": [1, {"c": 3, "d": 2}], "a": 1.0}))).id == told.id


@pytest.mark.parametrize("changes", [{"subject": "mallory"}, {"client": "other"}, {"issuer": "https://evil.example"}])
async def test_another_user_or_client_has_no_part_in_it(floor: Floor, changes: dict[str, str]) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    assert (await pending(floor, asked(), verified(**changes))).id != told.id


async def test_another_token_of_the_same_user_and_client_is_the_same_asker(floor: Floor) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    assert isinstance(await floor.ask(asked(), verified(token_id="11" * 32)), Approval)


@pytest.mark.parametrize(
    "changed",
    [
        resource(rule={"scopes": ["files:admin"]}),
        resource("other"),
        resource(identifier="https://elsewhere.example"),
        resource(rule={"roles": ["r"]}),
    ],
    ids=["scopes", "other", "identifier", "roles"],
)
async def test_a_rule_that_was_changed_meanwhile_asks_anew(floor: Floor, changed: Any) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    assert (await pending(floor, None, None, changed)).id != told.id


async def test_a_rule_that_only_moved_in_the_file_does_not(floor: Floor) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    table = {"rule": {"confirm": True}, "cacheable_for": 2.0}
    assert isinstance(await floor.ask(None, None, resource(**table)), Approval)


async def test_a_late_use_is_refused(floor: Floor) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    floor.ahead = 700.0
    assert code(await floor.ask()) is Code.CONFIRMATION_REQUIRED
    assert floor.count("used") == 0


async def test_a_wall_clock_that_was_set_back_keeps_nobody_from_being_confirmed(floor: Floor) -> None:
    """By what it said before is judged, for a day: by that, too, what is opened meanwhile has its time."""
    floor.behind = 3600.0
    told = await pending(floor)
    assert 0 < told.expires_in <= 600
    assert await floor.decide(told.id) == "ok"
    assert isinstance(await floor.ask(), Approval)


async def test_what_was_denied_is_forbidden_and_opens_no_other(floor: Floor) -> None:
    told = await pending(floor)
    await floor.decide(told.id, approved=False)
    said = await floor.ask()
    assert code(said) is Code.FORBIDDEN
    assert isinstance(said, Refusal)
    assert said.approval is not None
    assert (said.approval.id, said.approval.state) == (told.id, "denied")
    assert floor.count("opened") == 1


# ---- a gateway's own retry


async def test_the_gateways_retry_of_the_call_that_passed_passes_too(floor: Floor) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    request = asked(None, ATTEMPT)
    first, second = await floor.ask(request), await floor.ask(request)
    assert [isinstance(one, Approval) and one.id for one in (first, second)] == [told.id, told.id]
    assert (floor.count("used"), floor.count("repeated")) == (1, 1)
    assert (await pending(floor, asked({"path": "/etc"}, ATTEMPT))).id != told.id


@pytest.mark.parametrize(
    "request_",
    [
        asked(None, ATTEMPT, trusted=False),
        asked(None, ATTEMPT)._replace(direct=True),
        asked(None, ATTEMPT, ATTEMPT),
        asked(None, (b"X-Auth-Attempt", b"short")),
        asked(None, (b"X-Auth-Attempt", b"0123456789abcdef 0123456789abcdef")),
        asked(None, (b"X-Auth-Attempt", b"f" * 200)),
        asked(None, (b"X-Request-Id", ATTEMPT[1])),
        asked(None),
    ],
    ids=["untrusted", "the client's own", "twice", "short", "two words", "long", "another header", "none"],
)
async def test_nothing_else_counts_as_one(floor: Floor, request_: Any) -> None:
    told = await pending(floor)
    await floor.decide(told.id)
    assert isinstance(await floor.ask(request_), Approval)
    assert (await pending(floor, request_)).id != told.id


async def test_the_header_is_the_operators_to_name(floor: Floor) -> None:
    floor.configure(attempt_header="X-Request-Id")
    told = await pending(floor)
    await floor.decide(told.id)
    request = asked(None, (b"x-request-id", ATTEMPT[1]))
    assert isinstance(await floor.ask(request), Approval)
    assert isinstance(await floor.ask(request), Approval)


# ---- another person


async def test_the_command_line_never_satisfies_other(floor: Floor) -> None:
    of = resource("other")
    told = await pending(floor, None, None, of)
    await floor.decide(told.id, Approver("cli:root"))  # as if whoever decides had not looked
    assert code(await floor.ask(None, None, of)) is Code.FORBIDDEN


async def test_another_person_does(floor: Floor) -> None:
    of = resource("other")
    told = await pending(floor, None, None, of)
    await floor.decide(told.id)
    assert isinstance(await floor.ask(None, None, of), Approval)


async def test_what_tells_the_asker_from_an_approver_is_kept_with_the_call(floor: Floor) -> None:
    floor.configure(same_person_claims=["email", "sub"])
    who = verified(claims={"email": "a@x.example", "other": 1})
    told = await pending(floor, None, who)
    assert floor.office.book is not None
    found = await floor.office.book.find(told.id)
    assert found is not None
    assert found.call.person == {"email": "a@x.example", "sub": "alice"}


# ---- what cannot be confirmed is refused


@pytest.mark.parametrize(
    ("request_", "who", "expected"),
    [
        (asked(operation={"mode": "header"}), None, Code.FORBIDDEN),
        (asked()._replace(operation=None), None, Code.FORBIDDEN),
        (asked(operation={"goes_on": True}), None, Code.FORBIDDEN),
        (asked({"n": 2**60}), None, Code.INVALID_ARGUMENTS),
        (asked({"n": math.nan}), None, Code.INVALID_ARGUMENTS),
        (asked({"text": "x" * 40_000}), None, Code.FORBIDDEN),
        (asked(), verified(subject=None, client=None), Code.FORBIDDEN),
    ],
    ids=["header mode", "no operation", "goes on", "large integer", "nan", "long", "nobody"],
)
async def test_what_nobody_could_confirm_is_refused_and_opens_nothing(
    floor: Floor, request_: Any, who: Any, expected: Code
) -> None:
    assert code(await floor.ask(request_, who)) is expected
    assert floor.count("opened") == 0


async def test_without_the_table_or_the_store_nothing_passes(floor: Floor) -> None:
    floor.table = None
    assert code(await floor.ask()) is Code.CONFIRMATION_REQUIRED
    assert floor.count("opened") == 0
    floor.configure()
    floor.office.book = None
    assert code(await floor.ask()) is Code.STALE_STATE


async def test_too_many_are_refused_for_a_while(client: Client) -> None:
    floor = Floor(client, limits={"max_approvals_per_principal": 1})
    await pending(floor)
    said = await floor.ask(asked({"path": "/other"}))
    assert code(said) is Code.RATE_LIMITED
    assert isinstance(said, Refusal)
    assert said.retry_after is not None
    assert floor.count("limited") == 1


async def test_a_resource_in_shadow_asks_nobody(floor: Floor) -> None:
    assert code(await floor.ask(None, None, resource(enforce="shadow"))) is Code.CONFIRMATION_REQUIRED
    assert floor.count("opened") == 0


async def test_a_rule_that_asks_for_nothing_is_not_looked_at(floor: Floor) -> None:
    assert await floor.ask(None, None, resource(confirm=None, rule={"scopes": ["a"]})) is None
    assert not resource(confirm=False).rules[0].settles
    assert resource().rules[0].settles
