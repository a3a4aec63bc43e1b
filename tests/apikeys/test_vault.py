"""Records in a real store: changed by nobody who has not seen them, and believed from nobody without the pepper."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bearerd.apikeys import form
from bearerd.apikeys.pepper import Pepper
from bearerd.apikeys.record import Record, Secret
from bearerd.apikeys.vault import KEPT, Vault
from bearerd.errors import StoreError, StoreFull

if TYPE_CHECKING:
    from support.valkey import Valkey

    from bearerd.store.client import Client

HOUR = 3600


def record(vault: Vault, *, life: int = HOUR, **more: object) -> Record:
    now, key_id = int(time.time()), form.new_id()
    digest = vault.pepper.digest(form.new(key_id))
    made = Record(key_id, "n", "ci", ("read",), (), ("api",), now, now + life, (Secret(1, digest, now, now + life),))
    return replace(made, **more)  # type: ignore[arg-type]


async def test_what_was_made_is_found_listed_and_counted(vault: Vault) -> None:
    made = [record(vault) for _ in range(3)]
    for one in made:
        assert await vault.create(one, 10)
    assert await vault.ids() == sorted(one.id for one in made)
    found = await vault.read([made[0].id, form.new_id()])
    assert [stored and stored.record for stored in found.keys.values()] == [made[0], None]
    assert (found.active, found.forged) == (3, 0)


async def test_an_id_is_given_once_and_no_more_keys_than_may_be(vault: Vault) -> None:
    first = record(vault)
    assert await vault.create(first, 2)
    assert not await vault.create(replace(first, owner="mallory"), 2)
    assert await vault.create(record(vault), 2)
    with pytest.raises(StoreFull, match="max_apikeys"):
        await vault.create(record(vault), 2)
    stored = await vault.find(first.id)
    assert stored is not None
    assert stored.record.owner == "ci"


async def test_of_changes_at_once_none_is_lost(vault: Vault) -> None:
    made = record(vault)
    await vault.create(made, 10)

    def another(was: Record) -> Record:
        return replace(was, roles=(*was.roles, f"r{len(was.roles)}"))

    await asyncio.gather(*(vault.change(made.id, another) for _ in range(4)))
    stored = await vault.find(made.id)
    assert stored is not None
    assert stored.record.roles == ("r0", "r1", "r2", "r3")
    assert await vault.change(form.new_id(), another) is None


async def test_a_revoked_key_is_not_counted_and_stays_in_the_list(vault: Vault) -> None:
    made = record(vault)
    await vault.create(made, 10)
    await vault.change(made.id, lambda was: replace(was, revoked=1))
    assert (await vault.read([])).active == 0
    assert await vault.ids() == [made.id]


async def test_what_has_expired_is_neither_and_its_record_goes_a_day_later(
    vault: Vault, client: Client, shared_server: Valkey
) -> None:
    made = record(vault, life=-1)
    await vault.create(made, 1)
    assert (await vault.read([])).active == 0
    assert await vault.ids() == []
    assert await vault.create(record(vault), 1)  # and it takes no room
    left = shared_server.call("TTL", client.names.api_key(made.id))
    assert KEPT - 60 < left <= KEPT


@pytest.mark.parametrize("what", ["record", "mac", "moved", "another pepper", "another fleet"])
async def test_whoever_writes_the_store_makes_no_key_and_widens_none(
    vault: Vault, client: Client, shared_server: Valkey, what: str
) -> None:
    made, name = record(vault), client.names.api_key
    await vault.create(made, 10)
    stored = await vault.find(made.id)
    assert stored is not None
    asked = made.id
    if what == "record":
        shared_server.call("HSET", name(made.id), "record", made.encode().replace(b'"read"', b'"root"'))
    elif what == "mac":
        shared_server.call("HSET", name(made.id), "mac", b"0" * 64)
    elif what == "moved":
        asked = form.new_id()
        shared_server.call("HSET", name(asked), "record", made.encode(), "mac", stored.mac)
    else:
        other = Pepper(
            "x" if what == "another fleet" else client.names.fleet, b"q" * 32 if "pepper" in what else b"p" * 32
        )
        await Vault(client, other).change(made.id, lambda was: was)
        shared_server.call("HSET", name(made.id), "mac", other.seal(made.id, made.encode()))
    found = await vault.read([asked])
    assert found.keys == {asked: None}
    assert found.forged == 1


@pytest.mark.parametrize("reply", [b"x", [1], [b"x", []], [1, []], [1, [7]], [1, [[b"a", None, b""]]]])
async def test_an_answer_of_another_shape_is_the_stores_fault(
    vault: Vault, client: Client, monkeypatch: pytest.MonkeyPatch, reply: object
) -> None:
    async def run(*_: object, **__: object) -> object:
        return reply

    monkeypatch.setattr(client, "run", run)
    with pytest.raises(StoreError, match="shape"):
        await vault.find(form.new_id())


async def test_a_fault_of_our_own_is_not_taken_for_the_stores(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record(vault)
    await vault.create(made, 10)

    def broken(text: bytes) -> Record:
        raise TypeError("a fault of ours")

    monkeypatch.setattr(Record, "decode", broken)
    with pytest.raises(TypeError, match="a fault of ours"):
        await vault.find(made.id)


async def test_a_dump_holds_no_key_and_nothing_to_try_one_on(vault: Vault, shared_server: Valkey) -> None:
    key_id = form.new_id()
    key, now = form.new(key_id), int(time.time())
    secret = Secret(1, vault.pepper.digest(key), now, now + HOUR)
    await vault.create(record(vault, id=key_id, secrets=(secret,)), 10)
    dump = b""
    for name in shared_server.call("KEYS", "*apikey:*"):
        dump += b"".join(shared_server.call("HGETALL", name))
    assert secret.digest.encode() in dump
    for without_pepper in (key, key[17:], key[17:60]):
        assert without_pepper not in dump
        assert hashlib.sha256(without_pepper).hexdigest().encode() not in dump


async def test_last_use_is_noted_forward_only_and_makes_no_record(
    vault: Vault, client: Client, shared_server: Valkey
) -> None:
    made = record(vault)
    await vault.create(made, 10)
    gone = form.new_id()
    await vault.used([made.id, gone], 200)
    await vault.used([made.id, gone], 100)
    stored = await vault.find(made.id)
    assert stored is not None
    assert stored.used == 200
    assert shared_server.call("EXISTS", client.names.api_key(gone)) == 0
    await vault.change(made.id, lambda was: replace(was, revoked=5))
    again = await vault.find(made.id)
    assert again is not None
    assert again.used == 200


async def test_an_unreachable_store_is_an_error(fleet: str) -> None:
    from bearerd.config import model
    from bearerd.store import client as clients

    client = clients.connect(model.Store(url="redis://127.0.0.1:1", fleet=fleet), timeout=0.5)
    with pytest.raises(StoreError):
        await Vault(client, Pepper(fleet, b"p" * 32)).read([form.new_id()])
    await client.close()
