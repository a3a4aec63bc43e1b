"""What a worker does for the admin listener about API keys (``serve.errands`` says how)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from bearerd import log
from bearerd._native import clock
from bearerd.apikeys import acts
from bearerd.apikeys.acts import NotFound, Wish
from bearerd.apikeys.vault import MOST_AT_ONCE
from bearerd.config.units import spelled
from bearerd.errors import StoreError, StoreFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bearerd.apikeys.record import Record
    from bearerd.apikeys.vault import Stored, Vault
    from bearerd.service import Service
    from bearerd.store.revocations import Writer, Written

    Errand = Callable[[Service, dict[str, Any]], Awaitable[Any]]

_LOGGER: Final = logging.getLogger("bearerd.apikey")


def _outcome(errand: Callable[[Service, dict[str, Any]], Awaitable[dict[str, Any]]]) -> Errand:
    """An errand whose faults are answers."""

    async def answered(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
        try:
            return await errand(service, fields)
        except NotFound:
            return _refused(404, "there is no API key of this id")
        except StoreFull as error:
            return _refused(507, str(error))
        except StoreError as error:
            return _refused(503, str(error))
        except ValueError as error:
            return _refused(400, str(error))

    return answered


async def _create(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    config = service.current.config
    for name in fields["resources"]:
        resource = service.current.policy.resources.get(name)
        if resource is None or "apikey" not in resource.credentials:
            raise ValueError(f'resources: {name!r} takes no API keys: add "apikey" to its credentials')
    lifetime = config.apikeys.lifetime if fields["lifetime"] is None else fields["lifetime"]
    if lifetime > config.apikeys.max_lifetime:
        raise ValueError(f"expires_in: more than apikeys.max_lifetime = {spelled(config.apikeys.max_lifetime)}")
    lists = {name: tuple(fields[name]) for name in ("scopes", "roles", "resources")}
    wish = Wish(name=fields["name"], owner=fields["owner"], lifetime=lifetime, **lists)
    record, key = await acts.create(service.apikeys, wish, config.limits.max_apikeys)
    _tell(service, "create", record)
    return {"status": 201, "body": {**_shown(record), "key": key.decode()}}


async def _rotate(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    record, key, written = await acts.rotate(
        service.apikeys, _writer(service), fields["id"], fields["overlap"], fields["ack"]
    )
    service.apikeys.adopt(record)
    _tell(service, "rotate", record)
    complete = written is None or written.complete
    body = {**_shown(record), "key": key.decode(), **({} if written is None else _written(written))}
    return {"status": 201 if complete else 202, "body": body}


async def _revoke(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    record, written = await acts.revoke(service.apikeys, _writer(service), fields["id"], fields["ack"])
    service.apikeys.adopt(record)
    _tell(service, "revoke", record)
    return {"status": 201 if written.complete else 202, "body": {**_shown(record), **_written(written)}}


async def _show(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    stored = await _vault(service).find(fields["id"])
    if stored is None:
        raise NotFound
    return {"status": 200, "body": _shown(stored.record, stored)}


async def _list(service: Service, fields: dict[str, Any]) -> dict[str, Any]:
    """A page, in the order of the ids; those that have expired are not among them."""
    vault, most = _vault(service), min(fields["most"], MOST_AT_ONCE)
    ids = [key_id for key_id in await vault.ids() if key_id > fields["after"]]
    page = ids[:most]
    found = (await vault.read(page)).keys
    shown = [_shown(stored.record, stored) for stored in found.values() if stored is not None]
    return {"status": 200, "body": {"apikeys": shown, "next": page[-1] if len(ids) > most else None}}


def _vault(service: Service) -> Vault:
    if not service.apikeys.on:
        raise ValueError('no resource takes API keys: add "apikey" to the credentials of one')
    if service.apikeys.vault is None:
        raise StoreError("the store has not been reached yet")
    return service.apikeys.vault


def _writer(service: Service) -> Writer:
    if service.writer is None:
        raise StoreError(service.writer_problem)
    return service.writer


def _shown(record: Record, stored: Stored | None = None) -> dict[str, Any]:
    """All that may be told of a key: of its secrets, when they were made and end."""
    now = clock.wall()
    state = "revoked" if record.revoked else "expired" if record.expires <= now else "active"
    return {
        "id": record.id,
        "name": record.name,
        "owner": record.owner,
        "state": state,
        "scopes": list(record.scopes),
        "roles": list(record.roles),
        "resources": list(record.resources),
        "created": record.created,
        "expires": record.expires,
        "revoked": record.revoked,
        "secrets": [{"number": one.number, "made": one.made, "ends": one.ends} for one in record.secrets],
        "last_used": None if stored is None else stored.used,
    }


def _written(written: Written) -> dict[str, Any]:
    body: dict[str, Any] = {
        "sequence": written.sequence,
        "acknowledged": written.acknowledged,
        "durability": written.durability,
    }
    return body if written.complete else body | {"missing": list(written.missing), "enforced_by": written.enforced_by}


def _tell(service: Service, act: str, record: Record) -> None:
    """An act of an operator is always logged; never with the key."""
    owner = service.recorder.subject(record.owner)
    fields = {"act": act, "via": "admin", "id": record.id, "owner": owner, "resources": list(record.resources)}
    log.event(_LOGGER, logging.INFO, "apikey", fields)


def _refused(status: int, detail: str) -> dict[str, Any]:
    return {"status": status, "body": {"error": detail}}


ERRANDS: Final[dict[str, Errand]] = {
    "apikey_create": _outcome(_create),
    "apikey_rotate": _outcome(_rotate),
    "apikey_revoke": _outcome(_revoke),
    "apikey_show": _outcome(_show),
    "apikey_list": _outcome(_list),
}
