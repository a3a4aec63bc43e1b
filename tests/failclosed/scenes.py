"""Questions that are asked again and again, with a fault at every place that they pass.

A scene asks for a token; ``ask`` says whether the answer grants something.  An answer that says what is not so is a Lie.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

from envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from failclosed import subjects
from failclosed.subjects import BAD, GOOD, Subject
from support import calls, identity
from support.asking import asked
from support.house import API, SECRET, House, config

from bearerd.decision import Pending
from bearerd.faces.grpc.authorization import Authorization
from bearerd.flow import Flow
from bearerd.store.entries import Kind
from bearerd.store.revocations import Written

PATIENCE = 5.0  # seconds: bounds a failure
LOGGED = {"refusal_logs_per_second": 1_000_000}  # each refusal has its line, however many there were


def signing() -> dict[str, Any]:
    """Upstreams are told in a signed identity, too."""
    return identity.table(identity.pem("Ed25519"))


class Lie(Exception):
    """An answer says what is not so."""


class Scene:
    """A house, and one question to it."""

    asked_by: ClassVar[tuple[Subject, ...]] = (GOOD, *BAD)
    well: ClassVar[Subject] = GOOD  # who is allowed when nothing goes wrong
    lane: ClassVar[bool] = False  # by the native lane, and what it asks of Python

    def __init__(self, folder: Path) -> None:
        self.house = House(self.config(folder), folder, lane=self.lane)
        self.service = self.house.service
        subjects.revoke(self.house)

    def config(self, folder: Path) -> Any:
        rule = {"path": "/orders/**", "scopes": ["read"], "roles": []}
        table = {"identifier": API, "gateway": ["forwarded", "envoy"], "forward_identity": "both", "rule": [rule]}
        return config(folder, callers=({"name": "svc"},), resource={"api": table}, limits=LOGGED, identity=signing())

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # they are our own faults
        await self.house.__aenter__()
        if self.lane:
            self.house.port = self.house.lane_port
        return self

    async def __aexit__(self, *gone: object) -> None:
        await self.house.__aexit__(None, None, None)

    async def ready(self, token: str, subject: Subject) -> None:
        """Before a question that is to meet a fault: all of them find what the first one found."""
        await self.prepare(token, subject)
        if self.lane:
            self.written()

    def written(self) -> None:
        """What the lane noted is written now, not by and by."""
        clerk = self.house.clerk
        if clerk._writing is not None:
            clerk._writing.cancel()
        clerk._write()

    async def prepare(self, token: str, subject: Subject) -> None:
        """What is particular to the question."""

    def later(self) -> None:
        """Let so much time pass that whatever backed off tries again."""

    async def ask(self, token: str) -> bool:
        """Ask; whether the answer lets the bearer have something.  Raises Lie."""
        raise NotImplementedError

    async def answer(self, token: str) -> bool:
        """The same; no answer at all is a refusal.  Raises TimeoutError where there is none in good time."""
        asking = asyncio.ensure_future(self.ask(token))
        done, _ = await asyncio.wait({asking}, timeout=PATIENCE)
        if self.lane:
            asyncio.get_running_loop().call_soon(self.written)
            await asyncio.sleep(0)
        if not done:
            asking.cancel()
            await asyncio.wait({asking}, timeout=1)  # it reads no more: another question may
            await self.hang_up()
            raise TimeoutError
        error = asyncio.CancelledError() if asking.cancelled() else asking.exception()
        if error is None:
            return asking.result()
        if isinstance(error, Lie):
            raise error
        await self.hang_up()
        return False

    async def hang_up(self) -> None:
        """Ask on a new connection from now on."""
        wire, self.house._wire = self.house._wire, None
        if wire is not None:
            await wire.close()


class ForwardAuthAnew(Scene):
    """A token that nobody has seen, at ``/auth``."""

    async def ask(self, token: str) -> bool:
        reply = await self.house.auth(token, uri="/orders/1")
        if b"injected" in reply.body:
            raise Lie("the answer repeats a fault's words")
        if reply.status != 200 and (reply.all("X-Auth-Subject") or reply.all("X-Auth-Identity")):
            raise Lie("a refusal names an identity")
        return reply.status == 200


class ForwardAuth(ForwardAuthAnew):
    """A known one."""

    async def prepare(self, token: str, subject: Subject) -> None:
        await self.ask(token)


class LaneAnew(ForwardAuthAnew):
    """One that the lane has not seen: it waits its turn."""

    lane = True


class Lane(ForwardAuth):
    """One that the lane knows, under another rule: decided at once, and prepared for the next time."""

    lane = True

    def config(self, folder: Path) -> Any:
        rules = [{"path": f"/orders/{name}", "scopes": ["read"], "roles": []} for name in ("1", "2")]
        table = {"identifier": API, "gateway": "forwarded", "forward_identity": "both", "rule": rules}
        return config(folder, resource={"api": table}, limits=LOGGED, identity=signing())

    async def prepare(self, token: str, subject: Subject) -> None:
        await self.house.auth(token, uri="/orders/2")


class ExtAuthz(Scene):
    """A token that Envoy asks about."""

    async def ask(self, token: str) -> bool:
        bearer = ("Authorization", f"Bearer {token}")
        return (await self.house.ask("/ext_authz/api/orders/1", bearer)).status == 200


class Grpc(Scene):
    """A token that Envoy asks about by gRPC.  To Envoy it is the status that allows, whatever stands beside it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.face = Authorization(self.service)

    def config(self, folder: Path) -> Any:
        rule = {"path": "/orders/**", "scopes": ["read"], "roles": []}
        table = {"identifier": API, "gateway": "grpc", "rule": [rule]}
        return config(folder, resource={"api": table}, limits=LOGGED)

    async def ask(self, token: str) -> bool:
        request = calls.asked(calls.bearer(token)).SerializeToString()
        answer = CheckResponse.FromString(await self.face.check(request, calls.Context(left=PATIENCE)))
        allowed = bool(answer.status.code == 0)
        if "injected" in str(answer):
            raise Lie("the answer repeats a fault's words")
        if allowed != answer.HasField("ok_response") or allowed == answer.HasField("denied_response"):
            raise Lie("the status says another thing than the response")
        if not allowed and "subject" in answer.dynamic_metadata:
            raise Lie("a refusal names an identity")
        return allowed


class Introspection(Scene):
    """RFC 7662: no rule counts, so neither does a scope."""

    asked_by = tuple(one for one in Scene.asked_by if one is not subjects.LESS)

    async def ask(self, token: str) -> bool:
        reply = await self.house.post("/introspect", token=token)
        if reply.status != 200:
            if b"active" in reply.body or b"injected" in reply.body:
                raise Lie(f"{reply.status} with {reply.body!r}")
            return False
        return bool(reply.json()["active"])


@dataclass
class Book:
    """A writer of revocations that keeps them to itself."""

    revoked: set[str] = field(default_factory=set)

    def in_force(self, kind: Kind, issuer: str, value: str) -> int:
        return 0

    async def revoke(self, kind: Kind, issuer: str, value: str, **more: Any) -> Written:
        await asyncio.sleep(0)
        self.revoked.add(value)
        return Written(len(self.revoked), "enforced", "fsync")


class Revocation(Scene):
    """RFC 7009: what is granted here is the caller's belief that the token is dead, so it must be."""

    asked_by = (GOOD, subjects.EXPIRED, subjects.FORGED, subjects.FOREIGN)

    async def prepare(self, token: str, subject: Subject) -> None:
        self.book = self.service.writer = Book()  # type: ignore[assignment]
        self._lives = subject.good

    async def ask(self, token: str) -> bool:
        form = urlencode({"client_id": "svc", "client_secret": SECRET, "token": token}).encode()
        head = ("Content-Type", "application/x-www-form-urlencoded"), ("Expect", "100-continue")
        reply = await self.house.ask("/revoke", *head, method="POST", body=form)
        if reply.status != 200:
            return False
        if reply["X-Revocation"] == "none":
            if self._lives:
                raise Lie("a good token was called none, and lives")
            return False
        if not self.book.revoked:
            raise Lie("it was called revoked, and lives")
        return True


class Python(Scene):
    """The Python API."""

    async def ask(self, token: str) -> bool:
        return (await Flow(self.service).decide("api", asked(token))).allowed


class PythonNow(Scene):
    """The same without a coroutine."""

    async def ask(self, token: str) -> bool:
        decided = Flow(self.service).run_now("api", asked(token), face="python")
        return not isinstance(decided, Pending) and decided.decision.allowed
