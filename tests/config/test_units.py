"""Durations, audiences and addresses."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bearerd.config import addresses, audience
from bearerd.config.model import Issuer, Resource, Store
from bearerd.config.problems import dotted, nearest
from bearerd.config.units import rounded_up, seconds, spelled


@pytest.mark.parametrize(
    ("text", "value"), [("500ms", 0.5), ("30s", 30.0), ("90m", 5400.0), ("26h", 93600.0), ("3d", 259200.0), ("0s", 0.0)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "value", ["", "30", "1.5h", "-1s", "1 h", "1H", "٣s", "1s\n", 30, True, None, math.nan, math.inf, "9999999999s"]
)
def test_anything_else_is_not(value: Any) -> None:
    with pytest.raises(ValueError, match="a duration is"):
        seconds(value)


@given(st.integers(1, 10**9))
def test_what_is_spelled_reads_back(milliseconds: int) -> None:
    assert seconds(spelled(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.floats(1, 10**8))
def test_what_is_rounded_up_is_never_less(value: float) -> None:
    assert seconds(rounded_up(value)) >= value


def test_no_view_is_fresh_for_ever() -> None:
    """``age > nan`` is false: a limit that is not a number would never be exceeded."""
    for value in (math.nan, math.inf, -1.0, 0.0, "0s", 1e12):
        with pytest.raises(ValidationError):
            Store(max_staleness=value)  # type: ignore[arg-type]
    assert Store(max_staleness=1.5).max_staleness == 1.5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com:8443", "https://api.example.com:8443/"),
        ("https://API.example.com", "https://API.example.com/"),
    ],
)
def test_twins_differ_by_the_slash_after_the_host(one: str, other: str) -> None:
    assert (audience.twin(one), audience.twin(other)) == (other, one)
    assert audience.accepted([one]) == audience.accepted([other]) == {one, other}
    assert audience.confused([one], [other]) == (one, other)
    assert audience.confused([one], [one]) is None


@pytest.mark.parametrize(
    "text",
    [
        "https://api.example.com/v1", "https://api.example.com/v1/", "https://api.example.com//", "https://a?x",
        "https://a/?x", "https://a#x", "https://a/#", "http://api.example.com", "HTTPS://api.example.com", "https://",
        "https:///", "api", "", "/",
    ],
)  # fmt: skip
def test_nothing_else_has_a_twin(text: str) -> None:
    assert audience.twin(text) is None
    assert audience.accepted([text]) == {text}


@given(st.text(alphabet="htps:/a.?#", max_size=14))
def test_a_twin_of_a_twin_is_oneself(text: str) -> None:
    other = audience.twin("https://" + text)
    assert other is None or audience.twin(other) == "https://" + text


def test_audiences_are_the_configured_ones_or_the_identifier() -> None:
    assert Resource(identifier="i").audiences == ("i",)
    assert Resource(identifier="i", audience="a").audiences == ("a",)
    assert Resource(audience=("a", "b")).audiences == ("a", "b")
    assert Resource().audiences == ()


def test_gateways_are_one_or_many() -> None:
    assert Resource().gateways == ()
    assert Resource(gateway="nginx").gateways == ("nginx",)
    assert Resource(gateway=("nginx", "envoy")).gateways == ("nginx", "envoy")


def test_an_issuer_by_itself_has_no_name_yet() -> None:
    assert Issuer(issuer="https://a.example").name == ""


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:9180", "127.0.0.1", 9180, True),
        ("127.9.9.9:1", "127.9.9.9", 1, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("[::1]:80", "::1", 80, True),
        ("[::]:80", "::", 80, False),
        ("localhost:0", "localhost", 0, True),
        ("10.0.0.1:65535", "10.0.0.1", 65535, False),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int, loopback: bool) -> None:
    found = addresses.parse(text)
    assert (found.host, found.port, found.loopback) == (host, port, loopback)


@pytest.mark.parametrize("text", ["", ":80", "80", "a:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "[::1]", "::1:80",
                                  "127.0.0.1:65536", "127.1:80", "[1.2.3.4]:80", "127.0.0.1:٣"])  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither an IP|no port"):
        addresses.parse(text)


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", True),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("127.0.0.1:1", "127.0.0.2:1", False),
        ("0.0.0.0:1", "127.0.0.2:1", True),
        ("[::]:1", "127.0.0.2:1", True),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_two_listeners_clash_where_both_cannot_be_bound(one: str, other: str, clash: bool) -> None:
    first, second = addresses.parse(one), addresses.parse(other)
    assert first.clashes(second) is second.clashes(first) is clash


def test_the_nearest_word_is_a_beginning_or_a_misspelling() -> None:
    assert nearest("dev", ["development", "production"]) == "development"
    assert nearest("WORKRES", ["workers", "listen"]) == "workers"
    assert nearest("max_", ["max_a", "max_b"]) in ("max_a", "max_b")
    assert nearest("zzz", ["workers"]) is None


def test_a_dotted_key_is_spelled_as_in_toml() -> None:
    assert dotted("resource", ["My API", "rule", 0, "claims", "x.y"]) == 'resource."My API".rule[0].claims."x.y"'
    assert dotted("", ["server", "listen", 1]) == "server.listen[1]"
