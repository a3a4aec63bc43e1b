"""Bodies and forms of callers: bounded, and strict where two readers could read two things."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from bearerd.errors import BearerdError
from bearerd.refusals import Code

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web

BODY_SECONDS: Final = 10.0  # from the head to the body's last byte
MOST_FIELDS: Final = 32
_TYPE: Final = "application/x-www-form-urlencoded"


class BadForm(BearerdError):
    """The request is not the form that RFC 7662 and RFC 7009 ask for."""

    code = Code.BAD_REQUEST


async def read(request: web.BaseRequest, most: int, turn: Callable[[], Awaitable[None]]) -> Mapping[str, str]:
    """The fields of a posted form of at most ``most`` bytes, once it is its turn (see ``body``).  Raises BadForm."""
    types = request.headers.getall("Content-Type", ())
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != _TYPE:
        raise BadForm(f"the body is not {_TYPE}")
    if "Content-Encoding" in request.headers:
        raise BadForm("the body is encoded")
    return parse(await body(request, most, turn))


async def body(request: web.BaseRequest, most: int, turn: Callable[[], Awaitable[None]]) -> bytes:
    """The body, whole, of at most ``most`` bytes.  Raises BadForm.

    ``turn``: waited for before anybody looks into it (``bearerd.turns``): whoever sent it has not shown yet that he may ask.
    """
    length = request.content_length
    if length is not None and length > most:
        raise BadForm("the body is longer than it may be")
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it is not the answer
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while chunk := await request.content.readany():
                found += chunk
                if len(found) > most:
                    raise BadForm("the body is longer than it may be")
    except TimeoutError:
        raise BadForm("the body took too long") from None
    except (RequestPayloadError, HttpProcessingError, ConnectionError):
        raise BadForm("the body did not arrive whole") from None
    await turn()
    return bytes(found)


def parse(body: bytes) -> dict[str, str]:
    """Fields of ``application/x-www-form-urlencoded``.  Raises BadForm: a field twice, a bad percent, not UTF-8.

    Laxer parsers take the first of two ``token`` fields, or the last: then one could be checked and another meant.
    """
    fields: dict[str, str] = {}
    parts = [part for part in body.split(b"&") if part]
    if len(parts) > MOST_FIELDS:
        raise BadForm("more fields than any caller sends")
    for part in parts:
        name, _, value = part.partition(b"=")
        key = decode(name)
        if key in fields:
            raise BadForm("a field is given twice")
        fields[key] = decode(value)
    return fields


def decode(text: bytes) -> str:
    """One name or value.  Raises BadForm."""
    # As Python's own escapes, which C reads: part by part, a form full of them held the loop up for 20 ms, and a crowd brings a thousand.
    escaped = text.replace(b"+", b" ").replace(b"\\", rb"\\").replace(b"%", rb"\x")
    try:
        decoded = escaped.decode("unicode_escape").encode("latin-1")
    except UnicodeDecodeError:
        raise BadForm("a percent sign without two hexadecimal digits") from None
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        raise BadForm("a field is not UTF-8") from None
