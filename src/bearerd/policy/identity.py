"""Identity headers: what an upstream is told about who asks, and how nobody else can tell it (contracts, section 3).

Every header of a resource's closed list goes with every allow, empty where there is no value, so that a gateway that
overwrites what it is given overwrites whatever the client sent.  A name that it does not overwrite, because only the
upstream reads it as the same (``X_Auth_Subject``), is refused where the face sees it.

Where the resource forwards a signed identity (``policy.signed``), its header is one more of the list; where it forwards
nothing else, the others stay in the list and are sent empty: an upstream that still reads them must not read a client's.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bearerd.config.model import SIGNED
from bearerd.request import canonical
from bearerd.verify import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bearerd.decision import Now
    from bearerd.policy.signed import Upstream
    from bearerd.request import Headers
    from bearerd.verify.verified import Verified

    Source = Callable[[Verified], str]

REMEMBERED: Final = 256  # values of a kind, each no longer than a token

_PREFIX: Final = b"x-auth-"
_LIST: Final = ","


def encoded(text: str, separator: str = "") -> str:
    """Text as a field value: every byte outside 0x21 to 0x7E, ``%`` and the separator percent-encoded.

    Nothing else is touched, so that two values never become one, and no value can end a field or a list's item.
    """
    if text.isascii() and text.isprintable() and not (" " in text or "%" in text or (separator and separator in text)):
        return text
    keep = {byte for byte in range(0x21, 0x7F) if chr(byte) not in ("%", separator)}
    return "".join(chr(byte) if byte in keep else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


class Told(NamedTuple):
    """What an upstream is told of a token, and how long (seconds, by ``Now.latest`` and CLOCK_BOOTTIME) it may be told so."""

    headers: tuple[tuple[str, str], ...]
    until_wall: float = math.inf
    until_boot: float = math.inf


class Identity:
    """The identity headers of one resource, ready to be filled.  Safe to share: nothing in it changes."""

    __slots__ = ("_allowed", "_names", "_plan", "_sources", "_upstream", "cleared", "names")

    def __init__(
        self,
        plan: Mapping[str, str],
        client_headers: Iterable[str],
        upstream: Upstream | None = None,
        *,
        plain: bool = True,
    ) -> None:
        """``upstream``: who is told in a signed identity.  ``plain``: whether the headers of the plan have values."""
        self.names = (*plan, SIGNED) if upstream is not None else tuple(plan)
        self.cleared = tuple((name, "") for name in self.names)  # where nobody was identified
        self._upstream = upstream
        self._plan = tuple(plan)
        self._sources: tuple[Source, ...] = tuple(_source(text) if plain else _nothing for text in plan.values())
        self._names = frozenset(canonical(name.encode()) for name in (*plan, SIGNED))
        self._allowed = frozenset(name.lower().encode() for name in client_headers)

    def tell(self, verified: Verified, now: Now, end: float) -> Told:
        """The headers that speak of this token, which is accepted until ``end`` (``Now.latest``)."""
        headers = self.headers(verified)
        if self._upstream is None:
            return Told(headers)
        signed = self._upstream.tell(verified, now, end)
        return Told((*headers, (SIGNED, signed.text)), signed.until_wall + now.behind, signed.until_boot)

    @property
    def signs(self) -> bool:
        """Whether a signed identity goes with them."""
        return self._upstream is not None

    def headers(self, verified: Verified) -> tuple[tuple[str, str], ...]:
        """Those of the plan."""
        return tuple(zip(self._plan, self.values(verified), strict=True))

    def values(self, verified: Verified) -> tuple[str, ...]:
        """Of the headers of the plan, in their order."""
        return tuple([source(verified) for source in self._sources])  # a generator would take twice as long

    def spoofed(self, headers: Headers) -> tuple[str, ...]:
        """The client's names, as received, that an upstream could take for ours.

        A name of ``client_headers`` passes in its own spelling only: another one may be what the upstream reads as ours.
        """
        return tuple(name.decode("latin-1") for name, _ in headers if self._ours(name.lower()))

    @property
    def canonical(self) -> tuple[bytes, ...]:
        """The names beside ``x-auth-…`` that are ours, as the laxest upstream reads them."""
        return tuple(sorted(name for name in self._names if not name.startswith(_PREFIX)))

    def _ours(self, name: bytes) -> bool:
        read = canonical(name)
        return (read.startswith(_PREFIX) or read in self._names) and name not in self._allowed


def _nothing(_: Verified) -> str:
    return ""


# Of these an issuer's tokens have a few, in many tokens each.
_lately: Final = lru_cache(REMEMBERED)(encoded)


@lru_cache(REMEMBERED)
def _scopes(scopes: tuple[str, ...]) -> str:
    return " ".join(map(encoded, scopes))


@lru_cache(REMEMBERED)
def _roles(roles: tuple[str, ...]) -> str:
    return _LIST.join(encoded(role, _LIST) for role in roles)


_WORDS: Final[dict[str, Source]] = {
    "sub": lambda verified: encoded(verified.subject or ""),
    "iss": lambda verified: _lately(verified.issuer),
    "client": lambda verified: _lately(verified.client or ""),
    "scopes": lambda verified: _scopes(verified.scopes),
    "roles": lambda verified: _roles(verified.roles),
}


def _source(text: str) -> Source:
    """What fills a header: one of the words above, else a claim path, perhaps with the form it is sent in."""
    if text in _WORDS:
        return _WORDS[text]
    form, colon, path = text.partition(":")
    if colon and form == "json":
        return lambda verified: _json(verified.claims, path)
    if colon and form == "csv":
        return lambda verified: _csv(paths.at(verified.claims, path))
    return lambda verified: _csv(paths.at(verified.claims, text))


def claim_paths(plan: Mapping[str, str]) -> tuple[str, ...]:
    """The claims that an identity table names by their path, each once."""
    named = (text for text in plan.values() if text not in _WORDS)
    return tuple(dict.fromkeys(text.removeprefix("csv:").removeprefix("json:") for text in named))


def _json(claims: Mapping[str, Any], path: str) -> str:
    """The claim as JSON, which quotes its own separators; an absent one is empty, not ``null``."""
    value = paths.at(claims, path)
    return "" if value is None else encoded(orjson.dumps(value).decode())


def _csv(value: Any) -> str:
    """A list's items with commas between them.  What is no list is a list of one, so its commas are encoded too.

    Issuers that send ``"groups": "a"`` for one group and a list for several would else let a group named ``a,admin`` be two.
    (A list of one empty string looks like an empty list: neither says anything.)
    """
    if value is None:
        return ""
    items = value if isinstance(value, list) else [value]
    return _LIST.join(encoded(_text(item), _LIST) for item in items)


def _text(value: Any) -> str:
    """A string as it is, null as nothing, anything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()
