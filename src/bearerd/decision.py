"""What a decision is: one frozen value, made by ``policy.decide`` and turned into an answer by a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from bearerd.refusals import Approval, Code, Outcome


class Now(NamedTuple):
    """The time of one request, read once (seconds): a process that was suspended has a ``boot`` that ran on.

    The wall clock may have been set since it was last right, so it has a latest and an earliest reading, too
    (``bearerd.timekeeper``).  They differ from it only while it lies behind or ahead of what it said before.
    """

    wall: float  # CLOCK_REALTIME: for logs, and the age of what is stamped by it
    boot: float  # CLOCK_BOOTTIME: what ages are measured by
    behind: float = 0.0  # seconds from ``wall`` to ``latest``
    ahead: float = 0.0  # seconds from ``earliest`` to ``wall``

    @property
    def latest(self) -> float:
        """What ``exp``, ``nbf`` and ``iat`` are compared with: a wall clock that was set back revives no token."""
        return self.wall + self.behind

    @property
    def earliest(self) -> float:
        """By what revocations are forgotten: one that was set forward drops none that is needed yet."""
        return self.wall - self.ahead

    def at_the_earliest(self) -> Now:
        """The same moment by the earliest time, for whoever calls a token expired only where it cannot be good again."""
        return self._replace(behind=-self.ahead)


class Wait(StrEnum):
    """What a pending verification or decision waits for."""

    KEY = "key"  # an unknown kid, or an issuer whose key set was never loaded
    APIKEY = "api key"  # one that is not known here yet; ``kid`` is its id
    TURN = "turn"  # other issuers' tokens are to be checked first (``verify.budget``)
    AUDIT = "audit"  # its audit record finds no room now, or has to be durable first (``audit.auditor``)
    SETTLEMENT = "settlement"  # it would be allowed, but a budget or an approval has to be asked (``policy.settle``)


@dataclass(frozen=True, slots=True)
class Pending:
    """Not decidable from memory.  Resolve it (await), then ask again."""

    kind: Wait
    issuer: str = ""  # the configured issuer whose keys are needed
    kid: str | None = None
    cache: str | None = field(default=None, compare=False)  # what the first look-up found: ``hit`` or ``miss``


@dataclass(frozen=True, slots=True)
class Challenge:
    """The parameters of a ``WWW-Authenticate: Bearer`` challenge (RFC 6750 section 3, RFC 9728 section 5.1)."""

    realm: str
    error: str | None = None
    scope: str | None = None  # space-separated: every scope that the operation needs
    resource_metadata: str | None = None  # URL


class Reuse(NamedTuple):
    """Until when, and under what, an answer prepared from this decision may be given again for the same token bytes.

    It may be given only while *all* of these still hold; nothing else says what may be reused (G4).  A generation or a
    sequence that has moved asks for its part to be looked at again: whether the key is still in the set, whether the token is
    revoked now.  What it then says of the token decides, and the answer stands or falls with it.
    """

    resource: str
    rule: int | None
    config_generation: int
    key_generation: int  # of the token's issuer; 0 where no token was looked at
    revocation_sequence: int
    since_wall: (
        float  # seconds: when it was decided; a ``Now.latest`` before that has fallen, and ``nbf`` is judged by it
    )
    until_wall: float  # seconds: exp + leeway, the end of its keys, or the half of a signed identity; compared with ``Now.latest``
    until_boot: float  # seconds: the same by CLOCK_BOOTTIME, and never past the view's staleness
    cacheable: int = 0  # whole seconds for which a gateway may keep it, from any moment until then on; 0: not at all


@dataclass(frozen=True, slots=True)
class WouldRefuse:
    """What an unenforced (shadow) rule or resource would have refused."""

    code: Code
    rule: int | None  # None: the resource itself is in shadow


@dataclass(frozen=True, init=False)
class Decision:
    """May this token do this, here, now?"""

    allowed: bool
    outcome: Outcome
    code: Code | None  # None when allowed
    status: int  # the HTTP status meant for the client
    resource: str
    rule: int | None = None  # index in the resource's rules
    claims: Mapping[str, Any] | None = None  # verified claims; None unless a token was verified
    challenge: Challenge | None = None
    headers_add: tuple[tuple[str, str], ...] = ()  # toward the upstream: the identity headers, already encoded
    headers_remove: tuple[str, ...] = ()  # names that must not reach the upstream from the client
    retry_after: int | None = None  # seconds
    would_refuse: tuple[WouldRefuse, ...] = ()
    reuse: Reuse | None = None
    detail: str = field(default="", compare=False)  # for logs, /v1 and explain only
    hints: tuple[str, ...] = field(default=(), compare=False)  # likewise
    approval: Approval | None = None  # what is to be waited for, or was used

    def __init__(
        self,
        allowed: bool,
        outcome: Outcome,
        code: Code | None,
        status: int,
        resource: str,
        rule: int | None = None,
        claims: Mapping[str, Any] | None = None,
        challenge: Challenge | None = None,
        headers_add: tuple[tuple[str, str], ...] = (),
        headers_remove: tuple[str, ...] = (),
        retry_after: int | None = None,
        would_refuse: tuple[WouldRefuse, ...] = (),
        reuse: Reuse | None = None,
        detail: str = "",
        hints: tuple[str, ...] = (),
        approval: Approval | None = None,
    ) -> None:
        """What a dataclass would write, in a third of the time: it fills a frozen instance field by field."""
        self.__dict__.update(
            allowed=allowed,
            outcome=outcome,
            code=code,
            status=status,
            resource=resource,
            rule=rule,
            claims=claims,
            challenge=challenge,
            headers_add=headers_add,
            headers_remove=headers_remove,
            retry_after=retry_after,
            would_refuse=would_refuse,
            reuse=reuse,
            detail=detail,
            hints=hints,
            approval=approval,
        )
