"""Audit records read back: from files, or from the store's stream, and those of them that somebody asks for."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_AGO = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d)")


class Filter(NamedTuple):
    """What is asked for; None: whatever it is."""

    resource: str | None = None
    subject: str | None = None
    tool: str | None = None
    reason: str | None = None
    decision: str | None = None
    request_id: str | None = None
    since: str | None = None  # as ``moment`` writes it
    until: str | None = None

    def takes(self, record: dict[str, Any]) -> bool:
        """Whether a record is one of them."""
        said = str(record.get("time", ""))
        if (self.since is not None and said < self.since) or (self.until is not None and said > self.until):
            return False
        wanted = {
            "resource": self.resource,
            "subject": self.subject,
            "tool": self.tool,
            "reason": self.reason,
            "decision": self.decision,
            "request_id": self.request_id,
        }
        return all(value is None or record.get(name) == value for name, value in wanted.items())


def moment(text: str, seconds_of: Any) -> str:
    """A time as records have it: RFC 3339 with a zone, or so long ago ("15m").  Raises ValueError."""
    if _AGO.fullmatch(text):
        found = datetime.fromtimestamp(time.time() - seconds_of(text), UTC)
    else:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError("it names no zone")
    return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def records(lines: Iterable[bytes], wanted: Filter) -> Iterator[dict[str, Any]]:
    """Those that are asked for; what is no record is passed over: ``verify`` is there to tell of it."""
    for line in lines:
        try:
            record = orjson.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and wanted.takes(record):
            yield record


def lines_of(files: Iterable[Path]) -> Iterator[bytes]:
    """Of each in turn."""
    for file in files:
        with file.open("rb") as lines:
            yield from lines
