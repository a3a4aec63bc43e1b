"""One HTTP request, one token: what the demo and the gateway tests ask with."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def upstream_saw(self) -> dict[str, str] | None:
        """The header fields that the sample upstream received; None if it was not reached."""
        try:
            return {name.lower(): value for name, value in json.loads(self.body)["headers"]}
        except (ValueError, KeyError):
            return None


def request(port: int, method: str, path: str, headers: dict[str, str], body: str | None = None) -> Answer:
    """One HTTP request to a loopback port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def token(issuer_port: int, client: str, audience: str, scope: str, **more: str) -> str:
    """A token from the development issuer (client credentials, with a resource indicator: RFC 8707)."""
    form = {
        "grant_type": "client_credentials",
        "client_id": client,
        "client_secret": "demo",
        "scope": scope,
        "resource": audience,
    }
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = request(issuer_port, "POST", "/token", kind, urllib.parse.urlencode({**form, **more}))
    if answer.status != 200:
        raise RuntimeError(f"the issuer does not issue: {answer.status} {answer.body.decode()}")
    return str(json.loads(answer.body)["access_token"])
