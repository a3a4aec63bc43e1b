"""The store's part: once is once, whoever asks at the same time, and what was written elsewhere is not believed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.approving import BOB, book_of, call, client_of
from support.valkey import Valkey

from bearerd.approvals.book import PAGE, Full
from bearerd.approvals.record import Approval, Approver, State
from bearerd.config import model
from bearerd.errors import StoreError
from bearerd.store import client as clients
from bearerd.store.server import Durability

if TYPE_CHECKING:
    from bearerd.store.client import Client

STORE = Path(__file__).parents[2] / "docs" / "store.md"


async def approved(book: Any, **changes: Any) -> Approval:
    found = (await book.open(call(**changes), 60, time.time())).approval
    assert await book.decide(found, BOB, time.time(), approved=True) == "ok"
    return (await book.open(call(**changes), 60, time.time())).approval


async def test_a_repeated_call_finds_the_approval_that_stands_for_it(client: Client) -> None:
    book = book_of(client)
    first = await book.open(call(), 60, time.time())
    again = await book.open(call(), 60, time.time())
    assert (first.opened, again.opened, again.approval) == (True, False, first.approval)
    assert [one.id for one in await book.standing()] == [first.approval.id]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resource", "other"),
        ("meaning", "n"),
        ("confirm", "other"),
        ("issuer", "https://evil.example"),
        ("subject", "mallory"),
        ("subject", None),
        ("client", "another"),
        ("client", None),
        ("method", "resources/read"),
        ("name", "delete2"),
        ("name", None),
        ("arguments", '{"path":"/tmp/y"}'),
    ],
)
async def test_whatever_differs_is_another_call(client: Client, name: str, value: Any) -> None:
    book = book_of(client)
    first = (await book.open(call(), 60, time.time())).approval
    assert (await book.open(call(**{name: value}), 60, time.time())).approval.id != first.id


def test_no_two_calls_read_the_same_when_their_words_are_moved() -> None:
    assert call(subject="a", client="bc").binding != call(subject="ab", client="c").binding
    assert call(subject="", client=None).binding != call(subject=None, client="").binding


async def test_of_many_who_use_it_at_once_one_passes(client: Client) -> None:
    book = book_of(client)
    found = await approved(book)
    assert sorted(await asyncio.gather(*(book.use(found) for _ in range(20)))) == [False] * 19 + [True]


async def test_of_many_who_decide_at_once_one_has(client: Client) -> None:
    book = book_of(client)
    found = (await book.open(call(), 60, time.time())).approval
    said = await asyncio.gather(
        *(book.decide(found, BOB, time.time(), approved=number % 2 == 0) for number in range(20))
    )
    assert said.count("ok") == 1
    assert set(said) - {"ok"} in ({"approved"}, {"denied"})


async def test_a_used_one_makes_room_and_the_next_call_opens_another(client: Client) -> None:
    book = book_of(client, most_of_one=1)
    first = await approved(book)
    assert await book.use(first)
    second = await book.open(call(), 60, time.time())
    assert second.opened
    assert second.approval.id != first.id


async def test_the_attempt_that_used_it_finds_it_again_and_no_other_does(client: Client) -> None:
    book = book_of(client)
    assert await book.use(await approved(book), "mine")
    assert (await book.open(call(), 60, time.time(), "mine")).again
    assert (await book.open(call(), 60, time.time(), "other")).opened


async def test_none_that_has_no_id_is_a_repetition(client: Client) -> None:
    book = book_of(client)
    assert await book.use(await approved(book), "")
    assert (await book.open(call(), 60, time.time(), "")).opened


async def test_the_repetition_ends_with_its_seconds(client: Client, approvals_server: Valkey) -> None:
    book = book_of(client)
    found = await approved(book)
    assert await book.use(found, "mine")
    key = client.names.approval(found.id)
    used = int(approvals_server.call("HGET", key, "used"))
    approvals_server.call("HSET", key, "used", str(used - 5001))  # as if five seconds had passed
    assert (await book.open(call(), 60, time.time(), "mine")).opened


async def test_a_denied_one_stands_until_it_expires(client: Client) -> None:
    book = book_of(client)
    found = (await book.open(call(), 60, time.time())).approval
    assert await book.decide(found, BOB, time.time(), approved=False) == "ok"
    again = await book.open(call(), 60, time.time())
    assert (again.opened, again.approval.state) == (False, State.DENIED)
    assert not await book.use(again.approval)


async def test_a_flood_of_one_leaves_the_others_their_room_and_takes_nobodys(client: Client) -> None:
    book = book_of(client, most=6, most_of_one=3)
    standing = (await book.open(call(subject="victim"), 60, time.time())).approval
    for number in range(3):
        await book.open(call(arguments=f'{{"n":{number}}}'), 60, time.time())
    with pytest.raises(Full) as full:
        await book.open(call(arguments='{"n":9}'), 60, time.time())
    assert full.value.mine
    for number in range(2):
        await book.open(call(subject=f"other-{number}"), 60, time.time())
    with pytest.raises(Full) as full:
        await book.open(call(subject="late"), 60, time.time())
    assert not full.value.mine
    assert (await book.find(standing.id)) == standing


async def test_what_has_expired_is_told_once_and_decides_nothing(client: Client, approvals_server: Valkey) -> None:
    book, other = book_of(client), book_of(client)
    found = await approved(book)
    key = client.names.approval(found.id)
    approvals_server.call("HSET", key, "expires", "1")
    approvals_server.call("ZADD", client.names.approvals, "1", found.id)
    assert not await book.use(found)
    assert await book.find(found.id) is None
    assert await book.decide(found, BOB, time.time(), approved=True) == "gone"
    told = [*await book.sweep(), *await other.sweep()]
    assert [one.id for one in told] == [found.id]
    assert (await book.open(call(), 60, time.time())).opened


async def test_one_that_would_have_expired_at_birth_is_not_opened(client: Client) -> None:
    with pytest.raises(StoreError, match="clocks"):
        await book_of(client).open(call(), 60, time.time() - 61)


async def test_one_that_a_clock_ahead_has_opened_lives_no_longer_than_any_other(
    client: Client, approvals_server: Valkey
) -> None:
    book = book_of(client)
    found = (await book.open(call(), 60, time.time() + 3600)).approval
    assert (
        int(approvals_server.call("HGET", client.names.approval(found.id), "expires")) <= (await book._now()) + 60_000
    )


async def test_the_repetition_is_not_prolonged_by_a_clock_that_was_set_back(
    client: Client, approvals_server: Valkey
) -> None:
    book = book_of(client)
    found = await approved(book)
    assert await book.use(found, "mine")
    key = client.names.approval(found.id)
    used = int(approvals_server.call("HGET", key, "used"))
    approvals_server.call("HSET", key, "used", str(used + 50_000))  # before the store's clock was set back by so much
    assert (await book.open(call(), 60, time.time(), "mine")).opened


async def test_without_knowing_how_durable_a_use_is_nothing_is_used(client: Client) -> None:
    book = book_of(client)
    found = await approved(book)
    book.durability = None
    with pytest.raises(StoreError, match="durable"):
        await book.use(found)


async def test_a_use_that_does_not_get_as_far_as_it_must_is_spent_for_nothing(client: Client) -> None:
    book = book_of(client)
    found = await approved(book)
    book.durability, book._timeout = Durability(replicas=1), 0.01  # there is no replica
    with pytest.raises(StoreError, match="spent"):
        await book.use(found)
    book.durability = Durability()
    assert not await book.use(found)


# ---- with a fleet key


@pytest.fixture
async def sealed(approvals_server: Valkey, fleet: str, tmp_path: Path) -> Any:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 48)
    client = client_of(approvals_server, fleet, key)
    yield client
    await client.close()


async def test_a_verdict_that_somebody_else_wrote_is_not_believed(sealed: Client, client: Client) -> None:
    book, forger = book_of(sealed), book_of(client)  # the same fleet, without the key
    found = (await book.open(call(), 60, time.time())).approval
    assert await forger.decide(found, Approver("cli:root"), time.time(), approved=True) == "ok"
    with pytest.raises(StoreError, match="seal"):
        await book.open(call(), 60, time.time())
    with pytest.raises(StoreError, match="seal"):
        await book.find(found.id)


async def test_nor_is_an_approval_whose_words_were_changed_or_that_was_put_in_anothers_place(
    sealed: Client, approvals_server: Valkey
) -> None:
    book = book_of(sealed)
    harmless, grave = await approved(book), (await book.open(call(name="erase"), 60, time.time())).approval
    names = sealed.names
    for name, value in (("state", "approved"), ("verdict", b"{}"), ("verdict_mac", b"x" * 16)):
        approvals_server.call("HSET", names.approval(grave.id), name, value)
    with pytest.raises(StoreError, match="seal"):
        await book.open(call(name="erase"), 60, time.time())
    approvals_server.call("SET", names.approval_of_call(grave.call.binding), harmless.id)
    with pytest.raises(StoreError, match="another call"):
        await book.open(call(name="erase"), 60, time.time())
    approvals_server.call("HSET", names.approval(harmless.id), "document", b"{}")
    with pytest.raises(StoreError, match="seal"):
        await book.find(harmless.id)


async def test_what_is_not_readable_is_an_error_of_the_store(client: Client, approvals_server: Valkey) -> None:
    book = book_of(client)
    found = (await book.open(call(), 60, time.time())).approval
    for document in (b"{", b"[]", b"{}", b'{"v":1}', found.encode().replace(b'"any"', b'"all"')):
        approvals_server.call("HSET", client.names.approval(found.id), "document", document)
        with pytest.raises(StoreError, match="not readable"):
            await book.find(found.id)
    assert await book.standing() == []


async def test_however_many_were_decided_what_waits_is_listed(client: Client) -> None:
    book = book_of(client, most=1_000, most_of_one=1_000)
    for number in range(PAGE + 20):
        found = await book.open(call(name=f"t{number}"), 60, time.time())
        assert await book.decide(found.approval, BOB, time.time(), approved=False) == "ok"
    waiting = [(await book.open(call(name=f"w{number}"), 70 + number, time.time())).approval for number in range(2)]
    assert await book.standing() == waiting


async def test_a_store_that_does_not_answer_is_told_and_not_an_empty_list(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = book_of(client)
    await book.open(call(), 60, time.time())
    real = clients.Link.call

    async def lost(link: clients.Link, *command: Any, **more: Any) -> Any:
        if command[0] == "HMGET":
            raise StoreError("no answer")
        return await real(link, *command, **more)

    async def none(link: clients.Link, *_: Any, **more: Any) -> Any:
        raise StoreError("no answer")

    monkeypatch.setattr(clients.Link, "call", lost)
    monkeypatch.setattr(clients.Link, "run", none)
    with pytest.raises(StoreError, match="no answer"):
        await book.standing()


async def test_the_rights_that_the_docs_list_are_enough_and_no_key_is_anothers(
    approvals_server: Valkey, fleet: str
) -> None:
    line = next(line for line in STORE.read_text().splitlines() if line.startswith("ACL SETUSER"))
    words = [word.replace("PASSWORD", "pw").replace("{FLEET}", f"{{{fleet}}}") for word in line.split()]
    words[2] = fleet
    approvals_server.call(*words)
    url = approvals_server.url.replace("//", f"//{fleet}:pw@")
    client = clients.connect(model.Store(url=url, fleet=fleet), timeout=5)
    book = book_of(client)
    assert await book.use(await approved(book))
    await book.open(call(name="other"), 60, time.time())
    assert len(await book.standing()) == 1
    assert await book.sweep() == []
    await client.close()
