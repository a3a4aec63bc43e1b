"""Only addresses of the public Internet are open to hosts that nobody configured."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.issuers.addresses import literal, public

PRIVATE_V4 = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
PRIVATE_V6 = [
    "::/128", "::1/128", "::/96", "100::/64", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "64:ff9b:1::/48",
    "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
]  # fmt: skip


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert public(address)


@pytest.mark.parametrize("network", PRIVATE_V4 + PRIVATE_V6)
@given(data=st.data())
def test_no_address_of_a_special_network_is_public(network: str, data: st.DataObject) -> None:
    block = ipaddress.ip_network(network)
    address = block[data.draw(st.integers(0, block.num_addresses - 1))]
    assert not public(str(address))


@given(st.ip_addresses(v=4))
def test_an_address_in_another_form_is_as_public_as_itself(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | int(address))
    translated = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | int(address))
    assert public(str(mapped)) == public(str(translated)) == public(str(address))


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "1.1.1.1.", "1.1.1.01", "::1%"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not public(text)


def test_a_zone_makes_no_address_public() -> None:
    assert not public("fe80::1%eth0")


@pytest.mark.parametrize(
    ("host", "yes"), [("1.1.1.1", True), ("::1", True), ("auth.example.com", False), ("127.1", False)]
)
def test_a_literal_is_told_from_a_name(host: str, yes: bool) -> None:
    assert literal(host) is yes
