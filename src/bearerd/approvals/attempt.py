"""The id by which a gateway names its own retry of a question whose answer it lost.

An approved call passes once.  A gateway that asks again because our answer did not arrive would find the approval used, and
the call would never be made.  So the id that used it passes again for a moment.  Whoever can choose the id could make the
call as often as it likes in that moment: it counts only from a trusted peer, and the gateway's configuration must *set* it.
Where bearerd reads the client's own request (``/mcp/NAME``, in a Python application) no gateway has, and there is none.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bearerd.request import Request

_ID: Final = re.compile(rb"[\x21-\x7e]{16,128}")  # fewer characters are not one of a kind


def attempt(request: Request, header: str) -> str:
    """A digest of the one id that a trusted peer sent in this header; empty: there is none."""
    if not request.trusted or request.direct:
        return ""
    name = header.lower().encode()
    values = [value.strip(b" \t") for field, value in request.headers if field.lower() == name]
    if len(values) != 1 or not _ID.fullmatch(values[0]):
        return ""
    return hashlib.sha256(b"bearerd-attempt-1\0" + values[0]).hexdigest()
