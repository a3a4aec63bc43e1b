"""``ANY /auth/NAME``: a gateway asks about a request that it describes in headers.

``nginx`` writes X-Original-Method, -URI and -Host; ``forwarded`` (Traefik, Caddy, HAProxy) writes X-Forwarded-Method, -Uri,
-Host and -Proto.  A resource names one of the two, and only that family is read: the other comes from the client, since the
gateway passes on what it does not write itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bearerd import request as view
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd.request import Headers, Request

FACE: Final = "forward_auth"
PREFIX: Final = b"/auth/"

METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")  # RFC 9110 section 9.1, of a sane length


@dataclass(frozen=True, slots=True)
class Family:
    """The header names of one dialect, lower-case."""

    method: bytes
    target: bytes
    host: bytes
    also: tuple[bytes, ...] = ()  # of the family, and not read: a second one is refused all the same

    @property
    def names(self) -> frozenset[bytes]:
        """All of them."""
        return frozenset({self.method, self.target, self.host, *self.also})


FAMILIES: Final = {
    "nginx": Family(b"x-original-method", b"x-original-uri", b"x-original-host"),
    "forwarded": Family(b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host", (b"x-forwarded-proto",)),
}

_NAMES: Final = {dialect: family.names for dialect, family in FAMILIES.items()}


def _first_twice(given: Headers) -> str:
    names = [name for name, _ in given]
    return next(name for place, name in enumerate(names) if name in names[:place]).decode()


def original(dialect: str, headers: Headers, *, trusted: bool, peer: str) -> Request | Refusal:
    """The request that the gateway asks about.

    What an untrusted peer tells is not read at all: the original is unknown then.  bad_request: a header of the family
    twice, or a method or host that cannot be one.
    """
    if not trusted:
        return view.of(None, None, None, headers, peer=peer)
    family, names = FAMILIES[dialect], _NAMES[dialect]
    given = [(lower, value) for name, value in headers if (lower := name.lower()) in names]
    told = dict(given)
    if len(told) != len(given):
        return Refusal(Code.BAD_REQUEST, f"{_first_twice(given)} is given twice")
    method, host = told.get(family.method), told.get(family.host)
    if method is not None and not METHOD.fullmatch(method):
        return Refusal(Code.BAD_REQUEST, f"{family.method.decode()} is not a method")
    if host is not None and (b"," in host or not host.isascii()):
        return Refusal(Code.BAD_REQUEST, f"{family.host.decode()} is not a host")
    return view.of(
        None if method is None else method.decode(),
        told.get(family.target),
        None if host is None else host.decode(),
        headers,
        trusted=True,
        peer=peer,
    )
