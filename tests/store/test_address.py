from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from support.certificates import authority

from bearerd.errors import ConfigError, StoreError
from bearerd.store import address


async def test_a_plain_url_names_host_port_database_and_login() -> None:
    connection, _ = await address.parse("redis://me:p%40ss@db.example:6380/3").connection("k", 1.5)
    assert isinstance(connection, Connection)
    assert (connection.host, connection.port, connection.db) == ("db.example", 6380, 3)
    assert (connection.username, connection.password) == ("me", "p@ss")
    assert connection.socket_connect_timeout == 1.5


async def test_a_tls_url_verifies_the_certificate_and_the_host_name() -> None:
    connection, _ = await address.parse("rediss://db.example").connection("k", 1)
    assert isinstance(connection, SSLConnection)
    context = connection.ssl_context.get()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("by", ["option", "file"])
async def test_a_private_authority_is_believed_instead_of_the_systems(tmp_path: Path, by: str) -> None:
    ca = authority().write(tmp_path)
    url = "rediss://db.example" + (f"?ssl_ca_certs={ca}" if by == "option" else "")
    where = address.parse(url, ca if by == "file" else None)
    first, _ = await where.connection("k", 1)
    assert isinstance(first, SSLConnection)
    context = first.ssl_context.get()
    assert [dict(pair for (pair,) in found["subject"]) for found in context.get_ca_certs()] == [
        {"commonName": "test root"}
    ]
    again, _ = await where.connection("k", 1)
    assert isinstance(again, SSLConnection)
    assert again.ssl_context.get() is context  # not read from the disk anew for each connection
    authority("another").write(tmp_path)
    renewed, _ = await where.connection("k", 1)
    assert isinstance(renewed, SSLConnection)
    assert "another" in str(renewed.ssl_context.get().get_ca_certs())


async def test_an_authority_that_cannot_be_read_is_a_store_error_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="certificates cannot be read") as caught:
        await address.parse("rediss://h", tmp_path / "none").connection("k", 1)
    assert str(tmp_path) not in str(caught.value)


async def test_a_unix_url_names_a_socket() -> None:
    connection, _ = await address.parse("unix:///run/valkey/v.sock?db=2").connection("k", 1)
    assert isinstance(connection, UnixDomainSocketConnection)
    assert (connection.path, connection.db) == ("/run/valkey/v.sock", 2)


def test_a_sentinel_url_keeps_the_login_for_the_server_and_the_other_for_sentinels() -> None:
    where = address.parse("redis+sentinel://u:p@one,two:26380/main/1?sentinel_username=w&sentinel_password=s")
    assert where.hosts == (("one", 26379), ("two", 26380))
    assert (where.kind, where.master, where.tls, where.replicated) == ("sentinel", "main", None, True)
    assert where.options == {"username": "u", "password": "p", "db": 1}
    assert where.lookup == {"username": "w", "password": "s"}


def test_a_cluster_url_names_seeds_and_keeps_the_login_for_them() -> None:
    where = address.parse("rediss+cluster://u:p@one,two:7001?ssl_ca_certs=/ca")
    assert (where.kind, where.hosts, where.replicated) == ("cluster", (("one", 6379), ("two", 7001)), False)
    assert where.tls == address.Tls(ca="/ca")
    assert where.lookup == where.options == {"username": "u", "password": "p"}


@pytest.mark.parametrize(
    ("url", "wrong"),
    [("http://host", "unknown scheme"), ("redis+sentinel://host", "names no master"), ("", "unknown scheme")],
)
def test_a_url_that_cannot_be_used_is_a_configuration_error(url: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        address.parse(url)
    assert wrong in str(caught.value)
    assert "store.url" in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "redis+sentinel", "bogus"])
def test_a_badly_escaped_password_is_not_repeated_in_the_error(scheme: str) -> None:
    with pytest.raises(ConfigError) as caught:
        address.parse(f"{scheme}://user:pa:ss/word@host/x/y")
    assert "word" not in str(caught.value).replace("password", "")


def test_a_password_is_not_in_the_representation() -> None:
    url = "rediss+cluster://u:hidden@host?ssl_certfile=/c&ssl_keyfile=/k&ssl_password=hidden"
    assert "hidden" not in repr(address.parse(url))


async def test_when_no_sentinel_answers_the_error_names_each() -> None:
    where = address.parse("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main")
    with pytest.raises(StoreError) as caught:
        await where.connection("k", 0.5)
    assert "127.0.0.1:1: " in str(caught.value)
    assert "127.0.0.1:2: " in str(caught.value)
