"""What a new token claims: judged before its signature is checked, and read afterwards.  No wording (``verify.claims`` has it)."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Final, final

CLIENT_CLAIMS: Final[tuple[str, ...]]
"""Where the OAuth client is named; the first that is there counts."""

class Fault(IntEnum):
    """Why claims are refused.  With each goes a name: of the claim, or empty."""

    UNTYPED = 0  # the header has no typ, and must have
    TYPE = 1  # the header's typ is none of an access token
    KIND = 2  # the payload's typ is another kind of token
    MARK = 3  # a claim that only other kinds of tokens have
    MISSING = 4
    NUMBER = 5  # is not one
    STRING = 6  # is not one
    AUDIENCE = 7  # neither a string nor a list of strings
    PAST = 8  # exp has passed
    FUTURE = 9  # nbf or iat lies ahead
    BACKWARDS = 10  # exp lies before iat
    LONG = 11  # exp - iat is more than the longest lifetime

@final
class Terms:
    """What an issuer's tokens are judged by, read out of its configuration once: each new token asks for all of it.

    ``types``: what the header's ``typ`` may be, in lower case; ``typed``: it must be there; ``required``: claims.  Times in
    seconds.
    """

    types: Final[frozenset[str]]
    typed: Final[bool]
    required: Final[tuple[str, ...]]
    leeway: Final[float]
    max_lifetime: Final[float]
    scope_claims: Final[tuple[str, ...]]
    role_claims: Final[tuple[str, ...]]

    def __init__(
        self,
        types: frozenset[str],
        typed: bool,
        required: tuple[str, ...],
        leeway: float,
        max_lifetime: float,
        scope_claims: tuple[str, ...],
        role_claims: tuple[str, ...],
    ) -> None: ...
    def fault(self, claims: dict[str, Any], header: dict[str, Any], time: float) -> tuple[Fault, str] | None:
        """The first thing that is wrong with them, whoever signed them; None if nothing is."""

    # Of claims without fault, here and below.

    def scopes(self, claims: dict[str, Any]) -> tuple[str, ...]:
        """All of them, in order: a string holds those between its spaces (RFC 6749 section 3.3)."""

    def roles(self, claims: dict[str, Any]) -> tuple[str, ...]:
        """All of them, in order: a string is one role."""

def client(claims: dict[str, Any]) -> str | None:
    """The OAuth client that the token was issued to."""

def audience(claims: dict[str, Any]) -> tuple[str, ...]:
    """``aud``, one string or a list of them (RFC 7519 section 4.1.3)."""

def at(claims: Mapping[str, Any], path: str) -> Any:
    """The value at a path, None where there is none.

    A path is tried as a whole member name first (``https://ns.example/roles``), then split at its dots
    (``realm_access.roles``).
    """

def united(claims: Mapping[str, Any], paths: Iterable[str], between: str | None) -> tuple[str, ...]:
    """The strings at all of these paths, each once, in order, none of them empty.

    Of a list the strings count; a string is split where there is a ``between``.  Any other shape (an object keyed by role,
    a number) says nothing.
    """

__pyx_capi__: dict[str, object]  # the C entry points of claims.pxd
