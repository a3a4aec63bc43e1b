"""A warm process and, at each step, a cold one made from the same state: what both say must be the same.

The warm one is a ``Service`` that lives through everything and remembers what it may.  The cold one is a new ``Service``,
given what is no memory but state: the configuration, each issuer's last key set and when it came, the revocations that the
store holds, when the view was last counted, and what the clocks have shown.  Beside the verdict, each ``Reuse`` that the
warm one ever gave is held against the cold one for as long as it claims to hold.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from metamorphic import draws
from metamorphic.draws import Token
from support.dial import Dial, turning

from bearerd import service as services
from bearerd._native.revocations import EVERY_KEY, pack, unpack
from bearerd.decision import Decision, Now, Pending, Reuse
from bearerd.flow import Flow
from bearerd.issuers import keyset
from bearerd.issuers.keyset import KeySet, Origin, Validators
from bearerd.jws import keys
from bearerd.limits import Limits
from bearerd.metrics import Labels
from bearerd.policy import decide, rules
from bearerd.policy.rules import Selected
from bearerd.refusals import TABLE, Code, Refusal
from bearerd.request import Request
from bearerd.service import Service
from bearerd.store import entries, lives
from bearerd.store.entries import Kind

RETENTION = 7200.0
POOL = 10  # tokens in use at a time
MOST_ENTRIES = 200
# What a remembered refusal may stand in for: the same bytes were refused moments ago, and would be still.
STILL_REFUSED = frozenset({Code.EXPIRED, Code.NOT_YET_VALID, Code.ISSUER_UNAVAILABLE, None})


class Differs(AssertionError):
    """The warm and the cold process do not agree."""


@dataclass
class Promise:
    """An answer that may be given again."""

    reuse: Reuse
    decision: Decision
    now: Now


@dataclass
class World:
    """See the module."""

    seed: int
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.dial = Dial(1_700_000_000.0, 5_000.0, kept=self.draw.random() < 0.5)
        self.store_wall = self.dial.wall - self.dial.boot  # the store's clock is right
        self.limits = self.draw.choice(draws.LIMITS)
        self.config = draws.config(self.draw, self.limits)
        self.entries: list[bytes] = []
        self.last_at = 0
        self.adopted: dict[str, tuple[KeySet, Now]] = {}
        self.published = {iss: draws.key_set(self.draw, iss) for iss in draws.ISSUERS}
        with turning(self.dial):
            self.warm = Service(self.config, data_dir=self.folder)
        self.tokens = [
            draws.token(self.draw, self.true, draws.published(self.config, self.published)) for _ in range(POOL)
        ]
        self.promises: dict[tuple[str, int | None, bytes], Promise] = {}
        self.refused: dict[bytes, tuple[Code, float]] = {}  # what the cold one last said of bytes that are remembered
        self.asked: tuple[str, Request, Token] | None = None  # the last question, which is often put again
        self.deeds: deque[str] = deque(maxlen=40)
        for iss in draws.ISSUERS:
            self._fetch(iss)
        self.counted = self.dial.boot
        self.warm.view.count(self.counted)

    @property
    def true(self) -> float:
        """The time by a clock that nobody sets."""
        return self.store_wall + self.dial.boot

    # ---- a step

    def step(self) -> None:
        """Something happens, perhaps; then somebody asks."""
        if self.draw.random() < 0.6:
            deed = self.draw.choices(list(DEEDS), list(DEEDS.values()))[0]
            self.counts[deed] += 1
            told = getattr(self, deed)()
            self.deeds.append(f"{deed} {told if told is not None else ''}")
        self.ask()

    def ask(self) -> None:
        """One request to both."""
        if self.draw.random() < 0.08:
            self._replace()
        if self.draw.random() < 0.85 or self.asked is None:
            token = self.draw.choice(self.tokens)
            name = self.draw.choice(list(self.config.resource)) if self.draw.random() < 0.98 else "nowhere"
            self.asked = name, draws.request(self.draw, None if self.draw.random() < 0.03 else token.text), token
        name, request, token = self.asked
        text = token.text if request.headers[:1] == ((b"Authorization", b"Bearer " + token.text),) else None
        hits, again = self.warm.cache.hits, self.warm.refused.hits
        warm = self._decided(self.warm, name, request)
        cold_service = self.cold()
        cold = self._decided(cold_service, name, request)
        remembered = self.warm.refused.hits > again
        self.counts["warm hits"] += self.warm.cache.hits - hits
        self.counts["allowed" if said(cold)[1] else "refused"] += 1
        self.counts[f"code {said(cold)[3] if said(cold)[0] == 'decision' else 'pending'}"] += 1
        self.deeds.append(f"ask {name} {request.method} {request.target!r} about {text and text[-8:]!r}")
        if said(warm) != said(cold) and not (remembered and self._still_refused(text, warm, cold)):
            raise Differs(f"warm: {warm}\ncold: {cold}")
        if text is not None and not remembered and isinstance(cold, Decision):
            self._note_refusal(text, warm)
        if self.draw.random() < 0.2:
            self._introspect(token, cold_service)
        self._hold_to(name, request, text, warm, cold)

    def cold(self) -> Service:
        """A process that has just begun, and knows what there is to know."""
        with patch.multiple(services, Timekeeper=lambda *_, **__: self.warm.time, labels=lambda _: Labels()):
            cold = Service(self.config, data_dir=self.folder)
        for issuer in cold.current.issuers:
            if issuer.iss in self.adopted:
                issuer.adopt(*self.adopted[issuer.iss])
            old = self.warm.current.issuers.find(issuer.iss)
            if old is not None:
                issuer.retry_boot, issuer.quiet_boot = old.retry_boot, old.quiet_boot
        cold.view.table.apply(b"".join(self.entries), int(self.warm.time.now().earliest))
        cold.view.count(self.counted)
        return cold

    def _decided(self, service: Service, name: str, request: Request) -> Decision | Pending:
        found = Flow(service).decide_now(name, request)
        if isinstance(found, Decision) and found.code is Code.INTERNAL_ERROR:
            raise Differs(f"a fault: {found}")
        return found

    def _introspect(self, token: Token, cold: Service) -> None:
        """The same where no request goes with the token."""
        now = self.warm.time.now()
        found = []
        for service in (self.warm, cold):
            again = service.refused.hits
            verified = service.current.verifier.verify_now(token.text, now)
            if service.refused.hits > again:
                return
            if service is self.warm and isinstance(verified, Refusal) and verified.row.remembered:
                self.refused[token.text] = verified.code, self.dial.boot
            if isinstance(verified, Refusal | Pending):
                found.append([getattr(verified, "code", verified)])
                continue
            resources = service.current.policy.resources.values()
            judged = [decide.judge_for_introspection(one, verified, now, service.current) for one in resources]
            found.append([verified.claims, *(why and why.code for why in judged)])
        self.counts["introspected"] += 1
        if found[0] != found[1]:
            raise Differs(f"introspection: {found}")

    def _note_refusal(self, text: bytes, warm: Decision | Pending) -> None:
        if isinstance(warm, Decision):
            code = warm.code or (warm.would_refuse[0].code if warm.would_refuse else None)
            if code is not None and TABLE[code].remembered:
                self.refused[text] = code, self.dial.boot

    def _still_refused(self, text: bytes | None, warm: Decision | Pending, cold: Decision | Pending) -> bool:
        """Whether they differ only in that one remembers why it refused, and the other finds another reason by now."""
        if text is None or text not in self.refused or not isinstance(warm, Decision):
            return False
        code, at = self.refused[text]
        why = {warm.code, *(one.code for one in warm.would_refuse)}
        now = {cold.code, *(one.code for one in cold.would_refuse)} if isinstance(cold, Decision) else {None}
        alike = isinstance(cold, Pending) or warm.allowed == cold.allowed
        self.counts["remembered for another reason"] += 1
        in_time = self.dial.boot - at < self.config_limits.refused_seconds
        return code in why and bool(now & STILL_REFUSED) and alike and in_time

    @property
    def config_limits(self) -> Limits:
        return self.warm.current.config.limits

    def _hold_to(
        self, name: str, request: Request, text: bytes | None, warm: Decision | Pending, cold: Decision | Pending
    ) -> None:
        """An answer that claims to be reusable is held to it: the cold process must say the same meanwhile."""
        resource = self.warm.current.policy.resources.get(name)
        selected = None if resource is None else rules.select_rule(resource, request)
        if text is None or not isinstance(selected, Selected) or not selected.plain:
            if isinstance(warm, Decision) and warm.reuse is not None and text is not None:
                raise Differs(f"a reuse for a request that is not plain: {warm}")
            return
        place = name, selected.index, text
        promise = self.promises.get(place)
        if promise is not None and self._holds(promise):
            self.counts["promises kept"] += 1
            if said(promise.decision) != said(cold):
                raise Differs(f"promised: {promise.decision}\ncold: {cold}")
        if (
            isinstance(warm, Decision)
            and warm.reuse is not None
            and (warm.reuse.resource, warm.reuse.rule) == place[:2]
        ):
            self.promises[place] = Promise(warm.reuse, warm, self.warm.time.now())

    def _holds(self, promise: Promise) -> bool:
        warm, now, reuse = self.warm, self.warm.time.now(), promise.reuse
        claims = promise.decision.claims
        issuer = None if claims is None else warm.current.issuers.find(claims["iss"])
        return (
            reuse.config_generation == warm.generations.config
            and reuse.key_generation == (0 if issuer is None else issuer.generation)
            and reuse.revocation_sequence == warm.view.table.sequence
            and reuse.since_wall <= now.latest < reuse.until_wall
            and now.boot < reuse.until_boot
        )

    # ---- deeds

    def run(self) -> float:
        """Time passes, awake or asleep."""
        seconds = self.draw.choices((1, 5, 20, 60, 300, 1800), (6, 8, 4, 3, 1, 1))[0]
        self.dial.run(seconds)
        return seconds

    def count(self) -> None:
        """A heartbeat: all that the store holds is in the view, also what was left out by a clock that was ahead."""
        time, table = self.warm.time, self.warm.view.table
        if time.forgot_too_much:
            since = time.now().earliest
            table.apply(b"".join(self.entries), time.forgetting())
            time.remembered(since)
            self.counts["read again"] += 1
        self.counted = self.dial.boot
        self.warm.view.count(self.counted)

    def count_often(self) -> None:
        """The same: views are fresh, mostly."""
        self.count()

    def set_clock(self) -> float:
        """Somebody sets the wall clock."""
        right = self.true - self.dial.wall
        by = right if self.draw.random() < 0.5 else float(self.draw.choice((-3600, 3600, -60, 60, 2, -1800, 9000)))
        self.dial.step(by)
        return by

    def keep_clock(self) -> bool:
        """A time service begins to keep it, and puts it right, or ceases to."""
        self.dial.kept = not self.dial.kept
        if self.dial.kept:
            self.dial.step(self.true - self.dial.wall)
        return self.dial.kept

    def sample(self) -> None:
        """The slow loop."""
        falls = self.warm.time.falls
        self.warm.sample()
        self.counts["clock believed again"] += self.warm.time.falls - falls

    def expire(self) -> None:
        """The table is swept."""
        self.warm.view.table.expire(self.warm.time.forgetting(), 1 << 16)

    def reload(self) -> None:
        """Another configuration."""
        self.config = draws.config(self.draw, self.limits)
        _finished(self.warm.reload(self.config))
        configured = {issuer.issuer for issuer in self.config.issuer}
        for iss in list(self.adopted):
            if iss not in configured:
                del self.adopted[iss]  # whoever leaves takes its keys along
        for iss in sorted(configured - {draws.INLINE}):
            if iss not in self.adopted and self.draw.random() < 0.8:
                self._fetch(iss)

    def rotate(self) -> str:
        """An issuer publishes other keys, and they are fetched."""
        iss = self.draw.choice(draws.ISSUERS)
        self.published[iss] = draws.changed(self.draw, iss, self.published[iss])
        self._fetch(iss)
        return f"{iss} {[(one.get('kid'), one['x'][:6]) for one in self.published[iss]]}"

    def confirm(self) -> None:
        """A fetch that finds what was known."""
        self._fetch(self.draw.choice(draws.ISSUERS))

    def cool_down(self) -> None:
        """An issuer was asked moments ago."""
        for issuer in self.warm.current.issuers:
            if self.draw.random() < 0.5:
                issuer.quiet_boot = self.dial.boot + 30
            if self.draw.random() < 0.3:
                issuer.retry_boot = self.dial.boot + 15

    def revoke(self) -> str:
        """Something that a token in use has."""
        token = self.draw.choice(self.tokens)
        kind, value = self._named(token)
        before = self.draw.choice((None, None, "all", int(self.true) - 100, int(self.true) + 50))
        until = token.ends + 30 if kind is Kind.TOKEN and self.draw.random() < 0.7 else None
        cut = lives.cutoff(kind, self.true, before, 2.0)
        try:
            last = lives.expiry(kind, token.iss, self.true, cut, retention=RETENTION, until=until)
        except ValueError:
            return "nothing: it makes no sense"
        self._write(entries.key(kind, token.iss, value), lives.Terms(cut, last))
        return f"{kind.name} {token.iss} {value} {cut} until {last}"

    def lift(self) -> str:
        """The same undone."""
        token = self.draw.choice(self.tokens)
        kind, value = self._named(token)
        self._write(entries.key(kind, token.iss, value), lives.tombstone(kind, token.iss, self.true, RETENTION))
        return f"{kind.name} {token.iss} {value}"

    def reset(self) -> None:
        """All of it undone."""
        self._write(EVERY_KEY, lives.reset())

    def _named(self, token: Token) -> tuple[Kind, str]:
        thumbprint = keys.from_jwk(draws.key(token.iss, token.thumbprint_of)).thumbprint
        named = {
            Kind.TOKEN: token.jti,
            Kind.SUBJECT: token.sub,
            Kind.SESSION: token.sid,
            Kind.CLIENT: token.client,
            Kind.KEY: thumbprint,
            Kind.ISSUER: "",
        }
        weights = (8, 3, 3, 2, 1, 1)
        kind = self.draw.choices(list(named), weights)[0]
        return (kind, value) if (value := named[kind]) is not None else (Kind.SUBJECT, token.sub)

    def _write(self, key: bytes, terms: lives.Terms) -> None:
        self.last_at = max(int(self.true * 1e6), self.last_at + 1)
        entry = pack(key, terms.cutoff, terms.expiry, self.last_at)
        self.entries.append(entry)
        self.warm.view.table.apply(entry, self.warm.time.forgetting())
        if len(self.entries) > MOST_ENTRIES:  # the store's buckets are gone by its own clock
            self.entries = [one for one in self.entries if lives.storable_until(unpack(one)[2]) > self.true]
            if len(self.entries) > MOST_ENTRIES / 2:
                self._forget_all()

    def _forget_all(self) -> None:
        """So that not everything is revoked for good in the end: another fleet's store, and another view."""
        self.entries = []
        with patch.object(services, "Timekeeper", lambda *_, **__: self.warm.time):
            fresh = Service(self.config, data_dir=self.folder)
        for issuer in fresh.current.issuers:
            if issuer.iss in self.adopted:
                issuer.adopt(*self.adopted[issuer.iss])
        self.warm, self.promises = fresh, {}
        self.warm.view.count(self.counted)
        self.refused.clear()
        self.counts["new warm process"] += 1

    def _fetch(self, iss: str) -> None:
        issuer = self.warm.current.issuers.find(iss)
        if iss == draws.INLINE or issuer is None:
            return
        now = self.warm.time.now()
        validators = Validators(f"{iss}/keys", None, now.wall, now.wall + 300)
        try:
            found = keyset.read(
                {"keys": self.published[iss]}, Origin.NETWORK, validators, issuer.config.algorithms, issuer.limits
            )
        except Exception as fault:  # noqa: BLE001 - a set without a usable key: the old one stays
            self.counts[f"set refused: {type(fault).__name__}"] += 1
            return
        issuer.adopt(found, now)
        self.adopted[iss] = found, now

    def _replace(self) -> None:
        """A token of the pool gives way to a new one, dead ones first."""
        now = self.warm.time.now().latest
        dead = [place for place, token in enumerate(self.tokens) if token.ends + 30 < now]
        place = self.draw.choice(dead) if dead else self.draw.randrange(POOL)
        self.tokens[place] = self._minted()

    def _minted(self) -> Token:
        """By an issuer whose clock is right, or as wrong as ours."""
        at = self.true if self.draw.random() < 0.3 else self.warm.time.now().latest
        return draws.token(self.draw, at, draws.published(self.config, self.published))


# How often each, of a thousand or so.
DEEDS = {
    "run": 260, "count_often": 400, "count": 30, "set_clock": 24, "keep_clock": 24, "sample": 100, "expire": 30,
    "reload": 12, "rotate": 30, "confirm": 30, "cool_down": 20, "revoke": 60, "lift": 40, "reset": 4,
}  # fmt: skip


def said(found: Decision | Pending) -> tuple[Any, ...]:
    """The verdict: all that the asker, the client or the upstream can tell apart."""
    if isinstance(found, Pending):
        return "pending", False, found
    return (
        "decision", found.allowed, found.outcome, found.code, found.status, found.resource, found.rule, found.claims,
        found.challenge, found.headers_add, found.headers_remove, found.would_refuse,
    )  # fmt: skip


def _finished(coroutine: Any) -> None:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")
