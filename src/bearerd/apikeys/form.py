"""What an API key looks like: ``brd_ID_SECRETCHECK``, 66 letters, digits and ``_``.

Letters and digits only, so that it stands in a field, a URL or a shell as it is, and a double click takes all of it.  The
checksum is no secret and guards nothing: by it a scanner tells a key from noise, and a typing error costs no look-up.
"""

from __future__ import annotations

import re
import secrets
import zlib
from typing import Final

from bearerd.errors import MalformedToken
from bearerd.request import API_KEY

ID_SIZE: Final = 12  # 71 bits: a name, not a secret
SECRET_SIZE: Final = 43  # 256 bits
CHECK_SIZE: Final = 6  # CRC-32 in base 62
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PATTERN: Final = rf"brd_[0-9A-Za-z]{{{ID_SIZE}}}_[0-9A-Za-z]{{{SECRET_SIZE + CHECK_SIZE}}}"
"""For secret scanners."""

_KEY: Final = re.compile(PATTERN.encode())
_ID: Final = re.compile(rf"[0-9A-Za-z]{{{ID_SIZE}}}")


def new_id() -> str:
    """A fresh id."""
    return _drawn(ID_SIZE)


def new(key_id: str) -> bytes:
    """A fresh key of that id."""
    body = b"%s%s_%s" % (API_KEY, key_id.encode(), _drawn(SECRET_SIZE).encode())
    return body + checksum(body)


def id_of(key: bytes) -> str:
    """The id of what is, letter by letter, a key.  Raises MalformedToken."""
    if not _KEY.fullmatch(key):
        raise MalformedToken("it begins as an API key does, and is none")
    if checksum(key[:-CHECK_SIZE]) != key[-CHECK_SIZE:]:
        raise MalformedToken("the API key's checksum is wrong: it was mistyped, or cut")
    return key[len(API_KEY) : len(API_KEY) + ID_SIZE].decode()


def is_id(text: str) -> bool:
    """Whether it is one as they are made here."""
    return _ID.fullmatch(text) is not None


def checksum(body: bytes) -> bytes:
    """CRC-32 of all that stands before it, as six digits of base 62, the greatest first."""
    left, digits = zlib.crc32(body), ""
    for _ in range(CHECK_SIZE):
        left, digit = divmod(left, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits.encode()


def _drawn(size: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(size))
