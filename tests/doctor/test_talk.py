"""The way to a gateway: what is a URL, what is sent, and who is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from stage import free_port
from support.certificates import authority
from support.gate import Gate, Reply
from support.issuer import ScriptedIssuer

from bearerd.doctor import talk
from bearerd.doctor.talk import Gateway, NoAnswer, Way


def test_a_url_is_taken_apart() -> None:
    assert talk.parse("https://api.example.com/orders/7?a=b") == Gateway(
        "api.example.com", 443, True, "api.example.com", "/orders/7?a=b"
    )
    assert talk.parse("http://[::1]:8080") == Gateway("::1", 8080, False, "[::1]:8080", "/")
    assert talk.parse("http://[::1]:8080").name == "::1"


def test_another_host_is_called_by_that_name() -> None:
    found = talk.parse("https://10.0.0.7:8443/x", "api.example.com")
    assert (found.address, found.port, found.host, found.name) == (
        "10.0.0.7",
        8443,
        "api.example.com",
        "api.example.com",
    )


@pytest.mark.parametrize(
    "url",
    [
        "api.example.com",
        "ftp://a/",
        "http://",
        "http://u:p@a/",
        "http://a/#x",
        "http://a/b c",
        "http://a/ä",
        "http://a:x/",
        "http://a\r\nb/",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no URL|has a"):
        talk.parse(url)


async def test_a_plain_request_says_who_asks_and_shows_the_token_once() -> None:
    async with Gate(lambda _: Reply(204)) as gate:
        assert (await gate.way().ask("/x", "X-A: 1", token="t")).status == 204
        (seen,) = gate.seen
    assert (seen.method, seen.target, seen.token) == ("GET", "/x", "t")
    assert dict(seen.fields) == {
        "Host": "gate", "User-Agent": "bearerd-doctor", "X-A": "1", "Authorization": "Bearer t", "Connection": "close",
    }  # fmt: skip


async def test_nobody_there_and_nothing_said_are_no_answer() -> None:
    away = Way(Gateway("127.0.0.1", free_port(), False, "gate", "/"), per_second=1000.0)
    with pytest.raises(NoAnswer, match="gate"):
        await away.ask("/")
    async with Gate(lambda _: None) as gate:
        with pytest.raises(NoAnswer, match="no answer of HTTP"):
            await gate.way().ask("/")


async def test_a_certificate_is_checked_by_the_authority_that_is_named(tmp_path: Path) -> None:
    root = authority()
    async with ScriptedIssuer(tls=root.server(tmp_path, "api.test")) as server:
        gateway = Gateway("127.0.0.1", server.port, True, "api.test", "/jwks")
        believing = Way(gateway, per_second=1000.0, ca_file=root.write(tmp_path))
        assert (await believing.ask("/jwks")).status == 200
        with pytest.raises(NoAnswer, match="TLS"):
            await Way(gateway, per_second=1000.0).ask("/jwks")
        (tmp_path / "none.pem").write_text("no certificate")
        with pytest.raises(NoAnswer, match="holds no certificates"):
            Way(gateway, per_second=1000.0, ca_file=tmp_path / "none.pem")


async def test_a_host_that_nobody_could_be_asked_for_is_no_answer() -> None:
    with pytest.raises(NoAnswer):
        await Way(Gateway("a" * 70 + ".test", 80, False, "gate", "/"), per_second=1000.0).ask("/")
