"""Whether the store keeps what it is told: its memory, its file, its replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.errors import ConfigError, StoreError, StoreRight
from bearerd.store import server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.config.model import Store
    from bearerd.doctor.finding import Notebook
    from bearerd.store.client import Client, Link
    from bearerd.store.server import Facts

_FULL: Final = 0.95
_FILLING: Final = 0.8
_MEBIBYTE: Final = 1 << 20


def look_at_policy(facts: Facts, notes: Notebook) -> None:
    """What it does when memory is short."""
    if facts.policy == "noeviction":
        notes.ok("eviction", "maxmemory-policy is noeviction: it refuses writes rather than forget revocations")
    else:
        found = f"maxmemory-policy is {facts.policy}: when memory is short it forgets revocations, and revoked tokens pass again"
        notes.error(
            "eviction",
            found,
            "CONFIG SET maxmemory-policy noeviction, also in its configuration file; bearerd refuses to start",
        )


def look_at_memory(info: Mapping[str, str], notes: Notebook) -> None:
    """How much room is left."""
    used, most, machine = (_number(info, name) for name in ("used_memory", "maxmemory", "total_system_memory"))
    bound, what = (most, "maxmemory") if most else (machine, "the machine's memory (maxmemory is not set)")
    share = used / bound if bound else 0.0
    found = f"{used / _MEBIBYTE:.1f} MiB used, {share:.0%} of {what}"
    remedy = "raise maxmemory: a store that is out of memory takes no heartbeats, and strict resources answer 503"
    if share > _FULL:
        notes.error("memory", found, remedy)
    elif share > _FILLING:
        notes.warning("memory", found, remedy)
    else:
        notes.ok("memory", found)
    if (evicted := _number(info, "evicted_keys")) > 0:
        remedy = "set noeviction; check revocations that count: bearerd revoke --list"
        notes.warning("memory", f"{evicted} keys were evicted since it started: revocations may be among them", remedy)


async def look_at_durability(
    client: Client, link: Link, store: Store, facts: Facts, info: Mapping[str, str], notes: Notebook
) -> None:
    """What an acknowledged revocation survives."""
    try:
        level, warning = server.level(store.durability, facts)
    except ConfigError as error:
        ((_, wrong, remedy),) = error.problems
        notes.error("durability", wrong, remedy)
        return
    if warning is not None:
        notes.warning(
            "durability",
            warning,
            'appendonly yes on Valkey or Redis 7.2; or say that it is meant: durability = "memory"',
        )
    elif not facts.aof and not level.replicas:
        notes.warning(
            "durability", "no append-only file: a restart of the server forgets revocations", "appendonly yes"
        )
    else:
        notes.ok("durability", f"{level.name}; append-only file: {'yes' if facts.aof else 'no'}")
    for name, what in (("aof_last_write_status", "write"), ("aof_last_bgrewrite_status", "rewrite")):
        if facts.aof and info.get(name, "ok") != "ok":
            notes.error(
                "durability", f"the last {what} of the append-only file failed", "look at the server's log and its disk"
            )
    if facts.aof:
        await _look_at_fsync(link, level.fsync, notes)
    _look_at_replicas(level.replicas, client.where.replicated, facts.replicas, notes)


async def _look_at_fsync(link: Link, waited_for: bool, notes: Notebook) -> None:
    try:
        reply = await link.call("CONFIG", "GET", "appendfsync")
    except StoreRight:  # as it should be: CONFIG is no right of bearerd's
        notes.note(
            "appendfsync",
            "not to be seen with this user's rights, which is right so",
            "valkey-cli CONFIG GET appendfsync",
        )
        return
    except StoreError:
        if not link.usable:
            raise
        return
    setting = reply[1].decode() if reply else "unknown"
    if setting == "no":
        found = "appendfsync no: a crash of the machine loses what the operating system had not written yet, half a minute or so"
        notes.warning("appendfsync", found, "appendfsync everysec, or always")
    elif setting == "everysec" and waited_for:
        notes.note(
            "appendfsync",
            "everysec: with durability fsync a revocation is acknowledged up to a second later",
            "appendfsync always",
        )
    else:
        notes.ok("appendfsync", setting)


def _look_at_replicas(wanted: int, promised: bool, there: int, notes: Notebook) -> None:
    if there < wanted:
        found = (
            f"durability asks for {wanted} replicas, {there} are connected: revocations are acknowledged with 202 only"
        )
        notes.error("replicas", found, "bring the replicas back, or lower durability")
    elif promised and not there:
        found = "behind Sentinel, and no replica is connected: no heartbeat counts, strict resources refuse"
        notes.error("replicas", found, "bring a replica back")
    elif there or wanted:
        notes.ok("replicas", f"{there} connected, {wanted} waited for")


def _number(info: Mapping[str, str], name: str) -> int:
    text = info.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0
