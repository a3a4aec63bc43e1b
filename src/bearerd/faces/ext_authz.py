"""``ANY /ext_authz/NAME/…``: Envoy's HTTP ext_authz asks with the method, path and headers of the request itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd import request as view

if TYPE_CHECKING:
    from bearerd.request import Headers, Request

FACE: Final = "ext_authz"
PREFIX: Final = b"/ext_authz/"


def original(
    name: bytes, method: str, target: bytes, headers: Headers, *, host: str | None, trusted: bool, peer: str
) -> Request:
    """The request that Envoy asks about: what stands after the prefix and NAME in ours.

    An untrusted peer may have made all of it up, so nothing of it is known.
    """
    if not trusted:
        return view.of(None, None, None, headers, sees_all_headers=True, peer=peer)
    rest = target[len(PREFIX) + len(name) :]
    return view.of(method, rest, host, headers, trusted=True, sees_all_headers=True, peer=peer)
