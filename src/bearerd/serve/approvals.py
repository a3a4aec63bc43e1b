"""Approvals in a worker: the page's listener, and what the admin listener may ask of them (``[approvals] cli = true``)."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

from bearerd import log
from bearerd.approvals import page
from bearerd.approvals.record import Approver
from bearerd.errors import StoreError
from bearerd.serve import http
from bearerd.store import seal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from bearerd.approvals.record import Approval
    from bearerd.service import Service

    Errand = Callable[[Service, dict[str, Any]], Awaitable[Any]]

MOST_USER: Final = 64  # characters of an operator's name


@contextlib.asynccontextmanager
async def serving(service: Service, descriptors: Sequence[int], drawn: str) -> AsyncIterator[None]:
    """Serve the page on these sockets, which every worker of ours accepts from.

    ``drawn`` seals its cookies where there is no fleet key: a sign-in then holds for this bearerd alone, until it ends.
    """
    config = service.current.config
    key = config.store.fleet_key_file
    secret = drawn.encode() if key is None else seal.read_key(key)
    sockets = [socket.socket(fileno=number) for number in descriptors]
    async with http.serving(page.app(service.approvals, config.limits, secret), sockets, config.limits):
        yield


async def listed(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    """``GET /v1/approvals``: those that wait, without arguments."""
    return await _answered(service, _listed)


async def shown(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    """``GET /v1/approvals/ID``: one, with its arguments."""

    async def show(service: Service) -> dict[str, Any]:
        found = await _found(service, fields["id"])
        if found is None:
            return _refused(404, "there is no such approval, or it has expired")
        return {"status": 200, "body": _told(found) | {"arguments": found.call.arguments}}

    return await _answered(service, show)


async def decided(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    """``POST /v1/approvals/ID/approve`` or ``deny``."""
    by = Approver(f"cli:{fields['user'][:MOST_USER]}")

    async def decide(service: Service) -> dict[str, Any]:
        found = await _found(service, fields["id"])
        if found is None:
            return _refused(404, "there is no such approval, or it has expired")
        if found.call.confirm == "other" and fields["approved"]:
            return _refused(403, "another person than the asker must approve this one, on the page")
        said = await service.approvals.decide(found, by, approved=fields["approved"])
        if said != "ok":
            return _refused(409, f"too late: it is {said}")
        state = "approved" if fields["approved"] else "denied"
        return {"status": 200, "body": _told(found) | {"state": state, "by": by.name}}

    return await _answered(service, decide)


async def _answered(service: Service, do: Callable[[Service], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    settings = service.approvals.settings
    if settings is None or not settings.cli:
        return _refused(403, "approvals by the command line are off: set cli = true in [approvals]")
    try:
        return await do(service)
    except StoreError as error:
        return _refused(503, log.told(error))


async def _listed(service: Service) -> dict[str, Any]:
    book = service.approvals.book
    if book is None:
        raise StoreError("there is no store")
    return {"status": 200, "body": {"approvals": [_told(one) for one in await book.standing()]}}


async def _found(service: Service, name: str) -> Approval | None:
    book = service.approvals.book
    if book is None:
        raise StoreError("there is no store")
    return await book.find(name) if len(name) == 32 and name.isascii() and name.isalnum() else None


def _told(approval: Approval) -> dict[str, Any]:
    call = approval.call
    return {
        "id": approval.id,
        "state": approval.state,
        "resource": call.resource,
        "method": call.method,
        "name": call.name,
        "subject": call.subject,
        "issuer": call.issuer,
        "client": call.client,
        "confirm": call.confirm,
        "arguments_digest": call.digest,
        "opened_at": approval.opened_at,
        "expires_at": approval.expires_at,
        "by": None if approval.verdict is None else approval.verdict.by.name,
    }


def _refused(status: int, detail: str) -> dict[str, Any]:
    return {"status": status, "body": {"error": detail}}


ERRANDS: Final[dict[str, Errand]] = {"approvals": listed, "approval": shown, "decide": decided}
