"""``fetch_header_file``: the fields that go with each fetch, read in one way when they are checked and when they are sent."""

from __future__ import annotations

import re
from typing import Final

MOST_BYTES: Final = 16 * 1024

_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)")
_OURS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "if-none-match", "upgrade", "te"}
)


def parse(text: bytes) -> tuple[dict[str, str], dict[int, str | None]]:
    """The fields, one ``Name: value`` a line, and by its number what is wrong with a line.

    That is the name of a field that is not the operator's to set, or None for a line that is no field.  Empty lines, and those that begin
    with ``#``, are skipped.
    """
    fields: dict[str, str] = {}
    wrong: dict[int, str | None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        field = _FIELD.fullmatch(line.rstrip())
        if field is None:
            wrong[number] = None
        elif (name := field[1].decode()).lower() in _OURS:
            wrong[number] = name
        else:
            fields[name] = field[2].decode()
    return fields, wrong
