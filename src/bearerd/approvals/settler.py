"""The last to be asked before a call passes: has a human said yes to exactly this?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

from bearerd import refusals
from bearerd.approvals.attempt import attempt
from bearerd.approvals.book import Full
from bearerd.approvals.people import marks
from bearerd.approvals.record import Call, State
from bearerd.errors import StoreError
from bearerd.mcp.canonical import NotCanonical, canonical
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd.approvals.book import Book, Found
    from bearerd.approvals.events import Events
    from bearerd.approvals.record import Approval
    from bearerd.config.model import Approvals as Settings
    from bearerd.decision import Now
    from bearerd.policy.resource import Resource, Rule
    from bearerd.request import Request
    from bearerd.verify.verified import Verified

RETRY_SECONDS: Final = 30  # where too many are open: somebody must decide first
_TRIES: Final = (
    2  # between finding an approval and using it up another may have done so; then there is a new one to find
)


class Office(Protocol):
    """What the settler works with."""

    @property
    def settings(self) -> Settings | None:
        """``[approvals]`` as it is now."""

    @property
    def book(self) -> Book | None:
        """The store's part; None where there is no store."""

    @property
    def events(self) -> Events:
        """Who counts and logs."""

    @property
    def most_bytes(self) -> int:
        """Of canonical arguments."""

    def announce(self, approval: Approval) -> None:
        """Tell approvers of a new one."""


class Confirmation:
    """A ``policy.settle.Settler``.  Of every service, also of one without ``[approvals]``: a rule that asks is refused."""

    confirms: Final = True  # it asks a human

    def __init__(self, office: Office) -> None:
        self._office = office

    async def settle(
        self, resource: Resource, rule: Rule, request: Request, verified: Verified, now: Now
    ) -> Refusal | refusals.Approval | None:
        """See ``Settler``."""
        if not rule.confirm:
            return None
        settings, book = self._office.settings, self._office.book
        if settings is None:
            return Refusal(Code.CONFIRMATION_REQUIRED, "nobody can confirm it: [approvals] is not configured")
        if book is None:
            return Refusal(Code.STALE_STATE, "there is no store to keep an approval in")
        call = self._call(settings, resource, rule, request, verified)
        if isinstance(call, Refusal):
            return call
        if resource.shadow:  # it passes whatever is said here: nobody is to be asked for nothing
            return Refusal(Code.CONFIRMATION_REQUIRED, "in shadow: nothing was opened")
        try:
            return await self._found(settings, resource, book, call, attempt(request, settings.attempt_header), now)
        except StoreError as error:  # an outage, and no fault of ours: it is said once for each call, in its decision
            return error.refusal

    async def _found(
        self, settings: Settings, resource: Resource, book: Book, call: Call, tried: str, now: Now
    ) -> Refusal | refusals.Approval:
        """What becomes of the call by the approval that stands for it.  Raises StoreError."""
        for _ in range(_TRIES):
            try:
                found = await book.open(call, settings.ttl, now.latest, tried)  # as it will be judged by
            except Full as full:
                self._office.events.limited(resource.name)
                return Refusal(Code.RATE_LIMITED, f"too many approvals are open {full}", retry_after=RETRY_SECONDS)
            said = await self._judged(settings, book, found, tried, now)
            if said is not None:
                return said
        return Refusal(Code.CONFIRMATION_REQUIRED, "the approval was used by another request in the same moment")

    def _call(
        self, settings: Settings, resource: Resource, rule: Rule, request: Request, verified: Verified
    ) -> Call | Refusal:
        """What an approval would be bound to."""
        operation = request.operation
        if operation is None or operation.mode != "body":
            return Refusal(Code.FORBIDDEN, "the rule asks for a confirmation, and the arguments were not shown")
        if operation.goes_on:
            return Refusal(
                Code.FORBIDDEN, "the call goes on with the client's own answers, which nobody would be shown"
            )
        if verified.subject is None and verified.client is None:
            return Refusal(Code.FORBIDDEN, "the token names nobody: neither a subject nor a client")
        try:
            arguments = canonical(operation.arguments)
        except NotCanonical as error:
            return Refusal(Code.INVALID_ARGUMENTS, f"the arguments hold {error}")
        if len(arguments) > self._office.most_bytes:
            return Refusal(Code.FORBIDDEN, "the arguments are longer than max_approval_bytes: nobody would read them")
        return Call(
            resource=resource.name,
            meaning=rule.meaning,
            confirm="other" if rule.confirm == "other" else "any",
            issuer=verified.issuer,
            subject=verified.subject,
            client=verified.client,
            method=operation.method,
            name=operation.name,
            arguments=arguments.decode(),
            person=marks(settings, verified.claims.read()),
        )

    async def _judged(
        self, settings: Settings, book: Book, found: Found, tried: str, now: Now
    ) -> Refusal | refusals.Approval | None:
        """What becomes of the call; None: look again."""
        approval, events = found.approval, self._office.events
        told = reference(approval, settings, now)
        if found.opened:
            events.tell("opened", approval)
            self._office.announce(approval)
        if not now.latest < approval.expires_at:
            return Refusal(Code.CONFIRMATION_REQUIRED, "the approval has expired", retry_after=1)
        if approval.state is State.PENDING:
            return Refusal(Code.CONFIRMATION_REQUIRED, f"approval {approval.id} is pending", approval=told)
        if approval.state is State.DENIED:
            return Refusal(Code.FORBIDDEN, f"approval {approval.id} was denied", approval=told)
        if approval.call.confirm == "other" and (approval.verdict is None or approval.verdict.by.issuer is None):
            return Refusal(Code.FORBIDDEN, f"approval {approval.id} was not given by another person", approval=told)
        if found.again:
            events.tell("repeated", approval)
            return told
        if not await book.use(approval, tried):
            return None
        events.tell("used", approval)
        return refusals.Approval(told.id, State.USED, told.url, told.expires_in)


def reference(approval: Approval, settings: Settings, now: Now) -> refusals.Approval:
    """An approval as its client is told of it."""
    url = None if settings.url is None else f"{settings.url.rstrip('/')}/a/{approval.id}"
    left = max(0, math.floor(approval.expires_at - now.latest))
    return refusals.Approval(approval.id, approval.state, url, left)
