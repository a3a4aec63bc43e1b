"""Fetching is bounded in time, size and redirects, and goes nowhere that the configuration does not allow."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop
from support.certificates import authority
from support.issuer import Answer, Drip, Flood, Hang, Names, Raw, ScriptedIssuer, Tunnel, redirect, serving

from bearerd.config import model
from bearerd.errors import IssuerFault
from bearerd.issuers.fetch import Fetcher, Response

MOST = 4096


def fetcher(issuer: str, *, names: Names | None = None, timeout: float = 5.0, **settings: Any) -> Fetcher:
    settings.setdefault("insecure_issuer", issuer.startswith("http:"))
    return Fetcher(model.Issuer(issuer=issuer, name="test", **settings), MOST, timeout=timeout, resolver=names)


async def fault(get: Any) -> IssuerFault:
    with pytest.raises(IssuerFault) as caught:
        await get
    return caught.value


@pytest_asyncio.fixture(loop_scope="function")
async def server() -> AsyncIterator[ScriptedIssuer]:
    async with ScriptedIssuer() as issuer:
        yield issuer


async def test_a_document_comes_with_what_its_header_fields_say(server: ScriptedIssuer) -> None:
    server.always(
        "/a", Answer({"keys": []}, headers={"ETag": '"v1"', "Cache-Control": "public, max-age=60", "Age": "20"})
    )
    answer = await fetcher(server.url).get(f"{server.url}/a")
    assert answer == Response(f"{server.url}/a", b'{"keys": []}', False, '"v1"', 40.0)


async def test_a_conditional_request_may_be_answered_with_not_modified(server: ScriptedIssuer) -> None:
    server.always("/a", Answer(status=304, headers={"ETag": '"v1"'}))
    answer = await fetcher(server.url).get(f"{server.url}/a", '"v1"')
    assert (answer.not_modified, answer.body) == (True, b"")
    assert server.seen[0].headers["if-none-match"] == '"v1"'


async def test_not_modified_without_a_condition_is_a_fault(server: ScriptedIssuer) -> None:
    server.always("/a", Answer(status=304))
    assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "http_status"


@pytest.mark.parametrize("status", [201, 203, 400, 404, 500, 503])
async def test_any_status_but_200_is_a_fault(server: ScriptedIssuer, status: int) -> None:
    server.always("/a", Answer({"keys": []}, status=status))
    assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "http_status"


@pytest.mark.parametrize(
    "behaviour", [Hang(), Drip(), Raw(b"HTTP/1.1 200 OK\r\nContent-Le")], ids=["hang", "drip", "head"]
)
async def test_a_server_that_takes_its_time_is_given_up(server: ScriptedIssuer, behaviour: Any) -> None:
    if isinstance(behaviour, Raw):
        behaviour = _Both(behaviour, Hang())
    server.always("/a", behaviour)
    assert (await fault(fetcher(server.url, timeout=0.2).get(f"{server.url}/a"))).reason == "timeout"


class _Both:
    def __init__(self, *behaviours: Any) -> None:
        self._behaviours = behaviours

    async def __call__(self, *arguments: Any) -> None:
        for behaviour in self._behaviours:
            await behaviour(*arguments)


async def test_the_time_out_covers_all_redirects_together(server: ScriptedIssuer) -> None:
    class Later:
        async def __call__(self, *arguments: Any) -> None:
            await asyncio.sleep(0.15)
            await redirect("/next")(*arguments)

    for path in ("/a", "/next"):
        server.always(path, Later())
    assert (await fault(fetcher(server.url, timeout=0.4).get(f"{server.url}/a"))).reason == "timeout"


async def test_a_name_that_never_resolves_is_given_up() -> None:
    class Silent(Names):
        async def resolve(self, *_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()

    issuer = "http://auth.test"
    assert (await fault(fetcher(issuer, names=Silent(), timeout=0.2).get(f"{issuer}/a"))).reason == "timeout"


async def test_an_endless_body_is_cut_off_at_the_limit(server: ScriptedIssuer) -> None:
    server.always("/a", Flood())
    assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "too_large"


@pytest.mark.parametrize(("size", "reason"), [(MOST, None), (MOST + 1, "too_large")])
async def test_the_size_limit_is_exact(server: ScriptedIssuer, size: int, reason: str | None) -> None:
    server.always("/a", Answer(b" " * size))
    get = fetcher(server.url).get(f"{server.url}/a")
    if reason is None:
        assert len((await get).body) == size
    else:
        assert (await fault(get)).reason == reason


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500,
    ],
    ids=["nothing", "not HTTP", "bad length", "too many fields"],
)
async def test_what_is_not_http_is_a_fault(server: ScriptedIssuer, octets: bytes) -> None:
    server.always("/a", Raw(octets))
    assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "protocol"


async def test_a_truncated_body_is_a_fault_and_not_a_shorter_document(server: ScriptedIssuer) -> None:
    server.always("/a", Answer({"keys": []}, length=100))
    assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "protocol"


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        ("application/json", True),
        ("application/jwk-set+json; charset=utf-8", True),
        ("text/plain", True),
        ("application/octet-stream", True),
        (None, True),
        ("text/html", False),
        ("application/xml", False),
        ("image/svg+xml", False),
        ("text/json+json", False),
    ],
)
async def test_only_what_may_be_json_is_read(server: ScriptedIssuer, kind: str | None, good: bool) -> None:
    server.always("/a", Answer({"keys": []}, content_type=kind))
    get = fetcher(server.url).get(f"{server.url}/a")
    if good:
        assert (await get).body
    else:
        assert (await fault(get)).reason == "content_type"


async def test_compressed_answers_are_refused_unread(server: ScriptedIssuer) -> None:
    server.always("/a", Answer(b"\x1f\x8b" + b"\0" * 100, headers={"Content-Encoding": "gzip"}))
    caught = await fault(fetcher(server.url).get(f"{server.url}/a"))
    assert caught.reason == "content_type"
    assert "Content-Encoding" in str(caught)  # and not that it is no JSON, which nobody has looked at
    assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_nobody_listens() -> None:
    async with ScriptedIssuer() as gone:
        url = gone.url
    assert (await fault(fetcher(url).get(f"{url}/a"))).reason == "connect"


async def test_a_name_that_does_not_resolve() -> None:
    assert (await fault(fetcher("http://auth.test", names=Names()).get("http://auth.test/a"))).reason == "dns"


async def test_a_name_that_no_name_can_be(server: ScriptedIssuer) -> None:
    server.always("/a", redirect(f"http://{'a' * 70}.test/"))
    assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "dns"


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_on_the_same_host_is_followed(server: ScriptedIssuer, status: int) -> None:
    server.always("/a", redirect("/b?c=d#e", status))
    server.always("/b?c=d", Answer({"keys": []}))
    assert (await fetcher(server.url).get(f"{server.url}/a")).url == f"{server.url}/b?c=d"


@pytest.mark.parametrize(("hops", "good"), [(3, True), (4, False)])
async def test_three_redirects_are_followed_and_not_four(server: ScriptedIssuer, hops: int, good: bool) -> None:
    for number in range(hops):
        server.always(f"/{number}", redirect(f"/{number + 1}"))
    server.always(f"/{hops}", Answer({"keys": []}))
    get = fetcher(server.url).get(f"{server.url}/0")
    if good:
        await get
    else:
        assert (await fault(get)).reason == "redirect"
        assert server.count("/4") == 0


async def test_a_redirect_loop_ends(server: ScriptedIssuer) -> None:
    server.always("/a", redirect("/a"))
    assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "redirect"
    assert server.count("/a") == 4


@pytest.mark.parametrize(
    "location",
    [
        None,
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "gopher://127.0.0.1/a",
        "data:application/json,{}",
        "http://user:secret@127.0.0.1/a",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/",
    ],
)
async def test_a_redirect_that_may_not_be_followed(server: ScriptedIssuer, location: str | None) -> None:
    server.always("/a", redirect(location))
    caught = await fault(fetcher(server.url).get(f"{server.url}/a"))
    assert caught.reason == "redirect"
    assert "secret" not in str(caught)


async def test_two_location_fields_are_refused(server: ScriptedIssuer) -> None:
    server.always("/a", Raw(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nLocation: /c\r\nContent-Length: 0\r\n\r\n"))
    assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "redirect"


# Private addresses


async def test_a_redirect_to_a_host_with_a_private_address_is_refused_before_a_socket_is_made() -> None:
    issuer, inner = ScriptedIssuer(), ScriptedIssuer()
    async with serving(issuer, inner):
        issuer.always("/a", redirect(f"http://inner.test:{inner.port}/secret"))
        names = Names(inner_test="127.0.0.1")
        assert (await fault(fetcher(issuer.url, names=names).get(f"{issuer.url}/a"))).reason == "private_address"
        assert names.asked == ["inner.test"]
        assert inner.seen == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.2", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "localhost", "a.localhost",
     "127.1", "0x7f000001", "2130706433", "224.0.0.1", "0.0.0.0"],
)  # fmt: skip
async def test_a_redirect_to_a_private_address_itself_is_refused(server: ScriptedIssuer, host: str) -> None:
    server.always("/a", redirect(f"http://{host}:{server.port}/b"))
    server.always("/b", Answer({"keys": []}))
    assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "private_address"
    assert server.count("/b") == 0


@pytest.mark.parametrize("named", ["jwks_uri", "connect_to", "proxy"])
async def test_a_host_that_the_configuration_names_may_be_private(server: ScriptedIssuer, named: str) -> None:
    names = Names(inner_test="127.0.0.1", auth_test="127.0.0.1")
    value = {"jwks_uri": "http://inner.test/other", "connect_to": "inner.test:1", "proxy": "http://inner.test:1"}[named]
    server.always("/a", redirect(f"http://inner.test:{server.port}/b"))
    server.always("/b", Answer({"keys": []}))
    subject = fetcher(server.url, names=names, **{named: value})
    if named == "jwks_uri":
        assert (await subject.get(f"{server.url}/a")).body
    elif named == "connect_to":  # the issuer itself is now reached elsewhere, where nobody listens
        assert (await subject.get(f"http://inner.test:{server.port}/b")).body
    else:
        assert (await fault(subject.get(f"http://inner.test:{server.port}/b"))).reason == "proxy"


async def test_the_address_is_checked_that_is_connected_to_not_one_seen_earlier() -> None:
    """DNS rebinding: the name's first answer is public, its second, when it is connected to, is not."""

    class Rebinding(Names):
        async def resolve(self, host: str, *arguments: Any, **named: Any) -> Any:
            self.addresses[host] = "127.0.0.1" if self.asked else "192.0.2.1"
            return await super().resolve(host, *arguments, **named)

    async with ScriptedIssuer() as inner:
        names = Rebinding()
        await names.resolve("rebound.test")  # what a check by name would have seen
        issuer = model.Issuer(issuer="https://auth.test", name="test", insecure_issuer=True)
        subject = Fetcher(issuer, MOST, resolver=names)
        assert (await fault(subject.get(f"http://rebound.test:{inner.port}/a"))).reason == "private_address"
        assert inner.seen == []


async def test_a_name_is_asked_again_for_each_fetch() -> None:
    first, second = ScriptedIssuer(), ScriptedIssuer(host="127.0.0.2")
    async with first:
        second_port = first.port
        second._server = await asyncio.start_server(second._connected, "127.0.0.2", second_port)
        second.port = second_port
        names = Names(auth_test="127.0.0.1")
        subject = fetcher(f"http://auth.test:{first.port}", names=names)
        for server in (first, second):
            server.always("/a", Answer({"keys": [server._host]}))
        assert b"127.0.0.1" in (await subject.get(f"http://auth.test:{first.port}/a")).body
        names.addresses["auth.test"] = "127.0.0.2"
        assert b"127.0.0.2" in (await subject.get(f"http://auth.test:{first.port}/a")).body
        await second.stop()


# URLs


@pytest.mark.parametrize(
    "url",
    ["http://auth.test/a", "file:///etc/passwd", "/relative", "", "https://", "https://user@auth.test/", "https://a b/",
     "https://auth.test:0x50/", "urn:example"],
)  # fmt: skip
async def test_a_url_that_may_not_be_fetched_at_all(url: str) -> None:
    assert (await fault(fetcher("https://auth.test", names=Names()).get(url))).reason == "bad_url"


def test_connect_to_must_be_host_and_port() -> None:
    for text in ("auth.test", "auth.test:x", "auth.test:1/path", ""):
        if text:
            with pytest.raises(IssuerFault, match="connect_to"):
                fetcher("http://auth.test", connect_to=text)
    fetcher("http://auth.test", connect_to="[::1]:80")


# TLS, split horizon, proxy


async def test_a_private_authority_is_trusted_where_it_is_configured_and_nowhere_else(tmp_path: Path) -> None:
    ca = authority()
    async with ScriptedIssuer(tls=ca.server(tmp_path, "127.0.0.1")) as server:
        server.always("/a", Answer({"keys": []}))
        good = fetcher(server.url, ca_file=ca.write(tmp_path))
        assert (await good.get(f"{server.url}/a")).body
        assert (await fault(fetcher(server.url).get(f"{server.url}/a"))).reason == "tls"
        other = fetcher(server.url, ca_file=authority("another").write(tmp_path, "other.pem"))
        assert (await fault(other.get(f"{server.url}/a"))).reason == "tls"


async def test_insecure_issuer_does_not_switch_certificate_checks_off(tmp_path: Path) -> None:
    async with ScriptedIssuer(tls=authority().server(tmp_path, "127.0.0.1")) as server:
        subject = fetcher(server.url, insecure_issuer=True)
        assert (await fault(subject.get(f"{server.url}/a"))).reason == "tls"


async def test_connect_to_changes_the_address_and_not_the_name(tmp_path: Path) -> None:
    ca = authority()
    async with ScriptedIssuer(tls=ca.server(tmp_path, "auth.test")) as server:
        server.always("/a", Answer({"keys": []}))
        settings: dict[str, Any] = {"ca_file": ca.write(tmp_path), "connect_to": f"127.0.0.1:{server.port}"}
        assert (await fetcher("https://auth.test", **settings).get("https://auth.test/a")).body
        assert server.seen[0].headers["host"] == "auth.test"
        # Another name at the same address: its certificate is not this one.
        assert (await fault(fetcher("https://else.test", **settings).get("https://else.test/a"))).reason == "tls"


async def test_connect_to_is_for_the_issuers_own_origin_only() -> None:
    async with ScriptedIssuer() as server:
        subject = fetcher("http://auth.test", connect_to=f"127.0.0.1:{server.port}", names=Names())
        assert (await fault(subject.get("http://auth.test:8080/a"))).reason == "dns"
        assert (await fault(subject.get("http://other.test/a"))).reason == "dns"


async def test_https_is_never_left_by_a_redirect_even_where_http_is_allowed(tmp_path: Path) -> None:
    ca = authority()
    async with ScriptedIssuer(tls=ca.server(tmp_path, "127.0.0.1")) as server, ScriptedIssuer() as plain:
        server.always("/a", redirect(f"{plain.url}/a"))
        subject = fetcher(server.url, ca_file=ca.write(tmp_path), insecure_issuer=True, jwks_uri=f"{plain.url}/a")
        assert (await fault(subject.get(f"{server.url}/a"))).reason == "redirect"
        assert plain.seen == []


async def test_a_fifo_in_place_of_the_ca_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "ca.pem")
    caught = await fault(fetcher("https://127.0.0.1:1", ca_file=path).get("https://127.0.0.1:1/a"))
    assert caught.reason == "local_file"
    assert f"{path}: it is not a regular file" in str(caught)


async def test_a_changed_ca_file_counts_at_the_next_fetch(tmp_path: Path) -> None:
    ca = authority()
    path = authority("another").write(tmp_path)
    async with ScriptedIssuer(tls=ca.server(tmp_path, "127.0.0.1")) as server:
        server.always("/a", Answer({"keys": []}))
        subject = fetcher(server.url, ca_file=path)
        assert (await fault(subject.get(f"{server.url}/a"))).reason == "tls"
        ca.write(tmp_path)
        assert (await subject.get(f"{server.url}/a")).body


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
async def test_a_ca_file_that_is_none_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    assert (
        await fault(fetcher("https://127.0.0.1:1", ca_file=path).get("https://127.0.0.1:1/a"))
    ).reason == "local_file"


async def test_http_goes_through_the_proxy() -> None:
    async with ScriptedIssuer() as proxy:
        proxy.always("http://auth.test/a", Answer({"keys": []}))
        assert (await fetcher("http://auth.test", proxy=proxy.url).get("http://auth.test/a")).body


async def test_https_goes_through_the_proxys_tunnel_and_the_certificate_is_the_issuers(tmp_path: Path) -> None:
    ca = authority()
    async with ScriptedIssuer(tls=ca.server(tmp_path, "auth.test")) as server, ScriptedIssuer() as proxy:
        server.always("/a", Answer({"keys": []}))
        proxy.always("auth.test:443", Tunnel(server.port))
        settings: dict[str, Any] = {"proxy": proxy.url, "ca_file": ca.write(tmp_path)}
        assert (await fetcher("https://auth.test", **settings).get("https://auth.test/a")).body
        assert proxy.seen[0].method == "CONNECT"


async def test_a_proxys_credentials_are_for_the_proxy_only(tmp_path: Path) -> None:
    ca = authority()
    async with ScriptedIssuer(tls=ca.server(tmp_path, "auth.test")) as server, ScriptedIssuer() as proxy:
        server.always("/a", Answer({"keys": []}))
        proxy.always("auth.test:443", Tunnel(server.port))
        url = proxy.url.replace("//", "//user:sesame@")
        assert (
            await fetcher("https://auth.test", proxy=url, ca_file=ca.write(tmp_path)).get("https://auth.test/a")
        ).body
        assert proxy.seen[0].headers["proxy-authorization"] == "Basic dXNlcjpzZXNhbWU="
        assert not {"proxy-authorization", "authorization"} & set(server.seen[0].headers)
        proxy.always("auth.test:443", Answer(status=407))
        caught = await fault(fetcher("https://auth.test", proxy=url).get("https://auth.test/a"))
        assert caught.reason == "proxy"
        assert "sesame" not in str(caught)


async def test_a_proxy_that_refuses_the_tunnel(tmp_path: Path) -> None:
    async with ScriptedIssuer() as proxy:
        proxy.always("auth.test:443", Answer(status=403))
        assert (await fault(fetcher("https://auth.test", proxy=proxy.url).get("https://auth.test/a"))).reason == "proxy"


async def test_a_proxy_of_the_environment_is_not_used(server: ScriptedIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.always("/a", Answer({"keys": []}))
    assert (await fetcher(server.url).get(f"{server.url}/a")).body


async def test_a_private_literal_is_refused_also_behind_a_proxy() -> None:
    async with ScriptedIssuer() as proxy:
        proxy.always("http://auth.test/a", redirect("http://169.254.169.254/latest"))
        subject = fetcher("http://auth.test", proxy=proxy.url)
        assert (await fault(subject.get("http://auth.test/a"))).reason == "private_address"
        assert len(proxy.seen) == 1


# What is sent


async def test_cookies_are_not_kept(server: ScriptedIssuer) -> None:
    server.always("/a", Answer(status=302, headers={"Location": "/b", "Set-Cookie": "a=b; Path=/"}))
    server.always("/b", Answer({"keys": []}))
    await fetcher(server.url).get(f"{server.url}/a")
    assert all("cookie" not in seen.headers for seen in server.seen)


async def test_configured_fields_go_to_configured_origins_only(tmp_path: Path) -> None:
    path = tmp_path / "fields"
    path.write_text("# for the gateway\nX-Access: sesame\n\n")
    issuer, other = ScriptedIssuer(), ScriptedIssuer()
    async with serving(issuer, other):
        issuer.always("/a", redirect(f"{other.url}/a"))
        other.always("/a", Answer({"keys": []}))
        await fetcher(issuer.url, fetch_header_file=path).get(f"{issuer.url}/a")
        assert issuer.seen[0].headers["x-access"] == "sesame"
        assert "x-access" not in other.seen[0].headers
        await fetcher(issuer.url, fetch_header_file=path, jwks_uri=f"{other.url}/a").get(f"{other.url}/a")
        assert other.seen[1].headers["x-access"] == "sesame"


async def test_faults_quote_nothing_of_the_answer_nor_of_a_query(
    server: ScriptedIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.always("/a?appid=hidden", Answer(b"canary", status=500, headers={"X-Canary": "canary"}))
    caught = await fault(fetcher(server.url).get(f"{server.url}/a?appid=hidden"))
    assert "canary" not in str(caught)
    assert "hidden" not in str(caught)
    server.always("/b?appid=hidden", Hang())
    caught = await fault(fetcher(server.url, timeout=0.2).get(f"{server.url}/b?appid=hidden"))
    assert caught.reason == "timeout"
    assert "hidden" not in str(caught)
    assert "canary" not in caplog.text


def test_it_works_under_uvloop_too(tmp_path: Path) -> None:
    ca = authority()

    async def main() -> bytes:
        async with ScriptedIssuer(tls=ca.server(tmp_path, "auth.test")) as server:
            server.always("/a", Answer({"keys": []}))
            connect_to = f"127.0.0.1:{server.port}"
            subject = fetcher("https://auth.test", ca_file=ca.write(tmp_path), connect_to=connect_to)
            return (await subject.get("https://auth.test/a")).body

    assert uvloop.run(main()) == b'{"keys": []}'
