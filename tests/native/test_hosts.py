"""Hosts: what is one, and which resource it belongs to."""

from __future__ import annotations

import random

import pytest

from bearerd import request
from bearerd._native import hosts
from bearerd._native.hosts import AMBIGUOUS, MALFORMED, NOBODY, Hosts

API, SHOP, V1, V2 = range(4)
TABLE = Hosts(
    [
        ("api.example.com", None, API),
        ("shop.example.com", None, SHOP),
        ("www.shop.example.com", None, SHOP),
        ("shared.example.com", ("/v1", "/v1/**"), V1),
        ("shared.example.com", ("/v2/**", "/assets/*.js"), V2),
        ("[2001:db8::1]", None, API),
    ]
)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        (b"api.example.com", b"api.example.com"),
        (b"API.Example.COM", b"api.example.com"),
        (b"api.example.com:443", b"api.example.com"),
        (b"api.example.com:", b"api.example.com"),
        (b"api.example.com.", b"api.example.com"),
        (b"API.EXAMPLE.COM.:8080", b"api.example.com"),
        (b"my_service", b"my_service"),
        (b"127.0.0.1:80", b"127.0.0.1"),
        (b"[2001:DB8::1]:443", b"[2001:db8::1]"),
        (b"[::ffff:192.0.2.1]", b"[::ffff:192.0.2.1]"),
        (b"a" * 255, b"a" * 255),
    ],
)
def test_a_host_is_what_stands_before_the_port_in_lower_case(value: bytes, host: bytes) -> None:
    assert hosts.normal(value) == host
    assert request.of(None, None, value.decode()).host == host.decode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b":80",
        b"api.example.com, shop.example.com",
        b"api.example.com,shop.example.com",
        b"api.example.com shop.example.com",
        b" api.example.com",
        b"api.example.com ",
        b"api.example.com\t",
        b"api.example.com\x00",
        b"api.example.com\r\nX: y",
        b"user@api.example.com",
        b"user:secret@api.example.com",
        b"api.example.com:80@shop.example.com",
        b"https://api.example.com",
        b"api.example.com/x",
        b"api.example.com?x",
        b"api.example.com#x",
        b"api.example.com\\x",
        b"api.example.com:80:90",
        b"api.example.com:http",
        b"api.example.com:+80",
        b"api.example.com:123456",
        b"api%2eexample.com",
        "\u00e4pi.example.com".encode(),
        "api.example.com\u3002".encode(),
        "\uff41pi.example.com".encode(),
        b"*.example.com",
        b"[2001:db8::1",
        b"2001:db8::1",
        b"[2001:db8::1]x",
        b"[2001:db8::1].",
        b"[fe80::1%25eth0]",
        b"[[::1]]",
        b"]",
        b"a" * 256,
        b"[" + b":" * 300 + b"]",
    ],
)
def test_what_could_be_read_as_another_host_is_none(value: bytes) -> None:
    assert hosts.normal(value) is None
    assert TABLE.find(value, b"/") == (MALFORMED if value else NOBODY)


@pytest.mark.parametrize(
    ("host", "target", "place"),
    [
        (b"api.example.com", b"/", API),
        (b"API.example.com.", b"/", API),
        (b"api.example.com:8443", None, API),
        (b"api.example.com", b"/a/../b", API),  # no path decides there
        (b"www.shop.example.com", b"/", SHOP),
        (b"[2001:DB8::1]:80", b"/", API),
        (b"[2001:db8:0::1]", b"/", NOBODY),  # another spelling is another host
        (b"example.com", b"/", NOBODY),
        (b"x.api.example.com", b"/", NOBODY),
        (b"api.example.com..", b"/", NOBODY),
        (None, b"/", NOBODY),
        (b"", b"/", NOBODY),
        (b"shared.example.com", b"/v1", V1),
        (b"shared.example.com", b"/v1/", V1),  # misses one of its patterns by a slash, and meets the other
        (b"shared.example.com", b"/v1/x?y=/v2/z", V1),
        (b"shared.example.com", b"/%761/x", V1),
        (b"shared.example.com", b"/v2/x", V2),
        (b"shared.example.com", b"/assets/a.js", V2),
        (b"shared.example.com", b"/v2", NOBODY),
        (b"shared.example.com", b"/V2/x", NOBODY),
        (b"shared.example.com", b"/v3", NOBODY),
        (b"shared.example.com", None, NOBODY),
        (b"shared.example.com", b"/v1/../v2/x", AMBIGUOUS),
        (b"shared.example.com", b"/v1%2f..%2fv2", AMBIGUOUS),
        (b"shared.example.com", b"//v1/x", AMBIGUOUS),
        (b"shared.example.com", b"/v1;/x", AMBIGUOUS),
        (b"shared.example.com", b"*", AMBIGUOUS),
        (b"shared.example.com", b"", AMBIGUOUS),
    ],
)
def test_a_host_and_where_it_is_shared_a_path_choose_one_resource_or_none(
    host: bytes | None, target: bytes | None, place: int
) -> None:
    assert TABLE.find(host, target) == place


def test_whatever_bytes_come_what_is_chosen_was_named_to_the_letter() -> None:
    draw = random.Random(7)
    alphabet = b"api.example.com:80[]@,. %/\\\x00\xc3\xa4AZ-_"
    chosen = 0
    for _ in range(20_000):
        value = bytearray(b"api.example.com")
        for _ in range(draw.randrange(3)):
            value[draw.randrange(len(value)) : draw.randrange(len(value)) + 1] = bytes([draw.choice(alphabet)])
        found = TABLE.find(bytes(value), b"/")
        if found >= 0:
            chosen += 1
            name = bytes(value).lower().partition(b":")[0]
            assert name.removesuffix(b".") == b"api.example.com"
    assert chosen > 1000


def test_of_no_hosts_none_is_anybodys() -> None:
    assert (Hosts([]).count, Hosts([]).find(b"api.example.com", b"/")) == (0, NOBODY)
    assert TABLE.count == 5
