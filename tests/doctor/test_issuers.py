"""Issuers with faults: each is found, and what is said of it names a remedy."""

from __future__ import annotations

import ssl
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from support import jose
from support.certificates import authority
from support.gate import remedies, told
from support.issuer import JWKS, OPENID, Answer, ScriptedIssuer, redirect

from bearerd.config.model import Issuer
from bearerd.doctor import issuers
from bearerd.doctor.finding import Finding
from bearerd.limits import Limits


async def look(server: ScriptedIssuer, **settings: Any) -> list[Finding]:
    plain = {"issuer": server.issuer, "name": "a", "insecure_issuer": True, "algorithms": ("ES256",)}
    return await issuers.examine([Issuer(**(plain | settings))], Limits())


def said(server: ScriptedIssuer, seconds: float) -> Answer:
    """The key set, by a clock that leads by so many seconds."""
    return Answer(server.jwks(), headers={"Date": formatdate(time.time() + seconds, usegmt=True)})


async def test_a_good_issuer_has_nothing_but_notes() -> None:
    async with ScriptedIssuer() as server:
        server.jwks_headers = {"Cache-Control": "max-age=600", "Date": formatdate(usegmt=True)}
        found = await look(server)
    assert {one.severity.value for one in found} == {"ok", "note"}
    for check in ("discovery", "keys", "kids", "algorithms", "cache_control", "clock"):
        assert told(found, check) == ["ok"], check
    assert {one.subject for one in found} == {"issuer a"}


@pytest.mark.parametrize(
    ("path", "answer", "check", "reason"),
    [
        (OPENID, Answer({"issuer": "http://evil.test", "jwks_uri": "http://127.0.0.1:1/"}), "discovery", "wrong_issuer"),
        (OPENID, Answer(b"<html>"), "discovery", "bad_json"),
        (JWKS, Answer(status=503), "keys", "http_status"),
        (JWKS, Answer(b"<html>", content_type="text/html"), "keys", "content_type"),
        (JWKS, Answer({"keys": []}), "keys", "no_usable_key"),
        (JWKS, Answer(b" " * 300_000), "keys", "too_large"),
    ],
)  # fmt: skip
async def test_what_cannot_be_used_is_an_error_with_its_reason_and_a_remedy(
    path: str, answer: Answer, check: str, reason: str
) -> None:
    async with ScriptedIssuer() as server:
        server.always(path, answer)
        found = await look(server)
    (fault,) = [one for one in found if one.severity == "error"]
    assert (fault.check, fault.found.partition(":")[0]) == (check, reason)
    assert fault.remedy


async def test_nobody_there_is_an_error() -> None:
    async with ScriptedIssuer() as server:
        pass
    (fault,) = await look(server)
    assert (fault.severity, fault.check, fault.found.partition(":")[0]) == ("error", "discovery", "connect")


@pytest.mark.parametrize(
    ("lead", "severity"), [(0, "ok"), (10, "warning"), (-10, "ok"), (100, "error"), (-100, "warning")]
)
async def test_a_clock_is_judged_by_what_it_does_to_tokens(lead: float, severity: str) -> None:
    async with ScriptedIssuer() as server:
        server.always(JWKS, said(server, lead))
        found = await look(server)
    assert told(found, "clock") == [severity]
    if severity != "ok":
        assert "NTP" in remedies(found, "clock")


async def test_a_clock_that_leads_by_less_than_the_slack_is_well() -> None:
    async with ScriptedIssuer() as server:
        server.always(JWKS, said(server, 10))
        assert told(await look(server, cutoff_slack=20.0), "clock") == ["ok"]


async def test_an_odd_type_no_cache_control_and_a_redirect_are_noted() -> None:
    async with ScriptedIssuer() as server:
        server.always(JWKS, redirect("/elsewhere"))
        server.always("/elsewhere", Answer(server.jwks(), content_type="text/plain"))
        found = await look(server)
    for check in ("content_type", "redirect", "cache_control"):
        assert told(found, check) == ["note"], check


async def test_keys_that_cannot_be_used_are_named() -> None:
    async with ScriptedIssuer() as server:
        keys = [*server.jwks()["keys"], jose.jwk("RSA", 0, kid="for-encryption", use="enc")]
        server.always(JWKS, Answer({"keys": keys}))
        found = await look(server)
    assert [one.found for one in found if one.severity == "warning"] == [
        "not used: key 2 (kid 'for-encryption'): use is not sig"
    ]


@pytest.mark.parametrize(("days", "severity"), [(30, "ok"), (3, "warning")])
async def test_how_long_a_certificate_is_good_for_is_told(days: float, severity: str, tmp_path: Path) -> None:
    root = authority()
    issued = root.issue(tmp_path, "127.0.0.1", days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    async with ScriptedIssuer(tls=context) as server:
        found = await look(server, insecure_issuer=False, ca_file=root.write(tmp_path))
    assert told(found, "certificate") == [severity]
    assert told(found, "transport") == []


async def test_a_certificate_that_nobody_vouches_for_is_an_error_that_names_ca_file(tmp_path: Path) -> None:
    async with ScriptedIssuer(tls=authority().server(tmp_path, "127.0.0.1")) as server:
        (fault,) = await look(server, insecure_issuer=False, ca_file=authority("another").write(tmp_path))
    assert (fault.severity, fault.found.partition(":")[0]) == ("error", "tls")
    assert "ca_file" in fault.remedy


async def test_the_issuer_is_reached_where_the_configuration_says(tmp_path: Path) -> None:
    """connect_to: also for the look at its certificate."""
    root = authority()
    async with ScriptedIssuer(
        tls=root.server(tmp_path, "auth.example.test"), identifier="https://auth.example.test"
    ) as server:
        found = await look(
            server, insecure_issuer=False, ca_file=root.write(tmp_path), connect_to=f"127.0.0.1:{server.port}"
        )
    assert told(found, "certificate") == ["ok"]
    assert told(found, "discovery") == ["ok"]


async def test_keys_in_the_configuration_are_looked_at_without_a_network() -> None:
    jwks = {"keys": [jose.jwk(jose.KIND["ES256"], 0, kid="a")]}
    found = await issuers.examine(
        [Issuer(issuer="https://a.test", name="a", algorithms=("ES256",), jwks=jwks)], Limits()
    )
    assert told(found, "keys") == ["ok"]
    assert told(found, "discovery") == []


async def test_a_shared_secret_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a-secret-of-forty-letters-and-some-more-of")
    issuer = Issuer(issuer="https://a.test", name="a", algorithms=("HS256",), secret_file=file)
    found = await issuers.examine([issuer], Limits())
    assert told(found, "keys") == ["ok"]
    assert "forty" not in str(found)
