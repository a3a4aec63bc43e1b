"""One issuer's keys on the network: where they are, and whether they have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd.errors import IssuerFault
from bearerd.issuers import discovery, keyset
from bearerd.issuers.faults import Reason
from bearerd.issuers.fetch import Fetcher
from bearerd.issuers.keyset import Origin, Validators

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

    from bearerd.config.model import Issuer
    from bearerd.issuers.keyset import KeySet
    from bearerd.limits import Limits

METADATA_LIFE: Final = 3600.0
"""Seconds for which a discovered ``jwks_uri`` is believed; a fetch that fails there, and a ``kid`` that is not, ask again at once."""

_MOVED: Final = frozenset({Reason.HTTP_STATUS, Reason.DNS, Reason.CONNECT, Reason.TLS, Reason.CONTENT_TYPE})


class Remote:
    """Fetches the key set of one issuer."""

    def __init__(self, issuer: Issuer, limits: Limits, resolver: AbstractResolver | None = None) -> None:
        self._config = issuer
        self._limits = limits
        self._fetcher = Fetcher(issuer, limits.max_key_set_bytes, resolver=resolver)
        self._discovered: str | None = None
        self._discovered_at = 0.0  # boot time
        self._asked = False  # whether the last fetch asked the metadata

    async def fetch(self, known: KeySet | None) -> KeySet:
        """The issuer's key set now.  ``known`` makes the request conditional.  Raises IssuerFault.

        One that lay on the disk does not: "not modified" would say of its entity tag that it is the issuer's, and nothing of
        the keys beside it, which may have rotted, or been exchanged, and would go on to the fleet as confirmed.
        """
        place = None if known is None else known.validators.jwks_uri
        if known is not None and known.origin is Origin.DISK:
            known = None
        self._asked = False
        if self._config.jwks_uri is not None:
            return await self._from(self._config.jwks_uri, known)
        # A peer that has found the keys elsewhere since has asked the metadata after us.
        aged = clock.boot() - self._discovered_at > METADATA_LIFE or place not in (None, self._discovered)
        believed, moved = None if aged else self._discovered, None
        if believed is not None:
            try:
                return await self._from(believed, known)
            except IssuerFault as fault:
                if fault.reason not in _MOVED:
                    raise
                moved = fault
        self._asked = True
        uri = await discovery.discover(self._config.issuer, self._fetcher, self._limits)
        if moved is not None and uri == believed:
            raise moved
        key_set = await self._from(uri, known)
        # Only now: an answer that named a place without keys, or one that may not be asked, is not believed for an hour.
        self._discovered, self._discovered_at = uri, clock.boot()
        return key_set

    async def elsewhere(self) -> KeySet | None:
        """The key set of another place than the last fetch's, if the metadata name one by now and it gives one.

        For a ``kid`` that is not where the keys were: an issuer that moves its keys may leave the old ones there.
        """
        believed = self._discovered
        if believed is None or self._asked:
            return None
        try:
            uri = await discovery.discover(self._config.issuer, self._fetcher, self._limits)
            key_set = None if uri == believed else await self._from(uri, None)
        except IssuerFault:
            return None  # the fetch before has brought what there is
        self._discovered, self._discovered_at = uri, clock.boot()
        return key_set

    async def _from(self, uri: str, known: KeySet | None) -> KeySet:
        known = known if known is not None and known.validators.jwks_uri == uri and known.document else None
        # Before the request: what the answer says was true then at the earliest.  Milliseconds, as the store keeps them.
        asked_at = round(clock.wall(), 3)
        answer = await self._fetcher.get(uri, known.validators.etag if known is not None else None)
        life = keyset.lifetime(answer.max_age, self._config.key_set_refresh)
        etag = answer.etag or (known.validators.etag if answer.not_modified and known is not None else None)
        validators = Validators(uri, etag, asked_at, asked_at + life)
        if answer.not_modified and known is not None:
            return known.renewed(validators)
        return keyset.read(answer.body, Origin.NETWORK, validators, self._config.algorithms, self._limits)
