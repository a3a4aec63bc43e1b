"""What an audit file held that rotation removes: a record says so, that its absence be no secret and no alarm."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from pathlib import Path

_OPENING: Final = b'{"chain":{"process":"'
BEGINNING: Final = re.compile(
    re.escape(_OPENING) + rb'([0-9a-f]{16})","segment":([0-9]{1,9}),"sequence":([0-9]{1,15})[,}]'
)
_OPENED: Final = re.compile(rb'[0-9a-f]{0,16}|[0-9a-f]{16}"[a-z0-9",:]{0,50}')
MOST: Final = 1_000  # processes that a record names
_EVENT: Final = b'"event":"forgotten"'
_NAME: Final = re.compile("[0-9a-f]{16}")
_PROCESS: Final = slice(len(_OPENING), len(_OPENING) + 16)  # of a line: where the pattern has its first group


def forgotten(file: Path) -> dict[str, Any]:
    """The digest of a file, and the last sequence in it of each process.

    What was forgotten before and is told of in this file would be forgotten twice: it is told of anew.
    """
    digest, last = hashlib.sha256(), {}
    earlier: dict[str, int] = {}
    with file.open("rb") as lines:
        for line in lines:
            digest.update(line)
            last[line[_PROCESS]] = line
            if _EVENT in line:
                earlier |= _through(line)
    found = {}
    for line in last.values():
        begins = BEGINNING.match(line)
        if begins is not None:
            found[begins[1].decode()] = int(begins[3])
    kept = [(name, sequence) for name, sequence in earlier.items() if name not in found]
    newest = (kept + list(found.items()))[-MOST:]
    return {"file_sha256": digest.hexdigest(), "through": dict(newest)}


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
