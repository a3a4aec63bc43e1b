"""Faults: each does something to a world, waits, and mends it again; the history holds both.

``loses`` names the durability levels that a fault takes more away from than they cover (``faults.checker``).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults.nodes import Gone
from faults.world import NAMES, PATIENCE

from bearerd._native.revocations import EVERY_KEY, FOREVER, TOMBSTONE, pack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from faults.world import World
    from support.valkey import Valkey

ALL = ("memory", "fsync", "replicas=1")


class Deeds:
    """What can be done to one world.  Deeds to the store come one after another; those to workers at any time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.note = world.history.note
        self._store = asyncio.Lock()
        self._busy: set[str] = set()  # workers that something is being done to

    async def do(self, what: str, args: dict[str, Any]) -> None:
        """One deed by name; none where it makes no sense here and now."""
        deed: Callable[..., Awaitable[None]] = getattr(self, what)
        if "node" not in args:
            async with self._store:
                await deed(**args)
        elif args["node"] not in self._busy and args["node"] in self.world.nodes:
            self._busy.add(args["node"])
            try:
                await deed(**args)
            finally:
                self._busy.discard(args["node"])

    # ---- to the store

    async def crash(self, seconds: float) -> None:
        """SIGKILL and, later, a start with what is on disk: everything, or nothing."""
        server = self.world.primary
        self.note("fault", what="crash", loses=() if self.world.topology.fsync else ALL)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(server.start)
        self.note("heal", what="crash")

    async def hang(self, seconds: float) -> None:
        """SIGSTOP: open sockets that never answer."""
        server = self.world.primary
        self.note("fault", what="hang")
        server.pause()
        await asyncio.sleep(seconds)
        server.resume()
        self.note("heal", what="hang")

    async def flush(self) -> None:
        self.note("fault", what="flush", loses=ALL)
        await self.world.on(self.world.primary, "FLUSHALL")

    async def dump(self) -> None:
        """Keep what the store holds now, for ``restore``."""
        server = self.world.primary
        await self.world.on(server, "SAVE")
        kept = self.world.home / f"dump-{len(self.world.dumps)}.rdb"
        await asyncio.to_thread(shutil.move, server.home / "dump.rdb", kept)
        self.world.dumps.append(kept)
        self.note("dump", number=len(self.world.dumps) - 1)

    async def restore(self, number: int, seconds: float) -> None:
        """The operator's worst idea: an old dump."""
        dumps = self.world.dumps
        if not dumps:
            return
        server = self.world.primary
        self.note("fault", what="restore", loses=ALL, number=number % len(dumps))
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(_put, dumps[number % len(dumps)], server.home)
        await asyncio.to_thread(server.start, "--appendonly", "no")
        await asyncio.to_thread((server.home / "dump.rdb").unlink)
        if self.world.topology.fsync:
            await self.world.on(server, "CONFIG", "SET", "appendonly", "yes")
        self.note("heal", what="restore")

    async def fill(self, seconds: float) -> None:
        """No memory left: nothing is taken, not even a heartbeat."""
        self.note("fault", what="fill")
        await self.world.on(self.world.primary, "CONFIG", "SET", "maxmemory", "1")
        await asyncio.sleep(seconds)
        await self.world.on(self.world.primary, "CONFIG", "SET", "maxmemory", "0")
        self.note("heal", what="fill")

    async def trim(self) -> None:
        """The doorbell and the history of heads forget everything but the last."""
        self.note("fault", what="trim")
        await self.world.on(self.world.primary, "XTRIM", NAMES.bell, "MAXLEN", 0)
        await self.world.on(self.world.primary, "ZREMRANGEBYRANK", NAMES.prefix + "heads", 0, -2)

    async def disconnect(self) -> None:
        """All connections are closed by the server."""
        self.note("fault", what="disconnect")
        await self.world.on(self.world.primary, "CLIENT", "KILL", "TYPE", "normal")

    async def failover(self, lag: float, seconds: float) -> None:
        """The primary dies and its replica takes over, without what it had not received for ``lag`` seconds."""
        await self._take_over("failover", lag, seconds)

    async def split(self, lag: float, seconds: float, left: tuple[str, ...], cut: bool = True) -> None:
        """The same, but the old primary lives on, and some workers stay with it; unless cut, so do connections that stand."""
        await self._take_over("split", lag, seconds, frozenset(left), cut=cut)

    async def _take_over(
        self, what: str, lag: float, seconds: float, left: frozenset[str] = frozenset(), *, cut: bool = True
    ) -> None:
        world = self.world
        if world.replication is None:
            return
        old, new = world.primary, next(server for server in world.servers if server is not world.primary)
        self.note("fault", what="lag", seconds=lag)
        world.replication.black_hole()
        await asyncio.sleep(lag)
        self.note("fault", what=what, loses=("memory",), left=sorted(left))
        if what == "failover":
            await asyncio.to_thread(old.kill)
        await world.on(new, "REPLICAOF", "NO", "ONE")
        world.primary = new
        self.note("primary", server=world.servers.index(new))
        for name in world.nodes:
            if name not in left:
                world.route(name, new, cut=cut)
        await asyncio.sleep(seconds)
        await self._rejoin(what, old, new)

    async def _rejoin(self, what: str, old: Valkey, new: Valkey) -> None:
        """The old primary comes back as a replica of the new one; what only it held is gone."""
        world = self.world
        assert world.replication is not None
        if what == "failover":
            await asyncio.to_thread(old.start)
        world.replication.cut()
        world.replication.heal()
        world.replication.route(new)
        await world.on(old, "REPLICAOF", "127.0.0.1", world.replication.port)
        for name in world.nodes:
            world.gates[name].cut()
            world.route(name, new)
        await world.replicated()
        self.note("heal", what=what)

    async def topple(self, seconds: float, dies: bool) -> None:
        """The primary dies or hangs, the sentinel names another one; then it is back and believes that nothing happened.

        The sentinel has the last word: where it turned once more meanwhile, the old one is the primary again.
        """
        world = self.world
        if world.sentinel is None:
            return
        old, new = world.primary, next(server for server in world.servers if server is not world.primary)
        self.note("fault", what="topple", loses=("memory",), dies=dies)
        self.note("primary", server=None)
        if dies:
            await asyncio.to_thread(old.kill)
        else:
            old.pause()
        await _until(lambda: world.on(new, "INFO", "replication"), b"role:master")
        await asyncio.sleep(seconds)
        if dies:
            await asyncio.to_thread(old.start)  # as a primary: nobody has told it
        else:
            old.resume()
        await self._chosen()
        await world.replicated()
        self.note("primary", server=world.servers.index(world.primary))
        self.note("heal", what="topple")

    async def _chosen(self) -> None:
        """Wait until one server is the primary by its own word, the other one's, and the sentinel's."""
        world = self.world
        assert world.sentinel is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                _, port = await world.on(world.sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
                named = {server.port: server for server in world.servers}[int(port)]
                told = {server: await world.on(server, "INFO", "replication") for server in world.servers}
                if all((b"role:master" in said) == (server is named) for server, said in told.items()):
                    world.primary = named
                    return
                await asyncio.sleep(0.05)

    async def forge(self, number: int) -> None:
        """Somebody who can write the store but has no fleet key lifts everything, and revokes something."""
        world = self.world
        if not world.topology.sealed:
            return
        self.note("fault", what="forge")
        sequence, _ = await world.position()
        token = sorted(world.tokens.values(), key=lambda token: token.name)[number % len(world.tokens)]
        at = time.time_ns() // 1000 + 3_600_000_000
        reset = pack(EVERY_KEY, TOMBSTONE, FOREVER, at)
        revoke = pack(bytes.fromhex(token.keys()[0]), FOREVER, FOREVER, at)
        for member in (reset, revoke, reset + bytes(16), revoke + bytes(16), b"short"):
            world.forged.add(member)
            await world.on(world.primary, "ZADD", NAMES.bucket("forever"), sequence + 1, member)
        await world.on(world.primary, "ZADD", NAMES.buckets, "+inf", "forever")

    # ---- to a worker

    async def cut(self, node: str, seconds: float) -> None:
        """A black hole between it and the store."""
        self.note("fault", what="cut", node=node)
        self.world.gates[node].black_hole()
        await self._mended("cut", node, seconds)

    async def mute(self, node: str, seconds: float) -> None:
        """Replies are kept back; what it sends arrives."""
        self.note("fault", what="mute", node=node)
        self.world.gates[node].hold()
        await self._mended("mute", node, seconds)

    async def refuse(self, node: str, seconds: float) -> None:
        """Its connections are closed, new ones refused."""
        self.note("fault", what="refuse", node=node)
        self.world.gates[node].refuse()
        await self._mended("refuse", node, seconds)

    async def delay(self, node: str, seconds: float, jitter: float) -> None:
        self.note("fault", what="delay", node=node, jitter=jitter)
        self.world.gates[node].jitter = jitter
        await self._mended("delay", node, seconds)

    async def sever(self, node: str) -> None:
        """Its connections are closed, once."""
        self.note("fault", what="sever", node=node)
        self.world.gates[node].cut()

    async def _mended(self, what: str, node: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.world.gates[node].heal()
        self.note("heal", what=what, node=node)

    async def stop(self, node: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT."""
        self.note("fault", what="stop", node=node)
        self.world.nodes[node].stop()
        await asyncio.sleep(seconds)
        self.world.nodes[node].resume()
        self.note("heal", what="stop", node=node)

    async def kill(self, node: str, seconds: float, release: bool, elsewhere: bool) -> None:
        """SIGKILL, and a new process; its supervisor may have given its lease back, and it may be on another machine."""
        one = self.world.nodes[node]
        lease = one.lease
        self.note("fault", what="kill", node=node, release=release, elsewhere=elsewhere)
        await one.kill()
        if elsewhere:
            shutil.rmtree(one.data_dir, ignore_errors=True)
        if release:
            with contextlib.suppress(OSError, RuntimeError):
                await asyncio.wait_for(self.world.on(self.world.gates[node].server, "HDEL", NAMES.leases, lease), 1.0)
        await asyncio.sleep(seconds)
        with contextlib.suppress(Gone):
            await one.start()
        self.note("heal", what="kill", node=node)


async def _until(ask: Callable[[], Awaitable[bytes]], holds: bytes) -> None:
    async with asyncio.timeout(PATIENCE):
        while holds not in await ask():
            await asyncio.sleep(0.05)


def _put(dump: Path, home: Path) -> None:
    shutil.rmtree(home / "appendonlydir", ignore_errors=True)
    shutil.copy(dump, home / "dump.rdb")
