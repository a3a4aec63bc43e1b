from __future__ import annotations

import json
from typing import Any

import pytest

from bearerd.errors import MalformedToken, UnsupportedAlg
from bearerd.jws import header
from bearerd.jws.algorithms import ALGORITHMS


def read(members: Any) -> header.Header:
    return header.read(json.dumps(members).encode())


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_alg_becomes_its_row(name: str) -> None:
    assert read({"alg": name}) == header.Header(ALGORITHMS[name], None, {"alg": name})


def test_kid_is_a_string_of_any_content() -> None:
    assert read({"alg": "RS256", "kid": ""}).kid == ""
    assert read({"alg": "RS256", "kid": "../../etc/passwd"}).kid == "../../etc/passwd"


@pytest.mark.parametrize("kid", [None, 7, [], {}, True])
def test_a_kid_that_is_no_string_is_malformed(kid: object) -> None:
    with pytest.raises(MalformedToken, match="kid"):
        read({"alg": "RS256", "kid": kid})


@pytest.mark.parametrize("members", [{}, {"alg": None}, {"alg": 256}, {"alg": ["RS256"]}, {"ALG": "RS256"}])
def test_alg_must_be_there_as_a_string(members: object) -> None:
    with pytest.raises(MalformedToken, match="alg"):
        read(members)


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "ES256K", "A128KW", "dir", "PS257"]
)
def test_an_unknown_alg_is_unsupported(alg: str) -> None:
    with pytest.raises(UnsupportedAlg):
        read({"alg": alg})


@pytest.mark.parametrize("crit", [[], ["b64"], ["exp"], None, "exp", {}])
def test_crit_is_refused_whatever_it_holds(crit: object) -> None:
    with pytest.raises(MalformedToken, match="crit"):
        read({"alg": "RS256", "crit": crit})


@pytest.mark.parametrize("b64", [False, 0, 1, None, "true", []])
def test_a_b64_that_is_not_true_is_refused(b64: object) -> None:
    with pytest.raises(MalformedToken, match="b64"):
        read({"alg": "RS256", "b64": b64})


def test_b64_true_changes_nothing() -> None:
    assert read({"alg": "RS256", "b64": True}).alg.name == "RS256"


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"alg":RS256}', b'{"alg":"RS256",}', b"{'alg':'RS256'}", b'{"alg":"RS256"}}']
)
def test_a_header_that_is_no_json_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedToken):
        header.read(text)


@pytest.mark.parametrize("text", [b"[]", b"null", b'"alg"', b"1"])
def test_a_header_that_is_no_object_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedToken):
        header.read(text)


@pytest.mark.parametrize("size", [10, 1000])
def test_what_is_remembered_of_a_header_is_what_is_read_of_it(size: int) -> None:
    text = json.dumps({"alg": "ES256", "kid": "k" * size}).encode()
    assert header.known(text) == header.known(bytes(bytearray(text))) == header.read(text)


@pytest.mark.parametrize(
    "members", [{"alg": "none"}, {"alg": "ES256", "crit": ["exp"]}, [], {"alg": "ES256", "kid": 7}]
)
def test_a_header_that_is_refused_is_refused_each_time(members: object) -> None:
    for _ in range(3):
        with pytest.raises((MalformedToken, UnsupportedAlg)):
            header.known(json.dumps(members).encode())


def test_a_flood_of_invented_headers_takes_no_more_memory_than_some_short_ones() -> None:
    for number in range(1000):
        header.known(json.dumps({"alg": "ES256", "kid": f"{number}"}).encode())
    full = header._known.cache_info()
    assert full.currsize == full.maxsize == 256
    header.known(json.dumps({"alg": "ES256", "kid": "k" * 8000}).encode())
    assert header._known.cache_info() == full
