"""Secrets that are made to be looked for: whatever shows eight bytes of one, in any usual spelling, has leaked it.

canaries = Canaries()
secret = canaries.new("the token of a bad request")
assert canaries.leaks(everything_that_came_out) == []
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import string
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

WINDOW = 8  # bytes: half of what a guesser would have to find of a token's 128 bits
_ALPHABET = string.ascii_lowercase + string.digits
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{11,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{16,}")
_ESCAPED = re.compile(rb"\\(?:u00|x)([0-9A-Fa-f]{2})")


class Canaries:
    """Every window of each canary, and what the canary was for."""

    def __init__(self) -> None:
        self._windows: dict[bytes, str] = {}

    def new(self, name: str, size: int = 24) -> str:
        """A fresh secret: short and plain, so that nothing recognises it by its looks."""
        made = "".join(secrets.choice(_ALPHABET) for _ in range(size))
        self.watch(name, made)
        return made

    def watch(self, name: str, secret: str | bytes) -> None:
        """Look for this, too."""
        octets = secret.encode() if isinstance(secret, str) else secret
        assert len(octets) >= WINDOW
        for start in range(len(octets) - WINDOW + 1):
            self._windows[octets[start : start + WINDOW].lower()] = name

    def leaks(self, output: bytes | str) -> list[str]:
        """The names of the canaries that an output shows, each with what was seen of it."""
        octets = output.encode(errors="surrogateescape") if isinstance(output, str) else output
        found: dict[str, bytes] = {}
        for form in _forms(octets):
            lowered = form.lower()
            for start in range(len(lowered) - WINDOW + 1):
                name = self._windows.get(lowered[start : start + WINDOW])
                if name is not None:
                    found.setdefault(name, form[max(0, start - 30) : start + 40])
        return [f"{name}: …{seen!r}…" for name, seen in found.items()]


def _forms(octets: bytes) -> Iterator[bytes]:
    """As it is, and with one or two layers of writing undone."""
    yield octets
    plain = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), unquote_to_bytes(unquote_to_bytes(octets)))
    if plain != octets:
        yield plain
    yield b"\n".join(_decoded(plain))


def _decoded(octets: bytes) -> Iterator[bytes]:
    for run in _BASE64.findall(octets):
        text = run.replace(b"-", b"+").replace(b"_", b"/")
        for shift in range(4):  # the run may begin before the secret does
            piece = text[shift:]
            piece = piece[: len(piece) // 4 * 4] if len(piece) % 4 == 1 else piece + b"=" * (-len(piece) % 4)
            try:
                yield base64.b64decode(piece)
            except binascii.Error:
                continue
    for run in _HEX.findall(octets):
        for shift in range(2):
            piece = run[shift:]
            yield bytes.fromhex(piece[: len(piece) // 2 * 2].decode())
