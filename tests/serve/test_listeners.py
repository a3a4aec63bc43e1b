"""Binding: one socket a slot, nobody else's port, nobody else's socket file."""

from __future__ import annotations

import errno
import grp
import os
import socket
from pathlib import Path

import pytest

from bearerd.config.model import TcpListener, UnixListener
from bearerd.serve import listeners
from bearerd.serve.errors import NotStarted
from bearerd.serve.listeners import bind, bind_alone, name_of, reserve


def unix(path: Path, mode: str = "0660", group: str | None = None) -> UnixListener:
    return UnixListener(path=str(path), mode=mode, group=group)


def test_every_slot_has_a_socket_of_its_own_on_the_same_port() -> None:
    bound = bind(["127.0.0.1:0"], 3)
    try:
        ports = {sock.getsockname()[1] for (sock,) in bound.slots}
        assert len(ports) == 1
        assert bound.names == [f"127.0.0.1:{ports.pop()}"]
        assert len(set(bound.descriptors())) == 3
        for (sock,) in bound.slots:
            assert not os.get_inheritable(sock.fileno())
            with socket.socket() as client:  # bound, and nobody listens yet
                assert client.connect_ex(sock.getsockname()) == errno.ECONNREFUSED
    finally:
        bound.close()


def test_a_port_that_anybody_listens_on_is_refused_though_they_would_share_it() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(NotStarted, match="Address already in use") as caught:
            bind([name_of(other)], 2)
        assert caught.value.remedy


def test_a_port_is_free_again_at_once_after_connections_were_closed() -> None:
    bound = bind(["127.0.0.1:0"], 1)
    (sock,) = bound.slots[0]
    sock.listen()
    address = sock.getsockname()
    client = socket.create_connection(address)
    sock.setblocking(True)
    server, _ = sock.accept()
    server.close()  # our side closes first: TIME_WAIT is ours
    client.close()
    bound.close()
    bind([f"127.0.0.1:{address[1]}"], 1).close()


def test_localhost_is_both_families_on_one_port() -> None:
    bound = bind(["localhost:0"], 2)
    try:
        assert len({sock.getsockname()[1] for slot in bound.slots for sock in slot}) == 1
        assert {sock.getsockname()[0] for sock in bound.slots[0]} >= {"127.0.0.1"}
        assert len(bound.names) == len(bound.slots[0])
    finally:
        bound.close()


def test_everywhere_in_ipv6_is_everywhere() -> None:
    if not listeners._has_ipv6():
        pytest.skip("this machine has no IPv6")
    (sock,) = bind_alone("[::]:0")
    with sock:
        sock.listen()
        sock.setblocking(True)
        port = sock.getsockname()[1]
        assert name_of(sock) == f"[::]:{port}"
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port)):
                sock.accept()[0].close()


def test_an_address_that_is_not_ours_says_so() -> None:
    with pytest.raises(NotStarted, match="this machine does not have that address"):
        bind_alone("203.0.113.7:9999")


def test_nothing_stays_bound_where_one_of_several_fails(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = name_of(probe)
        probe.close()
        with pytest.raises(NotStarted):
            bind([unix(tmp_path / "s"), free, name_of(other)], 2)
        assert not (tmp_path / "s").exists()
        bind([free], 1).close()


# ---- unix


def test_a_unix_socket_has_its_mode_and_group_from_the_first_connection_on(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    before = os.umask(0o022)
    try:
        bound = bind([unix(tmp_path / "s", "0662", group)], 4)
    finally:
        os.umask(before)
    status = (tmp_path / "s").lstat()
    assert (status.st_mode & 0o777, status.st_gid) == (0o662, os.getegid())
    assert len(bound.unix) == 1
    assert os.umask(before) == before
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))  # it waits for a worker
    bound.close()
    assert not (tmp_path / "s").exists()


def test_an_abandoned_socket_file_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
        dead.listen()
    assert (tmp_path / "s").exists()
    bound = bind([unix(tmp_path / "s")], 1)
    assert bound.names == [f"unix:{tmp_path / 's'}"]
    bound.close()


def test_a_socket_on_which_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        with pytest.raises(NotStarted, match="another process listens there"):
            bind([unix(path)], 1)
        # Also when it is so busy that it takes nobody more.
        clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(str(path))
        with pytest.raises(NotStarted, match="another process listens there"):
            bind([unix(path)], 1)
        for client in clients:
            client.close()
        with socket.socket(socket.AF_UNIX) as late:
            late.setblocking(False)
            assert late.connect_ex(str(path)) in (0, errno.EAGAIN)


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_symbolic_link_is_never_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "s").symlink_to(tmp_path / target)
    with pytest.raises(NotStarted, match="it exists and is a symbolic link"):
        bind([unix(tmp_path / "s")], 1)
    assert (tmp_path / "s").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(NotStarted, match="it exists and is no socket"):
        bind([unix(tmp_path / "s")], 1)
    assert (tmp_path / "s").read_text() == "precious"


def test_a_file_that_another_has_put_in_our_place_is_not_removed(tmp_path: Path) -> None:
    bound = bind([unix(tmp_path / "s")], 1)
    (tmp_path / "s").unlink()
    (tmp_path / "s").write_text("somebody else's")
    bound.close()
    assert (tmp_path / "s").read_text() == "somebody else's"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="No such file or directory"):
        bind([unix(tmp_path / "missing" / "s")], 1)


def test_a_group_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="no such group"):
        bind([unix(tmp_path / "s", group="no-such-group-here")], 1)
    assert not (tmp_path / "s").exists()


def test_each_socket_says_in_which_dialect_it_is_asked_by_host(tmp_path: Path) -> None:
    fixed = UnixListener(path=str(tmp_path / "b.sock"), gateway="forwarded")
    listen = ["127.0.0.1:0", TcpListener(address="localhost:0", gateway="nginx"), unix(tmp_path / "a.sock"), fixed]
    bound = bind([*listen, TcpListener(address="127.0.0.1:0")], 2)
    try:
        said = {name: bound.gateways.get(name) for name in bound.names}
        assert list(said.values()) == [None, *["nginx"] * (len(said) - 4), None, "forwarded", None]
        assert bound.dialects.pop(bound.unix[1].fileno()) == "forwarded"
        nginx = {sock.fileno() for slot in bound.slots for sock in slot[1:-1]}
        assert bound.dialects == dict.fromkeys(nginx, "nginx")
        assert len(nginx) == 2 * (len(said) - 4)
    finally:
        bound.close()


def test_a_port_is_held_for_grpc_and_shared_only_with_those_who_share() -> None:
    bound = bind([], 2)
    reserve(bound, "127.0.0.1:0")
    try:
        (held,) = bound.reserved
        address = held.getsockname()
        assert held.fileno() not in bound.descriptors()  # nobody inherits it
        with socket.socket() as client:
            assert client.connect_ex(address) == errno.ECONNREFUSED
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        with socket.socket() as worker:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind(address)
            worker.listen()
            with socket.create_connection(address):
                worker.accept()[0].close()
    finally:
        bound.close()
    assert held.fileno() == -1


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_every_address_of_this_machine_is_held_in_both_families(address: str) -> None:
    """To grpcio the two are one: it listens on both."""
    bound = bind([], 1)
    reserve(bound, address)
    try:
        (held,) = bound.reserved
        assert name_of(held).startswith("[::]:")
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as other, pytest.raises(OSError, match="in use"):
                other.bind((host, held.getsockname()[1]))
    finally:
        bound.close()


def test_a_port_for_grpc_that_anybody_listens_on_is_refused() -> None:
    bound = bind([], 1)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(NotStarted, match="Address already in use"):
            reserve(bound, name_of(other))
    bound.close()
