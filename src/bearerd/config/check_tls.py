"""Cross-checks of ``[server.tls]``, and what in it is worth a second look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd._native import clock
from bearerd.config import addresses, files, papers
from bearerd.config.model import address_of
from bearerd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bearerd.config.model import Server
    from bearerd.config.problems import Problems

SOON: Final = 14 * papers.DAY  # whoever renews certificates by a program has done so by then


def check_tls(server: Server, problems: Problems) -> None:
    """That there is something to protect, and that the files can be used."""
    if server.tls is None:
        return
    if server.grpc is None and not any(map(address_of, server.listen)):
        problems.add(
            "server.tls",
            "has no effect: server.listen names no TCP address, and unix sockets are spoken to in plain HTTP",
            "remove it, or listen on an address",
            given=("server.listen",),
        )
    try:
        papers.read(server.tls, production=server.profile == "production")
    except ConfigError as error:
        for key, wrong, remedy in error.problems:
            problems.add(key, wrong, remedy)


def warnings(server: Server) -> Iterator[str]:
    """Certificates that end, a key for everybody to read, and addresses that only TLS could keep tokens secret on."""
    if server.tls is None:
        yield from _in_the_clear(server)
        return
    if files.world_readable(server.tls.key_file):
        yield f"server.tls.key_file: every local user may read {server.tls.key_file}"
    try:
        found = papers.read(server.tls, production=False)
    except ConfigError:
        return  # told when it is loaded
    now = clock.wall()
    if found.ends - now < SOON:
        yield f"server.tls.certificate_file: {server.tls.certificate_file} {papers.ending(found, now)}"


def _in_the_clear(server: Server) -> Iterator[str]:
    for key, address in server.asked_at:
        if not addresses.parse(address).loopback:
            yield f"{key}: without [server.tls], tokens cross the network in the clear"
