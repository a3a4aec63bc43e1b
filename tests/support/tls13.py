"""A TLS 1.3 client by hand, for what Python's own never sends: a change of keys whenever it likes.

X25519 and TLS_AES_128_GCM_SHA256 alone; whose certificate it is shown is all the same to it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import struct
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHANGE_CIPHER, HANDSHAKE, DATA = 20, 22, 23
FINISHED: Final = 20
SIZE: Final = 32  # of every secret


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _extract(salt: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt, secret, "sha256")


def _derive(secret: bytes, label: str, context: bytes = b"", size: int = SIZE) -> bytes:
    """HKDF-Expand-Label; no output here is longer than one block."""
    name = b"tls13 " + label.encode()
    info = struct.pack(">HB", size, len(name)) + name + bytes([len(context)]) + context
    return hmac.digest(secret, info + b"\x01", "sha256")[:size]


class _Way:
    """One direction of records."""

    def __init__(self, secret: bytes) -> None:
        self._take(secret)

    def _take(self, secret: bytes) -> None:
        self._secret, self._count = secret, 0
        self._key, self._iv = AESGCM(_derive(secret, "key", size=16)), _derive(secret, "iv", size=12)

    def _nonce(self) -> bytes:
        self._count += 1
        return (int.from_bytes(self._iv, "big") ^ (self._count - 1)).to_bytes(12, "big")

    def seal(self, kind: int, data: bytes) -> bytes:
        head = b"\x17\x03\x03" + struct.pack(">H", len(data) + 17)
        return head + self._key.encrypt(self._nonce(), data + bytes([kind]), head)

    def open(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        plain = self._key.decrypt(self._nonce(), body, head).rstrip(b"\0")
        return plain[-1], plain[:-1]

    def turn(self) -> None:
        """To the next key."""
        self._take(_derive(self._secret, "traffic upd"))


class Client:
    """``data`` and ``turn`` make records, which ``send`` puts on the wire; ``read`` returns what the next record brings."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port: int, host: str = "127.0.0.1") -> Self:
        made = cls(*await asyncio.open_connection(host, port))
        await made._greet()
        return made

    def data(self, data: bytes) -> bytes:
        return self._out.seal(DATA, data)

    def turn(self) -> bytes:
        """KeyUpdate; the other end is to change its own key, too."""
        record = self._out.seal(HANDSHAKE, b"\x18\0\0\x01\x01")
        self._out.turn()
        return record

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def read(self) -> bytes:
        """Raises EOFError or OSError once the other end has gone."""
        while True:
            kind, data = self._in.open(*await self._record())
            if kind == DATA:
                return data
            if kind == HANDSHAKE and data[0] == 24:
                self._in.turn()

    def close(self) -> None:
        self._writer.close()

    async def _record(self) -> tuple[bytes, bytes]:
        head = await self._reader.readexactly(5)
        return head, await self._reader.readexactly(int.from_bytes(head[3:], "big"))

    async def _greet(self) -> None:
        private = X25519PrivateKey.generate()
        hello = _hello(private.public_key().public_bytes_raw())
        self._writer.write(b"\x16\x03\x01" + struct.pack(">H", len(hello)) + hello)
        _, answer = await self._record()
        shared = private.exchange(X25519PublicKey.from_public_bytes(_share(answer)))
        early = _derive(_extract(bytes(SIZE), bytes(SIZE)), "derived", _sha(b""))
        secret, said = _extract(early, shared), hello + answer
        ours, theirs = (_derive(secret, f"{who} hs traffic", _sha(said)) for who in "cs")
        said += await self._handshake(_Way(theirs))
        main = _extract(_derive(secret, "derived", _sha(b"")), bytes(SIZE))
        self._in, self._out = (_Way(_derive(main, f"{who} ap traffic", _sha(said))) for who in "sc")
        finished = hmac.digest(_derive(ours, "finished"), _sha(said), "sha256")
        await self.send(_Way(ours).seal(HANDSHAKE, bytes([FINISHED, 0, 0, SIZE]) + finished))

    async def _handshake(self, way: _Way) -> bytes:
        """The other end's messages, up to the last."""
        found, at = b"", 0
        while True:
            head, body = await self._record()
            if head[0] != CHANGE_CIPHER:
                found += way.open(head, body)[1]
            while len(found) >= at + 4 and len(found) >= (
                end := at + 4 + int.from_bytes(found[at + 1 : at + 4], "big")
            ):
                if found[at] == FINISHED:
                    return found
                at = end


def _hello(share: bytes) -> bytes:
    def extension(kind: int, content: bytes) -> bytes:
        return struct.pack(">HH", kind, len(content)) + content

    extensions = (
        extension(43, b"\x02\x03\x04")  # TLS 1.3
        + extension(10, b"\0\x02\0\x1d")  # X25519
        + extension(13, b"\0\x04\x04\x03\x08\x04")  # ECDSA P-256, RSA-PSS
        + extension(51, b"\0\x24\0\x1d\0\x20" + share)
    )
    body = b"\x03\x03" + os.urandom(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
    body += struct.pack(">H", len(extensions)) + extensions
    return b"\x01" + struct.pack(">I", len(body))[1:] + body


def _share(hello: bytes) -> bytes:
    """The server's public key: 32 bytes behind its extension's head."""
    return hello.partition(b"\0\x33\0\x24\0\x1d\0\x20")[2][:32]
