"""One process's whole state, built from a configuration: what every face and the Python API decide with.

``current`` is the part that a reload replaces, in one assignment.  A decision takes it once and goes through with it.
The rest lives as long as the process: caches, revocations, metrics, and the slow loops that feed them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bearerd import __version__, log, metrics
from bearerd._native import clock
from bearerd._native.generations import Generations
from bearerd._native.refused import RefusedTokens
from bearerd._native.tokens import TokenCache
from bearerd.apikeys import pepper
from bearerd.apikeys.checker import KeyChecker
from bearerd.apikeys.ring import Ring
from bearerd.approvals.office import Office
from bearerd.audit import assembly
from bearerd.audit.freshness import Freshness
from bearerd.audit.health import health
from bearerd.audit.labels import labels
from bearerd.audit.recorder import Recorder
from bearerd.audit.subjects import subject_key_of
from bearerd.audit.watch import Watch
from bearerd.callers import Callers
from bearerd.config.effective import clock_hold, reloadable
from bearerd.current import Current
from bearerd.decision import Pending, Wait
from bearerd.errors import ConfigError, StoreError
from bearerd.issuers.documents import Documents
from bearerd.issuers.refresh import Refresher
from bearerd.issuers.registry import Issuers
from bearerd.loops import Loops
from bearerd.policy.resource import Policy
from bearerd.rates.settler import Rates, follow_all
from bearerd.reviews import Reviews
from bearerd.store import address
from bearerd.store import client as store_client
from bearerd.store import server as store_server
from bearerd.store.archive import Archive
from bearerd.store.keysets import Shared
from bearerd.store.revocations import DEFAULT_SLACK, Writer
from bearerd.store.sync import Sync
from bearerd.store.view import View
from bearerd.timekeeper import Timekeeper
from bearerd.verify.budget import Budget
from bearerd.verify.flights import Flights
from bearerd.verify.verified import Verified
from bearerd.verify.verifier import TokenVerifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Buffer

    from bearerd.config import model
    from bearerd.config.model import Config
    from bearerd.decision import Now
    from bearerd.policy.settle import Settler
    from bearerd.store.client import Client

SAMPLE_SECONDS: Final = 1.0  # how often gauges are brought up to date
READY_SECONDS: Final = 0.02  # between two looks at whether this process is ready
RESTART_SECONDS: Final = 1.0  # between two looks at what the store can do
_LOGGER: Final = logging.getLogger("bearerd.service")


class OfflineView(View):
    """Of a process without a store (``explain`` against a file): nothing is known to be revoked, and it says so."""

    def age(self, now: Now) -> float:
        return 0.0


class Service:
    """See the module.  Built outside a loop or in it; ``start`` needs one."""

    def __init__(
        self,
        config: Config,
        *,
        data_dir: Path,
        page: Buffer | None = None,
        offline: bool = False,
        store_is_ours: bool = False,
        seen: Sequence[float] | None = None,
    ) -> None:
        """``config.store.url`` is set by now, unless ``offline``.  ``page``: shared memory for the metrics.

        ``store_is_ours``: this process tree has just started the store, so nobody else knows more than it holds.
        ``seen``: what the parent process knows of the clocks (``Timekeeper.seen``).
        Raises ConfigError where something that the configuration names cannot be read.
        """
        if config.store.url is None and not offline:
            raise ConfigError("configuration", [("store.url", "is not given", "start the embedded store first")])
        limits = config.limits
        self.data_dir: Final = data_dir
        self.offline: Final = offline
        self._store_is_ours = store_is_ours
        self.metrics: Final = metrics.Metrics(page, labels(config))
        self.metrics.set(1.0, "bearerd_build_info", __version__, platform.python_version())
        self.recorder: Final = Recorder(
            self.metrics,
            ring_size=limits.decision_ring,
            refusals_per_second=limits.refusal_logs_per_second,
            log_allows=config.server.log_allows,
            subject_key=subject_key_of(config, data_dir),
        )
        self.watch: Final = Watch(self.metrics)
        self._freshness = Freshness(self.metrics)
        self.time: Final = Timekeeper(clock_hold(config), seen=seen)
        self.generations: Final = Generations()
        self.cache: Final = TokenCache(limits.token_cache_entries, limits.token_cache_bytes, Verified.decode)
        self.budget: Final = Budget()
        self.refused: Final = RefusedTokens(limits.refused_tokens)
        self.apikeys: Final = Ring(
            self.watch,
            self.generations,
            max_staleness=config.store.max_staleness,
            most=limits.max_apikeys,
            most_waiting=limits.max_waiting // 4,
        )
        self.apikeys.take(pepper.of(config, data_dir), len(config.issuer))
        of_view = OfflineView if offline else View
        self.view: Final = of_view(limits.max_revocations, self.time, self.apikeys.doubt)
        self.archive: Final = None if offline else Archive.of(config.store, self.view, data_dir, self._told_snapshot)
        self.reviews: Final = Reviews(self._renew_policy)
        self.reviews.follow_those_of(config)
        callers, policy = Callers(config), self._policy(config)
        self.audit: Final = None if offline else assembly.auditor(config, self.recorder, policy.generation)
        issuers = Issuers(config, self.generations, self.watch, now=self.time.now)
        self.current = self._assembled(config, policy, callers, issuers)
        self.generations.config = policy.generation
        self.flights: Final = Flights(self._resolve, limits.max_waiting)
        self.documents: Final = Documents(self._passed_on, limits)
        self.approvals: Final = Office(
            lambda: self.current.config.approvals, limits, self.metrics, self.recorder.subject, self.time.now
        )
        self.settlers: tuple[Settler, ...] = (  # asked in this order: a human is the last
            Rates(limits.rate_buckets, limits.max_waiting),
            self.approvals.settler,
        )
        self.writer: Writer | None = None
        self.writer_problem = "the store has not been reached yet"  # while there is none
        self.lease = ""  # this incarnation's name in the store, once started: whoever reaps the process releases it
        self._refresher: Refresher | None = None
        self._clients: list[Client] = []  # the ways to the store
        self._sync: Sync | None = None
        self._loops: Final = Loops()
        self._told_reload(good=True)

    async def start(self) -> None:
        """Begin to read the store, to refresh key sets and to sample metrics; returns before any of it is done."""
        shared = None if self.archive is None else self._join_store(self.archive)
        seal, folder = (None, None) if self.archive is None else (self.archive.seal, self.data_dir)
        self._refresher = Refresher(self.current.issuers, folder, shared, seal=seal)
        if self.audit is not None:
            self._clients.append(assembly.begin(self.audit, self.current.config, self.data_dir, self._loops))
        self._loops.begin("refresh", self._refresh)
        self._loops.begin("documents", self.documents.run)
        self._loops.begin("sample", self._sample)

    async def close(self) -> None:
        """Stop the slow loops and let go of the store; whoever waits for a key is refused."""
        await self.flights.close()
        if self.audit is not None:
            await self.audit.close()
        await self._loops.close()
        self.sample()

    async def reload(self, config: Config) -> None:
        """Take a new configuration into use: all of it or, where this raises ConfigError, nothing.

        What only a restart can change (``config.effective.needs_restart``) stays as it was.
        """
        before = self.current
        config = reloadable(before.config, config)
        try:
            key = subject_key_of(config, self.data_dir)
            policy, callers = self._policy(config), Callers(config)
            spice = pepper.of(config, self.data_dir)
            issuers = before.issuers.reloaded(config)
            self.apikeys.take(spice, len(issuers))
            current = self._assembled(config, policy, callers, issuers)
        except BaseException:
            self._told_reload(good=False)
            raise
        self.generations.config, self.current = policy.generation, current
        self.reviews.follow_those_of(config)
        before.policy.forget()
        self.time.hold = clock_hold(config)
        if self._refresher is not None:
            self._refresher.replace(issuers)
        self.recorder.configure(log_allows=config.server.log_allows, subject_key=key)
        if self.audit is not None:
            self.audit.configure(config, assembly.policy_version(config, policy.generation))
        self.metrics.create(labels(config))
        for name in {issuer.name for issuer in before.issuers} - {issuer.name for issuer in issuers}:
            self.watch.forget(name)
        self._told_reload(good=True)

    def store_moved(self, url: str) -> None:
        """The same store is elsewhere from now on: the connections of before end by themselves, and new ones lead there."""
        for client in self._clients:
            client.where = address.parse(url)
        if self._sync is not None:
            self._sync.store_moved()

    async def ready(self, seconds: float) -> bool:
        """Wait until ``health`` says ready, for at most so long; whether it does."""
        deadline = clock.boot() + seconds
        while not (ready := bool(self.health()["ready"])) and clock.boot() < deadline:  # noqa: ASYNC110 - several causes
            await asyncio.sleep(READY_SECONDS)
        return ready

    def health(self) -> dict[str, Any]:
        """How this process is, JSON-able (``audit.health``)."""
        return health(self.current, self.archive, self.flights.waiting, self.time.now(), self.audit)

    def sample(self) -> None:
        """Look whether the clock was set, and bring the metrics that something else counts up to date."""
        cache, to, now = self.cache, self.metrics, self._reviewed()
        to.follow(cache.evictions, "bearerd_token_cache_evictions_total")
        to.follow(self.refused.hits, "bearerd_refused_token_hits_total")
        to.follow(log.dropped(), "bearerd_log_lines_dropped_total")
        to.follow(self.view.refused, "bearerd_store_entries_refused_total")
        to.set(cache.entries, "bearerd_token_cache_entries")
        to.set(cache.bytes, "bearerd_token_cache_bytes")
        to.set(len(self.view.table), "bearerd_revocations_active")
        to.set(self.view.age(now), "bearerd_view_age_seconds")
        if self.archive is not None:
            to.set(self.archive.stamp, "bearerd_snapshot_timestamp_seconds")
        view, resources = self.view, self.current.policy.resources
        self._freshness.look(resources, now, self.current, asked=view.asked, problem=view.problem)
        to.set(now.behind, "bearerd_clock_behind_seconds")
        to.set(float(self.view.problem is None), "bearerd_store_up")

    # ---- within ----

    def _reviewed(self) -> Now:
        falls, now = self.time.falls, self.time.review()
        if self.time.falls != falls:
            self.cache.clear()  # a token that had begun by the wrong clock may not have by this one
        return now

    def _assembled(self, config: Config, policy: Policy, callers: Callers, issuers: Issuers) -> Current:
        keys = KeyChecker(self.apikeys, generations=self.generations, cache=self.cache, table=self.view.table)
        verifier = TokenVerifier(
            issuers,
            generations=self.generations,
            cache=self.cache,
            refused=self.refused,
            view=self.view,
            limits=config.limits,
            observer=self.watch,
            budget=self.budget,
            keys=keys if self.apikeys.on else None,
        )
        return Current(config, policy, issuers, verifier, callers, self.view, self.apikeys)

    def _policy(self, config: Config) -> Policy:
        return Policy(self.reviews.reduced(config), self.generations.config + 1)

    def _renew_policy(self) -> None:
        """The configuration is the same, but something that it named is not (``reviews``)."""
        before = self.current
        self.current = replace(before, policy=self._policy(before.config))
        self.generations.config = self.current.policy.generation
        before.policy.forget()

    def _told_reload(self, *, good: bool) -> None:
        self.metrics.set(float(good), "bearerd_config_last_reload_successful")
        if good:
            self.metrics.set(clock.wall(), "bearerd_config_last_reload_timestamp_seconds")

    def _told_snapshot(self, what: str, which: str) -> None:
        self.metrics.inc(f"bearerd_snapshot_{what}_total", which)

    def _join_store(self, archive: Archive) -> Shared:
        """Follow the fleet's revocations, beginning with the snapshot, and share key sets with it."""
        config = self.current.config
        client = store_client.connect(config.store)
        self._clients.append(client)
        sync = self._sync = Sync(
            self.view,
            client,
            max_staleness=config.store.max_staleness,
            replicated=(config.store.durability or "").startswith("replicas"),
            store_is_ours=self._store_is_ours,
            observe=lambda seconds: self.metrics.observe(seconds, "bearerd_revocation_propagation_seconds"),
        )
        self.lease = sync.lease
        self.approvals.join(client, self._loops.begin)

        async def leave() -> None:
            with contextlib.suppress(StoreError):
                await sync.release()
            await client.close()

        async def follow() -> None:
            await archive.load()
            await sync.run()

        self._loops.at_the_end(archive.close)  # the last to be done
        self._loops.at_the_end(leave)
        self._loops.begin("sync", follow)
        self._loops.begin("snapshot", archive.run)
        self.apikeys.join(client)
        self._loops.at_the_end(self.apikeys.close)
        self._loops.begin("apikeys", self.apikeys.run)
        self._loops.begin("rates", lambda: follow_all(self.settlers, client))
        self._loops.begin("tools", lambda: self.reviews.follow(client))
        self._loops.begin("writer", lambda: self._find_writer(client, sync))
        return Shared(client, config.limits.max_key_set_bytes)

    async def _find_writer(self, client: Client, sync: Sync) -> None:
        """Learn what durability the server can give; until then nobody can revoke through this process."""
        store = self.current.config.store
        while self.writer is None:
            try:
                durability, warning, _ = await store_server.check(client, store.durability)
            except (StoreError, ConfigError) as error:  # a server that is not fit may be followed by one that is
                self._cannot_revoke(log.told(error))
                await asyncio.sleep(random.uniform(0.5, 1.0) * RESTART_SECONDS)  # noqa: S311 - jitter
                continue
            if warning is not None:
                _LOGGER.warning("the store's durability", extra={"detail": warning})
            self.approvals.durable(durability)
            self.writer = Writer(
                sync,
                max_revocations=self.current.config.limits.max_revocations,
                retention=store.revocation_retention,
                enforce_timeout=store.enforce_timeout,
                durability=durability,
                slack=self._slack,
            )
        await asyncio.Event().wait()

    def _cannot_revoke(self, why: str) -> None:
        if why != self.writer_problem:
            self.writer_problem = why
            _LOGGER.error("nothing can be revoked through this process", extra={"detail": why})

    def _slack(self, iss: str) -> float:
        found = self.current.issuers.find(iss)
        return DEFAULT_SLACK if found is None else found.config.cutoff_slack

    async def _resolve(self, pending: Pending) -> None:
        """What a Pending waits for (``verify.flights``)."""
        if pending.kind is Wait.APIKEY:
            await self.apikeys.want(pending.kid or "")
        elif self._refresher is not None:
            await self._refresher.want(pending.issuer, pending.kid)

    def _passed_on(self) -> Iterator[model.Issuer]:
        """The issuers whose own metadata some resource passes on."""
        for resource in self.current.policy.named:
            issuer = self.current.issuers.find(resource.described.server or "")
            if issuer is not None:
                yield issuer.config

    async def _refresh(self) -> None:
        if self._refresher is not None:
            await self._refresher.load()
            await self._refresher.run()

    async def _sample(self) -> None:
        while True:
            self.sample()
            await asyncio.sleep(SAMPLE_SECONDS)
