"""A start while the store and every issuer are down: what is kept on disk serves, as far as it may, and is not believed blindly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from support.bearerd import Answer, Bearerd, config, request, wait_for
from support.issuer import ScriptedIssuer
from support.valkey import Valkey

from bearerd._native.revocations import FOREVER, pack
from bearerd.store import archive, entries, names, seal, snapshot
from bearerd.store.entries import Kind

pytestmark = pytest.mark.timeout(300)  # several starts each, on a machine that may be busy
FLEET = names.DEFAULT_FLEET
API = "https://api.example/"
RESOURCES = "".join(
    f'[resource.{name}]\naudience = "{API}"\ngateway = "forwarded"\nstaleness = "{staleness}"\n'
    for name, staleness in (("careful", "strict"), ("lax", "available"))
)
ISSUER = '[[issuer]]\nissuer = "{issuer}"\nname = "test"\nalgorithms = ["ES256"]\ninsecure_issuer = true\n'
STORE = '[store]\nurl = "{url}"\nmax_staleness = "20s"\n'
Spoil = Callable[[Path], object]


class World:
    """A bearerd, its store and its issuer, each of which can be ended; and two tokens, of which one is revoked."""

    def __init__(self, folder: Path, *, key: bool) -> None:
        self.store = Valkey(folder / "valkey", appendonly="yes", appendfsync="always")
        self.issuer = ScriptedIssuer()
        self.key = folder / "snapshot.key" if key else None
        self.folder = folder
        self.bearerd: Bearerd

    async def start(self) -> None:
        self.store.start()
        await self.issuer.start()
        store = STORE.format(url=self.store.url)
        if self.key is not None:
            self.key.write_text("k" * 32)
            self.key.chmod(0o600)
            store += f'snapshot_key_file = "{self.key}"\n'
        text = config(
            issuers=ISSUER.format(issuer=self.issuer.issuer),
            resource=RESOURCES,
            more=store,
            server="reveal_reason = true",
            workers=1,
        )
        self.bearerd = Bearerd(self.folder / "bearerd", text)
        self.good, self.gone = (self.issuer.token(aud=API, lifetime=3000, jti=jti) for jti in ("good", "gone"))
        await asyncio.to_thread(self.bearerd.start)
        for resource in ("careful", "lax"):
            assert (await self.ask(resource, self.good)).status == 200
        assert (await self.revoke(self.gone)).status in (201, 202)

    @property
    def file(self) -> Path:
        return self.bearerd.data_dir / snapshot.FILE

    @property
    def seal(self) -> seal.Seal:
        return seal.Seal(FLEET, None if self.key is None else self.key.read_bytes())

    async def revoke(self, token: str) -> Answer:
        return await asyncio.to_thread(self.bearerd.api, "POST", "/v1/revocations", {"token": token})

    async def ask(self, resource: str, token: str) -> Answer:
        headers = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/", "Authorization": f"Bearer {token}"}
        return await asyncio.to_thread(request, self.bearerd.address, "GET", f"/auth/{resource}", headers)

    async def refusal(self, resource: str, token: str) -> tuple[int, str]:
        """The status of a refusal and its code, once anybody accepts."""
        while True:
            with contextlib.suppress(ConnectionError):
                answer = await self.ask(resource, token)
                return answer.status, answer.json()["code"]
            await asyncio.sleep(0.05)

    async def until(self, claim: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(wait_for, claim)

    async def kept(self) -> None:
        """Wait until the snapshot on disk holds what is revoked."""
        await self.until(lambda: (found := snapshot.peek(self.bearerd.data_dir, self.seal, FLEET)) and found.entries)

    async def power_fails(self) -> None:
        """Nobody gets to say good-bye, and neither store nor issuer comes back."""
        await self.kept()
        self.bearerd.stop(signal.SIGKILL)
        self.store.kill()
        await self.issuer.stop()

    async def begin(self, *, ready: bool) -> None:
        self.bearerd.until_ready = ready
        await asyncio.to_thread(self.bearerd.start)

    def readiness(self) -> tuple[int, dict[str, Any]]:
        answer = self.bearerd.probe("/readyz")
        return answer.status, answer.json()

    def warnings(self) -> list[str]:
        """Without those that stand there in any case."""
        return [one for one in self.readiness()[1].get("warnings", []) if not one.startswith("insecure_issuer")]

    async def close(self) -> None:
        if self.bearerd.process is not None and self.bearerd.process.poll() is None:
            await asyncio.to_thread(self.bearerd.stop)
        self.store.close()
        await self.issuer.stop()


@pytest_asyncio.fixture
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    made = World(tmp_path, key=getattr(request, "param", True))
    try:
        await made.start()
        yield made
    finally:
        await made.close()


# ---- a good one


@pytest.mark.parametrize(("world", "flushed"), [(True, True), (False, False)], indirect=["world"])
async def test_what_is_on_disk_serves_until_the_store_is_back_and_nothing_that_was_revoked_returns(
    world: World, flushed: bool
) -> None:
    await world.power_fails()
    await world.begin(ready=True)

    # Available resources by the snapshot and the keys on disk, at once; strict ones not, and everybody is told.
    assert (await world.ask("lax", world.good)).status == 200
    assert await world.refusal("lax", world.gone) == (401, "revoked")
    assert await world.refusal("careful", world.good) == (503, "stale_state")
    status, document = world.readiness()
    assert (status, document["components"]["resources"]) == (200, {"careful": "stale_state", "lax": "serving_stale"})
    assert document["components"]["store"] == "unreachable"
    assert world.warnings() == ["serving_stale", "snapshot_in_use"]
    (key_set,) = (await asyncio.to_thread(world.bearerd.api, "GET", "/v1/keys")).json()["issuers"]
    assert key_set["origin"] == "disk"
    began = await asyncio.to_thread(world.bearerd.told, "began with the snapshot")
    assert [(one["revocations"], one["position"]) for one in began] == [(1, True)]
    stamp = snapshot.peek(world.bearerd.data_dir, world.seal, FLEET)
    assert stamp is not None
    await world.until(lambda: world.bearerd.metric("bearerd_snapshot_timestamp_seconds") == stamp.wall)
    assert (await world.revoke(world.good)).status == 503

    # The store comes back, with all that it held or with nothing: one counted heartbeat, and strict resources serve.
    if flushed:
        for path in world.store.home.rglob("*.aof"):
            path.unlink()
        for path in world.store.home.rglob("*.manifest"):
            path.unlink()
    world.store.start()
    held = world.store.call("DBSIZE")
    assert (held == 0) == flushed
    await world.until(lambda: world.readiness()[1]["components"]["resources"] == {"careful": "ok", "lax": "ok"})
    assert (await world.ask("careful", world.good)).status == 200
    for resource in ("careful", "lax"):
        assert await world.refusal(resource, world.gone) == (401, "revoked")
    assert world.warnings() == []
    listed = (await asyncio.to_thread(world.bearerd.api, "GET", "/v1/revocations")).json()["revocations"]
    assert [one["key"] for one in listed] == [entries.key(Kind.TOKEN, world.issuer.issuer, "gone").hex()]


# ---- a bad one


def flip(place: int) -> Spoil:
    def spoil(path: Path) -> None:
        whole = bytearray(path.read_bytes())
        whole[place] ^= 1
        path.write_bytes(whole)

    return spoil


def forge(path: Path) -> None:
    """By one who can write data_dir and has not the key: somebody else's session is revoked, and ours no more."""
    head = snapshot.peek(path.parent, seal.Seal(FLEET, None), FLEET)
    assert head is not None
    made = pack(entries.key(Kind.SESSION, "https://issuer.example", "s"), FOREVER, FOREVER, 1)
    changed = snapshot.Head(FLEET, head.position, head.wall, head.boot, head.boot_id, 1, snapshot.digest([made]))
    snapshot.save(path.parent, seal.Seal(FLEET, None), changed, [made])


SPOILT: dict[str, tuple[Spoil, str]] = {
    "a byte of the entries": (flip(-1), "corrupt"),
    "cut short": (lambda path: os.truncate(path, path.stat().st_size - 1), "truncated"),
    "forged": (forge, "forged"),
}


async def test_one_that_is_no_good_is_refused_and_named_for_as_long_as_it_lies_there(world: World) -> None:
    await world.power_fails()
    whole = world.file.read_bytes()
    for what, (spoil, reason) in SPOILT.items():
        await asyncio.to_thread(world.bearerd.stop)
        world.file.write_bytes(whole)
        spoil(world.file)
        world.bearerd.log.write_text("")
        await world.begin(ready=False)
        await world.until(lambda reason=reason: world.warnings() == [f"snapshot_refused:{reason}"])
        assert world.readiness()[0] == 503, what
        assert world.bearerd.metric("bearerd_snapshot_refused_total", reason=reason) == 1, what
        refused = await asyncio.to_thread(world.bearerd.told, "the snapshot is refused")
        assert [one["reason"] for one in refused] == [reason], what
        if what == "a byte of the entries":  # its head is good, and looked at every few seconds
            assert await world.refusal("lax", world.good) == (503, "stale_state")
            assert await world.refusal("lax", world.gone) == (503, "stale_state")
            await asyncio.sleep(1.5 * archive.LOOK)
            assert world.warnings() == [f"snapshot_refused:{reason}"]
            assert world.bearerd.metric("bearerd_snapshot_timestamp_seconds") == 0

    # What the store still knows is kept anew, and the complaint ends.
    world.store.start()
    await world.until(world.bearerd.ready)
    assert await world.refusal("careful", world.gone) == (401, "revoked")
    await world.until(lambda: world.warnings() == [])
    await world.kept()


async def test_keys_that_another_put_into_the_folder_sign_for_nobody(world: World) -> None:
    await world.power_fails()
    (path,) = (world.bearerd.data_dir / "keysets").iterdir()
    record, mac = path.read_bytes().split(b"\n")
    mine = ScriptedIssuer(identifier=world.issuer.issuer)
    mine.keys = [("mine", "ES256", 5)]
    path.write_bytes(orjson.dumps(orjson.loads(record) | {"document": json.dumps(mine.jwks())}) + b"\n" + mac)
    await world.begin(ready=False)
    for token in (mine.token(aud=API), world.good):
        assert await world.refusal("lax", token) == (503, "issuer_unavailable")
    await world.until(lambda: "forged" in str(world.bearerd.events()))


# ---- an old one


async def test_an_old_one_put_back_in_its_place_revives_nothing_while_the_store_is_there(world: World) -> None:
    await world.kept()
    old = world.file.read_bytes()
    assert (await world.revoke(world.good)).status in (201, 202)
    await world.until(lambda: world.file.read_bytes() != old)
    world.bearerd.stop(signal.SIGKILL)
    world.file.write_bytes(old)  # whole, sealed and young enough
    await world.begin(ready=False)
    for resource in ("lax", "careful"):  # the first answers that there are
        assert await world.refusal(resource, world.good) in ((401, "revoked"), (503, "stale_state"))
    await world.until(world.bearerd.ready)
    for resource in ("lax", "careful"):
        assert await world.refusal(resource, world.good) == (401, "revoked")


# ---- half of one


WRITER = """
import os, signal, sys
from pathlib import Path
from bearerd.store import seal, snapshot
from bearerd.store.protocol import Position
folder, by, turn, last = Path(sys.argv[1]), seal.Seal("f", b"k" * 32), 0, int(sys.argv[2])
def dying(pieces):
    for number, piece in enumerate(pieces):
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)
        yield piece
while True:
    turn += 1
    pieces = [turn.to_bytes(8, "big") * 4 * 1000] * 200
    head = snapshot.Head("f", Position(turn, "h" * 40), 1.0, 1.0, "", 200_000, snapshot.digest(pieces))
    snapshot.save(folder, by, head, dying(pieces) if turn == 3 else pieces)
"""


def _is_whole(folder: Path) -> int:
    """Which turn of the writer's is there; fails where there is only a part of one."""
    found = snapshot.load(folder, seal.Seal("f", b"k" * 32), "f", 200_000)
    assert found is not None
    head, packed = found
    assert head.position is not None
    assert packed == head.position.sequence.to_bytes(8, "big") * 4 * 200_000
    return head.position.sequence


@pytest.mark.parametrize("last", [0, 1, 100, 199])
def test_one_who_is_killed_within_a_write_leaves_the_old_one(tmp_path: Path, last: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(last)]) as writer:
        assert writer.wait(60) == -signal.SIGKILL
    assert (tmp_path / f"{snapshot.FILE}.new").exists()
    assert _is_whole(tmp_path) == 2


def test_one_who_is_killed_at_any_time_leaves_the_old_one_or_the_new_one_whole(tmp_path: Path) -> None:
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "-1"]) as writer:
            inode = (tmp_path / snapshot.FILE).stat().st_ino if (tmp_path / snapshot.FILE).exists() else 0
            wait_for(lambda inode=inode: (p := tmp_path / snapshot.FILE).exists() and p.stat().st_ino != inode)
            time.sleep(random.uniform(0, 0.05))
            writer.kill()
        assert _is_whole(tmp_path)
