"""What the server at the other end is and can do: its role, its eviction policy, and how durable it can make a write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bearerd.errors import ConfigError, StoreError
from bearerd.store.replies import shaped

if TYPE_CHECKING:
    from bearerd.store.client import Client, Link

_LEVEL: Final = re.compile(r"memory|fsync|replicas=([1-9][0-9]?)")

_STRANGE: Final = "what answers there answers as neither Valkey nor Redis does"


@dataclass(frozen=True, slots=True)
class Facts:
    """From INFO and COMMAND INFO: by what the server has, never by its version number."""

    role: str  # "master" | "slave" | ...
    replicas: int  # connected now
    policy: str  # maxmemory-policy
    aof: bool  # an append-only file is written
    waitaof: bool  # the command exists
    run_id: str  # one per life of the server process
    name: str  # for people: "Valkey 9.1.2"


async def look(link: Link) -> Facts:
    """Ask the server.  Raises StoreError."""
    info = await told(link)
    commands = await link.call("COMMAND", "INFO", "WAITAOF")
    replicas = info.get("connected_slaves", "0")
    if not isinstance(commands, list) or not replicas.isdecimal():
        raise StoreError(_STRANGE)
    product, version = (
        ("Valkey", info["valkey_version"]) if "valkey_version" in info else ("Redis", info.get("redis_version", "?"))
    )
    return Facts(
        role=info.get("role", "unknown"),
        replicas=int(replicas),
        policy=info.get("maxmemory_policy", "unknown"),
        aof=info.get("aof_enabled") == "1",
        waitaof=any(commands),
        run_id=info.get("run_id", ""),
        name=f"{product} {version}",
    )


async def told(link: Link) -> dict[str, str]:
    """All of INFO.  Raises StoreError."""
    info = await link.call("INFO")
    if not isinstance(info, bytes):
        raise StoreError(_STRANGE)
    pairs = (line.split(":", 1) for line in info.decode(errors="replace").splitlines() if ":" in line)
    return {name: value.strip() for name, value in pairs}


def objection(facts: Facts) -> tuple[str, str] | None:
    """Why this server must not hold revocations, with the remedy; None if it may."""
    if facts.role != "master":
        return f"the server is a {facts.role}, which takes no writes", "name the primary, or use redis+sentinel://"
    if facts.policy != "noeviction":
        return (
            f"the server's maxmemory-policy is {facts.policy}: it would forget revocations when memory is short",
            "CONFIG SET maxmemory-policy noeviction, also in the server's configuration file",
        )
    return None


@dataclass(frozen=True, slots=True)
class Durability:
    """How safe a write is before it is acknowledged."""

    fsync: bool = False
    replicas: int = 0

    @property
    def name(self) -> str:
        """As the configuration and acknowledgements spell it."""
        return "fsync" if self.fsync else f"replicas={self.replicas}" if self.replicas else "memory"

    async def reached(self, link: Link, seconds: float) -> str:
        """Wait for the writes made *on this link* and name the level that they got.  Raises StoreError.

        WAIT and WAITAOF speak of the connection's own last write: on another pooled connection they would say yes at once.
        """
        milliseconds = max(1, int(seconds * 1000))
        if self.fsync:
            try:
                reply = await link.call("WAITAOF", 1, 0, milliseconds, blocks=seconds)
            except StoreError:
                if not link.usable:
                    raise
                reply = 0, 0  # it answered with an error: after a fail-over, a server that writes no append-only file
            with shaped():
                local, _ = reply
                return "fsync" if local >= 1 else "memory"
        if self.replicas:
            got = await link.call("WAIT", self.replicas, milliseconds, blocks=seconds)
            with shaped():
                return f"replicas={min(got, self.replicas)}" if got else "memory"
        return "memory"


def level(configured: str | None, facts: Facts) -> tuple[Durability, str | None]:
    """The level to use, and a warning if it is less than one should have.

    None means fsync where the server can, else memory.  Raises ConfigError for an explicit level that the server lacks.
    """
    can_sync = facts.waitaof and facts.aof
    if configured is None:
        if can_sync:
            return Durability(fsync=True), None
        return (
            Durability(),
            f"{facts.name} {_lacks(facts)}: revocations are acknowledged from memory and may be lost in a crash",
        )
    match = _LEVEL.fullmatch(configured)
    if match is None:
        raise ConfigError("config", [("store.durability", "unknown level", 'one of "memory", "fsync", "replicas=N"')])
    if configured == "fsync" and not can_sync:
        remedy = 'appendonly yes on a server with WAITAOF (Redis 7.2, Valkey), or durability = "memory"'
        raise ConfigError("config", [("store.durability", f"fsync: {facts.name} {_lacks(facts)}", remedy)])
    return Durability(fsync=configured == "fsync", replicas=int(match[1] or 0)), None


def _lacks(facts: Facts) -> str:
    return "writes no append-only file" if facts.waitaof else "has no WAITAOF"


async def check(client: Client, durability: str | None) -> tuple[Durability, str | None, Facts]:
    """At start: refuse a server that is not fit.

    Returns the durability to use, a warning (or None) and the facts.  Raises ConfigError with the remedy, or StoreError
    when the server cannot be asked now.
    """
    async with client.borrow() as link:
        facts = await look(link)
    against = objection(facts)
    if against:
        raise ConfigError("config", [("store.url", *against)])
    return *level(durability, facts), facts


async def admit(link: Link) -> Facts:
    """At each connection of the sync loop: the same refusal as at start.  Raises StoreError."""
    facts = await look(link)
    against = objection(facts)
    if against:
        raise StoreError(f"{against[0]} ({against[1]})")
    return facts
