"""Near misses: what only logs, ``/v1`` and ``explain`` say beside a refusal.  Made only once a token is refused.

A hint may quote what a token claims, cut short, never the token; and none ever reaches a client: a hint is an oracle.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bearerd.issuers.registry import Issuer

_LONGEST_QUOTE: Final = 120  # characters
_SKEW: Final = 300.0  # seconds; clocks that differ by more than this are another fault
_MOST: Final = 3  # hints of one sort
_MOST_KEY_SETS: Final = 32  # looked at for one hint: refusing a stranger's token must stay cheap


def quoted(value: object) -> str:
    """A claimed value as text: a string in quotes and cut short, anything else by its JSON type."""
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_QUOTE else value[:_LONGEST_QUOTE] + "...")
    names = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")


def whose(issuer: str, kid: str | None = None) -> str:
    """Whose token it claims to be: the issuer by its configured name."""
    return f"the token says that it is of issuer {issuer}" + (f", kid {quoted(kid)}" if kid is not None else "")


def seconds(span: float) -> str:
    """A span of time as text, short whatever a token claims."""
    return f"{span:.7g} s" if span < 1e6 else f"{span / 86400.0:.7g} days"


def late(by: float, leeway: float) -> tuple[str, ...]:
    """For a token that expired ``by`` seconds ago."""
    return (_skew(f"expired {seconds(by)} ago", by, leeway),)


def early(by: float, leeway: float) -> tuple[str, ...]:
    """For a token that begins in ``by`` seconds."""
    return (_skew(f"valid only in {seconds(by)}", by, leeway),)


def _skew(text: str, by: float, leeway: float) -> str:
    near = f": perhaps clock skew (leeway is {seconds(leeway)})" if by <= _SKEW else ""
    return text + near


class NearIssuers:
    """The configured issuers, indexed by what a misspelling of them keeps: a stranger's ``iss`` costs two look-ups."""

    def __init__(self, configured: Iterable[str]) -> None:
        self._by_spelling: dict[str, list[str]] = {}
        self._by_host: dict[str, list[str]] = {}
        for iss in configured:
            host, spelling = _parts(iss)
            self._by_spelling.setdefault(spelling, []).append(iss)
            self._by_host.setdefault(host, []).append(iss)

    def to(self, iss: str) -> tuple[str, ...]:
        """For an ``iss`` that no issuer has: the ones that it may stand for, a few at most."""
        host, spelling = _parts(iss)
        if alike := self._by_spelling.get(spelling):
            return tuple(f"{quoted(known)} is configured: {_difference(iss, known)}" for known in alike[:_MOST])
        here = self._by_host.get(host, ())[:_MOST] if host else ()
        return tuple(f"{quoted(known)} is configured: the same host, another realm, tenant or path" for known in here)


def _parts(iss: str) -> tuple[str, str]:
    """Host, and host with path, folded: without scheme, final slash and case."""
    rest = iss.casefold().partition("://")[2] or iss.casefold()
    return rest.partition("/")[0], rest.rstrip("/")


def _difference(iss: str, known: str) -> str:
    if iss.rstrip("/") == known.rstrip("/"):
        return "they differ by the final slash"
    if iss.casefold() == known.casefold():
        return "they differ by upper and lower case"
    return "they differ by scheme, case or final slash"


def key_elsewhere(kid: str | None, issuer: Issuer, others: Iterable[Issuer]) -> tuple[str, ...]:
    """For a ``kid`` that the issuer's key set does not hold: the issuers whose sets do (a wrong realm, mostly)."""
    if kid is None:
        return ()
    return tuple(
        f"the key set of issuer {other.name} has this kid"
        for other in islice(others, _MOST_KEY_SETS)
        if other is not issuer and other.key_set is not None and other.key_set.holds(kid)
    )


def scopes_elsewhere(claims: Mapping[str, object], scope_claims: Iterable[str]) -> tuple[str, ...]:
    """For a token without a needed scope: the usual claims that it has and the configuration does not name."""
    return tuple(
        f"the token has {name}, which scope_claims does not name"
        for name in ("scope", "scp", "permissions")
        if name in claims and name not in scope_claims
    )
