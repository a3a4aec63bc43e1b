"""An answer in HTTP/1.1 bytes, as aiohttp would write it: for the lane, whose answers must be no others."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bearerd.faces.answer import Answer


def message(answer: Answer, *, to_head: bool = False) -> tuple[bytes, bytes]:
    """(the status line and every field before Date, the body).

    What follows Date, ``Connection: close`` or nothing, is the connection's affair.  ``to_head``: the answer to a HEAD,
    which has no body, and its length only where it would have one.
    """
    lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if answer.body or not to_head:
        lines.append(f"Content-Length: {len(answer.body)}")
    return "".join(f"{line}\r\n" for line in lines).encode(), b"" if to_head else answer.body


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
