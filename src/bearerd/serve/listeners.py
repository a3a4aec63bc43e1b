"""Every socket that bearerd listens on, bound here by the supervisor and closed only when it ends.

TCP: one socket a worker slot and address, in one SO_REUSEPORT group.  A worker that dies leaves its socket and the
connections that wait in it behind, for a sibling or its successor to accept.  Unix: one socket for all workers; there
SO_REUSEPORT does not exist, and a second bind would silently cut off the first.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bearerd.config import addresses
from bearerd.config.model import UnixListener, address_of
from bearerd.serve.errors import NotStarted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bearerd.config.model import Listener

BACKLOG: Final = 2048  # connections that wait to be accepted; the kernel's somaxconn may be less
_HOSTS_OF_LOCALHOST: Final = ("127.0.0.1", "::1")


@dataclass
class Listeners:
    """The bound sockets of ``server.listen``; nobody listens on them yet."""

    slots: list[list[socket.socket]]  # TCP, by worker slot
    unix: list[socket.socket]
    names: list[str]  # what is listened on, ports that the kernel chose included
    dialects: dict[int, str] = field(default_factory=dict)  # by descriptor: in which ``/auth`` is asked there
    gateways: dict[str, str] = field(default_factory=dict)  # the same by name
    reserved: list[socket.socket] = field(default_factory=list)  # of ``server.grpc``: nobody listens on these, ever
    approvals: list[socket.socket] = field(default_factory=list)  # of ``approvals.listen``: all workers accept from it
    _files: list[tuple[Path, int, int]] = field(default_factory=list)  # our socket files: path, device, inode

    def descriptors(self) -> list[int]:
        """Every file descriptor: each worker inherits all of them, to be able to serve a sibling's slot."""
        shared = (*self.unix, *self.approvals)
        return [sock.fileno() for sock in (*shared, *(sock for slot in self.slots for sock in slot))]

    def close(self) -> None:
        """Close all sockets, and remove our socket files (never one that another process has put there since)."""
        for sock in (*self.reserved, *self.unix, *self.approvals, *(sock for slot in self.slots for sock in slot)):
            sock.close()
        for path, device, inode in self._files:
            with contextlib.suppress(OSError):
                found = path.lstat()
                if (found.st_dev, found.st_ino) == (device, inode):
                    path.unlink()


def bind(listen: Iterable[Listener], slots: int) -> Listeners:
    """Bind all of ``server.listen`` for so many worker slots.  Raises NotStarted and leaves nothing behind."""
    bound = Listeners([[] for _ in range(slots)], [], [])
    try:
        for entry in listen:
            if isinstance(entry, UnixListener):
                sockets = _bind_unix(bound, entry)
            else:
                sockets = _bind_tcp(bound, address_of(entry))
            _note(bound, entry, sockets)
    except BaseException:
        bound.close()
        raise
    return bound


def reserve(bound: Listeners, address: str) -> None:
    """Hold the port of ``server.grpc`` for as long as we live.  Raises NotStarted.

    grpcio cannot take a socket that is bound already: each worker binds one of its own beside ours, in one SO_REUSEPORT
    group.  To it 0.0.0.0 and [::] are the same, every address of this machine.
    """
    text = address.replace("0.0.0.0", "[::]") if _has_ipv6() else address
    for host, port in _hosts(text, bound.reserved):
        if port:
            _tcp(host, port, address).close()  # as above: whoever listens there already is told
        bound.reserved.append(_tcp(host, port, address, shared=True))


def bind_alone(address: str) -> list[socket.socket]:
    """The sockets of a listener that has one of each, for the supervisor (admin, probes) or all workers.  Raises NotStarted."""
    found: list[socket.socket] = []
    try:
        for host, port in _hosts(address, found):
            found.append(_tcp(host, port, address))
    except BaseException:
        for sock in found:
            sock.close()
        raise
    return found


def name_of(sock: socket.socket) -> str:
    """``127.0.0.1:9180`` or ``[::1]:9180``."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _hosts(address: str, found: list[socket.socket]) -> Iterable[tuple[str, int]]:
    """(host, port) to bind for one address; a second host takes the port that the kernel chose for the first."""
    host, port = addresses.parse(address)
    for name in _HOSTS_OF_LOCALHOST if host == "localhost" else (host,):
        if host == "localhost" and ":" in name and not _has_ipv6():
            continue
        yield name, port or (found[0].getsockname()[1] if found else 0)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _note(bound: Listeners, entry: Listener, sockets: list[socket.socket]) -> None:
    """What the entry fixes for these sockets."""
    dialect = None if isinstance(entry, str) else entry.gateway
    if dialect is not None:
        bound.dialects |= {sock.fileno(): dialect for sock in sockets}
        names = {f"unix:{entry.path}"} if isinstance(entry, UnixListener) else set(map(name_of, sockets))
        bound.gateways |= dict.fromkeys(sorted(names), dialect)


def _bind_tcp(bound: Listeners, address: str) -> list[socket.socket]:
    first: list[socket.socket] = []
    every: list[socket.socket] = []
    for host, port in _hosts(address, first):
        if port:
            # With SO_REUSEPORT a second bearerd on the same port would bind without a word and take half the
            # connections.  Without it, a port on which anybody listens already is refused.
            _tcp(host, port, address).close()
        for number, slot in enumerate(bound.slots):
            sock = _tcp(host, port, address, shared=True)
            slot.append(sock)
            every.append(sock)
            port = sock.getsockname()[1]
            if number == 0:
                first.append(sock)
    bound.names += map(name_of, first)
    return every


def _tcp(host: str, port: int, address: str, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family is socket.AF_INET6:
            # "[::]" is every address of this machine, as the check against doubled addresses takes it.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise NotStarted(f"cannot listen on {address}: {os.strerror(error.errno or 0)}", _remedy(error)) from None
    return sock


def _remedy(error: OSError) -> str:
    return {
        errno.EADDRINUSE: "another process listens there: is bearerd running already?",
        errno.EADDRNOTAVAIL: "this machine does not have that address",
        errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE; take a higher one",
    }.get(error.errno or 0, "")


def _bind_unix(bound: Listeners, listener: UnixListener) -> list[socket.socket]:
    path = Path(listener.path)
    _clear(path)
    mode = int(listener.mode, 8)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.unix.append(sock)
    # Until somebody listens, every connect is refused: there is no moment in which the file has another mode or group
    # than configured and yet lets anyone in.
    before = os.umask(0o777 & ~mode)
    try:
        sock.setblocking(False)
        sock.bind(str(path))
        found = path.lstat()
        bound._files.append((path, found.st_dev, found.st_ino))  # noqa: SLF001 - built here
        if listener.group is not None:
            os.chown(path, -1, grp.getgrnam(listener.group).gr_gid, follow_symlinks=False)
            found = path.lstat()
    except (OSError, KeyError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such group"
        remedy = "a member of the group, or root, may give it the group" if listener.group else ""
        raise NotStarted(f"cannot listen on {path}: {why}", remedy) from None
    finally:
        os.umask(before)
    if stat.S_IMODE(found.st_mode) != mode:
        raise NotStarted(
            f"{path} has mode {stat.S_IMODE(found.st_mode):04o}, not {mode:04o}", "look at the folder's ACL"
        )
    # From here on a second bearerd is told from an abandoned file; who connects waits for the first worker.
    sock.listen(BACKLOG)
    bound.names.append(f"unix:{path}")
    return [sock]


def _clear(path: Path) -> None:
    """Remove a socket file that nobody listens on any more.  Raises NotStarted where it is anything else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotStarted(f"cannot listen on {path}: {error.strerror}") from None
    if not stat.S_ISSOCK(found.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "no socket"
        raise NotStarted(f"cannot listen on {path}: it exists and is {kind}", "remove it, or name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(str(path))
    if answer != errno.ECONNREFUSED:
        # Connected, or its backlog is full, or it is not ours to judge: in every case not ours to remove.
        raise NotStarted(f"cannot listen on {path}: another process listens there", "is bearerd running already?")
    try:
        path.unlink()
    except OSError as error:
        raise NotStarted(f"cannot remove the abandoned socket {path}: {error.strerror}") from None
