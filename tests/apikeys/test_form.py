from __future__ import annotations

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd import log
from bearerd import request as view
from bearerd.apikeys import form
from bearerd.errors import MalformedToken


def test_a_key_is_66_characters_that_a_scanner_finds_and_a_request_may_carry() -> None:
    key_id = form.new_id()
    key = form.new(key_id)
    assert len(key) == 66
    assert re.search(form.PATTERN, f"export TOKEN='{key.decode()}'\n")
    assert form.id_of(key) == key_id
    assert view.bearer_token([(b"Authorization", b"Bearer " + key)]) == key


def test_no_two_are_alike() -> None:
    key_id = form.new_id()
    assert len({form.new(key_id) for _ in range(100)} | {form.new_id() for _ in range(100)}) == 200


def test_the_checksum_is_crc32_in_base_62() -> None:
    body = form.new(form.new_id())[:-6]
    value = 0
    for sign in form.checksum(body).decode():
        value = 62 * value + form.ALPHABET.index(sign)
    assert value == zlib.crc32(body)
    assert form.checksum(b"") == b"000000"


@given(st.integers(0, 65), st.sampled_from(form.ALPHABET + "_-. \n\0é"))
def test_one_wrong_character_is_seen_without_asking_anybody(place: int, sign: str) -> None:
    key = form.new("0" * 12).decode()
    wrong = key[:place] + sign + key[place + 1 :]
    if wrong == key:
        return
    with pytest.raises(MalformedToken):
        form.id_of(wrong.encode())


@pytest.mark.parametrize("change", [lambda key: key[:-1], lambda key: key + b"0", lambda key: key + b"\n", bytes.lower])
def test_a_key_is_one_to_the_letter(change: object) -> None:
    assert callable(change)
    with pytest.raises(MalformedToken):
        form.id_of(change(form.new("A" * 12)))


@pytest.mark.parametrize("text", ["brd_%s", "brd%%5F%s", "BRD_%s", r"brd\x5f%s", "(%s)"])
def test_no_log_line_shows_one(text: str) -> None:
    key = form.new(form.new_id()).decode()
    said = log.redact(text % (key if text == "(%s)" else key.removeprefix("brd_")))
    assert key[20:40] not in said
    assert form.new_id() not in log.redact(f"cut: {key[:30]}")
    assert key[17:30] not in log.redact(f"cut: {key[:30]}")
