"""What an approval is: one call of one principal, in words that are kept in the store, and what a human said of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

Confirm = Literal["any", "other"]


class State(StrEnum):
    """How far an approval has come."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    USED = "used"


class Unreadable(ValueError):
    """The store holds something else under an approval's name."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked, of what, and by whom: an approval is for exactly this."""

    resource: str
    meaning: str  # of the rule, as a digest: one that was changed meanwhile asks anew
    confirm: Confirm
    issuer: str
    subject: str | None
    client: str | None
    method: str
    name: str | None
    arguments: str  # canonical JSON
    person: Mapping[str, str] = field(default_factory=dict)  # claims by which the asker is told from an approver

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical arguments, in hex."""
        return hashlib.sha256(self.arguments.encode()).hexdigest()

    @property
    def binding(self) -> str:
        """One digest of all that an approval is bound to but the fleet, which the store's keys and the seal hold."""
        parts = (self.resource, self.meaning, self.confirm, self.issuer, self.subject, self.client)
        return _digest(b"bearerd-approval-1", *parts, self.method, self.name, self.digest)

    @property
    def principal(self) -> str:
        """Whose budget it counts in: the subject's; a client's, where a token names no subject."""
        who = ("subject", self.subject) if self.subject is not None else ("client", self.client)
        return _digest(b"bearerd-approval-principal-1", self.issuer, *who)[:32]


@dataclass(frozen=True, slots=True)
class Approver:
    """Who decided: a person who signed in (issuer and subject), or the operator's command line (neither)."""

    name: str  # for people and logs: a name or an address; "cli:USER"
    issuer: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a human said, and when (seconds since the epoch)."""

    approved: bool
    by: Approver
    at: float

    def encode(self, name: str) -> bytes:
        """As it is kept and sealed; ``name``: the approval's."""
        by = {"name": self.by.name, "issuer": self.by.issuer, "subject": self.by.subject}
        return _dump({"v": 1, "id": name, "approved": self.approved, "by": by, "at": self.at})

    @classmethod
    def decode(cls, text: bytes, name: str) -> Verdict:
        """What ``encode`` made for this approval.  Raises Unreadable."""
        said = _load(text)
        if said.get("v") != 1 or said.get("id") != name:
            raise Unreadable("a verdict of another approval")
        by = said.get("by")
        if not isinstance(by, dict) or not isinstance(said.get("approved"), bool):
            raise Unreadable("a verdict that says nothing")
        approver = Approver(_text(by, "name"), _maybe(by, "issuer"), _maybe(by, "subject"))
        return cls(said["approved"], approver, _number(said, "at"))


@dataclass(frozen=True, slots=True)
class Approval:
    """One, as the store has it."""

    id: str  # 128 random bits in hex: who knows it knows a page that asks to sign in, and nothing more
    call: Call
    opened_at: float  # seconds since the epoch
    expires_at: float
    state: State = State.PENDING
    verdict: Verdict | None = None

    def encode(self) -> bytes:
        """What never changes of it: that is what is sealed, shown, approved and compared."""
        call = self.call
        return _dump(
            {
                "v": 1,
                "id": self.id,
                "resource": call.resource,
                "meaning": call.meaning,
                "confirm": call.confirm,
                "issuer": call.issuer,
                "subject": call.subject,
                "client": call.client,
                "method": call.method,
                "name": call.name,
                "arguments": call.arguments,
                "person": dict(call.person),
                "opened_at": self.opened_at,
                "expires_at": self.expires_at,
            }
        )

    @classmethod
    def decode(cls, document: bytes, name: str, state: State, verdict: Verdict | None) -> Approval:
        """What ``encode`` made, under the name that it was found by.  Raises Unreadable."""
        said = _load(document)
        person, confirm = said.get("person"), said.get("confirm")
        if said.get("v") != 1 or said.get("id") != name or not isinstance(person, dict):
            raise Unreadable("not this approval")
        if confirm not in ("any", "other") or not all(isinstance(value, str) for value in person.values()):
            raise Unreadable("an approval that says nothing")
        call = Call(
            resource=_text(said, "resource"),
            meaning=_text(said, "meaning"),
            confirm=confirm,
            issuer=_text(said, "issuer"),
            subject=_maybe(said, "subject"),
            client=_maybe(said, "client"),
            method=_text(said, "method"),
            name=_maybe(said, "name"),
            arguments=_text(said, "arguments"),
            person=person,
        )
        return cls(name, call, _number(said, "opened_at"), _number(said, "expires_at"), state, verdict)


def _digest(purpose: bytes, *parts: str | None) -> str:
    """Each part with its length, so that no two sequences of them read the same; None is not the empty text."""
    found = hashlib.sha256(purpose)
    for part in parts:
        text = b"\x00" if part is None else b"\x01" + part.encode("utf-8", "surrogatepass")
        found.update(len(text).to_bytes(8, "big") + text)
    return found.hexdigest()


_MOST: Final = 1 << 20  # bytes that are read at all


def _dump(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _load(text: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(text) if len(text) <= _MOST else None
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise Unreadable("not a JSON object")
    return said


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise Unreadable(f"{name} is no text")
    return value


def _maybe(said: Mapping[str, Any], name: str) -> str | None:
    return None if said.get(name) is None else _text(said, name)


def _number(said: Mapping[str, Any], name: str) -> float:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable(f"{name} is no number")
    return float(value)
