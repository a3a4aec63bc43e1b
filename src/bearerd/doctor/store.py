"""The store, asked as bearerd asks it: with its url, its user and its time-outs."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Final

from bearerd.config import store_url
from bearerd.config.units import spelled
from bearerd.doctor import memory, rights
from bearerd.doctor.clocks import Lead, of_moment
from bearerd.doctor.finding import Finding, Notebook
from bearerd.errors import ConfigError, StoreError, StoreRight
from bearerd.store import client as clients
from bearerd.store import server
from bearerd.store.names import DEFAULT_FLEET

if TYPE_CHECKING:
    from bearerd.config.model import Store
    from bearerd.store.client import Client, Link

_ROUNDS: Final = 7
_SLOW: Final = 0.1  # of the time-out: heartbeats would begin to miss it under load
_SKEW: Final = 1.0  # seconds: more counts as a break when it comes at once


async def examine(store: Store) -> list[Finding]:
    """Findings about the store; nothing of it is changed."""
    notes = Notebook("store")
    if store.url is None:
        notes.ok(
            "reachable",
            "embedded: bearerd starts it with appendonly, appendfsync always and noeviction; nobody else reaches it",
        )
        return notes.findings
    try:
        client = clients.connect(store)
    except ConfigError as error:
        for key, wrong, remedy in error.problems:
            notes.error("reachable", f"{key}: {wrong}", remedy)
        return notes.findings
    try:
        await _look(client, store, notes)
    except StoreRight as error:
        notes.error("rights", str(error), "docs/store.md has the ACL SETUSER line with all that is needed")
    except StoreError as error:
        where = store_url.masked(store.url)
        notes.error(
            "reachable", f"{where}: {error}", "check address, TLS (rediss, ca_file), user and password, and firewalls"
        )
    finally:
        await client.close()
    return notes.findings


async def _look(client: Client, store: Store, notes: Notebook) -> None:
    link = await client.link()
    facts = await server.look(link)
    info = await server.told(link)
    notes.ok("reachable", f"{store_url.masked(store.url or '')}: {facts.name}")
    if facts.role != "master":
        found = f"the server is a {facts.role}, which takes no writes: of the others nothing is asked"
        notes.error("role", found, "name the primary, or use redis+sentinel://")
        return
    tried = await rights.tried(link, client.names, facts)
    if tried.unwritten:
        remedy = "see to its memory, its disk (INFO persistence) and its replicas: without writes there are no heartbeats, and strict resources answer 503"
        notes.error("role", f"a primary that takes no writes now: {tried.unwritten}", remedy)
    else:
        notes.ok("role", "takes writes")
    memory.look_at_policy(facts, notes)
    memory.look_at_memory(info, notes)
    await memory.look_at_durability(client, link, store, facts, info, notes)
    _tell_rights(client, tried.refused, notes)
    await _look_at_fleet(client, link, store, notes)
    await _look_at_time(client, link, notes)


def _tell_rights(client: Client, refused: dict[str, str], notes: Notebook) -> None:
    if refused:
        found = f"the user may not: {', '.join(sorted(refused))}"
        given = " ".join(f"+{name.lower()}" for name in sorted(refused))
        notes.error(
            "rights", found, f"ACL SETUSER … ~{client.names.prefix}* {given} (docs/store.md has the whole line)"
        )
    else:
        notes.ok("rights", f"all {len(rights.PROBES) + 1} commands that are needed, on {client.names.prefix}*")


async def _look_at_fleet(client: Client, link: Link, store: Store, notes: Notebook) -> None:
    fleet = store.fleet or DEFAULT_FLEET
    try:
        mark: bytes | None = await link.call("GET", client.names.prefix + "schema")
    except StoreRight:
        return  # told among the rights
    if mark is None:
        notes.note("fleet", f"{fleet}: nobody has written here yet; the first bearerd of the fleet does")
    elif mark.decode(errors="replace") != client.seal.mark:
        found = f"{fleet}: the store is marked by another fleet_key_file, or another version: bearerd stops at the door"
        notes.error("fleet", found, "give all of the fleet the same fleet_key_file, or this one another fleet")
    else:
        notes.ok("fleet", f"{fleet}: marked as ours")


async def _look_at_time(client: Client, link: Link, notes: Notebook) -> None:
    took: list[float] = []
    leads: list[Lead] = []
    try:
        for _ in range(_ROUNDS):
            asked = time.time()
            seconds, micros = await link.call("TIME")
            came = time.time()
            took.append(max(0.0, came - asked))
            leads.append(of_moment(int(seconds) + int(micros) / 1e6, asked, came))
    except StoreRight:
        return  # told among the rights
    usual = median(took)
    found = f"an exchange takes {usual * 1000:.1f} ms (median of {_ROUNDS}); time-out {spelled(client.timeout)}"
    if usual > client.timeout * _SLOW:
        notes.warning(
            "latency", found, "bring the store nearer: each revocation and heartbeat waits for it several times"
        )
    else:
        notes.ok("latency", found)
    lead = Lead(max(one.least for one in leads), min(one.most for one in leads))
    if max(lead.ahead, lead.behind) > _SKEW:
        notes.warning(
            "clock",
            str(lead),
            'set both clocks by NTP: cut-offs ("all of alice until now") are reckoned by the store\'s',
        )
    else:
        notes.ok("clock", str(lead))
