"""What a worker does for the admin listener: the supervisor itself verifies nothing and follows no revocations.

Every errand is ``await errand(service, fields)`` and returns what is JSON-able.  Those with an HTTP outcome return
``{"status": …, "body": …}``.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, Final

from bearerd import log
from bearerd._native.revocations import EVERY_KEY, FOREVER, TOMBSTONE
from bearerd.errors import StoreError, StoreFull
from bearerd.explain import explain
from bearerd.faces import revoke
from bearerd.flow import Flow
from bearerd.refusals import Refusal
from bearerd.serve import approvals, key_errands
from bearerd.store import entries
from bearerd.store.entries import API_KEYS, Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bearerd.service import Service
    from bearerd.store.revocations import Listed, Writer, Written
    from bearerd.verify.verified import Verified

    Errand = Callable[[Service, dict[str, Any]], Awaitable[Any]]

_LOGGER: Final = logging.getLogger("bearerd.revocation")


async def decision(service: Service, fields: dict[str, Any]) -> dict[str, Any] | None:
    """One of the last refusals, by its request id; None where this worker does not know it."""
    return service.recorder.ring.find(fields["request_id"])


async def keys(service: Service, fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Every issuer's key set."""
    now = service.time.now()
    return [dataclasses.asdict(issuer.status(now)) for issuer in service.current.issuers]


async def explained(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    """A token judged step by step."""
    token = fields["token"]
    told = await explain(
        service,
        None if token is None else token.encode("ascii", "replace"),
        fields["resource"],
        fields["method"],
        fields["path"],
        fields["host"],
        fields["mcp"],
        fields["name"],
    )
    return told.as_dict()


async def revoked(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    """``POST /v1/revocations``, its body validated."""
    return await _written(service, "revoke", fields)


async def lifted(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    """``DELETE /v1/revocations``."""
    return await _written(service, "lift", fields)


async def reset(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    """``POST /v1/revocations/reset``."""
    return await _written(service, "reset", fields)


async def listed(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    """``GET /v1/revocations``: a page after a sequence."""
    if service.writer is None:
        return _refused(503, service.writer_problem)
    try:
        found = await service.writer.page(fields["after"], fields["most"])
    except StoreError as error:
        return _refused(503, str(error))
    after = found[-1].sequence if len(found) >= fields["most"] else None
    return {"status": 200, "body": {"revocations": [_entry(entry) for entry in found], "next": after}}


async def _written(service: Service, act: str, fields: dict[str, Any]) -> dict[str, Any]:
    writer = service.writer
    if writer is None:
        return _refused(503, service.writer_problem)
    subject: dict[str, Any] = {}
    until: float | None = None
    if fields.get("token") is not None:
        found = await Flow(service).verify(fields["token"].encode("ascii", "replace"), to_revoke=True)
        if isinstance(found, Refusal):
            return _unverified(found)
        if found.issuer == API_KEYS:
            return await _of_key(service, act, found, fields)
        subject = {"kind": "token", "issuer": found.issuer, "value": found.jti or found.token_id}
        issuer = service.current.issuers.find(found.issuer)
        until = found.expires_at + (0.0 if issuer is None else issuer.config.leeway)
    elif act != "reset":
        subject = {name: fields[name] for name in ("kind", "issuer", "value")}
    try:
        written = await _write(writer, act, subject, fields, until)
    except StoreFull as error:
        return _refused(507, str(error))
    except StoreError as error:
        return _refused(503, str(error))
    except ValueError as error:
        return _refused(400, str(error))
    _tell(act, subject, written)
    return {"status": 201 if written.complete else 202, "body": _outcome(written) | subject}


async def _of_key(service: Service, act: str, found: Verified, fields: dict[str, Any]) -> dict[str, Any]:
    """An API key instead of a token: all of it is revoked, for good, and not only this secret of it."""
    if act != "revoke":
        return _refused(400, "a revoked API key stays revoked: create another")
    subject = {"kind": "token", "issuer": API_KEYS, "value": found.client}
    told: dict[str, Any] = await ERRANDS["apikey_revoke"](service, {"id": found.client, "ack": fields["ack"]})
    return told if "error" in told["body"] else {"status": told["status"], "body": told["body"] | subject}


async def _write(
    writer: Writer, act: str, subject: dict[str, Any], fields: dict[str, Any], until: float | None
) -> Written:
    ack = fields["ack"]
    if act == "reset":
        return await writer.reset(ack)
    kind, issuer, value = Kind.named(subject["kind"]), subject["issuer"], subject["value"]
    if act == "lift":
        return await writer.lift(kind, issuer, value, ack)
    return await writer.revoke(kind, issuer, value, fields["before"], fields["expires_in"], ack, until=until)


def _unverified(refusal: Refusal) -> dict[str, Any]:
    """A token that does not verify names nobody: its ``jti`` may be another's."""
    if revoke.undecided(refusal):
        return _refused(503, f"the token cannot be verified now: {refusal.code}", code=refusal.code)
    return _refused(
        400, f"the token does not verify: {refusal.code}; name kind, issuer and value instead", code=refusal.code
    )


def _outcome(written: Written) -> dict[str, Any]:
    body: dict[str, Any] = {
        "sequence": written.sequence,
        "acknowledged": written.acknowledged,
        "durability": written.durability,
    }
    if not written.complete:
        body |= {"missing": list(written.missing), "enforced_by": written.enforced_by}
    return body


def _entry(entry: Listed) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "key": "*" if entry.key == EVERY_KEY else entry.key.hex(),
        "before": "all" if entry.cutoff == FOREVER else entry.cutoff,
        "lifted": entry.cutoff == TOMBSTONE,
        "expires": None if entry.expiry == FOREVER else entry.expiry,
        "at": entry.at / 1e6,
    }


def _tell(act: str, subject: dict[str, Any], written: Written) -> None:
    """An act of an operator is always logged; what it was about by its digest, as the store has it."""
    fields: dict[str, Any] = {"act": act, "via": "admin", "sequence": written.sequence}
    if subject:
        kind = Kind.named(subject["kind"])
        key = entries.key(kind, subject["issuer"], "" if kind is Kind.ISSUER else subject["value"])
        fields |= {"kind": subject["kind"], "issuer": subject["issuer"], "key": key.hex()}
    log.event(_LOGGER, logging.INFO, "revocation", {"result": written.acknowledged or "written", **fields})


def _refused(status: int, detail: str, **more: Any) -> dict[str, Any]:
    return {"status": status, "body": {"error": detail, **more}}


ERRANDS: Final[dict[str, Errand]] = {
    "decision": decision,
    "keys": keys,
    "explain": explained,
    "revoke": revoked,
    "lift": lifted,
    "reset": reset,
    "list": listed,
    **key_errands.ERRANDS,
    **approvals.ERRANDS,
}
