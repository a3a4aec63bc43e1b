"""API keys in a service: cached, given again by the lane, judged by record, time and revocations, and never taken for tokens."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, House, config, token
from support.wire import Wire

from bearerd import request as view
from bearerd._native import clock
from bearerd._native.revocations import FOREVER, pack
from bearerd.apikeys import form
from bearerd.apikeys.record import Record, Secret
from bearerd.apikeys.vault import Found, Stored
from bearerd.errors import StoreError
from bearerd.flow import Flow
from bearerd.store import entries
from bearerd.store.entries import API_KEYS, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.wire import Reply

BOTH = {"identifier": API, "gateway": ["forwarded", "envoy"], "credentials": ["apikey", "jwt"], "max_lifetime": "1h"}


class Vault:
    """One record, in memory."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self.reads = 0
        self.away = False

    async def read(self, ids: Sequence[str]) -> Found:
        self.reads += len(ids)
        if self.away:
            raise StoreError("away")
        found = {key_id: self.record if self.record and self.record.id == key_id else None for key_id in ids}
        return Found(1, {i: one and Stored(one, b"", None) for i, one in found.items()}, 0)

    async def used(self, ids: Sequence[str], at: int) -> None:
        pass


class Keys(House):
    """With one key, ``key``, whose record is ``vault.record``."""

    def __init__(self, tmp_path: Path, *, resource: dict[str, Any] | None = None, **more: Any) -> None:
        super().__init__(config(tmp_path, resource=resource or {"api": BOTH}, **more), tmp_path, lane=True)
        self.vault, ring = Vault(), self.service.apikeys
        ring.vault = self.vault  # type: ignore[assignment]
        now, key_id = int(time.time()), form.new_id()
        self.key = form.new(key_id).decode()
        secret = Secret(1, ring.pepper.digest(self.key.encode()), now - 9, now + 9000)
        self.vault.record = Record(key_id, "", "ci", ("read",), (), ("api",), now - 9, now + 9000, (secret,))

    async def asked(self, wire: Wire, credential: str | None = None, name: str = "api") -> Reply:
        headers = (("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/"), ("X-Forwarded-Host", "api.example"))
        return await wire.ask(f"/auth/{name}", *headers, ("Authorization", f"Bearer {credential or self.key}"))

    async def read_again(self) -> None:
        await self.service.apikeys._refresh(self.vault)  # type: ignore[arg-type]


async def test_a_known_key_is_the_lanes_as_a_known_token_is(tmp_path: Path) -> None:
    async with Keys(tmp_path) as house:
        wire = await Wire.to(house.lane_port)
        assert (await house.asked(wire)).status == 200
        assert house.clerk.lane.allowed == 0  # Python's
        for number in range(1, 4):
            assert (await house.asked(wire)).status == 200
            assert house.clerk.lane.allowed == number
        assert house.vault.reads == 1
        await wire.close()


async def test_a_wrong_checksum_is_refused_from_memory_and_nobody_is_asked(tmp_path: Path) -> None:
    async with Keys(tmp_path) as house:
        wire, wrong = await Wire.to(house.lane_port), house.key[:-6] + "000000"
        for _ in range(3):
            reply = await house.asked(wire, wrong)
            assert (reply.status, house.why(reply)) == (401, "malformed_token")
        assert (house.vault.reads, house.service.refused.hits) == (0, 2)
        await wire.close()


async def test_what_became_of_a_record_that_was_pushed_out_of_memory_meanwhile_is_seen_although_the_key_is_cached(
    tmp_path: Path,
) -> None:
    async with Keys(tmp_path, limits={"max_apikeys": 1}) as house:
        wire, record = await Wire.to(house.lane_port), house.vault.record
        assert record is not None
        for _ in range(2):
            assert (await house.asked(wire)).status == 200
        house.vault.record = replace(record, id=form.new_id())
        await house.service.apikeys.want(house.vault.record.id)  # there is room for one
        house.vault.record = record.rotated("0" * 64, record.created, 1)  # an overlap that is over by now
        replies = [await house.auth(house.key), await house.asked(wire)]  # the first has it read again
        assert [(reply.status, reply.get("X-Auth-Request-Id") and house.why(reply)) for reply in replies] == [
            (401, "expired"),
        ] * 2
        await wire.close()


@pytest.mark.parametrize("what", ["deleted", "rotated", "revoked"])
async def test_what_became_of_the_record_is_seen_although_the_key_is_cached(tmp_path: Path, what: str) -> None:
    async with Keys(tmp_path) as house:
        wire, record = await Wire.to(house.lane_port), house.vault.record
        assert record is not None
        for _ in range(2):
            assert (await house.asked(wire)).status == 200
        house.vault.record = {
            "deleted": None,
            "rotated": record.rotated("0" * 64, record.created, 0),
            "revoked": replace(record, revoked=1),
        }[what]
        await house.read_again()
        reply = await house.asked(wire)
        assert (reply.status, house.why(reply)) == (401, "revoked" if what == "revoked" else "unknown_key")
        await wire.close()


async def test_the_old_secret_ends_with_the_overlap_also_in_the_lane(tmp_path: Path) -> None:
    async with Keys(tmp_path) as house:
        wire, record = await Wire.to(house.lane_port), house.vault.record
        assert record is not None
        house.vault.record = record.rotated("0" * 64, int(time.time()), 2)
        for _ in range(2):
            assert (await house.asked(wire)).status == 200
        assert house.clerk.lane.allowed == 1
        while clock.wall() < house.vault.record.secrets[0].ends:
            await asyncio.sleep(0.1)
        reply = await house.asked(wire)
        assert (reply.status, house.why(reply)) == (401, "expired")
        await wire.close()


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Kind.TOKEN, "id"), (Kind.SESSION, "id.1"), (Kind.SUBJECT, "ci"), (Kind.CLIENT, "id"), (Kind.ISSUER, "")],
)
async def test_a_revocation_of_the_key_its_secret_its_owner_or_of_all_holds(
    tmp_path: Path, kind: Kind, value: str
) -> None:
    async with Keys(tmp_path) as house:
        wire, record = await Wire.to(house.lane_port), house.vault.record
        assert record is not None
        for _ in range(2):
            assert (await house.asked(wire)).status == 200
        at, table = int(time.time() * 1e6), house.service.view.table
        table.apply(pack(entries.key(kind, API_KEYS, value.replace("id", record.id)), FOREVER, FOREVER, at), 1)
        for _ in range(2):
            reply = await house.asked(wire)
            assert (reply.status, house.why(reply)) == (401, "revoked")
        await wire.close()


async def test_no_token_and_no_other_key_is_taken_for_it(tmp_path: Path) -> None:
    other = BOTH | {"identifier": "https://other.example/"}
    async with Keys(tmp_path, resource={"api": BOTH, "other": other, "jwt": BOTH | {"credentials": ["jwt"]}}) as house:
        wire, record = await Wire.to(house.lane_port), house.vault.record
        assert record is not None
        assert (await house.asked(wire)).status == 200
        for credential, name, why in (
            (house.key, "other", "wrong_audience"),
            (house.key, "jwt", "malformed_token"),
            (form.new(record.id).decode(), "api", "unknown_key"),
            (form.new(form.new_id()).decode(), "api", "unknown_key"),
            (token(iss=API_KEYS), "api", "unknown_issuer"),
            (token(aud="api"), "api", "wrong_audience"),
            (f"brd_{token()}", "api", "malformed_token"),
        ):
            reply = await house.asked(wire, credential, name)
            assert (reply.status, house.why(reply)) == (401, why), (name, why)
        assert (await house.asked(wire, token(exp=int(time.time()) + 900))).status == 200
        await wire.close()


async def test_a_first_sight_without_the_store_is_503_and_a_known_key_goes_on_while_it_may(tmp_path: Path) -> None:
    async with Keys(tmp_path) as house:
        wire = await Wire.to(house.lane_port)
        house.vault.away = True
        for _ in range(2):
            reply = await house.asked(wire)
            assert (reply.status, house.why(reply)) == (503, "stale_state")
        house.vault.away, house.service.apikeys._retry = False, 0.0
        assert (await house.asked(wire)).status == 200
        house.vault.away = True
        assert (await house.asked(wire)).status == 200
        stale = house.service.current.max_staleness + 1
        house.service.apikeys._known[house.key[4:16]].read -= stale
        house.service.cache.clear()
        reply = await house.asked(wire)
        assert (reply.status, house.why(reply)) == (503, "stale_state")  # its record is too old, whatever the view is
        await wire.close()


async def test_an_available_resource_goes_on_by_an_old_record_as_long_as_it_says(tmp_path: Path) -> None:
    async with Keys(tmp_path, resource={"api": BOTH | {"staleness": "available"}}) as house:
        wire, ring = await Wire.to(house.lane_port), house.service.apikeys
        assert (await house.asked(wire)).status == 200
        house.vault.away = True
        for age, status in ((house.service.current.max_staleness + 1, 200), (house.service.current.available_for, 503)):
            ring._known[house.key[4:16]].read -= age
            house.service.cache.clear()
            assert (await house.asked(wire)).status == status
        await wire.close()


@pytest.mark.parametrize("staleness", ["strict", "available"])
async def test_no_answer_is_given_again_for_longer_than_its_record_may_go_unread(
    tmp_path: Path, staleness: str
) -> None:
    async with Keys(tmp_path, resource={"api": BOTH | {"staleness": staleness}}) as house:
        headers = [(b"Authorization", b"Bearer " + house.key.encode())]
        decision = await Flow(house.service).decide("api", view.of("GET", b"/", headers=headers, trusted=True))
        assert decision.reuse is not None
        read = house.service.apikeys._known[house.key[4:16]].read
        assert decision.reuse.until_boot <= read + house.service.current.max_staleness


async def test_where_no_resource_takes_keys_one_is_no_credential_and_no_pepper_is_made(tmp_path: Path) -> None:
    plain = config(tmp_path, resource={"api": BOTH | {"credentials": ["jwt"]}})
    async with House(plain, tmp_path) as house:
        reply = await house.auth(form.new(form.new_id()).decode())
        assert (reply.status, house.why(reply)) == (401, "malformed_token")
        assert not list(tmp_path.glob("*.pepper"))


async def test_a_reload_that_takes_keys_away_takes_them_from_the_cache_too(tmp_path: Path) -> None:
    async with Keys(tmp_path) as house:
        wire = await Wire.to(house.lane_port)
        for _ in range(2):
            assert (await house.asked(wire)).status == 200
        await house.service.reload(config(tmp_path, resource={"api": BOTH | {"credentials": ["jwt"]}}))
        assert (await house.asked(wire)).status == 401
        await house.service.reload(config(tmp_path, resource={"api": BOTH}))
        house.service.apikeys.vault = house.vault  # type: ignore[assignment]
        assert (await house.asked(wire)).status == 200
        await wire.close()
