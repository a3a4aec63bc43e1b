"""What an audit file held that rotation removes: a record says so, that its absence be no secret and no alarm."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd.audit.chain import apart, first_key, mac_of, next_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bearerd._native.mac import Mac

_OPENING: Final = b'{"chain":{"process":"'
BEGINNING: Final = re.compile(
    re.escape(_OPENING) + rb'([0-9a-f]{16})","segment":([0-9]{1,9}),"sequence":([0-9]{1,15})[,}]'
)
_OPENED: Final = re.compile(rb'[0-9a-f]{0,16}|[0-9a-f]{16}"[a-z0-9",:]{0,50}')
MOST_STEPS: Final = 5_000_000  # from key to key: a week of the shortest segments of eight processes, a year of others
MOST: Final = 1_000  # processes that a record names
_EVENT: Final = b'"event":"forgotten"'
_NAME: Final = re.compile("[0-9a-f]{16}")
_PROCESS: Final = slice(len(_OPENING), len(_OPENING) + 16)  # of a line: where the pattern has its first group


def forgotten(file: Path, key: bytes | None) -> dict[str, Any]:
    """The digest of a file, and the last sequence in it of each process.

    What was forgotten before and is told of in this file would be forgotten twice: it is told of anew.  ``key``: the
    operator's; only what carries its MAC is believed, for the record of it will carry ours.  None: there is no chain.
    """
    believed = _whatever if key is None else _Keys(key).good
    digest, last = hashlib.sha256(), {}
    earlier: dict[str, int] = {}
    with file.open("rb") as lines:
        for line in lines:
            digest.update(line)
            last[line[_PROCESS]] = line
            if _EVENT in line and believed(line):
                earlier |= _through(line)
    found, doubtful = {}, set()
    for process, line in last.items():
        begins = BEGINNING.match(line)
        if begins is not None and believed(line):
            found[begins[1].decode()] = int(begins[3])
        else:
            doubtful.add(process)
    if doubtful and key is not None:
        found |= _searched(file, doubtful, believed)
    kept = [(name, sequence) for name, sequence in earlier.items() if name not in found]
    newest = (kept + list(found.items()))[-MOST:]
    return {"file_sha256": digest.hexdigest(), "through": dict(newest)}


def unread(file: Path) -> dict[str, Any]:
    """The same where nothing in it can be believed."""
    with file.open("rb") as lines:
        return {"file_sha256": hashlib.file_digest(lines, "sha256").hexdigest(), "through": {}}


def _searched(file: Path, processes: set[bytes], believed: Callable[[bytes], bool]) -> dict[str, int]:
    """The last that is believed of each: half a line, or somebody else's, stands behind it."""
    found = {}
    with file.open("rb") as lines:
        for line in lines:
            begins = BEGINNING.match(line) if line[_PROCESS] in processes else None
            if begins is not None and believed(line):
                found[begins[1].decode()] = int(begins[3])
    return found


def _whatever(_: bytes) -> bool:
    return True


class _Keys:
    """Of the segments of processes.  Who writes the file can name any of them: so many steps from key to key are made in all."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._left = MOST_STEPS
        self._known: dict[str, tuple[int, Mac]] = {}  # the segment that a process's last good line was of, and its key

    def good(self, line: bytes) -> bool:
        """Whether a line carries its MAC."""
        begins, (text, mac) = BEGINNING.match(line), apart(line)
        if begins is None or mac is None:
            return False
        name, segment = begins[1].decode(), int(begins[2])
        at, key = self._known.get(name, (segment + 1, None))
        if key is None or segment < at:
            at, key = 0, first_key(self._key, name)
        if segment - at > self._left:
            return False
        self._left -= segment - at
        for _ in range(segment - at):
            key = next_key(key)
        if not hmac.compare_digest(mac_of(key, text), mac):
            return False
        self._known[name] = segment, key
        return True


def begun(line: bytes) -> bool:
    """Whether it may be the first bytes of a record, too few to match ``BEGINNING``."""
    text = line.rstrip(b"\n")
    return _OPENING.startswith(text[: len(_OPENING)]) and _OPENED.fullmatch(text[len(_OPENING) :]) is not None


def _through(line: bytes) -> dict[str, int]:
    """What such a record says; nothing where the line is none."""
    try:
        record = orjson.loads(line)
        if record["event"] != "forgotten":  # but arguments of that name
            return {}
        said = record["through"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: last for name, last in said if _NAME.fullmatch(name) and type(last) is int and 0 <= last < 10**15}
