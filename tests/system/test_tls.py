"""TLS and mTLS on a real bearerd: who gets in, who does not, and certificates that are renewed under load."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from support.bearerd import Bearerd, config, request, wait_for
from support.certificates import Authority, Issued, authority
from support.house import token
from support.wire import Wire

HERE = "127.0.0.1"
FIELDS = (("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/orders/1"), ("X-Forwarded-Host", "api.example"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    """Two workers, a TLS address and a unix socket, no client certificates."""
    folder = tmp_path_factory.mktemp("tls")
    issued = authority().issue(folder, HERE)
    listen = f'listen = ["{HERE}:0", {{ path = "{folder}/b.sock" }}]'
    text = config(server=issued.table()).replace(f'listen = ["{HERE}:0"]', listen)
    with Bearerd(folder / "b", text, tls=authority().client()) as bearerd:
        yield bearerd


def results(bearerd: Bearerd) -> dict[str, float]:
    """How handshakes ended, so far."""
    return bearerd.metric_by("bearerd_tls_handshakes_total", "result")


def counted(bearerd: Bearerd, how: str, before: dict[str, float]) -> None:
    """Wait until one more handshake has ended so."""
    wait_for(lambda: results(bearerd).get(how, 0) > before.get(how, 0))


def shown(bearerd: Bearerd) -> bytes:
    """The certificate that whoever connects now is shown."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((HERE, bearerd.port)) as sock, lax.wrap_socket(sock) as secure:
        return secure.getpeercert(binary_form=True) or b""


def der(issued: Issued) -> bytes:
    return ssl.PEM_cert_to_DER_cert(issued.certificate.read_text())


def test_the_lane_and_aiohttp_answer_over_tls(house: Bearerd) -> None:
    assert house.decide(token=token()).status == 200
    assert house.decide(token="a.b.c").status == 401
    elsewhere = request(
        house.address, "GET", "/.well-known/oauth-protected-resource", {"Host": "api.example"}, tls=house.tls
    )
    assert elsewhere.json()["resource"] == "https://api.example/"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_are_spoken_and_http_1_1_is_agreed_on(house: Bearerd, version: ssl.TLSVersion) -> None:
    context = authority().client()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    reader, writer = await asyncio.open_connection(HERE, house.port, ssl=context)
    secure = writer.get_extra_info("ssl_object")
    assert secure.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert secure.selected_alpn_protocol() == "http/1.1"
    reply = await Wire(reader, writer).ask("/auth/api", *FIELDS, ("Authorization", f"Bearer {token()}"))
    assert reply.status == 200
    writer.close()


def test_unix_sockets_probes_and_the_admin_listener_stay_plain(house: Bearerd) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(
            next(name.removeprefix("unix:") for name in house.addresses()["listen"] if name.startswith("unix:"))
        )
        sock.sendall(b"GET /auth/api HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 403 ")  # as whoever names no path
    assert house.probe("/livez").status == 200
    assert house.api("GET", "/v1/health").json()["tls_problem"] is None


def test_http_without_tls_is_not_answered_and_counted(house: Bearerd) -> None:
    before = results(house)
    with pytest.raises((http.client.HTTPException, OSError)):
        request(house.address, "GET", "/auth/api")
    counted(house, "plain_http", before)


def test_tls_1_1_is_refused(house: Bearerd) -> None:
    old = authority().client()
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")  # our own OpenSSL would not even offer it
    before = results(house)
    with pytest.raises(ssl.SSLError):
        request(house.address, "GET", "/auth/api", tls=old)
    counted(house, "version", before)


def test_a_client_that_does_not_know_the_authority_breaks_off_and_is_counted(house: Bearerd) -> None:
    before = results(house)
    with pytest.raises(ssl.SSLCertVerificationError):
        request(house.address, "GET", "/auth/api", tls=authority("another").client())
    counted(house, "refused", before)


def test_a_client_that_hangs_up_is_counted(house: Bearerd) -> None:
    before = results(house)
    socket.create_connection((HERE, house.port)).close()
    counted(house, "hung_up", before)


def test_what_a_certificate_has_left_is_a_metric(house: Bearerd) -> None:
    (file,) = house.folder.parent.glob("*.crt")
    ends = ssl.cert_time_to_seconds(ssl._ssl._test_decode_cert(str(file))["notAfter"])  # type: ignore[attr-defined]
    assert house.metric("bearerd_certificate_expiry_timestamp_seconds") == ends
    assert house.metric("bearerd_certificate_last_reload_successful") == 1


# ---- mTLS


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    """Client certificates are asked for."""
    folder = tmp_path_factory.mktemp("mtls")
    issued, ca = authority().issue(folder, HERE), authority("clients").write(folder)
    text = config(workers=1, server=issued.table(client_ca_file=ca))
    gateway = authority("clients").issue(folder, "gateway")
    with Bearerd(folder / "b", text, tls=authority().client(gateway)) as bearerd:
        yield bearerd


def test_a_client_with_a_certificate_of_the_authority_is_answered(guarded: Bearerd) -> None:
    assert guarded.decide(token=token()).status == 200


@pytest.mark.parametrize(
    ("signed_by", "days", "how"),
    [(None, 0, "no_certificate"), ("strangers", 9, "bad_certificate"), ("clients", -1, "bad_certificate")],
    ids=["none", "of another authority", "expired"],
)
def test_a_client_without_a_good_certificate_gets_no_answer(
    guarded: Bearerd, tmp_path: Path, signed_by: str | None, days: int, how: str
) -> None:
    issued = authority(signed_by).issue(tmp_path, "gateway", days=days) if signed_by else None
    before = results(guarded)
    with pytest.raises((OSError, http.client.HTTPException)):
        request(guarded.address, "GET", "/auth/api", tls=authority().client(issued))
    counted(guarded, how, before)


def test_tls_1_3_alone_may_be_asked_for(tmp_path: Path) -> None:
    issued = authority().issue(tmp_path, HERE)
    with Bearerd(tmp_path / "b", config(workers=1, server=issued.table(min_version="1.3"))) as bearerd:
        old = authority().client()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            request(bearerd.address, "GET", "/auth/api", tls=old)
        bearerd.tls = authority().client()
        assert bearerd.decide(token=token()).status == 200


# ---- renewal


class Crowd:
    """Clients that ask without pause, some on connections that stay, some on a new one each time."""

    def __init__(self, bearerd: Bearerd, ca: Authority) -> None:
        self._bearerd = bearerd
        self._context = ca.client()
        self._stop = asyncio.Event()
        self.answers = 0
        self.faults: list[Any] = []

    async def __aenter__(self) -> Self:
        self._clients = [asyncio.create_task(self._ask(stays=number % 2 == 0)) for number in range(6)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._clients)

    async def more(self, count: int = 60) -> None:
        """Until so many more questions are answered."""
        wanted = self.answers + count
        async with asyncio.timeout(60):
            while self.answers < wanted and not self.faults:
                await asyncio.sleep(0.01)

    async def _ask(self, *, stays: bool) -> None:
        wire: Wire | None = None
        while not self._stop.is_set():
            try:
                wire = wire or await Wire.to(self._bearerd.port, tls=self._context)
                reply = await wire.ask("/auth/api", *FIELDS, ("Authorization", f"Bearer {token()}"))
            except (OSError, asyncio.IncompleteReadError) as error:
                self.faults.append(error)
                return
            self.answers += 1
            if reply.status != 200:
                self.faults.append(reply)
            if not stays or reply.get("Connection") == "close":
                await wire.close()
                wire = None
        if wire is not None:
            await wire.close()


@pytest.fixture
def renewed(tmp_path: Path) -> Iterator[Bearerd]:
    issued = authority().issue(tmp_path, HERE, stem="server")
    with Bearerd(tmp_path / "b", config(server=issued.table()), tls=authority().client()) as bearerd:
        yield bearerd


async def test_a_certificate_is_renewed_under_load_without_a_failed_request(renewed: Bearerd, tmp_path: Path) -> None:
    async with Crowd(renewed, authority()) as crowd:
        await crowd.more()
        for days in (40, 50):
            fresh = der(authority().issue(tmp_path, HERE, stem="server", days=days))
            await asyncio.to_thread(wait_for, lambda fresh=fresh: {shown(renewed) for _ in range(8)} == {fresh})
            await crowd.more()
        assert await asyncio.to_thread(renewed.api, "POST", "/v1/restart", {})
        await crowd.more()
    assert crowd.faults == []
    assert shown(renewed) == fresh
    assert len(renewed.told("the certificate was renewed", 2)) == 2


def test_what_is_broken_is_reported_and_the_old_certificate_stays(renewed: Bearerd, tmp_path: Path) -> None:
    old = shown(renewed)
    (tmp_path / "server.key").write_bytes(b"no key")
    wait_for(lambda: renewed.metric("bearerd_certificate_last_reload_successful") == 0)
    assert "certificate_not_reloaded" in renewed.probe("/readyz").json()["warnings"]
    (told,) = renewed.told("the certificate is not taken into use; the old one stays")
    assert "server.tls.key_file" in told["problem"]
    renewed.send(signal.SIGUSR2)  # successors never saw a good file, and show what the others did
    before = renewed.pids()
    wait_for(lambda: set(renewed.pids().values()).isdisjoint(before.values()) and renewed.ready())
    assert {shown(renewed) for _ in range(8)} == {old}
    assert renewed.decide(token=token()).status == 200
    fresh = der(authority().issue(tmp_path, HERE, stem="server"))
    wait_for(lambda: renewed.metric("bearerd_certificate_last_reload_successful") == 1)
    assert {shown(renewed) for _ in range(8)} == {fresh}
    assert "certificate_not_reloaded" not in renewed.probe("/readyz").json().get("warnings", ())


def test_an_expired_certificate_takes_no_good_ones_place(renewed: Bearerd, tmp_path: Path) -> None:
    old = shown(renewed)
    authority().issue(tmp_path, HERE, stem="server", days=-1)
    wait_for(lambda: renewed.metric("bearerd_certificate_last_reload_successful") == 0)
    assert shown(renewed) == old


def test_a_reload_takes_other_files_and_asks_for_client_certificates_from_then_on(
    renewed: Bearerd, tmp_path: Path
) -> None:
    gateway = authority("clients").issue(tmp_path, "gateway")
    other, ca = authority().issue(tmp_path, HERE, stem="other"), authority("clients").write(tmp_path)
    renewed.write(config(server=other.table(client_ca_file=ca)))
    assert renewed.api("POST", "/v1/reload", {}).status == 200
    assert shown(renewed) == der(other)
    with pytest.raises((OSError, http.client.HTTPException)):
        request(renewed.address, "GET", "/auth/api", tls=renewed.tls)
    renewed.tls = authority().client(gateway)
    assert renewed.decide(token=token()).status == 200
    renewed.write(config())
    assert renewed.api("POST", "/v1/reload", {}).status == 200
    renewed.tls = None
    assert renewed.decide(token=token()).status == 200


def test_an_expired_certificate_is_served_and_warned_of(tmp_path: Path) -> None:
    issued = authority().issue(tmp_path, HERE, days=-3)
    with Bearerd(tmp_path / "b", config(workers=1, server=issued.table())) as bearerd:
        assert shown(bearerd) == der(issued)
        with pytest.raises(ssl.SSLCertVerificationError):
            request(bearerd.address, "GET", "/auth/api", tls=authority().client())
        assert "certificate_expired" in bearerd.probe("/readyz").json()["warnings"]
        assert "expired 3 days ago" in bearerd.log.read_text()
