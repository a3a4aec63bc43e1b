"""Which header names may carry identity, and which a client may send although they look like it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bearerd.config.model import SIGNED
from bearerd.request import canonical

if TYPE_CHECKING:
    from bearerd.config.model import Resource
    from bearerd.config.problems import Problems

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_IDENTITY: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9-]*"
)  # what every gateway passes on: nginx drops dots and underscores

_SIGNED: Final = canonical(SIGNED.encode())
_RESERVED: Final = {  # why not -> the names
    "hop-by-hop (RFC 9110 section 7.6.1)": "connection keep-alive proxy-connection te trailer transfer-encoding upgrade",
    "a credential of its own": "authorization proxy-authorization cookie set-cookie dpop www-authenticate "
    "proxy-authenticate",
    "part of the request itself": "host content-length content-type content-encoding content-range expect range date "
    "origin accept access-control-request-method access-control-request-headers forwarded x-forwarded-for "
    "x-forwarded-host x-forwarded-method x-forwarded-port x-forwarded-proto x-forwarded-uri x-original-host "
    "x-original-method x-original-uri x-original-url x-rewrite-url x-http-method-override x-real-ip",
    "the signed identity's (forward_identity)": SIGNED.lower(),
    "bearerd's own": "x-auth-request-id x-auth-status x-auth-reason x-auth-redirect x-revocation",
}


def check_headers(key: str, resource: Resource, problems: Problems) -> None:
    """``identity`` and ``client_headers`` of one resource."""
    place = f"{key}.identity"
    seen: dict[bytes, str] = {}
    for name, source in resource.identity.items():
        _check_identity_name(place, name, problems)
        other = seen.setdefault(canonical(name.encode("ascii", "replace")), name)
        if other != name:
            problems.add(place, f'"{name}" and "{other}" are one header', "keep one of them")
        if not source.removeprefix("csv:").removeprefix("json:").strip():
            problems.add(place, f'"{name}" has no value', 'name a claim, such as "email"')
    for name in resource.client_headers:
        if not _TOKEN.fullmatch(name):
            problems.add(f"{key}.client_headers", f'"{name}" is not a header name', 'write it like "X-Auth-Hint"')
        elif canonical(name.encode("ascii", "replace")) in {*seen, _SIGNED}:
            problems.add(
                f"{key}.client_headers",
                f'"{name}" is an identity header',
                "remove it: clients could write their own identity",
                given=(place,),
            )


def _check_identity_name(place: str, name: str, problems: Problems) -> None:
    if not _IDENTITY.fullmatch(name):
        problems.add(place, f'"{name}" is not a header name that every gateway passes on', "letters, digits and -")
        return
    for kind, names in _RESERVED.items():
        if name.lower() in names.split():
            problems.add(place, f'"{name}" is {kind}', 'use a name of its own, such as "X-Auth-Subject"')
