"""Request heads for the lane's recogniser: those of the corpus, and what becomes of them in careless or ill-meaning hands."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random

from support.guard import Guarded, entry

from bearerd._native import head

CORPUS = Path(__file__).parent.parent / "corpus" / "lane"
NEXT = b"GET /auth/next HTTP/1.1\r\nHost: n\r\n\r\n"

# The classics of request smuggling and header injection, to be put anywhere.
SPLICES = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\r\n\t",
    b"\r\n\r\n",
    b"\n\n",
    b" ",
    b"\t",
    b":",
    b" :",
    b"\0",
    b"\x7f",
    b"\x0b",
    b"\x80",
    b"\xff",
    b"#",
    b"?",
    b"/",
    b"%0d%0a",
    b"Host: b\r\n",
    b"Host:\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 00\r\n",
    b"Content-Length: +0\r\n",
    b"Content-Length: 0, 0\r\n",
    b"Content-Length: 0 \r\n",
    b"Content-Length : 0\r\n",
    b"Content-Type: a\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"transfer-encoding: identity\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: close, keep-alive\r\n",
    b"Connection: Upgrade\r\n",
    b"Connection: close\t\r\n",
    b"Proxy-Connection: close\r\n",
    b"Upgrade: websocket\r\n",
    b"Expect: 100-continue\r\n",
    b"Sec-WebSocket-Key1: x\r\n",
    b"User-Agent: a\r\n",
    b"X-Original-URI: /b\r\n",
    b"Authorization: Bearer b\r\n",
    b"Trailer: x\r\n",
    b"TE: trailers\r\n",
    b"X: \xc3\xa9 \t\r\n",
    b"X:\r\n",
    b"X: a\r\n b\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"GET http://a/auth/api HTTP/1.1\r\n",
    b" HTTP/1.0",
    b" HTTP/1.1",
    b"HEAD ",
    b"CONNECT ",
    b"/ext_authz/api/x",
    NEXT,
)


@dataclass(frozen=True)
class Case:
    """One file of the corpus."""

    claim: str
    verdict: str  # COMPLETE, MORE, NOT_MINE
    aiohttp: str  # reads, waits, refuses
    data: bytes


def _case(path: Path) -> Case:
    """First the verdict and what aiohttp does; then the bytes.  Line ends of the file are none of theirs: those are written out."""
    first, _, text = path.read_text(encoding="ascii").partition("\n")
    verdict, aiohttp = re.fullmatch(r"(COMPLETE|MORE|NOT_MINE), aiohttp (reads|waits|refuses)", first).groups()
    data = text.replace("\n", "").encode().decode("unicode_escape").encode("latin-1")
    return Case(path.stem.replace("-", " "), verdict, aiohttp, data)


CASES = [_case(path) for path in sorted(CORPUS.glob("*.http"))]
SEEDS = [case.data for case in CASES]


def mutated(random: Random, data: bytes) -> bytes:
    """The same with a few things dropped, inserted, replaced, doubled or exchanged."""
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        at = random.randint(0, len(made))
        to = min(len(made), at + random.choice((1, 1, 1, 2, 5, 20)))
        lines = bytes(made).split(b"\r\n")
        match random.randrange(9):
            case 0:
                del made[at:to]
            case 1:
                made[at:at] = random.choice(SPLICES)
            case 2:
                made[at:to] = random.choice(SPLICES)
            case 3:
                made[at:to] = bytes(random.randrange(256) for _ in range(to - at))
            case 4:
                made[at:at] = made[at:to] * random.choice((1, 1, 3))
            case 5:
                made[at:to] = bytes(made[at:to]).swapcase()
            case 6:
                line = random.randrange(len(lines))
                lines.insert(line, random.choice(lines))
                made[:] = b"\r\n".join(lines)
            case 7:
                lines.insert(random.randrange(len(lines)), random.choice(SPLICES).removesuffix(b"\r\n"))
                made[:] = b"\r\n".join(lines)
            case _:
                other = random.choice(SEEDS)
                made[at:] = other[random.randint(0, len(other)) :]
    return bytes(made)


def trickled(data: bytes, ends: list[int], **limits: int) -> head.Whole | int | None:
    """What comes of the data when it arrives in pieces that end there: the first verdict that is none, or the last one."""
    seen: head.Whole | int | None = 0
    for end in [*ends, len(data)]:
        seen = head.read(data[:end], seen, **limits)
        if not isinstance(seen, int):
            break
    return seen


def told(found: head.Whole | int | None) -> str:
    """The verdict's name."""
    return "NOT_MINE" if found is None else "MORE" if isinstance(found, int) else "COMPLETE"


def facts(found: head.Whole) -> tuple[object, ...]:
    """Everything that a whole head tells, to be compared."""
    return tuple(getattr(found, name) for name in dir(found) if not name.startswith("_"))


# ---- What holds for any bytes ----


class _Limits(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("max_header_bytes", "max_head_bytes", "max_headers")]


_VERDICTS = ("NOT_MINE", "MORE", "COMPLETE")
_LIMITS = _Limits(32 * 1024, 64 * 1024, 100)
_RECOGNISE = entry(head, "recognise", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_void_p] * 3)
_GUARDED = Guarded()
_HEAD_BYTES = (
    3 * 4 + 4 * 8 + 2 * 4 + len(head.KNOWN_NAMES) * 4 + 2 * 4 + 128 * 16
)  # struct Head, so that a field too many is one byte too far
_HEAD = Guarded()


def recognised(data: bytes, searched: int) -> tuple[str, int]:
    """The C function's verdict on bytes that end where no byte may be read, and ``searched`` afterwards."""
    place = ctypes.c_size_t(searched)
    verdict = _RECOGNISE(
        _GUARDED.place(data), len(data), ctypes.byref(place), ctypes.byref(_LIMITS), _HEAD.room(_HEAD_BYTES)
    )
    return _VERDICTS[verdict], place.value


def holds_to_itself(data: bytes, ends: list[int]) -> None:
    """The same verdict from guarded memory, and in pieces."""
    found = head.read(data)
    verdict, searched = recognised(data, 0)
    assert verdict == told(found)
    assert searched == (found if isinstance(found, int) else 0)
    searched = 0
    for end in [*ends, len(data)]:
        verdict, searched = recognised(data[:end], searched)
        if verdict != "MORE":
            break
    if (verdict, found) == ("MORE", None):  # it is the second of its name, which is seen when the head is read as one
        assert recognised(data + b"\r\n\r\n", searched) == ("NOT_MINE", 0)
    elif (verdict, found) == ("COMPLETE", None):  # one piece ended where the last request did
        assert head.read(data[:end]).close
        assert end < len(data)
    else:
        assert verdict == told(found)
    if isinstance(found, head.Whole):
        assert told(head.read(data[: found.size - 1])) == "MORE"
        assert found.method + b" " + found.target + b" HTTP/1.1\r\n" == data[: data.index(b"\n") + 1]
