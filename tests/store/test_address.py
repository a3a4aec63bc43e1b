from __future__ import annotations

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from bearerd.errors import ConfigError, StoreError
from bearerd.store import address


async def test_a_plain_url_names_host_port_database_and_login() -> None:
    connection = await address.parse("redis://me:p%40ss@db.example:6380/3").connection("k", 1.5)
    assert isinstance(connection, Connection)
    assert (connection.host, connection.port, connection.db) == ("db.example", 6380, 3)
    assert (connection.username, connection.password) == ("me", "p@ss")
    assert connection.socket_connect_timeout == 1.5


async def test_a_tls_url_verifies_the_certificate_and_the_host_name() -> None:
    where = address.parse("rediss://db.example?ssl_ca_certs=/etc/ca.pem")
    assert where.tls
    connection = await where.connection("k", 1)
    assert isinstance(connection, SSLConnection)
    assert connection.check_hostname
    assert connection.cert_reqs.name == "CERT_REQUIRED"
    assert connection.ca_certs == "/etc/ca.pem"


async def test_a_unix_url_names_a_socket() -> None:
    connection = await address.parse("unix:///run/valkey/v.sock?db=2").connection("k", 1)
    assert isinstance(connection, UnixDomainSocketConnection)
    assert (connection.path, connection.db) == ("/run/valkey/v.sock", 2)


def test_a_sentinel_url_names_sentinels_master_and_database() -> None:
    where = address.parse("redis+sentinel://u:p@one,two:26380,[::1]:26381/main/1?sentinel_password=s")
    assert where.hosts == (("one", 26379), ("two", 26380), ("::1", 26381))
    assert (where.kind, where.master, where.tls, where.replicated) == ("sentinel", "main", False, True)
    assert where.options["db"] == 1
    assert (where.options["username"], where.options["password"]) == ("u", "p")
    assert where.lookup == {"password": "s"}


def test_a_cluster_url_names_seeds_and_keeps_the_login_for_them() -> None:
    where = address.parse("rediss+cluster://u:p@one,two:7001?ssl_ca_certs=/ca")
    assert (where.kind, where.hosts, where.tls) == ("cluster", (("one", 6379), ("two", 7001)), True)
    assert where.lookup["connection_class"] is SSLConnection
    assert where.lookup["password"] == "p"
    assert where.lookup["ssl_ca_certs"] == "/ca"


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://host", "unknown scheme"),
        ("redis+magic://host", "unknown scheme"),
        ("unix+sentinel://host/m", "unknown scheme"),
        ("host:6379", "unknown scheme"),
        ("", "unknown scheme"),
        ("redis+sentinel://host", "names no master"),
        ("redis+sentinel:///main", "names no host"),
        ("redis+sentinel://a,,b/main", "names no host"),
        ("redis+sentinel://:26379/main", "names no host"),
        ("redis+cluster://host/1", "no databases"),
        ("unix://", "names no socket"),
        ("redis://host/zero", "database number"),
        ("redis://host:port", "cannot be read"),
        ("redis://host?ssl_cert_reqs=none", "unknown option ssl_cert_reqs"),
        ("redis://host?db=x", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_the_reason(url: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        address.parse(url)
    assert wrong in str(caught.value)
    assert "store.url" in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "redis+sentinel", "bogus"])
def test_a_badly_escaped_password_is_not_repeated_in_the_error(scheme: str) -> None:
    with pytest.raises(ConfigError) as caught:
        address.parse(f"{scheme}://user:pa:ss/word@host/x")
    assert "word" not in str(caught.value).replace("password", "")


def test_a_password_is_not_in_the_representation() -> None:
    assert "hidden" not in repr(address.parse("redis+cluster://u:hidden@host"))


async def test_when_no_sentinel_answers_the_error_names_each() -> None:
    where = address.parse("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main")
    with pytest.raises(StoreError, match=r"127.0.0.1:1: .*127.0.0.1:2: "):
        await where.connection("k", 0.5)
