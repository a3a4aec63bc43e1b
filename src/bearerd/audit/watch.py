"""What verification and the key sets report, turned into counts.  (The keeper of a key set logs it itself.)"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from bearerd import log
from bearerd._native import clock
from bearerd.issuers.faults import reason_of
from bearerd.refusals import Code
from bearerd.verify.examine import nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.errors import IssuerFault
    from bearerd.issuers.keyset import KeySet
    from bearerd.metrics import Metrics

QUIET: Final = 3600.0  # seconds

_LOGGER: Final = logging.getLogger("bearerd.watch")


class Watch:
    """The observer of the verifier (``verify.examine.Observer``), the issuers (``issuers.observer.Observer``) and the API keys (``apikeys.ring.Observer``)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._hashes: dict[str, str] = {}
        self._warned: set[str] = set()
        self._quiet: dict[str, float] = {}  # boot time until which a clock that is ahead is not told of again

    def checked(self, alg: str, result: Code | str) -> Callable[[], object]:
        """What counts a signature check.  ``alg`` is a name of ours, not the token's."""
        cell = self._metrics.cell("bearerd_verifications_total", alg, result)
        return nothing if cell is None else partial(self._metrics.page.add, cell)

    def lifetime_over_hour(self, issuer: str) -> None:
        """A token of this issuer lives longer than an hour: each is counted, the first is told."""
        self._metrics.inc("bearerd_token_lifetime_over_hour_total", issuer)
        if issuer not in self._warned:
            self._warned.add(issuer)
            log.event(_LOGGER, logging.WARNING, "tokens of this issuer live longer than an hour", {"issuer": issuer})

    def clock_ahead(self, issuer: str, seconds: float) -> None:
        """This issuer's clock leads ours by more than its ``cutoff_slack``: each token is counted, one an hour is told."""
        self._metrics.inc("bearerd_issuer_clock_ahead_total", issuer)
        now = clock.boot()
        if now >= self._quiet.get(issuer, now):
            self._quiet[issuer] = now + QUIET
            log.event(
                _LOGGER,
                logging.WARNING,
                "the clock of this issuer is ahead by more than cutoff_slack: cut-offs do not bind its latest tokens",
                {"issuer": issuer, "seconds": round(seconds, 1)},
            )

    def loaded(self, issuer: str, key_set: KeySet) -> None:
        """A key set was adopted or confirmed."""
        self._metrics.set(key_set.fetched_at, "bearerd_key_set_last_success_timestamp_seconds", issuer)
        before, now = self._hashes.get(issuer), key_set.hash[:16]
        if before == now:
            return
        if before is not None:
            self._metrics.set(0.0, "bearerd_key_set_info", issuer, before)
        self._hashes[issuer] = now
        self._metrics.set(1.0, "bearerd_key_set_info", issuer, now)

    def failed(self, issuer: str, fault: IssuerFault) -> None:
        """A fetch of metadata or keys failed; what there was stays."""
        self._metrics.inc("bearerd_key_set_fetch_failures_total", issuer, reason_of(fault))

    def unknown_kid(self, issuer: str) -> None:
        """A token named a key that the set does not hold."""
        self._metrics.inc("bearerd_unknown_kid_total", issuer)

    def apikey_lookups(self, result: str, count: int) -> None:
        """So many API keys were looked up in the store, and came to this."""
        if count:
            self._metrics.inc("bearerd_apikey_lookups_total", result, by=count)

    def apikeys_active(self, count: int) -> None:
        """So many API keys are in force in the fleet."""
        self._metrics.set(count, "bearerd_apikeys_active")

    def forget(self, issuer: str) -> None:
        """The issuer left the configuration: its gauges go, its counts stay."""
        self._metrics.hide("bearerd_key_set_last_success_timestamp_seconds", issuer)
        if (known := self._hashes.pop(issuer, None)) is not None:
            self._metrics.set(0.0, "bearerd_key_set_info", issuer, known)
