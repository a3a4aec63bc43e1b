"""What an audit file held that rotation removes: a record says so, that its absence be no secret and no alarm."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

BEGINNING: Final = re.compile(
    rb'\{"chain":\{"process":"([0-9a-f]{16})","segment":([0-9]{1,9}),"sequence":([0-9]{1,15})[,}]'
)
_PROCESS: Final = slice(21, 37)  # of a line: where the pattern has its first group


def forgotten(file: Path) -> dict[str, Any]:
    """The digest of a file, and the last sequence in it of each process."""
    digest, last = hashlib.sha256(), {}
    with file.open("rb") as lines:
        for line in lines:
            digest.update(line)
            last[line[_PROCESS]] = line
    found = {}
    for line in last.values():
        begins = BEGINNING.match(line)
        if begins is not None:
            found[begins[1].decode()] = int(begins[3])
    return {"file_sha256": digest.hexdigest(), "through": found}
