"""Servers, the ways to them, workers, and everything that can be done to them; each deed is noted in the history."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from faults.network import Gate
from faults.nodes import Node
from faults.nursery import Nursery
from support import house, jose
from support.valkey import Valkey

from bearerd._native import clock
from bearerd.store import entries
from bearerd.store.entries import Kind
from bearerd.store.names import Names

if TYPE_CHECKING:
    from faults.history import History

FLEET = "chaos"
NAMES = Names(FLEET)
ISSUERS = tuple(f"https://issuer-{letter}.example" for letter in "abcd")  # the last three can be revoked as a whole
PATIENCE = 60.0  # seconds: bounds a run that hangs, and is asserted of nothing


@dataclass(frozen=True)
class Topology:
    """What the store is made of, and the durability that the workers are told to reach."""

    name: str
    durability: str = "memory"
    replica: bool = (
        False  # each heartbeat waits for it, as a sentinel url has it: a worker that starts cannot tell by itself
    )
    sentinel: bool = False  # finds the primary for the workers, and decides which it is
    sealed: bool = False  # with a fleet key
    lease: float = 2.0  # seconds: max_staleness
    heartbeat: float = 0.3
    timeout: float = 0.6
    grace: float = 0.3
    enforce_timeout: float = 2.0
    most: int = 20_000  # max_revocations
    nodes: int = 3
    retention: str = "26h"

    @property
    def fsync(self) -> bool:
        return self.durability == "fsync"


@dataclass(frozen=True)
class Token:
    """A token of the load, and what it can be revoked by."""

    name: str
    text: str
    claims: dict[str, Any]

    def target(self, kind: Kind) -> dict[str, str]:
        """What ``revoke`` is told."""
        claim = {Kind.TOKEN: "jti", Kind.SUBJECT: "sub", Kind.SESSION: "sid", Kind.CLIENT: "client_id"}.get(kind)
        value = "" if claim is None else str(self.claims[claim])
        return {"kind": kind.name.lower(), "issuer": self.claims["iss"], "value": value}

    def keys(self) -> list[str]:
        """All under which it may be revoked by this program (hex)."""
        kinds = (Kind.TOKEN, Kind.SUBJECT, Kind.SESSION, Kind.CLIENT, Kind.ISSUER)
        targets = [self.target(kind) for kind in kinds]
        return [entries.key(Kind.named(to["kind"]), to["issuer"], to["value"]).hex() for to in targets]


def mint(number: int, *, lifetime: int = 3600, issuer: str = ISSUERS[0]) -> Token:
    """A good token; some share their subject, session and client."""
    now = int(time.time())
    claims = {
        "iss": issuer, "aud": house.API, "iat": now - 60, "exp": now + lifetime, "jti": f"j{number}",
        "sub": f"s{number // 3}", "sid": f"d{number // 2}", "client_id": f"c{number // 20}",
    }  # fmt: skip
    return Token(f"t{number}", jose.token("ES256", claims, kid="k1", typ="at+jwt"), claims)


@dataclass
class World:
    """``async with World(topology, history)``: everything runs and every worker serves."""

    topology: Topology
    history: History
    mutants: tuple[str, ...] = ()
    seed: int = 0
    joined: bool = True
    ours: bool = True  # the first workers trust the empty store, so that they begin at once
    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp")))
    keep: bool = False
    nursery: Nursery | None = None  # one of its own, if none is given

    def __post_init__(self) -> None:
        self.servers: list[Valkey] = []
        self.gates: dict[str, Gate] = {}
        self.nodes: dict[str, Node] = {}
        self.tokens: dict[str, Token] = {}
        self.dumps: list[Path] = []
        self.forged: set[bytes] = set()  # members that somebody without the fleet key put into the store
        self.replication: Gate | None = None
        self.primary: Valkey
        self.sentinel: Valkey | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        top = self.topology
        said = {"topology": top.name, "durability": top.durability, "replica": top.replica, "lease": top.lease}
        self.history.note("world", seed=self.seed, mutants=list(self.mutants), grace=top.grace, **said)
        if self.nursery is None:
            self.nursery = Nursery()
            self._stack.callback(self.nursery.close)
        try:
            await self._servers()
            for number in range(top.nodes):
                await self.add_node("abcdefgh"[number], ours=self.ours)
            if self.joined:
                async with asyncio.timeout(PATIENCE):
                    await asyncio.gather(*(node.call("caught_up") for node in self.nodes.values()))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes.values():
            await node.kill()
        await self._stack.aclose()
        for server in self.servers:
            server.close()
        if not self.keep:
            shutil.rmtree(self.home, ignore_errors=True)

    async def _servers(self) -> None:
        persistence = {"appendonly": "yes", "appendfsync": "always"} if self.topology.fsync else {}
        first = Valkey(self.home / "s0", **persistence)
        self.servers.append(first)
        await asyncio.to_thread(first.start)
        self.primary = first
        self.history.note("primary", server=0)
        if self.topology.sentinel:
            await self._watched(first)
        elif self.topology.replica:
            self.replication = await self._stack.enter_async_context(Gate(first, self.seed))
            second = Valkey(self.home / "s1", replicaof=f"127.0.0.1 {self.replication.port}", repl_timeout="5")
            self.servers.append(second)
            await asyncio.to_thread(second.start)
            del second.settings["replicaof"]
            await self.replicated()

    async def _watched(self, first: Valkey) -> None:
        second = Valkey(self.home / "s1", replicaof=f"127.0.0.1 {first.port}", repl_timeout="5")
        self.servers.append(second)
        await asyncio.to_thread(second.start)
        del second.settings["replicaof"]
        await self.replicated()
        self.sentinel = sentinel = Valkey(self.home / "sentinel")
        config = sentinel.home / "sentinel.conf"
        config.write_text(
            f"port {sentinel.port}\nbind 127.0.0.1\ndir {sentinel.home}\n"
            f"sentinel monitor main 127.0.0.1 {first.port} 1\n"
            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
        )
        self._stack.callback(sentinel.close)
        await asyncio.to_thread(sentinel.start_with, str(config), "--sentinel")
        async with asyncio.timeout(PATIENCE):
            while b"slaves=1" not in await self.on(sentinel, "INFO", "sentinel"):
                await asyncio.sleep(0.05)

    async def replicated(self) -> None:
        """Wait until the primary has a replica in step: by its own word, and by the replica's, which may be loading yet."""
        async with asyncio.timeout(PATIENCE):
            while not await self._in_step():
                await asyncio.sleep(0.02)

    async def _in_step(self) -> bool:
        others = [server for server in self.servers if server is not self.primary]
        told = [await self.on(server, "INFO", "replication") for server in others]
        linked = any(b"role:slave" in one and b"master_link_status:up" in one for one in told)
        return linked and b"state=online" in await self.on(self.primary, "INFO", "replication")

    async def on(self, server: Valkey, *command: str | bytes | int) -> Any:
        """One command, without holding up the proxies."""
        return await asyncio.to_thread(server.call, *command)

    # ---- workers

    async def add_node(self, name: str, *, ours: bool = False, mutants: tuple[str, ...] | None = None) -> Node:
        """A further worker, with a way of its own to the primary."""
        gate = await self._stack.enter_async_context(Gate(self.primary, self.seed + len(self.gates)))
        self.gates[name] = gate
        url = gate.url
        if self.sentinel is not None:
            gate.server = self.sentinel
            url = f"redis+sentinel://127.0.0.1:{gate.port}/main"
        setup = self._setup(url) | {"ours": ours, "mutants": self.mutants if mutants is None else mutants}
        assert self.nursery is not None
        node = Node(name, setup, self.history, self.home, self.nursery)
        self.nodes[name] = node
        if self.sentinel is None:
            self.history.note("route", node=name, server=self.servers.index(gate.server))
        await node.start()
        node.setup["ours"] = False  # its next lives know nothing of who started the store
        return node

    def _setup(self, url: str) -> dict[str, Any]:
        top = self.topology
        issuers = [
            {
                "issuer": iss,
                "name": iss[-9:-8],
                "algorithms": ["ES256"],
                "jwks": {"keys": [house.key()]},
                "leeway": "0s",
            }
            for iss in ISSUERS
        ]
        config: dict[str, Any] = {
            "server": {"profile": "development"},
            "store": {
                "url": url, "fleet": FLEET, "max_staleness": f"{round(top.lease * 1000)}ms", "durability": top.durability,
                "enforce_timeout": f"{round(top.enforce_timeout * 1000)}ms", "revocation_retention": top.retention,
            },
            "issuer": issuers,
            "resource": {
                "api": {"identifier": house.API},
                "lax": {"identifier": "https://lax.example", "audience": [house.API], "staleness": "available"},
            },
        }  # fmt: skip
        if top.sealed:
            key = self.home / "fleet.key"
            key.write_text("of a fleet that exists for some seconds")
            config["store"]["fleet_key_file"] = str(key)
        times = {
            "replicated": top.replica,
            "most": top.most,
            "lease": top.lease,
            "heartbeat": top.heartbeat,
            "timeout": top.timeout,
            "grace": top.grace,
        }
        return {"config": config, **times}

    def route(self, name: str, server: Valkey, *, cut: bool = True) -> None:
        """Lead a worker to a server from now on; unless cut, its connections to another one stand."""
        known = cut or server is self.gates[name].server
        self.history.note("route", node=name, server=self.servers.index(server) if known else None)
        self.gates[name].route(server, cut=cut)

    def token(self, number: int, **how: Any) -> Token:
        """A new token of the load."""
        made = mint(number, **how)
        self.tokens[made.name] = made
        times = {"iat": made.claims["iat"], "exp": made.claims["exp"]}
        self.history.note("token", token=made.name, keys=made.keys(), **times)
        return made

    async def ask(self, node: str, token: Token) -> dict[str, Any] | None:
        """One decision."""
        return await self.nodes[node].ask(token.name, token.text)

    async def revoke(self, node: str, token: Token, kind: Kind = Kind.TOKEN, **how: Any) -> dict[str, Any]:
        """One revocation of what this token can be revoked by."""
        return await self.nodes[node].write("revoke", token.target(kind), **how)

    async def lift(self, node: str, token: Token, kind: Kind = Kind.TOKEN, **how: Any) -> dict[str, Any]:
        return await self.nodes[node].write("lift", token.target(kind), **how)

    # ---- the store, looked at from beside

    async def store(self, phase: str) -> dict[str, Any]:
        """What the primary holds, noted."""
        buckets = await self.on(self.primary, "ZRANGE", NAMES.buckets, 0, -1)
        members: list[bytes] = []
        for bucket in buckets:
            members += await self.on(self.primary, "ZRANGE", NAMES.bucket(bucket.decode()), 0, -1)
        return self.history.note(
            "store",
            phase=phase,
            position=await self.position(),
            wall=clock.wall(),
            entries=sorted(member[:32].hex() for member in members if member not in self.forged),
        )

    async def position(self) -> list[Any]:
        """Sequence and head of the primary."""
        sequence, head = await self.on(self.primary, "HMGET", NAMES.prefix + "state", "sequence", "head")
        return [int(sequence or 0), (head or b"").decode()]

    def serves(self, answer: dict[str, Any] | None) -> bool:
        """Whether a view that was looked at is fresh enough for strict resources."""
        return answer is not None and answer["age"] is not None and answer["age"] <= self.topology.lease
