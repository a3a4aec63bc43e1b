"""Names as the laxest server reads them, for what narrowly misses a rule.

A server that ignores case, or decodes a URI first, takes ``Delete_User`` for ``delete_user`` and ``file:///%73ecret`` for
``file:///secret``.  Such a name must not be decided by a laxer rule that stands behind the one that it misses.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})?")
_STRUCTURE: Final = frozenset("/\\.%?#;:@")  # what no escape may stand for: it would be another URI once it is decoded
_LOCAL: Final = re.compile(r"file:(?://localhost)?(?=/(?!/))")


def folded(kind: str, name: str) -> str:
    """A name, or a pattern of names, as it is compared for narrow misses."""
    if kind != "resource":
        return _caseless(name).strip()
    plain = _caseless(unquote(name.partition("?")[0], errors="replace"))
    return _LOCAL.sub("file://", plain).rstrip("/. ")


def _caseless(text: str) -> str:
    """By Unicode, and a dotless i, and an I with a dot, are an i: to some who ignore case they are."""
    shown = unicodedata.normalize("NFKC", text).replace("\u0131", "i").casefold()
    return shown.replace("i\u0307", "i")


def ambiguous(uri: str) -> str | None:
    """Why a URI can be read as another one; None where it cannot."""
    if not uri.isprintable() or " " in uri or "\\" in uri:
        return "it has a control character, a space or a backslash"
    if "#" in uri:
        return "it has a fragment, which names no resource of its own"
    for escape in _ESCAPE.finditer(uri):
        code = escape[1]
        if code is None or int(code, 16) < 0x20 or int(code, 16) == 0x7F or chr(int(code, 16)) in _STRUCTURE:
            return f'"{escape[0]}" in it'
    scheme, colon, rest = uri.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme):
        return "it does not begin with a scheme"
    authority, slash, path = rest.removeprefix("//").partition("/") if rest.startswith("//") else ("", "", rest)
    whole = slash + path.partition("?")[0]
    if "//" in whole or any(segment in (".", "..") for segment in (authority, *whole.split("/"))):
        return "it has a dot segment or an empty one"
    return None


_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
