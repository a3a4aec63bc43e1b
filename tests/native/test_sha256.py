"""native/sha256: what FIPS 180-4 says, by the processor's instructions and without them."""

from __future__ import annotations

import ctypes
import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.guard import Guarded, entry

from bearerd._native import sha256

if TYPE_CHECKING:
    from collections.abc import Callable

# NIST, examples with intermediate values for SHA-256, and of its Cryptographic Algorithm Validation Program (SHA256ShortMsg).
PUBLISHED = {
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    bytes.fromhex("d3"): "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1",
    bytes.fromhex("11af"): "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98",
    b"a" * 1_000_000: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
}
BOTH = pytest.mark.parametrize("way", [sha256.sha256, sha256.portable])


@BOTH
@pytest.mark.parametrize("text", PUBLISHED, ids=len)
def test_published_digests(way: Callable[[bytes], bytes], text: bytes) -> None:
    assert way(text).hex() == PUBLISHED[text]


@BOTH
@pytest.mark.parametrize("size", range(200))
def test_every_length_around_a_block_is_padded_as_it_must_be(way: Callable[[bytes], bytes], size: int) -> None:
    text = bytes(range(size))
    assert way(text) == hashlib.sha256(text).digest()


@BOTH
@given(text=st.binary(max_size=2000))
def test_agrees_with_openssl(way: Callable[[bytes], bytes], text: bytes) -> None:
    assert way(text) == hashlib.sha256(text).digest()


@given(st.lists(st.binary(max_size=150), max_size=8))
def test_it_makes_no_difference_in_which_pieces_a_text_comes(pieces: list[bytes]) -> None:
    begin = entry(sha256, "sha256_begin", None, ctypes.c_void_p)
    add = entry(sha256, "sha256_add", None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
    end = entry(sha256, "sha256_end", None, ctypes.c_void_p, ctypes.c_void_p)
    state, out = ctypes.create_string_buffer(256), ctypes.create_string_buffer(32)
    begin(state)
    for piece in pieces:
        add(state, piece, len(piece))
    end(state, out)
    assert out.raw == hashlib.sha256(b"".join(pieces)).digest()


def test_reads_exactly_its_text_and_writes_exactly_thirty_two_bytes() -> None:
    into = entry(sha256, "sha256_into", None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    text, out = Guarded(), Guarded()
    for size in range(200):
        data = bytes(range(size))
        into(text.place(data), size, out.room(32))
        assert out.read(32, 32) == hashlib.sha256(data).digest()


@pytest.mark.parametrize("wrong", [None, "text", bytearray(b"x"), memoryview(b"x")])
def test_only_bytes_are_digested(wrong: object) -> None:
    with pytest.raises(TypeError):
        sha256.sha256(wrong)  # type: ignore[arg-type]
