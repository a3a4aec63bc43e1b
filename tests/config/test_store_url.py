"""``store.url``, read."""

from __future__ import annotations

import contextlib
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.config import store_url
from bearerd.config.store_url import parse


def test_one_server() -> None:
    found = parse("redis://me:p%40s%2Fs@db.example:6380/3")
    assert (found.kind, found.tls, found.hosts) == ("single", False, (("db.example", 6380),))
    assert (found.username, found.password, found.database) == ("me", "p@s/s", 3)


def test_defaults() -> None:
    found = parse("rediss://db")
    assert (found.kind, found.tls, found.hosts, found.database) == ("single", True, (("db", 6379),), 0)
    assert (found.username, found.password, found.options) == (None, None, {})


def test_a_unix_socket() -> None:
    found = parse("unix://me:pw@/run/valkey/v%20.sock?db=2")
    assert (found.kind, found.path, found.hosts, found.database) == ("single", "/run/valkey/v .sock", (), 2)
    assert (found.username, found.password) == ("me", "pw")


@pytest.mark.parametrize("scheme", ["redis+sentinel", "redis-sentinel"])
def test_sentinels(scheme: str) -> None:
    found = parse(f"{scheme}://u:p@one,two:26380,[::1]:26381/main/1?sentinel_username=a&sentinel_password=s%26")
    assert (found.kind, found.tls, found.master, found.database) == ("sentinel", False, "main", 1)
    assert found.hosts == (("one", 26379), ("two", 26380), ("::1", 26381))
    assert found.options == {"sentinel_username": "a", "sentinel_password": "s&"}


@pytest.mark.parametrize("scheme", ["rediss+cluster", "rediss-cluster"])
def test_a_cluster(scheme: str) -> None:
    found = parse(f"{scheme}://u:p@one,two:7001?ssl_ca_certs=/ca")
    assert (found.kind, found.tls, found.hosts) == ("cluster", True, (("one", 6379), ("two", 7001)))
    assert found.options == {"ssl_ca_certs": "/ca"}


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://host", "unknown scheme"),
        ("REDIS://host", "unknown scheme"),
        ("redis+magic://host", "unknown scheme"),
        ("redis+sentinel+cluster://host", "unknown scheme"),
        ("unix+sentinel://host/m", "unknown scheme"),
        ("host:6379", "unknown scheme"),
        ("", "unknown scheme"),
        ("redis://", "names no host"),
        ("redis://:6379", "names no host"),
        ("redis://u:p@", "names no host"),
        ("redis://a,b", "several hosts"),
        ("redis://a b", "space or a control"),
        ("redis://a\n", "space or a control"),
        ("redis://a\0", "space or a control"),
        ("redis://host:port", "host or port"),
        ("redis://host:0", "host or port"),
        ("redis://host:65536", "host or port"),
        ("redis://host:123456", "host or port"),
        ("redis://[::1", "host or port"),
        ("redis://h%6Fst", "host or port"),
        ("redis://host/zero", "database must be a number"),
        ("redis://host/1/2", "one database number"),
        ("redis://host/1?db=2", "one database number"),
        ("redis://host?db=x", "database must be a number"),
        ("redis://host?db=1&db=2", "db stands there twice"),
        ("redis://host#main", "fragment"),
        ("redis://host?ssl_cert_reqs=none", "did you mean ssl_certfile?"),
        ("rediss://host?ssl_check_hostname=false", "unknown option"),
        ("redis://host?nonsense", "unknown option: client_name"),
        ("redis://host?ssl_ca_certs=/ca", "for rediss:// only"),
        ("redis://host?sentinel_password=x", "for sentinels only"),
        ("redis+sentinel://host", "names no master"),
        ("redis+sentinel:///main", "names no host"),
        ("redis+sentinel://a,,b/main", "names no host"),
        ("redis+sentinel://:26379/main", "names no host"),
        ("redis-sentinel://host/0#main", "fragment"),
        ("redis+cluster://host/1", "no databases"),
        ("redis+cluster://host?db=1", "no databases"),
        ("unix://", "names no socket"),
        ("unix:///", "names no socket"),
        ("unix://run/v.sock", "three slashes"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wrong)):
        parse(url)


SECRET = "hunter2hunter2"


@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix", "redis+sentinel", "redis+cluster", "bogus"])
@pytest.mark.parametrize("sign", ["/", "?", "#", "@", ":", "&", "=", "%", " ", "[", "]", ",", "%zz", "?ssl_", "/1?"])
def test_an_unescaped_password_is_repeated_neither_in_the_error_nor_in_the_representation(
    scheme: str, sign: str
) -> None:
    for login in (f"u:12{sign}{SECRET}", f"u:{SECRET}{sign}12", f"{SECRET}{sign}u", f"u:12{sign}{SECRET}=1{sign}3"):
        url = f"{scheme}://{login}@host/x"
        try:
            said = repr(parse(url))
        except ValueError as error:
            said = str(error)
        else:
            if sign not in "@:[]" and not login.startswith(SECRET):  # read otherwise than meant, but not shown
                assert SECRET not in said
            continue
        assert SECRET not in said


def test_a_password_is_not_in_the_representation() -> None:
    found = parse("redis+sentinel://u:hunter2@host/main?sentinel_password=hunter2")
    assert found.password == "hunter2"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("redis://u:hunter2@h", "redis://u:***@h"),
        ("redis://:hunter2@h?client_name=me", "redis://:***@h?client_name=me"),
        ("unix://u:hunter2@/s?db=1", "unix://u:***@/s?db=1"),
        ("redis+sentinel://u:hun@ter2@a,[::1]:1/m", "redis+sentinel://u:***@a,[::1]:1/m"),
        (
            "rediss-sentinel://a/m?sentinel_username=w&sentinel_password=hunter2&ssl_password=hunter2&ssl_ca_certs=/ca",
            "rediss-sentinel://a/m?sentinel_username=w&sentinel_password=***&ssl_password=***&ssl_ca_certs=/ca",
        ),
        ("redis://h?hunter2=1", "***"),
        ("what is this hunter2", "***"),
    ],
)
def test_masked_it_holds_no_secret_and_can_be_read_again(url: str, shown: str) -> None:
    assert store_url.masked(url) == shown
    if shown != "***":
        parse(shown)


@given(st.text(min_size=1))
def test_any_password_passes_percent_encoded(password: str) -> None:
    escaped = quote(password, safe="")
    for url in (f"redis://u:{escaped}@h/1", f"redis+sentinel://u:{escaped}@h,i/m/1", f"unix://u:{escaped}@/s?db=1"):
        assert (parse(url).password, parse(url).database) == (password, 1)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, f"redis://{text}", f"redis+sentinel://h/{text}", f"rediss://h?{text}"):
        with contextlib.suppress(ValueError):
            parse(url)
