from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bearerd.config import model
from bearerd.errors import StoreError
from bearerd.store import client as clients
from bearerd.store.keysets import Shared, SharedSet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.valkey import Valkey

ISSUER = "https://auth.example.com/{realm} x"
DOCUMENT = b'{"keys":[]}'


@pytest.fixture
async def client(shared_server: Valkey, fleet: str) -> AsyncIterator[clients.Client]:
    client = clients.connect(model.Store(url=shared_server.url, fleet=fleet), timeout=5)
    yield client
    await client.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(b"k" * 48)
    return path


async def test_what_one_publishes_another_loads(client: clients.Client) -> None:
    one, other, now = Shared(client), Shared(client), time.time()
    assert await other.load(ISSUER) is None
    assert await one.publish(
        ISSUER, DOCUMENT, jwks_uri="https://auth.example.com/jwks", etag='"e"', fetched_at=now, expires_at=now + 300
    )
    found = await other.load(ISSUER)
    assert found == SharedSet(DOCUMENT, "https://auth.example.com/jwks", '"e"', round(now, 3), round(now + 300, 3))
    assert await other.load("https://other.example.com") is None


async def test_an_older_fetch_never_replaces_a_newer_one(client: clients.Client) -> None:
    shared, now = Shared(client), time.time()
    assert await shared.publish(ISSUER, b"new", jwks_uri=None, etag=None, fetched_at=now, expires_at=now)
    assert not await shared.publish(ISSUER, b"old", jwks_uri=None, etag=None, fetched_at=now - 1, expires_at=now + 999)
    found = await shared.load(ISSUER)
    assert found is not None
    assert found.document == b"new"


async def test_a_fetcher_whose_clock_runs_ahead_cannot_shut_the_others_out(
    client: clients.Client, shared_server: Valkey
) -> None:
    shared, now = Shared(client), time.time()
    assert not await shared.publish(ISSUER, b"ahead", jwks_uri=None, etag=None, fetched_at=now + 3600, expires_at=now)
    key = client.names.key_set(ISSUER)
    shared_server.call("HSET", key, "fetched_at", "99999999999.000")
    assert await shared.publish(ISSUER, DOCUMENT, jwks_uri=None, etag=None, fetched_at=now, expires_at=now)


async def test_one_of_the_fleet_gets_the_fetch_lease_and_others_after_it(
    client: clients.Client, shared_server: Valkey
) -> None:
    one, other = Shared(client), Shared(client)
    assert await one.lease(ISSUER, 60)
    assert not await other.lease(ISSUER, 60)
    assert await other.lease("https://other.example.com", 60)
    assert 0 < shared_server.call("PTTL", client.names.fetch(ISSUER)) <= 60_000
    await other.release(ISSUER)
    assert not await other.lease(ISSUER, 60)
    await one.release(ISSUER)
    assert await other.lease(ISSUER, 60)
    await one.release(ISSUER)
    assert not await one.lease(ISSUER, 60)


async def test_a_lease_that_ran_out_and_was_taken_by_another_is_not_given_back(
    client: clients.Client, shared_server: Valkey
) -> None:
    one, other = Shared(client), Shared(client)
    assert await one.lease(ISSUER, 60)
    shared_server.call("DEL", client.names.fetch(ISSUER))  # it ran out
    assert await other.lease(ISSUER, 60)
    await one.release(ISSUER)
    assert not await one.lease(ISSUER, 60)


async def test_a_set_without_the_fleets_seal_is_refused(
    shared_server: Valkey, client: clients.Client, key_file: Path, fleet: str
) -> None:
    sealed = clients.connect(model.Store(url=shared_server.url, fleet=fleet, fleet_key_file=key_file), timeout=5)
    now = time.time()
    await Shared(client).publish(ISSUER, DOCUMENT, jwks_uri=None, etag=None, fetched_at=now - 9, expires_at=now)
    with pytest.raises(StoreError, match="seal"):
        await Shared(sealed).load(ISSUER)
    assert await Shared(sealed).publish(ISSUER, DOCUMENT, jwks_uri=None, etag=None, fetched_at=now, expires_at=now)
    assert await Shared(sealed).load(ISSUER) is not None
    for field in ("document", "jwks_uri", "etag", "fetched_at", "expires_at"):
        key = client.names.key_set(ISSUER)
        before = shared_server.call("HGET", key, field)
        shared_server.call("HSET", key, field, before + b"1")
        with pytest.raises(StoreError, match="seal"):
            await Shared(sealed).load(ISSUER)
        shared_server.call("HSET", key, field, before)
    # Nor does the seal of one issuer's set hold for another's.
    other = client.names.key_set("https://other.example.com")
    shared_server.call("COPY", client.names.key_set(ISSUER), other)
    with pytest.raises(StoreError, match="seal"):
        await Shared(sealed).load("https://other.example.com")
    await sealed.close()


@pytest.mark.parametrize("time", ["nan", "inf", "-1", "1e9", "", "1.2.3", "٣", "9" * 40])
async def test_a_time_that_is_no_plain_decimal_is_refused(
    client: clients.Client, shared_server: Valkey, time: str
) -> None:
    key = client.names.key_set(ISSUER)
    shared_server.call(
        "HSET", key, "document", "{}", "jwks_uri", "", "etag", "", "fetched_at", time, "expires_at", "1", "mac", ""
    )
    with pytest.raises(StoreError, match="not readable"):
        await Shared(client).load(ISSUER)


async def test_a_part_of_a_set_or_a_huge_one_is_refused(client: clients.Client, shared_server: Valkey) -> None:
    key = client.names.key_set(ISSUER)
    shared_server.call("HSET", key, "document", "{}")
    with pytest.raises(StoreError, match="incomplete"):
        await Shared(client).load(ISSUER)
    now = time.time()
    await Shared(client).publish(ISSUER, b"x" * 2000, jwks_uri=None, etag=None, fetched_at=now, expires_at=now)
    with pytest.raises(StoreError, match="too long"):
        await Shared(client, max_bytes=1000).load(ISSUER)


async def test_a_shared_set_does_not_stay_for_ever(client: clients.Client, shared_server: Valkey) -> None:
    now = time.time()
    await Shared(client).publish(ISSUER, DOCUMENT, jwks_uri=None, etag=None, fetched_at=now, expires_at=now)
    assert shared_server.call("PTTL", client.names.key_set(ISSUER)) > 0
