"""Mistakes that a process with a memory can make.  Each is put in, and the metamorphic test must notice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from bearerd._native.refused import RefusedTokens
from bearerd.issuers import keyset
from bearerd.issuers.registry import Issuer
from bearerd.policy import reuse
from bearerd.refusals import Code, Refusal
from bearerd.service import Service
from bearerd.timekeeper import Timekeeper
from bearerd.verify.verified import Verified
from bearerd.verify.verifier import AGAIN, REMEMBERED, TokenVerifier

Mutant = Callable[[], AbstractContextManager[Any]]


def a_changed_key_set_is_not_looked_at() -> AbstractContextManager[Any]:
    def renewed(self: TokenVerifier, token: bytes, verified: Verified, now: object) -> bool:
        issuer = self._issuers.find(verified.issuer)
        if issuer is not None:
            self._cache.renew(token, issuer.generation)
        return issuer is not None

    return patch.object(TokenVerifier, "_renewed", renewed)


def a_key_is_looked_for_and_not_chosen_anew() -> AbstractContextManager[Any]:
    """Of a token without kid, or whose kid means another key now."""

    def renewed(self: TokenVerifier, token: bytes, verified: Verified, now: object) -> bool:
        issuer = self._issuers.find(verified.issuer)
        keys = () if issuer is None or issuer.key_set is None else issuer.key_set.keys
        found = any(key.thumbprint == verified.thumbprint for key in keys)
        if found and issuer is not None:
            self._cache.renew(token, issuer.generation)
        return found

    return patch.object(TokenVerifier, "_renewed", renewed)


def keys_of_the_same_names_count_as_the_same_set() -> AbstractContextManager[Any]:
    return patch.object(keyset, "_hash", lambda keys: str(sorted(str(key.kid) for key in keys)))


@contextmanager
def cached_tokens_outlive_their_keys() -> Iterator[None]:
    """The keys are too old for new tokens by then."""
    real = TokenVerifier.verify_now

    def verify_now(self: TokenVerifier, token: bytes, now: Any) -> Any:
        before = {issuer: issuer.usable_until for issuer in self._issuers}
        for issuer in before:
            if issuer.usable(now):
                issuer.usable_until = math.inf, math.inf
        try:
            return real(self, token, now)
        finally:
            for issuer, until in before.items():
                issuer.usable_until = until

    with patch.object(TokenVerifier, "verify_now", verify_now):
        yield


@contextmanager
def a_reload_leaves_the_generation() -> Iterator[None]:
    real = Service.reload

    async def reload(self: Service, config: Any) -> None:
        before = self.generations.config
        await real(self, config)
        self.generations.config = before

    with patch.object(Service, "reload", reload):
        yield


@contextmanager
def refusals_are_remembered_for_good() -> Iterator[None]:
    """Whatever the generation."""
    real, memories = TokenVerifier.verify_now, dict[int, RefusedTokens]()  # by process

    def verify_now(self: TokenVerifier, token: bytes, now: Any) -> Any:
        memory = memories.setdefault(id(self._cache), RefusedTokens(1000))
        value = memory.find(token, now.boot, 0)
        if value >= 0:
            return AGAIN[value]
        found = real(self, token, now)
        if isinstance(found, Refusal) and found.code in REMEMBERED:
            memory.put(token, REMEMBERED.index(found.code), now.boot + self._refused_seconds, 0)
        return found

    with patch.object(TokenVerifier, "verify_now", verify_now):
        yield


@contextmanager
def a_revocation_is_asked_for_once() -> Iterator[None]:
    real = TokenVerifier._judged_again

    def judged(self: TokenVerifier, token: bytes, found: Any, known: Any, now: Any) -> Any:
        said = real(self, token, found, known, now)
        return known if isinstance(said, Refusal) else said

    with patch.object(TokenVerifier, "_judged_again", judged):
        yield


@contextmanager
def a_revoked_token_stays_so() -> Iterator[None]:
    real = TokenVerifier.verify_now
    revoked: dict[tuple[int, bytes], Refusal] = {}  # by process

    def verify_now(self: TokenVerifier, token: bytes, now: Any) -> Any:
        found, place = real(self, token, now), (id(self._cache), token)
        if isinstance(found, Refusal) and found.code is Code.REVOKED:
            revoked[place] = found
        return revoked.get(place, found)

    with patch.object(TokenVerifier, "verify_now", verify_now):
        yield


@contextmanager
def an_answer_is_promised_for_too_long() -> Iterator[None]:
    real = reuse.ends

    def ends(*given: Any) -> Any:
        found = real(*given)
        return found and (found[0], found[1] + 600)

    with patch.object(reuse, "ends", ends):
        yield


@contextmanager
def an_answer_is_promised_where_more_than_the_rule_decides() -> Iterator[None]:
    real = reuse.ends

    def ends(resource: Any, selected: Any, *rest: Any) -> Any:
        return real(resource, SimpleNamespace(plain=True, index=selected.index, rule=selected.rule), *rest)

    with patch.object(reuse, "ends", ends):
        yield


@contextmanager
def a_reload_makes_keys_young() -> Iterator[None]:
    real = Issuer.take_over

    def take_over(self: Issuer, old: Issuer) -> None:
        real(self, old)
        now = self.now()
        self._count_from(now.latest, now.boot)

    with patch.object(Issuer, "take_over", take_over):
        yield


def what_began_by_a_wrong_clock_stays_known() -> AbstractContextManager[Any]:
    return patch.object(Service, "_reviewed", lambda self: self.time.review())


def revocations_are_forgotten_by_the_wall_clock() -> AbstractContextManager[Any]:
    """And nobody reads them again."""
    return patch.multiple(
        Timekeeper,
        forgetting=lambda self: int(self.now().wall),
        forgot_too_much=False,
    )


MUTANTS: dict[str, Mutant] = {
    made.__name__: made
    for made in (
        a_changed_key_set_is_not_looked_at,
        a_key_is_looked_for_and_not_chosen_anew,
        keys_of_the_same_names_count_as_the_same_set,
        cached_tokens_outlive_their_keys,
        a_reload_leaves_the_generation,
        refusals_are_remembered_for_good,
        a_revocation_is_asked_for_once,
        a_revoked_token_stays_so,
        an_answer_is_promised_for_too_long,
        an_answer_is_promised_where_more_than_the_rule_decides,
        a_reload_makes_keys_young,
        what_began_by_a_wrong_clock_stays_known,
        revocations_are_forgotten_by_the_wall_clock,
    )
}
