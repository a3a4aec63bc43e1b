"""The approvals in the store.  Every change is one script, so that of two who do the same at once exactly one has done it.

With a fleet key, what is shown and what was said of it carry a MAC: whoever can write the store can take an approval away,
or put a used one back until it expires, but can neither change what it is for nor make one.  Without a fleet key whoever
can write the store can approve.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bearerd.approvals.record import Approval, Call, State, Unreadable, Verdict
from bearerd.errors import StoreError
from bearerd.store import replies, script
from bearerd.store.server import Durability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bearerd.approvals.record import Approver
    from bearerd.store.client import Client

GRACE: Final = 5.0  # seconds for which a gateway's own retry, by its id, passes once more
PAGE: Final = 200  # approvals in one list
_SWEPT: Final = 64  # at once
_PIECE: Final = 50  # of the list in one script: each may bring max_approval_bytes
_PURPOSE: Final = b"approval"
_VERDICT: Final = b"approval verdict"


class Full(Exception):
    """No more can be opened.  ``mine``: of this principal, else of anybody."""

    def __init__(self, *, mine: bool) -> None:
        super().__init__("of this principal" if mine else "of all")
        self.mine = mine


class Found(NamedTuple):
    """What stands for a call."""

    approval: Approval
    opened: bool = False  # just now
    again: bool = False  # used, moments ago, by the attempt that asks once more


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many may be open."""

    most: int  # in the fleet
    most_of_one: int  # of one principal


class Book:
    """Of one fleet.  Every method raises StoreError, and nothing else for what it reads."""

    def __init__(self, client: Client, bounds: Bounds, *, timeout: float = 2.0) -> None:
        """``timeout``: seconds for which the durability of a use is waited for."""
        self._client = client
        self._bounds = bounds
        self._timeout = timeout
        self.durability: Durability | None = None  # once it is known what the server can give; until then none is used

    async def open(self, call: Call, ttl: float, wall: float, attempt: str = "") -> Found:
        """The approval that stands for exactly this call; a new one where none does.

        ``attempt``: a digest of the gateway's id for this question; empty: it has none.  Raises Full.
        """
        names, seal = self._client.names, self._client.seal
        made = Approval(secrets.token_hex(16), call, round(wall, 3), round(wall + ttl, 3))
        document = made.encode()
        keys = (
            names.approval_of_call(call.binding),
            names.approvals,
            names.approvals_of(call.principal),
            names.approval(made.id),
        )
        mac = seal.make(_PURPOSE, made.id.encode(), document)
        limits = (self._bounds.most, self._bounds.most_of_one)
        expiry = int(made.expires_at * 1000)
        lives = (attempt, int(GRACE * 1000), names.approval_hashes, int(ttl * 1000))
        args = (made.id, document, mac, expiry, *limits, *lives)
        word, *rest = await self._client.run(script.APPROVAL_OPEN, keys, args)
        if word == b"opened":
            return Found(made, opened=True)
        if word in (b"full", b"yours"):
            raise Full(mine=word == b"yours")
        if word != b"standing":
            raise StoreError("the clocks of store and worker differ by more than an approval lives")
        name, *fields, again = rest
        found = self._read(name.decode("ascii", "replace"), fields)
        if found.call.binding != call.binding:
            raise StoreError("the store has another call's approval in this one's place")
        return Found(found, again=again == 1)

    async def find(self, name: str) -> Approval | None:
        """One, by its id; None where there is none, or it has expired."""
        fields = ("document", "mac", "state", "verdict", "verdict_mac", "expires")
        reply = await self._client.call("HMGET", self._client.names.approval(name), *fields)
        if reply[0] is None:
            return None
        *values, expires = reply
        if not await self._in_time(expires):
            return None
        return self._read(name, [value or b"" for value in values])

    async def standing(self) -> list[Approval]:
        """Those that wait for somebody, ``PAGE`` at the most, the first to expire first; what cannot be read is left out.

        However many stand before them that were decided.
        """
        names, found = self._client.names, list[Approval]()
        at, had = 0, _PIECE
        while had == _PIECE and len(found) < PAGE:
            args = (at, _PIECE, names.approval_hashes)
            had, *fields = await self._client.run(
                script.APPROVAL_LIST, (names.approvals,), args, most=_PIECE * replies.MOST
            )
            found += self._readable(fields)
            at += had
        return found[:PAGE]

    async def decide(self, approval: Approval, by: Approver, wall: float, *, approved: bool) -> str:
        """Say yes or no: "ok", or why it came too late ("gone", "changed", or the state it is in)."""
        verdict = Verdict(approved, by, round(wall, 3)).encode(approval.id)
        document = approval.encode()
        mac = self._client.seal.make(_VERDICT, approval.id.encode(), document, verdict)
        state = State.APPROVED if approved else State.DENIED
        args = (document, state, verdict, mac)
        reply = await self._client.run(script.APPROVAL_DECIDE, (self._client.names.approval(approval.id),), args)
        return str(reply.decode())

    async def use(self, approval: Approval, attempt: str = "") -> bool:
        """Use up one that was approved: True for the first who does, and for nobody after.

        It counts once it is as durable as a revocation would be: a store that forgot it would let the call pass again.
        """
        if self.durability is None:
            raise StoreError("it is not known yet how durable a use of an approval would be")
        if approval.verdict is None:
            return False
        names = self._client.names
        keys = (names.approval(approval.id), names.approvals, names.approvals_of(approval.call.principal))
        args = (approval.id, approval.encode(), approval.verdict.encode(approval.id), attempt)
        async with self._client.borrow() as link:
            if await link.run(script.APPROVAL_USE, keys, args) != b"ok":
                return False
            reached = await self.durability.reached(link, self._timeout)
        if reached != self.durability.name:
            raise StoreError(f"the use of an approval got no further than {reached}: it is spent, and nothing passed")
        return True

    async def sweep(self) -> list[Approval]:
        """Those that expired unused; each is told once in the fleet."""
        names = self._client.names
        reply: Sequence[bytes] = await self._client.run(
            script.APPROVAL_SWEEP, (names.approvals,), (names.approval_hashes, _SWEPT)
        )
        return self._readable(reply)

    def _readable(self, fields: Sequence[bytes]) -> list[Approval]:
        """Of ids, documents and MACs by turns, as of such as nobody has decided."""
        found = []
        for name, document, mac in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
            try:
                found.append(self._read(name.decode("ascii", "replace"), (document, mac, b"pending", b"", b"")))
            except StoreError:
                continue
        return found

    def _read(self, name: str, fields: Sequence[Any]) -> Approval:
        document, mac, word, verdict, verdict_mac = fields
        seal, label = self._client.seal, name.encode()
        if not seal.holds(mac, _PURPOSE, label, document):
            raise StoreError("an approval does not carry the fleet's seal: somebody else wrote it")
        try:
            state = State(word.decode("ascii", "replace"))
            found = Approval.decode(document, name, state, None)
            if state is State.PENDING:
                return found
            if not seal.holds(verdict_mac, _VERDICT, label, document, verdict):
                raise StoreError("what was said of an approval does not carry the fleet's seal")
            said = Verdict.decode(verdict, name)
        except (Unreadable, ValueError):
            raise StoreError("an approval in the store is not readable") from None
        if said.approved == (state is State.DENIED):
            raise StoreError("an approval's state is not what was said of it")
        return replace(found, verdict=said)

    async def _in_time(self, expires: bytes | None) -> bool:
        return expires is not None and expires.isdigit() and int(expires) > await self._now()

    async def _now(self) -> int:
        """Milliseconds, by the store's clock."""
        seconds, micros = await self._client.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000
