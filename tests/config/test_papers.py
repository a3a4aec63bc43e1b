"""The files of ``[server.tls]``: what is wrong with them is told with a remedy, and what is right becomes a context."""

from __future__ import annotations

import contextlib
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.certificates import Issued, authority, private

from bearerd.config import check_tls, papers
from bearerd.config.model import Server, Tls
from bearerd.errors import ConfigError


def tls(issued: Issued, **more: Any) -> Tls:
    return Tls(certificate_file=issued.certificate, key_file=issued.key, **more)


def faults(files: Tls, *, production: bool = True) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as refused:
        papers.read(files, production=production)
    return [(key.removeprefix("server.tls."), wrong, remedy) for key, wrong, remedy in refused.value.problems]


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    return authority().issue(tmp_path, "bearerd.test")


def test_what_is_read_is_what_the_files_hold(issued: Issued) -> None:
    found = papers.read(tls(issued), production=True)
    assert found.chain == issued.certificate.read_text()
    assert found.key == issued.key.read_text()
    assert (found.clients, found.min_version) == ("", "1.2")
    assert 29 < (found.ends - time.time()) / 86_400 <= 30


def test_a_key_is_in_no_representation_that_a_log_could_hold(issued: Issued) -> None:
    assert "PRIVATE" not in repr(papers.read(tls(issued), production=True))


def test_one_file_may_hold_both_and_words_between_them(issued: Issued) -> None:
    both = f"Käse\n{issued.certificate.read_text()}\n# key\n{issued.key.read_text()}"
    issued.key.write_text(both)
    found = papers.read(Tls(certificate_file=issued.key, key_file=issued.key), production=True)
    assert found.chain == issued.certificate.read_text()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (private(ec.generate_private_key(ec.SECP256R1()), b"secret"), "encrypted"),
        (b"", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n", "no private key"),
        (private(ec.generate_private_key(ec.SECP256R1())), "is not the key of the certificate"),
        (b"x" * 100_000, "no private key"),
    ],
    ids=["encrypted", "empty", "damaged", "another's", "long"],
)
def test_a_key_that_cannot_be_used_is_named_with_its_file(issued: Issued, content: bytes, word: str) -> None:
    issued.key.write_bytes(content)
    ((key, wrong, remedy),) = faults(tls(issued))
    assert key == "key_file"
    assert word in wrong
    assert str(issued.key) in wrong
    assert remedy
    assert "hunter2" not in wrong + remedy


def test_a_key_for_everybody_to_read_is_refused_in_production_and_warned_of_in_development(issued: Issued) -> None:
    issued.key.chmod(0o644)
    ((key, wrong, remedy),) = faults(tls(issued))
    assert (key, wrong) == ("key_file", f"every local user may read {issued.key}")
    assert "chmod o-r" in remedy
    papers.read(tls(issued), production=False)
    server = Server(profile="development", tls=tls(issued))
    assert f"server.tls.key_file: every local user may read {issued.key}" in [*check_tls.warnings(server)]
    issued.key.chmod(0o640)  # a group's is what Kubernetes makes of fsGroup
    papers.read(tls(issued), production=True)


def test_a_chain_that_begins_with_the_wrong_certificate_is_told_as_such(issued: Issued, tmp_path: Path) -> None:
    ca = authority().write(tmp_path)
    issued.certificate.write_bytes(ca.read_bytes() + issued.certificate.read_bytes())
    ((key, _, remedy),) = faults(tls(issued))
    assert (key, remedy) == ("certificate_file", "put the server's own certificate first, then the intermediates")


def test_every_file_that_is_missing_or_holds_something_else_is_told_at_once(issued: Issued, tmp_path: Path) -> None:
    issued.certificate.unlink()
    issued.key.write_bytes(b"?")
    found = faults(tls(issued, client_ca_file=tmp_path))
    assert [key for key, _, _ in found] == ["certificate_file", "key_file", "client_ca_file"]
    assert all(remedy for _, _, remedy in found)


def test_a_key_that_is_too_weak_for_openssl_is_refused_before_anybody_connects(tmp_path: Path) -> None:
    weak = authority().issue(tmp_path, "bearerd.test", key=rsa.generate_private_key(65537, 1024))
    ((key, wrong, _),) = faults(tls(weak))
    assert key == "certificate_file"
    assert "EE_KEY_TOO_SMALL" in wrong


def test_a_context_speaks_http_1_1_by_the_version_asked_for_and_wants_a_certificate_only_if_told(
    issued: Issued, tmp_path: Path
) -> None:
    made = papers.context(papers.read(tls(issued, min_version="1.3"), production=True))
    assert made.minimum_version is ssl.TLSVersion.TLSv1_3
    assert made.verify_mode is ssl.CERT_NONE
    mutual = papers.context(papers.read(tls(issued, client_ca_file=authority().write(tmp_path)), production=True))
    assert mutual.minimum_version is ssl.TLSVersion.TLSv1_2
    assert mutual.verify_mode is ssl.CERT_REQUIRED
    assert len(mutual.get_ca_certs()) == 1


def test_no_descriptor_stays_open(issued: Issued) -> None:
    found = papers.read(tls(issued), production=True)
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(5):
        papers.context(found)
    assert len([*Path("/proc/self/fd").iterdir()]) == before


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (-3.5, "expired 3 days ago"),
        (-1.5, "expired 1 day ago"),
        (-0.5, "has expired"),
        (0.5, "expires within a day"),
        (1.5, "expires in 1 day"),
        (13.5, "expires in 13 days"),
        (14.5, None),
    ],
)
def test_a_certificate_that_ends_is_warned_of_with_the_days_that_are_left(
    tmp_path: Path, days: float, words: str | None
) -> None:
    issued = authority().issue(tmp_path, "bearerd.test", days=days)
    found = [*check_tls.warnings(Server(tls=tls(issued)))]
    assert found == ([] if words is None else [f"server.tls.certificate_file: {issued.certificate} {words}"])


def test_an_address_that_others_reach_is_warned_of_unless_tls_is_spoken_there(issued: Issued) -> None:
    listen = ("127.0.0.1:1", "10.0.0.1:2", "localhost:3", "[::]:4")
    told = "without [server.tls], tokens cross the network in the clear"
    assert [*check_tls.warnings(Server(listen=listen))] == [f"server.listen[{n}]: {told}" for n in (1, 3)]
    assert [*check_tls.warnings(Server(listen=listen, tls=tls(issued)))] == []
    assert [*check_tls.warnings(Server(grpc="10.0.0.1:3"))] == [f"server.grpc: {told}"]


def shaken(server: ssl.SSLContext, client: ssl.SSLContext, before: ssl.SSLObject | None) -> tuple[ssl.SSLObject, ...]:
    """Both sides of a connection that ended well; it went on with the session of the one ``before``, where it could."""
    there, here = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = None if before is None else before.session
    ours = server.wrap_bio(there, here, server_side=True)
    theirs = client.wrap_bio(here, there, server_hostname="bearerd.test", session=session)
    for step in (theirs.do_handshake, ours.do_handshake) * 2:
        with contextlib.suppress(ssl.SSLWantReadError):
            step()
    ours.write(b"x")
    theirs.read()  # and the tickets before it
    for step in (theirs.unwrap, ours.unwrap, theirs.unwrap):
        with contextlib.suppress(ssl.SSLError):
            step()
    return theirs, ours


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_ticket_stands_for_the_certificate_of_a_client(
    issued: Issued, tmp_path: Path, version: ssl.TLSVersion, mutual: bool
) -> None:
    more = {"client_ca_file": authority("clients").write(tmp_path)} if mutual else {}
    server = papers.context(papers.read(tls(issued, **more), production=True))
    client = authority().client(authority("clients").issue(tmp_path, "gateway"))
    client.minimum_version = client.maximum_version = version
    theirs, _ = shaken(server, client, None)
    assert theirs.session is not None
    assert theirs.session.has_ticket is not mutual


def test_a_session_ends_with_the_certificate_that_it_began_with(issued: Issued, tmp_path: Path) -> None:
    clients = authority("clients").write(tmp_path)
    server = papers.context(papers.read(tls(issued, client_ca_file=clients), production=True))
    client = authority().client(authority("clients").issue(tmp_path, "gateway", days=2))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.options |= ssl.OP_NO_TICKET  # resumed by an id
    first, ours = shaken(server, client, None)
    papers.look_again(ours, time.time() + 9 * papers.DAY)  # the handshake saw to it
    _, again = shaken(server, client, first)
    assert again.session_reused
    papers.look_again(again, time.time())
    with pytest.raises(ssl.SSLCertVerificationError):
        papers.look_again(again, time.time() + 9 * papers.DAY)


def test_a_resumed_session_of_nobody_in_particular_goes_on(issued: Issued) -> None:
    server, client = papers.context(papers.read(tls(issued), production=True)), authority().client()
    first, _ = shaken(server, client, None)
    _, again = shaken(server, client, first)
    assert again.session_reused
    papers.look_again(again, time.time() + 99 * papers.DAY)
