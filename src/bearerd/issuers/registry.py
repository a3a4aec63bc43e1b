"""The configured issuers, and which key a token is to be verified with: answered from memory, without awaiting."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bearerd import timekeeper
from bearerd.decision import Pending, Wait
from bearerd.errors import IssuerFault
from bearerd.issuers import local, place
from bearerd.issuers.faults import Reason, reason_of
from bearerd.issuers.keyset import KeySet, Miss, Origin
from bearerd.issuers.observer import NOBODY
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bearerd._native.generations import Generations
    from bearerd.config import model
    from bearerd.decision import Now
    from bearerd.issuers.observer import Observer
    from bearerd.jws.algorithms import Algorithm
    from bearerd.jws.keys import Key
    from bearerd.limits import Limits

_UNKNOWN_KEY: Final = Refusal(Code.UNKNOWN_KEY, Miss.UNKNOWN_KID)
_MISSES: Final = {
    Miss.OTHER_ALGORITHM: Refusal(Code.UNSUPPORTED_ALG, Miss.OTHER_ALGORITHM),
    Miss.NONE_FITS: Refusal(Code.UNKNOWN_KEY, Miss.NONE_FITS),
    Miss.SEVERAL_FIT: Refusal(Code.UNKNOWN_KEY, Miss.SEVERAL_FIT),
}


@dataclass(frozen=True, slots=True)
class Status:
    """One issuer's keys, for /readyz, metrics and ``doctor``."""

    name: str
    loaded: bool  # ever
    usable: bool  # loaded, and not older than key_set_max_stale
    origin: str | None
    keys: int
    hash: str | None
    last_success: float | None  # seconds since the epoch
    age: float | None  # seconds
    failing: Reason | None  # of the last attempt, if it failed
    detail: str  # for logs, /v1 and explain only
    failures: int  # in a row
    problems: tuple[str, ...]  # keys that were dropped
    insecure: bool  # insecure_issuer


class Issuer:
    """One configured issuer and the keys that it has now.

    ``keeper`` feeds it: ``adopt`` and ``fail``.  Everything else reads.
    """

    def __init__(
        self,
        index: int,
        config: model.Issuer,
        limits: Limits,
        generations: Generations,
        observer: Observer = NOBODY,
        now: Callable[[], Now] = timekeeper.plain,
    ) -> None:
        self.index: Final = index
        self.config: Final = config
        self.limits: Final = limits
        self.name: Final = config.name
        self.iss: Final = config.issuer
        self.place: Final = place.of(config)  # when it was loaded
        self.now: Final = now
        self.key_set: KeySet | None = None
        self.fault: IssuerFault | None = None  # of the last attempt, if it failed
        self.failures = 0  # in a row
        self.retry_boot = 0.0  # without usable keys: before this boot time no token may cause an attempt
        self.quiet_boot = 0.0  # before this boot time no unknown kid may cause a fetch
        self._algorithms = frozenset(config.algorithms)
        self._generations = generations
        self._observer = observer
        # The latest time and the boot time at which the keys were fetched or confirmed, and when they will be too old unless
        # they are confirmed before: no cached token may outlive that, else the issuer's silence would be noticed by new ones only.
        self._fetched = self.usable_until = -math.inf, -math.inf
        self._tickets = 0
        self._adopted = 0

    @property
    def generation(self) -> int:
        """The generation of the key set: another number, other usable keys."""
        return self._generations.key_set(self.index)

    def select(self, alg: Algorithm, kid: str | None, now: Now) -> Key | Refusal | Pending:
        """The key that a token of this ``alg`` and ``kid`` must verify with.

        Pending where a fetch might bring it: the key set was never loaded, or is too old, or does not hold the ``kid``,
        and no attempt was made just now.  ``want`` of ``refresh.Refresher`` resolves it.
        """
        if alg.name not in self._algorithms:
            return Refusal(Code.UNSUPPORTED_ALG, "not among the issuer's algorithms")
        keys = self.key_set
        if keys is None or not self.usable(now):
            return self._unavailable(now)
        found = keys.find(alg.name, kid)
        if not isinstance(found, Miss):
            return found
        if found is not Miss.UNKNOWN_KID:
            return _MISSES[found]
        if self.wanting(kid, now):
            return Pending(Wait.KEY, self.iss, kid)
        self._observer.unknown_kid(self.name)
        return _UNKNOWN_KEY

    def usable(self, now: Now) -> bool:
        """Whether there are keys, and they are not older than ``key_set_max_stale`` by either clock."""
        wall, boot = self.usable_until
        return now.latest < wall and now.boot < boot

    @property
    def fetched_boot(self) -> float:
        """Boot time at which the keys were fetched or confirmed, as far as is known."""
        return self._fetched[1]

    def wanting(self, kid: str | None, now: Now) -> bool:
        """Whether a fetch on behalf of a token is called for: what makes ``select`` say Pending."""
        if self.key_set is None or not self.usable(now):
            return now.boot >= self.retry_boot
        if kid is None or self.key_set.origin in (Origin.INLINE, Origin.SECRET) or self.key_set.holds(kid):
            return False
        return now.boot >= self.quiet_boot

    def ticket(self) -> int:
        """To be drawn before a request is sent, and given to ``adopt`` with what it brought."""
        self._tickets += 1
        return self._tickets

    def adopt(self, key_set: KeySet, now: Now, ticket: int | None = None) -> bool:
        """Use these keys from now on; keys that are gone stop verifying at once.

        False, and nothing changes, where the answer to a request with a later ticket was adopted already.  The generation moves only
        if the usable keys changed: a confirmed set costs no cached token a second look.
        """
        if ticket is not None:
            if ticket < self._adopted:
                return False
            self._adopted = ticket
        before, age = self.key_set, max(0.0, now.wall - key_set.fetched_at)
        if before is None or before.hash != key_set.hash:
            # First: were it missed after the keys have changed, tokens of a key that is gone would stay known for good.
            self._generations.bump_key_set(self.index)
        self.key_set = key_set
        self._count_from(now.latest - age, now.boot - age)
        if key_set.origin is not Origin.DISK:
            self.fault, self.failures, self.retry_boot = None, 0, 0.0
        self._observer.loaded(self.name, key_set)
        return True

    def take_over(self, old: Issuer) -> None:
        """The keys of the same issuer under its old configuration, and as old as they are there: the wall clock may have
        been set since.  A reload is no way around the cool-down, either.  When they are asked for again is the new one's to say.
        """
        keys = old.key_set
        if keys is not None:
            due = keys.fetched_at + self.config.key_set_refresh
            if due < keys.expires_at:
                keys = keys.renewed(replace(keys.validators, expires_at=due), keys.origin)
            self.adopt(keys, self.now())
            self._count_from(*old._fetched)
            self.quiet_boot = old.quiet_boot

    def fail(self, fault: IssuerFault, retry_boot: float) -> None:
        """An attempt failed; the keys that there are stay (G3)."""
        self.fault, self.failures, self.retry_boot = fault, self.failures + 1, retry_boot
        self._observer.failed(self.name, fault)

    def status(self, now: Now) -> Status:
        """How the keys are."""
        keys, fault = self.key_set, self.fault
        return Status(
            name=self.name,
            loaded=keys is not None,
            usable=self.usable(now),
            origin=keys.origin if keys else None,
            keys=len(keys.keys) if keys else 0,
            hash=keys.hash if keys else None,
            last_success=keys.fetched_at if keys else None,
            age=max(0.0, now.wall - keys.fetched_at) if keys else None,
            failing=reason_of(fault) if fault else None,
            detail=str(fault or ""),
            failures=self.failures,
            problems=keys.problems if keys else (),
            insecure=self.config.insecure_issuer,
        )

    def _count_from(self, latest: float, boot: float) -> None:
        """The keys that there are now were fetched or confirmed then."""
        inline = self.key_set is not None and self.key_set.origin is Origin.INLINE
        stale = math.inf if inline else self.config.key_set_max_stale
        self._fetched, self.usable_until = (latest, boot), (latest + stale, boot + stale)

    def _unavailable(self, now: Now) -> Refusal | Pending:
        if self.wanting(None, now):
            return Pending(Wait.KEY, self.iss)
        why = "the key set is too old" if self.key_set else "no key set was ever loaded"
        after = max(1, math.ceil(self.retry_boot - now.boot))
        return Refusal(Code.ISSUER_UNAVAILABLE, f"{why}: {self.fault or 'not fetched yet'}", retry_after=after)


class Issuers:
    """All configured issuers, by the exact ``iss``.  A reload makes another one."""

    def __init__(
        self,
        config: model.Config,
        generations: Generations,
        observer: Observer = NOBODY,
        *,
        before: Issuers | None = None,
        now: Callable[[], Now] = timekeeper.plain,
    ) -> None:
        self.limits: Final = config.limits
        self._generations = generations
        self._observer = observer
        self._now = now
        self._issuers = tuple(self._made(index, issuer, before) for index, issuer in enumerate(config.issuer))
        self._by_iss = {issuer.iss: issuer for issuer in self._issuers}

    def find(self, iss: str) -> Issuer | None:
        """The issuer with exactly this ``iss``."""
        return self._by_iss.get(iss)

    def __iter__(self) -> Iterator[Issuer]:
        return iter(self._issuers)

    def __len__(self) -> int:
        return len(self._issuers)

    def reloaded(self, config: model.Config) -> Issuers:
        """The issuers of a new configuration.

        An issuer whose table and place did not change keeps its object; one whose keys still come from the same place keeps
        its keys.  The others start without: what the old place said is not what the operator asks for now.  Indices may be
        given anew: the caller must raise ``generations.config`` with the swap, so that no cached token is found by one.
        """
        return Issuers(config, self._generations, self._observer, before=self, now=self._now)

    def _made(self, index: int, config: model.Issuer, before: Issuers | None) -> Issuer:
        old = before.find(config.issuer) if before is not None else None
        where = place.of(config)
        if old is not None and (old.index, old.config, old.limits, old.place) == (index, config, self.limits, where):
            return old
        new = Issuer(index, config, self.limits, self._generations, self._observer, self._now)
        if before is not None:
            self._generations.bump_key_set(index)  # the index may have been another issuer's
        if local.origin_of(config) is not Origin.NETWORK:
            load_local(new)
        elif old is not None and old.key_set is not None and _same_place(old, new):
            new.take_over(old)
        return new


def load_local(issuer: Issuer) -> None:
    """Read inline keys, a key file or a secret at once; what is wrong with them stops only this issuer's tokens."""
    now = issuer.now()
    try:
        issuer.adopt(local.read(issuer.config, issuer.limits, now.wall), now)
    except IssuerFault as fault:
        issuer.fail(fault, now.boot + 1.0)


def _same_place(old: Issuer, new: Issuer) -> bool:
    """Whether both look on the network, and trust the same to bring the keys."""
    return local.origin_of(old.config) is Origin.NETWORK and old.place == new.place
