"""What tricks are aimed at, and what may come of them: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

IDENTITY = ("X-Auth-Subject", "X-Auth-Issuer", "X-Auth-Client", "X-Auth-Scopes", "X-Auth-Roles")
FORGED = "forged-by-a-trick"  # the value of every identity that a trick claims
NOBODYS = (
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJmb3JnZWQtYnktYS10cmljayJ9.x"  # a token that nobody issued: alg none, sub as above
)
TAG = "Trick-Tag"  # the field that tells an upstream's notes apart; it may as well stand in a query


class Outcome(StrEnum):
    """What came of a request.  The last four are holes."""

    REFUSED = "refused"  # bearerd said no
    STOPPED = "stopped"  # the gateway said no, or nothing at all; the upstream saw nothing
    HARMLESS = "harmless"  # it reached the upstream as somebody who may
    UNSEEN = "unseen"  # somebody said yes, and nobody could see what the upstream received
    REACHED = "reached"  # the upstream was asked for what may not be had with what was shown
    FORGED = "forged"  # the upstream was told of an identity or a credential that nobody verified
    LOST = "lost"  # the upstream was not told whose token it was
    DESYNC = "desync"  # the upstream got bytes in which two readers find two different requests

    @property
    def hole(self) -> bool:
        """Whether a gateway in which this happens is open."""
        return self in _HOLES


_HOLES = frozenset({Outcome.REACHED, Outcome.FORGED, Outcome.LOST, Outcome.DESYNC})


@dataclass(frozen=True, slots=True)
class Target:
    """What a trick is aimed at: one gateway, seen by somebody who shows one credential or none.

    ``secret`` and ``open`` are plain paths (no escapes, no query).  With a token that is good for something, ``open`` is what it
    is good for, ``secret`` what it is not, and ``holder`` what the upstream must be told about whose it is.
    """

    secret: str  # what may not be had with what is shown
    open: str  # what may: a stepping stone
    host: str = "gateway.example"
    trusted_host: str = "localhost"  # a name under which a careless configuration trusts whoever asks
    token: str | None = None  # shown with every request whose trick is not about credentials
    holder: Mapping[str, str] = field(default_factory=dict)  # identity header -> its right value; empty: nobody
    identity: tuple[str, ...] = IDENTITY  # the headers that the upstream believes; the first names the subject
    forbidden: str = ""  # a method that may not be had at ``open``; empty: every method may
    anonymous: bool = False  # whether ``open`` may be had without a token as well: then it is no loss to come as nobody
    tag: str = "0"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a gateway, as read."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()  # names in lower case
    body: bytes = b""

    def get(self, name: str) -> str:
        """The first value of a field, or empty."""
        return next((value for given, value in self.fields if given == name), "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one trick."""

    outcome: Outcome
    why: str = ""  # for a hole: what the upstream saw, without the token
