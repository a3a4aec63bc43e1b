from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd import jsonobject


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b'{"a":1', "not JSON"),
        (b'{"a":1} x', "not JSON"),
        (b'{"a":tru}', "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":"\xff"}', "a JSON string is not valid"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":{"b":1,"\\u0062":2}}', "a JSON object has two members of one name"),
        (b'{"a":[[[[1]]]]}', "JSON nested too deep"),
        (b'{"a":1,"b":2,"c":3,"d":4}', "too many JSON members"),
    ],
)
def test_what_two_readers_could_read_in_two_ways_is_not_read(text: bytes, why: str) -> None:
    with pytest.raises(jsonobject.Malformed, match=why):
        jsonobject.read(text, 4, 3)


@given(st.dictionaries(st.text(max_size=3), st.none() | st.integers(-99, 99) | st.text(max_size=3), max_size=3))
def test_any_other_object_is_read_as_it_is(said: dict[str, object]) -> None:
    assert jsonobject.read(json.dumps(said).encode(), 4, 3) == said
