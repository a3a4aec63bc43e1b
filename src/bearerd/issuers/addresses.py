"""Which addresses a host may have that the configuration does not name: those of the public Internet only.

A host learned from metadata or a redirect is chosen by whoever wrote that answer.  Were it allowed to be a loopback,
private or link-local address, an issuer could make bearerd call into the network that bearerd stands in (the cloud's
metadata service at 169.254.169.254 is the usual prize).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: how an IPv6-only network reaches the public IPv4 Internet

# Not public although ``is_global`` of some Python versions says so.
_NOT_PUBLIC = (
    IPv4Network("192.0.0.0/24"),  # RFC 6890: protocol assignments
    IPv4Network("192.88.99.0/24"),  # RFC 7526: 6to4 relays, retired
    IPv6Network("2002::/16"),  # RFC 7526: 6to4, retired; carries any IPv4 address
    IPv6Network("64:ff9b:1::/48"),  # RFC 8215: translation inside one network
    IPv6Network("3fff::/20"),  # RFC 9637: documentation
    IPv6Network("5f00::/16"),  # RFC 9602: segment routing identifiers
)


def public(address: str) -> bool:
    """Whether an address literal (IPv6 possibly with a zone) belongs to the public Internet.

    An IPv6 address that stands for an IPv4 address (mapped, NAT64) is as public as that one.  False for text that is no
    address.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif parsed in _NAT64:
            parsed = IPv4Address(int(parsed) & 0xFFFFFFFF)
    if any(parsed in network for network in _NOT_PUBLIC if network.version == parsed.version):
        return False
    if isinstance(parsed, IPv6Address) and parsed.is_site_local:
        return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved)


def literal(host: str) -> bool:
    """Whether a URL's host is an address rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
