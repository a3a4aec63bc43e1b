"""The Check method: bytes in, bytes out, and whatever goes wrong in between is a refusal.

It parses and writes its messages itself: what grpcio does where a message cannot be read, or a handler raises, is to repeat
the exception's words to whoever asked.
"""

from __future__ import annotations

import asyncio
import secrets
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from google.protobuf.message import DecodeError

from bearerd import request as view
from bearerd.audit.recorder import Trail
from bearerd.faces import peer
from bearerd.faces.grpc import message, question, reply
from bearerd.faces.grpc.question import FACE, Question
from bearerd.faces.reply import reply as answer_of
from bearerd.flow import Decided, Flow
from bearerd.policy import decide
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd.current import Current
    from bearerd.faces.peer import Peer
    from bearerd.service import Service

SERVICE: Final = "envoy.service.auth.v3.Authorization"
METHOD: Final = "Check"
MARGIN: Final = 0.05  # seconds before the deadline: for the answer to arrive

_LATE = Refusal(Code.ISSUER_UNAVAILABLE, "the gateway's deadline came while a key was waited for", retry_after=1)
_FULL = Refusal(Code.OVERLOADED, "max_grpc_calls are under way already", retry_after=1)


class Authorization:
    """Decides for one process."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._flow = Flow(service)
        self._made_for: Current | None = None
        self._trust = peer.Trust(())
        self.under_way = 0  # calls

    async def check(self, data: bytes, context: Any) -> bytes:
        """Answer one call; never raises but for cancellation."""
        self.under_way += 1
        try:
            return await self._checked(data, context)
        except Exception as error:  # noqa: BLE001 - fail closed, and without a word of it to whoever asks
            self._service.recorder.fault("a face failed", error)
            return self._failed()
        finally:
            self.under_way -= 1

    async def _checked(self, data: bytes, context: Any) -> bytes:
        current, who = self._current(), peer_of(context.peer())
        limits = current.config.limits
        asked = CheckRequest()
        try:
            asked.ParseFromString(data)
        except DecodeError:
            return self._refused(Refusal(Code.BAD_REQUEST, "not a CheckRequest"), who)
        if self.under_way > limits.max_grpc_calls:
            return self._refused(_FULL, who)
        found = question.read(asked, limits, trusted=who in self._trust, peer=who.name)
        found = message.read(found, asked, current.policy, limits)
        trail = Trail()
        decided = await self._decided(found, who, context.time_remaining(), trail)
        return self._written(decided, trail, found)

    async def _decided(self, found: Question, who: Peer, left: float | None, trail: Trail) -> Decided:
        """By the deadline, at the latest.  What is known is decided at once, however little time is left."""
        resource = self._service.current.policy.resources.get(found.name)
        if resource is None or FACE not in resource.gateways:  # one answer for both
            return self._flow.refuse(found.name, Refusal(Code.UNKNOWN_RESOURCE), found.unknown, face=FACE)
        if isinstance(found.request, Refusal):
            return self._flow.refuse(found.name, found.request, found.unknown, face=FACE)
        try:
            async with asyncio.timeout(None if left is None else max(0.0, left - MARGIN)):
                still = partial(self._still, found, who)
                return await self._flow.run(found.name, found.request, face=FACE, trail=trail, still=still)
        except TimeoutError:
            return self._flow.refuse(found.name, _LATE, found.request, face=FACE)

    def _still(self, found: Question, who: Peer) -> bool:
        """Whether by the configuration of now the same may be asked here, by this peer."""
        resource = self._current().policy.resources.get(found.name)
        return resource is not None and FACE in resource.gateways and (who in self._trust) == found.unknown.trusted

    def _written(self, decided: Decided, trail: Trail, found: Question) -> bytes:
        decision = decided.decision
        if decision.allowed:
            made = reply.allowed(decision, trail.verified)
        else:
            told = answer_of(decided, found, self._service.current)
            made = reply.denied(told, decision, decided.request_id)
        written: bytes = made.SerializeToString()
        return written

    def _refused(self, refusal: Refusal, who: Peer) -> bytes:
        """Where nobody knows of what resource."""
        decision, unheard = decide.of_nobody(refusal), _unheard(refusal, who)
        request_id = self._service.recorder.record(FACE, decision, unheard.unknown, 0.0)
        return self._written(Decided(decision, request_id), Trail(), unheard)

    def _failed(self) -> bytes:
        """internal_error, counted where even that can be done."""
        refusal, nobody = Refusal(Code.INTERNAL_ERROR), peer.Peer("", None)
        try:
            return self._refused(refusal, nobody)
        except Exception:  # noqa: BLE001 - the recorder itself may be at fault
            decided = Decided(decide.of_nobody(refusal), secrets.token_hex(16))
            return self._written(decided, Trail(), _unheard(refusal, nobody))

    def _current(self) -> Current:
        """The configuration in use, with what this face makes of it."""
        current = self._service.current
        if current is not self._made_for:
            self._trust, self._made_for = peer.Trust(current.config.trust.peers), current
        return current


def _unheard(refusal: Refusal, who: Peer) -> Question:
    """A question that was not read, or not to its end."""
    return Question("", refusal, view.of(None, None, peer=who.name))


@lru_cache(1024)
def peer_of(text: str) -> Peer:
    """The peer of a call, as gRPC writes it: ``ipv4:127.0.0.1:5000``, ``ipv6:%5B::1%5D:5000``.  Any other is nobody.

    Remembered: a gateway keeps its connections.
    """
    family, _, rest = unquote(text).partition(":")
    if family not in ("ipv4", "ipv6"):
        return peer.Peer("", None)
    return peer.at(rest.rpartition(":")[0].strip("[]"))
