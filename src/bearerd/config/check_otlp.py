"""What the sink ``otlp`` takes from OpenTelemetry's own variables, looked at before records wait for it.

The exporter passes over a header that it cannot read, and says so with the header, which may be a key; a file that is not there
it misses at each attempt.  Values are never repeated here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bearerd.config.check_issuers import not_a_web_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILES: Final = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
# As opentelemetry.util.re takes them.
_HEADER: Final = re.compile(
    r"[ \t]*[\x21\x23-\x27\x2a\x2b\x2d\x2e0-9A-Z\x5e-\x7a\x7c\x7e]+[ \t]*=[ \t]*[\x20\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
)


def warnings(endpoint: str | None, environ: Mapping[str, str]) -> Iterator[str]:
    """``endpoint``: the configuration's, which goes before theirs."""
    if endpoint is not None:
        if urlsplit(endpoint).path in ("", "/"):
            yield "audit.otlp_endpoint: names no path: collectors take logs at /v1/logs"
    else:
        name, value = _given("ENDPOINT", environ)
        if value and (wrong := not_a_web_url(value)):
            yield f"{name}: {wrong}: no audit record can be sent there"
    name, value = _given("HEADERS", environ)
    for number, header in enumerate(value.split(","), 1):
        if header.strip() and not _HEADER.fullmatch(header):
            yield f"{name}: number {number} is no NAME=VALUE, and is not sent: URL-encode the value"
    for kind in _FILES:
        name, value = _given(kind, environ)
        if value and not os.access(Path(value), os.R_OK):
            yield f"{name}: {value} cannot be read: no audit record can be sent"


def _given(kind: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable for logs, or else that for all."""
    names = (f"OTEL_EXPORTER_OTLP_LOGS_{kind}", f"OTEL_EXPORTER_OTLP_{kind}")
    return next(((name, environ[name]) for name in names if environ.get(name)), ("", ""))
