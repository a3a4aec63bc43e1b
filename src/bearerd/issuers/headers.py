"""Header fields of a fetch: those that the operator adds, and what is believed of those that come back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bearerd.config import fetch_fields, files
from bearerd.errors import IssuerFault
from bearerd.issuers.faults import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from multidict import CIMultiDictProxy

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')
_MAX_AGE = re.compile(r'(?:^|[,\s])max-age\s*=\s*"?(\d{1,9})"?\s*(?:$|,)', re.IGNORECASE)

# Stores and code hosts serve JSON under these; an HTML page (a login form, an error) is refused before it is parsed.
_JSON_TYPES: Final = frozenset(
    {"", "application/json", "application/octet-stream", "binary/octet-stream", "text/plain", "text/json"}
)


def read(path: Path) -> dict[str, str]:
    """The fields of ``fetch_header_file``: as the configuration's check reads them.

    Raises IssuerFault, whose detail names the line and never quotes it: the file may hold a credential.
    """
    try:
        text = files.read(path, fetch_fields.MOST_BYTES)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise IssuerFault(Reason.LOCAL_FILE, f"fetch_header_file {path}: {said}") from None
    fields, wrong = fetch_fields.parse(text)
    for number in wrong:
        raise IssuerFault(Reason.LOCAL_FILE, f"fetch_header_file {path}: line {number} is not a field that may be set")
    return fields


def valid_etag(value: str | None) -> str | None:
    """An entity tag (RFC 9110 section 8.8.3) of bounded length that may be sent back, else None."""
    return value if value is not None and _ETAG.fullmatch(value) else None


def freshness(fields: CIMultiDictProxy[str]) -> float | None:
    """Seconds for which the answer is fresh (RFC 9111 section 4.2): max-age less Age; None where no max-age is told.

    ``no-cache`` and ``no-store`` are not asked: they say nothing about how soon keys change, and many issuers send them
    for everything.
    """
    found = _MAX_AGE.search(",".join(fields.getall("Cache-Control", [])))
    if found is None:
        return None
    age = fields.get("Age", "").strip()
    return max(0.0, float(found[1]) - (float(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0.0))


def encoded(fields: CIMultiDictProxy[str]) -> bool:
    """Whether the answer is compressed, or otherwise encoded, by its Content-Encoding."""
    return fields.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")


def json_like(fields: CIMultiDictProxy[str]) -> bool:
    """Whether the answer may be plain JSON by its Content-Type."""
    kind = fields.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind in _JSON_TYPES or (kind.startswith("application/") and kind.endswith("+json"))
