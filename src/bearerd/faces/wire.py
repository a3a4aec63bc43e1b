"""An answer in HTTP/1.1 bytes, as aiohttp would write it: for the lane, whose answers must be no others."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bearerd.faces.answer import Answer


def message(answer: Answer, *, to_head: bool = False) -> tuple[bytes, bytes]:
    """(the status line and every field before Date, the body).

    What follows Date, ``Connection: close`` or nothing, is the connection's affair.  ``to_head``: the answer to a HEAD,
    which has no body, and its length only where it would have one.
    """
    text = [_STATUS_LINES[answer.status], *[f"{name}: {value}\r\n" for name, value in answer.headers]]
    if answer.body or not to_head:
        text.append(f"Content-Length: {len(answer.body)}\r\n")
    return "".join(text).encode(), b"" if to_head else answer.body


_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
