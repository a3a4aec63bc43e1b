"""Who may speak as a gateway."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from bearerd.faces import peer


class Transport:
    def __init__(self, family: int | None, name: Any = None) -> None:
        self._extra: dict[str, Any] = {"peername": name}
        if family is not None:
            self._extra["socket"] = type("Socket", (), {"family": family})

    def get_extra_info(self, name: str) -> Any:
        return self._extra.get(name)


@pytest.mark.parametrize(
    ("peers", "transport", "trusted", "name"),
    [
        (["127.0.0.0/8"], Transport(socket.AF_INET, ("127.0.0.9", 1)), True, "127.0.0.9"),
        (["127.0.0.0/8"], Transport(socket.AF_INET, ("10.0.0.9", 1)), False, "10.0.0.9"),
        (["127.0.0.0/8"], Transport(socket.AF_INET6, ("::ffff:127.0.0.1", 1, 0, 0)), True, "127.0.0.1"),
        (["::1/128"], Transport(socket.AF_INET6, ("::1", 1, 0, 0)), True, "::1"),
        (["::/0"], Transport(socket.AF_INET, ("127.0.0.1", 1)), False, "127.0.0.1"),
        (["fe80::/10"], Transport(socket.AF_INET6, ("fe80::1%eth0", 1, 0, 2)), True, "fe80::1"),
        (["10.0.0.0/8", "unix"], Transport(socket.AF_UNIX, ""), True, "unix"),
        (["10.0.0.0/8"], Transport(socket.AF_UNIX, ""), False, "unix"),
        (["unix", "0.0.0.0/0", "::/0"], Transport(socket.AF_INET, None), False, ""),
        (["unix", "0.0.0.0/0", "::/0"], Transport(socket.AF_INET, ("nonsense", 1)), False, ""),
        (["unix", "0.0.0.0/0", "::/0"], Transport(None, ("127.0.0.1", 1)), False, ""),
        ([], Transport(socket.AF_INET, ("127.0.0.1", 1)), False, "127.0.0.1"),
    ],
)
def test_a_peer_is_trusted_by_its_network_or_its_socket(
    peers: list[str], transport: Transport, trusted: bool, name: str
) -> None:
    found = peer.of(transport)
    assert (found in peer.Trust(peers), found.name) == (trusted, name)


def test_a_connection_that_is_gone_is_nobody() -> None:
    assert peer.of(None) not in peer.Trust(["unix", "0.0.0.0/0"])
