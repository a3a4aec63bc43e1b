"""Mistakes that the walk must find: each swallows a fault somewhere, as a well-meant ``except`` would."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from failclosed import key_scenes, scenes, subjects
from failclosed.scenes import Scene
from failclosed.subjects import Subject

from bearerd.decision import Decision
from bearerd.errors import BadSignature
from bearerd.faces.clients import Clients
from bearerd.faces.grpc.authorization import Authorization
from bearerd.flow import Flow
from bearerd.issuers.registry import Issuer
from bearerd.jws.algorithms import Algorithm
from bearerd.jws.keys import Key
from bearerd.policy import decide
from bearerd.refusals import Code, Outcome, Refusal
from bearerd.verify.flights import Flights
from bearerd.verify.verifier import TokenVerifier

ALLOW = Decision(True, Outcome.ALLOW, None, 200, "api")
Mistake = Callable[[], contextlib.AbstractContextManager[object]]


@contextlib.contextmanager
def swallowed(owner: Any, name: str, instead: Callable[..., Any]) -> Iterator[None]:
    """A function that does something else where it fails."""
    real = getattr(owner, name)

    def lenient(*given: Any, **named: Any) -> Any:
        try:
            return real(*given, **named)
        except BadSignature:  # a verdict, and no fault
            raise
        except Exception:  # noqa: BLE001 - that is the mistake
            return instead(*given, **named)

    with patch.object(owner, name, lenient):
        yield


@contextlib.contextmanager
def a_check_that_fails_is_passed() -> Iterator[None]:
    real = Key.check

    def check(self: Key, alg: Algorithm) -> Callable[[bytes, bytes], None]:
        made = real(self, alg)

        def lenient(signed: bytes, signature: bytes) -> None:
            try:
                made(signed, signature)
            except BadSignature:  # a verdict, and no fault
                raise
            except Exception:  # noqa: BLE001 - that is the mistake
                return

        return lenient

    with patch.object(Key, "check", check):
        yield


@contextlib.contextmanager
def rounds_end_in_an_allow() -> Iterator[None]:
    real = Flow._rounds

    async def lenient(*given: Any, **more: Any) -> Decision:
        try:
            return await real(*given, **more)
        except Exception:  # noqa: BLE001 - that is the mistake
            return ALLOW

    with patch.object(Flow, "_rounds", lenient):
        yield


@contextlib.contextmanager
def the_waiting_are_not_counted_down() -> Iterator[None]:
    real = Flights.wait

    async def wait(self: Flights, *given: Any) -> Refusal | None:
        before = self.waiting
        try:
            return await real(self, *given)
        except BaseException:
            self.waiting = before + 1
            raise

    with patch.object(Flights, "wait", wait):
        yield


@contextlib.contextmanager
def keys_change_before_their_generation() -> Iterator[None]:
    real = Issuer.adopt

    def adopt(self: Issuer, key_set: Any, *more: Any) -> bool:
        before, self.key_set = self.key_set, key_set
        held = before is not None and not key_set.holds("k1") and before.holds("k1")
        if held:
            self.key_set = before
        try:
            return real(self, key_set, *more)
        except BaseException:
            self.key_set = key_set
            raise

    with patch.object(Issuer, "adopt", adopt):
        yield


def _remembered(self: TokenVerifier, token: bytes, now: Any) -> Refusal:
    self._refused.put(token, 0, now.boot + 60.0, self._generations.total)
    return Refusal(Code.MALFORMED_TOKEN)


SEEDED: dict[str, tuple[Mistake, type[Scene], Subject, str]] = {
    "a round that fails is an allow": (
        rounds_end_in_an_allow,
        scenes.ForwardAuthAnew,
        subjects.FOREIGN,
        "allowed",
    ),
    "a round that fails is an allow, for a good token": (
        rounds_end_in_an_allow,
        scenes.ForwardAuthAnew,
        subjects.GOOD,
        "beyond a fault",
    ),
    "a view whose age is not known is fresh": (
        lambda: swallowed(decide, "_judge_view", lambda *_: None),
        scenes.ExtAuthz,
        subjects.STALE,
        "allowed",
    ),
    "a rule that fails asks for nothing": (
        lambda: swallowed(decide, "_judge_use", lambda *_: None),
        scenes.Python,
        subjects.LESS,
        "allowed",
    ),
    "what cannot be looked up is not revoked": (
        lambda: swallowed(TokenVerifier, "_revoked", lambda _, found, *__: found),
        scenes.PythonNow,
        subjects.REVOKED,
        "allowed",
    ),
    "a signature that cannot be checked is good": (
        a_check_that_fails_is_passed,
        scenes.ForwardAuthAnew,
        subjects.FORGED,
        "allowed",
    ),
    "introspection judges no token that it cannot judge": (
        lambda: swallowed(Clients, "_judged", lambda _, verified, own: (verified, own[0])),
        scenes.Introspection,
        subjects.FOREIGN,
        "allowed",
    ),
    "by gRPC, no words are an answer, and to Envoy an allow": (
        lambda: patch.object(Authorization, "_failed", lambda _: b""),
        scenes.Grpc,
        subjects.FORGED,
        "the status says another thing",
    ),
    "a fault is remembered as a bad token": (
        lambda: swallowed(TokenVerifier, "verify_now", _remembered),
        scenes.PythonNow,
        subjects.GOOD,
        "afterwards: good: refused",
    ),
    "the waiting are not counted down": (
        the_waiting_are_not_counted_down,
        key_scenes.NewKey,
        subjects.GOOD,
        "count as waiting",
    ),
    "keys change before their generation": (
        keys_change_before_their_generation,
        key_scenes.Rotated,
        subjects.GONE,
        "allowed",
    ),
}
