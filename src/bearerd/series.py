"""What one metric is: its name, kind, labels and what some of them say, and how the counts of several processes become one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bearerd._native import counters

FAST: Final = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)
SLOW: Final = (1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1, 1.0, 2.0, 5.0, 10.0)

HANDSHAKES: Final = (
    "ok",
    "plain_http",  # the client speaks HTTP without TLS
    "version",  # it speaks no version that is taken
    "refused",  # it does not believe our certificate, or breaks off for another reason that it names
    "no_certificate",  # it shows none, and must
    "bad_certificate",  # it shows one that no client_ca_file vouches for, or an expired one
    "timeout",
    "hung_up",
    "failed",  # anything else
)
"""How a TLS handshake ended (``serve.handshakes``)."""

APPROVAL_EVENTS: Final = (
    *("opened", "approved", "denied", "used", "expired"),
    "repeated",  # passed once more, by the id of the gateway's retry
    "limited",  # not opened: too many are
)
"""What becomes of an approval (``approvals.events``)."""

APPROVAL_WEBHOOKS: Final = ("delivered", "failed", "given_up", "dropped")
"""How telling of one went (``approvals.webhook``)."""


class Fold(StrEnum):
    """How one series of several processes becomes one."""

    SUM = "sum"
    LARGEST = "max"
    SMALLEST = "min"


@dataclass(frozen=True, slots=True)
class Series:
    """All that is known of one metric."""

    name: str
    kind: int  # counters.COUNTER, GAUGE or HISTOGRAM
    help: str
    labels: tuple[str, ...] = ()
    fold: Fold = Fold.SUM
    bounds: tuple[float, ...] = ()  # upper bounds of a histogram's buckets, in the unit of its name
    hide_zero: bool = False  # an info metric: a set of labels that is no longer true is set to 0


def counter(name: str, about: str, *labels: str) -> Series:
    """A counter."""
    return Series(name, counters.COUNTER, about, labels)


def gauge(name: str, about: str, *labels: str, fold: Fold = Fold.LARGEST, hide_zero: bool = False) -> Series:
    """A gauge."""
    return Series(name, counters.GAUGE, about, labels, fold, hide_zero=hide_zero)
