"""Who is told what happens to key sets: the metrics and the probes, by way of ``service``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from bearerd.errors import IssuerFault
    from bearerd.issuers.keyset import KeySet


class Observer(Protocol):
    """Calls are made on the event loop, must not raise and must return at once.  ``issuer`` is the configured name."""

    def loaded(self, issuer: str, key_set: KeySet) -> None:
        """A key set was adopted or confirmed: ``key_set.hash``, ``key_set.fetched_at``."""

    def failed(self, issuer: str, fault: IssuerFault) -> None:
        """A fetch (or a re-read of a file) failed; ``faults.reason_of(fault)`` is the label."""

    def unknown_kid(self, issuer: str) -> None:
        """A token was refused because it names a key that the set does not hold."""


class Nobody:
    """Tells nobody."""

    def loaded(self, issuer: str, key_set: KeySet) -> None: ...
    def failed(self, issuer: str, fault: IssuerFault) -> None: ...
    def unknown_kid(self, issuer: str) -> None: ...


NOBODY: Final = Nobody()
