"""native/digest: SipHash-2-4-128 as published, and a secret that each process draws for itself."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.guard import Guarded, entry

from bearerd._native import digest

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "siphash128.json").read_text())
KEY = bytes.fromhex(VECTORS["key"])
WORD = (1 << 64) - 1


def rounds(v: list[int], count: int) -> None:
    for _ in range(count):
        for a, b, c, d, left, right in ((0, 1, 2, 3, 13, 16), (2, 1, 0, 3, 17, 21)):
            v[a] = (v[a] + v[b]) & WORD
            v[c] = (v[c] + v[d]) & WORD
            v[b] = ((v[b] << left | v[b] >> (64 - left)) & WORD) ^ v[a]
            v[d] = ((v[d] << right | v[d] >> (64 - right)) & WORD) ^ v[c]
            v[a] = (v[a] << 32 | v[a] >> 32) & WORD


def oracle(key: bytes, message: bytes) -> bytes:
    """SipHash-2-4 with 128 bits of output, the slow way."""
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    v = [k ^ c for k, c in zip((k0, k1, k0, k1), b_words(b"somepseudorandomlygeneratedbytes"), strict=True)]
    v[1] ^= 0xEE
    padded = message + bytes(7 - len(message) % 8) + bytes((len(message) % 256,))
    for i in range(0, len(padded), 8):
        word = int.from_bytes(padded[i : i + 8], "little")
        v[3] ^= word
        rounds(v, 2)
        v[0] ^= word
    out = b""
    for index, mark in ((2, 0xEE), (1, 0xDD)):
        v[index] ^= mark
        rounds(v, 4)
        out += (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")
    return out


def b_words(text: bytes) -> list[int]:
    return [int.from_bytes(text[i : i + 8], "big") for i in range(0, len(text), 8)]


@pytest.mark.parametrize("size", range(64))
def test_published_vectors(size: int) -> None:
    message = bytes(range(size))
    assert digest.siphash128(KEY, message).hex() == VECTORS["digests"][size]
    assert oracle(KEY, message).hex() == VECTORS["digests"][size]


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=600))
def test_agrees_with_the_slow_way(key: bytes, message: bytes) -> None:
    assert digest.siphash128(key, message) == oracle(key, message)


@pytest.mark.parametrize("size", [0, 1, 15, 17, 32])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        digest.siphash128(bytes(size), b"")


@pytest.mark.parametrize("wrong", [None, "text", bytearray(b"x"), memoryview(b"x")])
def test_only_bytes_are_digested(wrong: object) -> None:
    with pytest.raises(TypeError):
        digest.keyed128(wrong)  # type: ignore[arg-type]


def test_a_process_is_consistent_with_itself() -> None:
    assert digest.keyed128(b"token") == digest.keyed128(b"token")
    assert len({digest.keyed128(bytes(size)) for size in range(1000)}) == 1000  # zeros of each length differ


def test_the_secret_is_drawn_by_each_process() -> None:
    script = "from bearerd._native import digest; print(digest.keyed128(b'token').hex())"
    drawn = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(3)
    }
    assert len(drawn | {digest.keyed128(b"token").hex()}) == 4
    assert oracle(bytes(16), b"token").hex() not in drawn


def test_a_forked_child_keeps_the_secret_with_the_tables_filled_under_it() -> None:
    script = """
import os
from bearerd._native import digest
mine = digest.keyed128(b"token")
child = os.fork()
if child == 0:
    os._exit(digest.keyed128(b"token") != mine)
raise SystemExit(os.waitpid(child, 0)[1] != 0)
"""
    assert subprocess.run([sys.executable, "-c", script], env=os.environ, check=False).returncode == 0


def test_reads_exactly_its_message_and_writes_exactly_sixteen_bytes() -> None:
    keyed = entry(digest, "keyed128_into", None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    message, out = Guarded(), Guarded()
    for size in range(200):
        data = bytes(range(size))
        keyed(message.place(data), size, out.room(16))
        assert out.read(16, 16) == digest.keyed128(data)
