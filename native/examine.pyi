"""The order in which a new token is looked at: no cache, no revocation, no waiting."""

from collections.abc import Callable, Mapping
from typing import Any, Final, final

from typing_extensions import disjoint_base

from bearerd._native.claims import Terms

LONG_LIVED: Final[float]
"""Seconds; tokens that live longer are counted and warned of."""

@disjoint_base
class Payload:
    """The text of a payload, and what it says, where that is known."""

    text: Final[bytes]

    def __init__(self, text: bytes, said: dict[str, Any] | None = None) -> None:
        """``text`` is JSON, and ``said`` what it says, where that is known by now."""

    def read(self) -> dict[str, Any]:
        """All of it, for whoever changes none."""

@final
class Issuing:
    """An issuer, as its new tokens need it, and the key that was chosen last: mostly the next token's, too."""

    issuer: Final[Any]
    terms: Final[Terms]
    algorithms: Final[frozenset[str]]
    cutoff_slack: Final[float]  # seconds

    def __init__(self, issuer: Any, terms: Terms, algorithms: frozenset[str], cutoff_slack: float) -> None: ...

@disjoint_base
class Examination:
    """Of tokens of these issuers.  Whoever inherits it has the words:

    - ``_too_large(size)``, ``_stranger(iss)``, ``_other_algorithm(name, issuer)``, ``_unfit(fault, claims, header, issuing, time)``,
      ``_without_key(why, head, issuer)`` and ``_in_turn(iss)`` say what is to come of a token whose signature is not checked;
    - ``_unsigned(header, issuer, fault)`` of one that was not good, or could not be checked;
    - ``_long_lived(issuer)`` and ``_ahead(issuer, seconds)`` are told what the operator of a good one's issuer should know;
    - ``_faulty(fault)`` makes a refusal of what the readers of its parts and the signature check raised, or raises it again.
    """

    known: Final[Mapping[str, Issuing]]

    def __init__(
        self,
        known: Mapping[str, Issuing],
        most_bytes: int,
        max_depth: int,
        max_members: int,
        header: Callable[[bytes], Any],
        may_check: Callable[[str], bool],
        signed: Mapping[str, Callable[[], object]],
        types: tuple[type, type, type],
    ) -> None:
        """``known`` is a dict, by ``iss``.  ``header`` reads a header; ``may_check(iss)``: whether a signature may be checked now.

        ``signed`` is a dict, by algorithm: what is called where a signature was good.  ``types``: of a key, of what is made of a
        good token, and of its claims.
        """

    def examine(self, token: bytes, now: Any) -> Any:
        """Verify a token.  Pending: its key may come with the issuer's next key set."""

def encoded(verified: tuple[Any, ...], claims: Payload) -> bytes:
    """A flat record: a line of JSON, and the payload as it came.  It keeps no generation."""

__pyx_capi__: dict[str, object]  # the C entry points of examine.pxd
