"""Audit records read back: from files, or from the store's stream, and those of them that somebody asks for."""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bearerd.audit.sinks import files_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

_MOST_GONE: Final = 100  # looks at names of which one is gone
_GONE_SECONDS: Final = 0.01  # between two of them
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
    for _, lines in opened(files):
        yield from lines


def opened(files: Iterable[Path]) -> Iterator[tuple[Path, BinaryIO]]:
    """These files, as they are given.  Raises OSError."""
    for file in files:
        with file.open("rb") as lines:
            yield file, lines


def files_in_turn(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """All of an audit's files, opened, the oldest first: each once, though they are rotated meanwhile.  Raises OSError."""
    with ExitStack() as held:  # the last one stays open until the next is: nobody else may get its number before
        before: tuple[int, int] | None = None
        while True:
            there = _listed(path)
            known = [identity for _, identity in there]
            # Where it is gone, rotation has removed it, and all that is left is newer.
            at = known.index(before) + 1 if before in known else 0
            if at == len(there):
                return
            file, identity = there[at]
            lines = _opened(file, identity)
            if lines is not None:
                held.close()
                held.callback(lines.close)
                before = identity
                yield file, lines


def _listed(path: Path) -> list[tuple[Path, tuple[int, int]]]:
    """Names and what bears them, at one moment: looked at twice, for a rotation may be under way.

    Of two names of one file (somebody has linked it) the newer counts.
    """
    before, gone = None, 0
    while True:
        try:
            found: dict[tuple[int, int], Path] = {}
            for file in files_of(path):
                identity = _identity(file.stat())
                found.pop(identity, None)
                found[identity] = file
        except FileNotFoundError:  # renamed in this moment; or a link that leads nowhere
            gone += 1
            if gone > _MOST_GONE:
                raise
            time.sleep(_GONE_SECONDS)
            continue
        if found == before:
            return [(file, identity) for identity, file in found.items()]
        before = found


def _opened(file: Path, identity: tuple[int, int]) -> BinaryIO | None:
    """The file of this name, if it is that one yet."""
    try:
        lines = file.open("rb")
    except FileNotFoundError:
        return None
    if _identity(os.fstat(lines.fileno())) == identity:
        return lines
    lines.close()
    return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
