"""Forms are read strictly: what two readers could read in two ways is refused."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.faces import form


def test_fields_are_decoded() -> None:
    assert form.parse(b"token=a%2Eb%2bc&hint=x+y&empty=&bare&&") == {
        "token": "a.b+c",
        "hint": "x y",
        "empty": "",
        "bare": "",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"token=a&token=b",
        b"token=a&tok%65n=b",
        b"token=%",
        b"token=%4",
        b"token=%zz",
        b"token=%+1",
        b"token=%ff",
        b"%c3%28=x",
        b"token=\xff",
        b"&".join(b"f%d=" % number for number in range(form.MOST_FIELDS + 1)),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(form.BadForm):
        form.parse(body)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=8))
def test_whatever_urlencode_writes_is_read(fields: dict[str, str]) -> None:
    assert form.parse(urlencode(fields).encode()) == fields


PIECES = st.sampled_from(
    [
        b"%41",
        b"%5c",
        b"%C3%a9",
        b"\\",
        b"\\x41",
        b"\\N{DASH}",
        b"\\u0041",
        b"\\\n",
        b"+",
        b"x4",
        b"\xc3\xa9",
        b"\r\n",
        b"'\0",
    ]
)


@given(st.lists(PIECES, max_size=8).map(b"".join))
def test_nothing_but_a_percent_sign_and_a_plus_is_an_escape(text: bytes) -> None:
    assert form.decode(text) == unquote_to_bytes(text.replace(b"+", b" ")).decode()
