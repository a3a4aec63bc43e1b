"""Addresses to listen on: ``127.0.0.1:9180``, ``[::1]:9180``, ``localhost:9180``."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

_PORT = re.compile(r"[0-9]{1,5}")


class Address(NamedTuple):
    """One TCP address."""

    host: str  # an IP address without brackets, or localhost
    port: int  # 0: the kernel chooses (development only)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    def clashes(self, other: Address) -> bool:
        """Whether both cannot be bound at once."""
        if self.port != other.port or self.port == 0:
            return False
        return self.host == other.host or any(host in ("0.0.0.0", "::") for host in (self.host, other.host))


def parse(text: str) -> Address:
    """An address from its text.  Raises ValueError.

    Host names other than localhost are refused: what they resolve to, and with that who can reach the listener, is
    decided elsewhere and may change.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("no port between 0 and 65535 at its end")
    if host == "localhost":
        return Address(host, int(port))
    try:
        if host.startswith("[") and host.endswith("]"):
            return Address(str(ipaddress.IPv6Address(host[1:-1])), int(port))
        return Address(str(ipaddress.IPv4Address(host)), int(port))
    except ValueError:
        raise ValueError("the host is neither an IP address (IPv6 in brackets) nor localhost") from None
