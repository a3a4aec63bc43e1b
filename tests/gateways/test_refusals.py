"""bearerd's own refusals, as clients get them through each gateway."""

from __future__ import annotations

import pytest

from bearerd.decision import Challenge, Decision
from bearerd.faces import answer
from bearerd.refusals import TABLE, Code
from gateways.conftest import Watched, said

ID = "0123456789abcdef0123456789abcdef"
DIALECTS = {
    "nginx": "nginx",
    "envoy": "envoy",
    "envoy-grpc": "grpc",
    "traefik": "forwarded",
    "caddy": "forwarded",
    "haproxy": "forwarded",
}
CHALLENGE = Challenge(realm="api", error="invalid_token", scope="api", resource_metadata="https://api.example/x")
CODES = (
    Code.MISSING_TOKEN, Code.REVOKED, Code.INSUFFICIENT_SCOPE, Code.FORBIDDEN, Code.BAD_REQUEST, Code.RATE_LIMITED,
    Code.OVERLOADED, Code.STALE_STATE,
)  # fmt: skip


def refused(watched: Watched, code: Code) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, header fields and body that the client gets."""
    row = TABLE[code]
    challenged = CHALLENGE if row.status == 401 or code is Code.INSUFFICIENT_SCOPE else None
    decision = Decision(False, row.outcome, code, row.status, resource="api", challenge=challenged)
    watched.witness.answer = answer.answer(decision, ID, DIALECTS[watched.name])
    head, _, body = said(watched.port, "/orders/7").partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return int(first.split(" ")[1]), fields, body


@pytest.mark.parametrize("code", CODES)
def test_a_refusal_reaches_the_client_as_it_was_meant(watched: Watched, code: Code) -> None:
    status, fields, body = refused(watched, code)
    meant = TABLE[code].status
    assert status == meant, watched.log.read_text()[-2000:]
    assert b"body_bytes" not in body

    def every(name: str) -> list[str]:
        return [value for given, value in fields if given == name]

    if (watched.name, meant) == ("envoy", 503):  # an answer of Envoy's own (status_on_error)
        assert every("retry-after") == every("x-auth-request-id") == []
        return
    challenged = meant == 401 or code is Code.INSUFFICIENT_SCOPE
    assert every("www-authenticate") == [answer.challenge(CHALLENGE)] * challenged
    assert every("retry-after") == ["1"] * (meant in (429, 503))
    assert every("x-auth-request-id") == [ID]
    assert every("cache-control") == ["no-store"]
    assert every("content-type") == ["application/problem+json"]
    assert f'"status":{meant}'.encode() in body
    assert every("x-auth-status") == every("x-auth-reason") == []  # for the gateway's eyes
