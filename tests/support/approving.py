"""Calls that need an approval, and everything around the settler that answers for them, on a real store."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bearerd._native import clock
from bearerd.approvals.book import Book, Bounds
from bearerd.approvals.office import Office
from bearerd.approvals.record import Approver, Call
from bearerd.config import model
from bearerd.decision import Now
from bearerd.limits import Limits
from bearerd.mcp.operation import Operation
from bearerd.metrics import Labels, Metrics, gather
from bearerd.policy.resource import Policy
from bearerd.request import Request
from bearerd.store import client as clients
from bearerd.store.server import Durability
from bearerd.verify.verified import Claims, Verified

if TYPE_CHECKING:
    from pathlib import Path

    from support.valkey import Valkey

    from bearerd.policy.resource import Resource
    from bearerd.refusals import Approval, Refusal

ISS = "https://auth.example"
LOGIN = "https://login.example"
BOB = Approver("Bob", LOGIN, "bob")
PAGE: dict[str, Any] = {
    "listen": "127.0.0.1:0",
    "url": "https://approvals.example",
    "issuer": LOGIN,
    "client_id": "bearerd",
    "approvers": {"roles": ["approver"]},
}


def client_of(server: Valkey, fleet: str, key_file: Path | None = None) -> clients.Client:
    return clients.connect(model.Store(url=server.url, fleet=fleet, fleet_key_file=key_file), timeout=5)


def book_of(client: clients.Client, most: int = 100, most_of_one: int = 10) -> Book:
    book = Book(client, Bounds(most, most_of_one))
    book.durability = Durability()
    return book


def call(**changes: Any) -> Call:
    said: dict[str, Any] = {
        "resource": "files",
        "meaning": "m",
        "confirm": "any",
        "issuer": ISS,
        "subject": "alice",
        "client": "agent",
        "method": "tools/call",
        "name": "delete",
        "arguments": '{"path":"/tmp/x"}',
    }
    return Call(**(said | changes))


def verified(**changes: Any) -> Verified:
    now = time.time()
    said: dict[str, Any] = {"iss": ISS, "sub": "alice", "client_id": "agent"} | changes.pop("claims", {})
    fields: dict[str, Any] = {
        "issuer": ISS,
        "subject": "alice",
        "client": "agent",
        "session": None,
        "scopes": (),
        "roles": (),
        "audience": ("files",),
        "issued_at": now,
        "expires_at": now + 300,
        "token_id": "00" * 32,
        "thumbprint": "t",
        "alg": "ES256",
        "kid": None,
        "confirmed": False,
        "key_generation": 1,
        "claims": Claims.of(said),
    }
    return Verified(**(fields | changes))


def resource(confirm: Any = True, **changes: Any) -> Resource:
    """One whose only rule asks for a confirmation."""
    rule = {"confirm": confirm} | changes.pop("rule", {})
    table = {"identifier": "https://files.example", "rule": [rule]} | changes
    config = model.Config.model_validate({"resource": {"files": table}, "issuer": [{"issuer": ISS, "name": "main"}]})
    return Policy(config, 1).resources["files"]


def asked(arguments: dict[str, Any] | None = None, *headers: tuple[bytes, bytes], **changes: Any) -> Request:
    operation = Operation("tools/call", "delete", "body", None, {"path": "/tmp/x"} if arguments is None else arguments)
    operation = operation._replace(**changes.pop("operation", {}))
    fields: dict[str, Any] = {"headers": headers, "trusted": True, "operation": operation} | changes
    return Request("POST", b"/mcp", "/mcp", None, **fields)


@dataclass
class Floor:
    """An office at work."""

    client: clients.Client
    settings: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.configure()
        self.metrics = Metrics(None, Labels({"files": ()}))
        self.ahead = 0.0  # seconds by which our clock leads
        self.behind = 0.0  # seconds by which it was set back
        self.office = Office(lambda: self.table, Limits(**self.limits), self.metrics, str, self.now)
        self.office.join(self.client)
        self.office.durable(Durability())

    def configure(self, **changes: Any) -> None:
        self.settings |= changes
        self.table: model.Approvals | None = model.Approvals.model_validate(PAGE | self.settings)

    def now(self) -> Now:
        return Now(time.time() + self.ahead, clock.boot(), self.behind)

    async def ask(
        self, request: Request | None = None, who: Verified | None = None, of: Resource | None = None
    ) -> Refusal | Approval | None:
        of = of or resource()
        return await self.office.settler.settle(of, of.rules[0], request or asked(), who or verified(), self.now())

    async def decide(self, name: str, by: Approver = BOB, *, approved: bool = True) -> str:
        assert self.office.book is not None
        found = await self.office.book.find(name)
        assert found is not None
        return await self.office.decide(found, by, approved=approved)

    def count(self, event: str) -> float:
        return gather([self.metrics.buffer])[("bearerd_approvals_total", "files", event)][0]


__all__ = ["Floor", "asked", "book_of", "call", "client_of", "replace", "resource", "verified"]
