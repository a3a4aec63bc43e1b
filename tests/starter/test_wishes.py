"""Values for a starting configuration: what comes in needs no quoting anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.starter import wishes
from bearerd.starter.wishes import BEARERD, ISSUER, UPSTREAM, BadWish, Endpoint, Wishes

HARMLESS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http://127.0.0.1:9000", Endpoint("127.0.0.1", 9000)),
        ("http://app.internal/", Endpoint("app.internal", 80)),
        ("http://[::1]:8000", Endpoint("::1", 8000)),
    ],
)
def test_an_upstream_is_a_host_and_a_port(text: str, found: Endpoint) -> None:
    assert wishes.upstream(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "https://app", "http://app/base", "http://app?x", "http://user@app", "app:80", "http://", "http://a b", "http://a;b",
        'http://a"b', "http://a{b}", "http://a$b", "http://a\nb", "http://a:0", "http://a:65536", "http://a:x", "http://-a",
        "http://[::1%25lo]:80", "http://a..b", "http://ä", "ftp://a", "http://a#b",
    ],
)  # fmt: skip
def test_whatever_else_is_no_upstream(text: str) -> None:
    with pytest.raises(BadWish):
        wishes.upstream(text)


@given(st.text(max_size=40), st.sampled_from(["http://", "http://[", "https://", ""]))
def test_an_endpoint_never_holds_what_a_file_would_have_to_quote(text: str, before: str) -> None:
    for read in (wishes.upstream, wishes.listener, wishes.loopback):
        try:
            found = read(before + text)
        except BadWish:
            continue
        assert set(found.host) <= HARMLESS
        assert 0 < found.port < 65536


@pytest.mark.parametrize("text", ["0.0.0.0:9180", "10.0.0.1:9180", "127.0.0.1:65534", "localhost:9180", "127.0.0.1"])
def test_bearerd_begins_on_loopback_with_two_ports_behind_it(text: str) -> None:
    with pytest.raises(BadWish):
        wishes.loopback(text)


GATEWAY = Endpoint("127.0.0.1", 8080)


@pytest.mark.parametrize(
    ("public", "bearerd", "upstream", "who"),
    [
        (BEARERD.behind(1), BEARERD, UPSTREAM, "the gateway and bearerd's admin"),
        (Endpoint("0.0.0.0", 9182), BEARERD, UPSTREAM, "the gateway and bearerd's probes"),
        (Endpoint("::", 7000), Endpoint("::1", 7000), UPSTREAM, "the gateway and bearerd would both be at [::1]:7000"),
        (GATEWAY, BEARERD, Endpoint("localhost", 8080), "the gateway and the upstream"),
        (GATEWAY, Endpoint("127.0.0.1", 9188), UPSTREAM, "bearerd's probes and the development issuer"),
        (GATEWAY, Endpoint("127.0.0.1", 8997), UPSTREAM, "the upstream and bearerd's gRPC"),
    ],
)
def test_two_at_one_address_are_told(public: Endpoint, bearerd: Endpoint, upstream: Endpoint, who: str) -> None:
    told = Wishes(ISSUER, "http://x/", public, bearerd, upstream).clash(grpc=True)
    assert told is not None
    assert who in told


@pytest.mark.parametrize("upstream", [UPSTREAM, Endpoint("10.0.0.7", 8080), Endpoint("app.internal", 8080)])
def test_those_that_only_share_a_port_are_no_clash(upstream: Endpoint) -> None:
    assert Wishes(ISSUER, "http://x/", Endpoint("0.0.0.0", 8080), BEARERD, upstream).clash(grpc=True) is None
    later = Endpoint("127.0.0.1", 8997)  # the gRPC port would be the upstream's, and there is none
    assert Wishes("https://x", "http://x/", GATEWAY, later, upstream).clash(grpc=False) is None


def test_whoever_listens_everywhere_is_called_on_loopback() -> None:
    assert str(Endpoint("0.0.0.0", 80).reached) == "127.0.0.1:80"
    assert str(Endpoint("::", 80).reached) == "[::1]:80"
    assert str(Endpoint("10.0.0.7", 80).reached) == "10.0.0.7:80"


def test_a_url_stays_as_it_came() -> None:
    assert wishes.url("https://auth.example.com/realms/x?a=%20&b='") == "https://auth.example.com/realms/x?a=%20&b='"


@pytest.mark.parametrize(
    "text", ["", "auth.example.com", "https://", "https://a b/", 'https://a/"', "https://a\\b", "https://u:p@a/"]
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(BadWish):
        wishes.url(text)
