"""Metadata: found at two places, believed only when it names the issuer to the byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.issuer import OAUTH, OPENID, Answer, Hang, ScriptedIssuer

from bearerd.config import model
from bearerd.errors import IssuerFault
from bearerd.issuers import discovery
from bearerd.issuers.fetch import Fetcher
from bearerd.limits import Limits

LIMITS = Limits()


async def discover(server: ScriptedIssuer, issuer: str | None = None) -> str:
    issuer = issuer or server.issuer
    config = model.Issuer(issuer=issuer, name="test", insecure_issuer=True)
    return await discovery.discover(issuer, Fetcher(config, LIMITS.max_key_set_bytes, timeout=0.5), LIMITS)


@pytest.mark.parametrize(
    ("issuer", "openid", "oauth"),
    [
        ("https://a.test", f"https://a.test{OPENID}", f"https://a.test{OAUTH}"),
        ("https://a.test/", f"https://a.test{OPENID}", f"https://a.test{OAUTH}"),
        ("https://a.test/realms/x", f"https://a.test/realms/x{OPENID}", f"https://a.test{OAUTH}/realms/x"),
        ("https://a.test:8443/x/", f"https://a.test:8443/x{OPENID}", f"https://a.test:8443{OAUTH}/x"),
    ],
)
def test_where_metadata_is(issuer: str, openid: str, oauth: str) -> None:
    assert discovery.locations(issuer) == (openid, oauth)


async def test_openid_metadata_is_enough() -> None:
    async with ScriptedIssuer() as server:
        assert await discover(server) == f"{server.url}/jwks"
        assert [seen.target for seen in server.seen] == [OPENID]


@pytest.mark.parametrize(
    "answer", [Answer(status=404), Answer(status=500), Answer(b"<html>", content_type="text/html")]
)
async def test_oauth_metadata_serves_where_there_is_no_openid_metadata(answer: Answer) -> None:
    async with ScriptedIssuer() as server:
        server.always(OPENID, answer)
        assert await discover(server) == f"{server.url}/jwks"


async def test_no_metadata_at_either_place_names_both() -> None:
    async with ScriptedIssuer() as server:
        for place in (OPENID, OAUTH):
            server.always(place, Answer(status=404))
        with pytest.raises(IssuerFault, match=r"openid-configuration.*oauth-authorization-server") as caught:
            await discover(server)
        assert caught.value.reason == "http_status"


async def test_a_server_that_does_not_answer_is_asked_once() -> None:
    async with ScriptedIssuer() as server:
        server.always(OPENID, Hang())
        with pytest.raises(IssuerFault) as caught:
            await discover(server)
        assert caught.value.reason == "timeout"
        assert server.count(OAUTH) == 0


@pytest.mark.parametrize("change", [lambda url: url + "/", str.upper, lambda url: url.replace("127", "128"), lambda _: "",
                                    lambda _: None, lambda url: [url]])  # fmt: skip
async def test_metadata_of_another_issuer_is_refused_and_the_other_place_not_asked(change: Any) -> None:
    async with ScriptedIssuer() as server:
        server.always(OPENID, Answer(server.metadata() | {"issuer": change(server.url)}))
        with pytest.raises(IssuerFault) as caught:
            await discover(server)
        assert caught.value.reason == "wrong_issuer"
        assert server.count(OAUTH) == 0


async def test_a_final_slash_is_part_of_the_issuer() -> None:
    async with ScriptedIssuer() as server:
        server.identifier = server.url + "/"
        assert await discover(server) == f"{server.url}/jwks"
        with pytest.raises(IssuerFault) as caught:
            await discover(server, server.url)
        assert caught.value.reason == "wrong_issuer"


GOOD = b'{"issuer": "https://a.test", "jwks_uri": "https://a.test/1"'


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[]", "bad_json"),
        (b"null", "bad_json"),
        (b'{"issuer": 01}', "bad_json"),
        (GOOD + b', "jwks_uri": "https://a.test/2"}', "bad_json"),
        (GOOD + b', "\\u0069ssuer": "https://evil.test"}', "bad_json"),
        (GOOD + b', "x": ' + b"[" * 100 + b"]" * 100 + b"}", "bad_json"),
        (GOOD + b"," + b",".join(b'"%d": 0' % n for n in range(2000)) + b"}", "bad_json"),
        (GOOD + b', "x": "\xff"}', "bad_json"),
        (GOOD + b"} x", "bad_json"),
        (b'{"issuer": "https://a.test"}', "bad_document"),
        (b'{"issuer": "https://a.test", "jwks_uri": ["https://a.test/1"]}', "bad_document"),
        (b'{"issuer": "https://a.test", "jwks_uri": ""}', "bad_document"),
    ],
)
def test_a_document_that_can_be_read_two_ways_or_not_at_all_is_refused(document: bytes, reason: str) -> None:
    assert discovery.jwks_uri(GOOD + b"}", "https://a.test", LIMITS) == "https://a.test/1"
    with pytest.raises(IssuerFault) as caught:
        discovery.jwks_uri(document, "https://a.test", LIMITS)
    assert caught.value.reason == reason


def test_the_metadata_of_large_products_fits() -> None:
    document = {"issuer": "https://a.test", "jwks_uri": "https://a.test/1"} | {
        f"member_{n}": ["x"] * 20 for n in range(120)
    }
    assert discovery.jwks_uri(json.dumps(document).encode(), "https://a.test", LIMITS) == "https://a.test/1"
