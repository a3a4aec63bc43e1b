"""What Envoy asks by gRPC: from a CheckRequest to the one view of a request.

Envoy writes ``!`` in place of each byte of a path that is no UTF-8, unless ``encode_raw_headers`` is set: ``/a/!`` may then
be ``/a/\\xff`` to the upstream.  So the raw header fields are read where they are there, and such a path is ambiguous where
they are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bearerd import request as view
from bearerd.faces.forward_auth import METHOD
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd.limits import Limits
    from bearerd.request import Headers, Request

FACE: Final = "grpc"
RESOURCE: Final = "resource"  # of context_extensions
_STAND_IN: Final = "!"
_HOST: Final = re.compile(rb"[\x22-\x2b\x2d-\x7e]*")  # no comma, and no stand-in

Raw = dict[bytes, bytes]  # the pseudo-header fields, as they came


@dataclass(frozen=True, slots=True)
class Question:
    """A question of Envoy's."""

    name: str  # of the resource
    request: Request | Refusal  # a refusal: what it says of the original request cannot be
    unknown: Request  # what is known of it even so
    dialect: str = FACE


def read(asked: Any, limits: Limits, *, trusted: bool, peer: str) -> Question:
    """The question in a CheckRequest.  What an untrusted peer tells of the original request is not read at all."""
    attributes = asked.attributes
    name = attributes.context_extensions.get(RESOURCE, "")
    fields, said_twice, raw = _fields(attributes.request.http)
    unknown = view.of(None, None, None, fields, trusted=trusted, sees_all_headers=True, peer=peer)
    http = attributes.request.http
    first = {b":method": http.method.encode(), b":path": http.path.encode(), b":authority": http.host.encode()} | raw
    if (refusal := _too_large([*fields, *first.items()], limits)) is not None:
        return Question(name, refusal, unknown)
    if not trusted:
        return Question(name, unknown, unknown)
    if said_twice:
        return Question(name, Refusal(Code.BAD_REQUEST, "a pseudo-header field is given twice"), unknown)
    return Question(name, _original(attributes.request, fields, raw, peer), unknown)


def _fields(http: Any) -> tuple[Headers, bool, Raw]:
    """The header fields, whether a pseudo-header field is among them twice, and the raw ones of these.

    ``headers`` and ``header_map`` are both read: a credential in each is two of them.
    """
    fields: list[tuple[bytes, bytes]] = []
    raw: Raw = {}
    twice = False
    for field in http.header_map.headers:
        name, value = field.key.encode(), field.raw_value or field.value.encode()
        if name.startswith(b":"):
            twice = twice or name in raw
            raw[name] = value
        else:
            fields.append((name, value))
    for key, text in http.headers.items():
        if not key.startswith(":"):
            fields.append((key.encode(), text.encode()))
    return fields, twice, raw


def _too_large(fields: Headers, limits: Limits) -> Refusal | None:
    """The bounds of a request head, as every face has them; the pseudo-header fields are its first line."""
    longest = max((len(part) for field in fields for part in field), default=0)  # a name or a value, as over HTTP
    if sum(not name.startswith(b":") for name, _ in fields) > limits.max_headers:
        return Refusal(Code.HEAD_TOO_LARGE, f"more than {limits.max_headers} header fields")
    whole = sum(len(name) + len(value) + 4 for name, value in fields)
    if longest > limits.max_header_bytes or whole > limits.max_head_bytes:
        return Refusal(Code.HEAD_TOO_LARGE, "a header field, or all of them, are too large")
    return None


def _original(asked: Any, fields: Headers, raw: Raw, peer: str) -> Request | Refusal:
    """The request that Envoy asks about."""
    http = asked.http
    if not asked.HasField("http"):  # as the filter for connections asks
        return Refusal(Code.BAD_REQUEST, "no HTTP request is described")
    if http.query or http.fragment:  # Envoy leaves them empty, and writes the query into the path
        return Refusal(Code.BAD_REQUEST, "a query or fragment apart from the path")
    for told, name in ((http.method, b":method"), (http.path, b":path"), (http.host, b":authority")):
        if name in raw and raw[name].isascii() and raw[name].decode() != told:
            return Refusal(Code.BAD_REQUEST, f"{name.decode()} is told in two ways")
    method = http.method.encode()
    if not METHOD.fullmatch(method):
        return Refusal(Code.BAD_REQUEST, "not a method")
    if not _HOST.fullmatch(raw.get(b":authority", http.host.encode())):
        return Refusal(Code.BAD_REQUEST, "not a host")
    target = raw.get(b":path", http.path.encode())
    found = view.of(http.method, target, http.host or None, fields, trusted=True, sees_all_headers=True, peer=peer)
    exact = b":path" in raw or _STAND_IN not in http.path
    return found if exact else found._replace(path=None)
