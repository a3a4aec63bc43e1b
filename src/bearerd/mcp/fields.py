"""What the header fields of a request say of its operation, as the laxest server may read them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

METHOD: Final = b"mcp-method"
NAME: Final = b"mcp-name"
VERSION: Final = b"mcp-protocol-version"
LONGEST_NAME: Final = 2048  # bytes of an item's name, decoded

_NAMES: Final = {name: name.decode().title() for name in (METHOD, NAME, VERSION)}
_LENGTHS: Final = frozenset(map(len, _NAMES))
_AS_READ: Final = bytes(byte if bytes((byte,)).isalnum() else ord("-") for byte in range(256)).lower()
_METHOD: Final = re.compile(rb"[A-Za-z0-9_$./-]{1,128}")
_VERSION: Final = re.compile(rb"[0-9A-Za-z._-]{1,32}")
_VISIBLE: Final = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_SENTINEL: Final = re.compile(rb"=\?base64\?(.*)\?=")


class Said(NamedTuple):
    """The three fields, each once or not at all; or what is wrong with one of them."""

    method: str | None = None
    name: str | None = None
    version: str | None = None
    fault: str = ""


def as_read(name: bytes) -> bytes:
    """A field's name as the laxest server reads it."""
    return name.translate(_AS_READ)


def read(headers: Sequence[tuple[bytes, bytes]], *, joined: bool = False) -> Said:
    """What is said.  ``joined``: the gateway may have made one field of two, with a comma between their values.

    A field that only reads like one of the three (``Mcp_Name``, to CGI and WSGI) is as good as a second one: a server that
    takes it would compare that with the body.
    """
    found: dict[bytes, bytes] = {}
    for given, value in headers:
        if len(given) not in _LENGTHS or (field := as_read(given)) not in _NAMES:
            continue
        if field in found:
            return Said(fault=f"{_NAMES[field]} is given twice")
        if given.lower() != field:
            return Said(fault=f"a field that reads like {_NAMES[field]}")
        found[field] = value.strip(b" \t")
    method, version = found.get(METHOD), found.get(VERSION)
    if method is not None and not _METHOD.fullmatch(method):
        return Said(fault="Mcp-Method is not a method")
    if version is not None and not _VERSION.fullmatch(version):
        return Said(fault="MCP-Protocol-Version is not a version")
    name, fault = _name(found.get(NAME), joined=joined)
    said = Said(None if method is None else method.decode(), name, None if version is None else version.decode())
    return said._replace(fault=fault)


def _name(value: bytes | None, *, joined: bool) -> tuple[str | None, str]:
    """The name in clear, and what is wrong with it."""
    if value is None:
        return None, ""
    if (encoded := _SENTINEL.fullmatch(value)) is not None:
        name = decoded(encoded[1])
        return name, "" if name else "Mcp-Name is not canonical base64 of UTF-8"
    if not _VISIBLE.fullmatch(value) or len(value) > LONGEST_NAME:
        return None, "Mcp-Name is empty, too long, or not in visible ASCII"
    if joined and b"," in value:
        return None, "Mcp-Name has a comma, and may be two fields joined"
    return value.decode(), ""


def decoded(text: bytes) -> str | None:
    """What a sentinel's base64 holds; None unless it is the one way to write a name of sane length."""
    try:
        found = base64.b64decode(text, validate=True)
        name = found.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    canonical = base64.b64encode(found) == text  # no other bits behind the last character
    return name if canonical and 0 < len(found) <= LONGEST_NAME else None
