"""Through real gateways, started from the files under examples/: what they pass on, refuse and return."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse

import pytest
from ask import Answer
from stage import environment

from gateways.conftest import Gateway

pytestmark = pytest.mark.timeout(300)  # the first test of each gateway waits for six programs to start
IDENTITY = ("x-auth-subject", "x-auth-issuer", "x-auth-client", "x-auth-scopes", "x-auth-roles", "x-auth-identity")


def seen(answer: Answer) -> dict[str, str]:
    assert answer.status == 200, (answer.status, answer.headers, answer.body[:300])
    headers = answer.upstream_saw()
    assert headers is not None
    return headers


def test_an_allowed_request_reaches_the_upstream_with_identity_and_without_the_token(gateway: Gateway) -> None:
    headers = seen(gateway.ask("/orders/7?page=2", gateway.token()))
    assert headers["x-auth-subject"] == "alice"
    assert headers["x-auth-scopes"] == "api orders:read"
    assert headers["x-auth-issuer"] == gateway.stage.url("issuer").replace("%", "%25")
    assert "authorization" not in headers


def test_what_a_token_as_long_as_may_be_says_reaches_the_upstream_in_full(gateway: Gateway) -> None:
    """nginx reads bearerd's answer into a buffer: one that was too short for it made a 503 of every such token."""
    roles = [f"Betriebsführung {number}" for number in range(240)]
    command = [sys.executable, "-m", "bearerd", "issuer", "mint", "--issuer", gateway.stage.url("issuer")]
    command += ["--data-dir", str(gateway.stage.folder / "issuer"), "--audience", gateway.audience]
    command += ["--scope", "api orders:read", "--claim", f"roles={json.dumps(roles, ensure_ascii=False)}"]
    done = subprocess.run(command, text=True, capture_output=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    assert 7_000 < len(token) <= 8_192
    told = seen(gateway.ask("/orders/7", token))["x-auth-roles"]
    assert told == ",".join(urllib.parse.quote(role) for role in roles)


def test_a_request_without_a_token_is_challenged_without_an_error(gateway: Gateway) -> None:
    answer = gateway.ask("/orders/7")
    assert answer.status == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert "error=" not in challenge
    assert 'resource_metadata="' in challenge
    assert challenge.count("Bearer") == 1  # nginx copies it by itself: added once more it would be doubled
    assert answer.headers["x-auth-request-id"]


def test_the_metadata_that_the_challenge_names_is_served(gateway: Gateway) -> None:
    answer = gateway.ask("/.well-known/oauth-protected-resource")
    assert answer.status == 200
    assert json.loads(answer.body)["resource"] == gateway.audience


def test_a_page_may_read_the_metadata_and_what_clients_of_2025_03_26_look_for_is_bearerds_too(gateway: Gateway) -> None:
    origin = {"Origin": "https://inspector.example", "Access-Control-Request-Method": "GET"}
    before = gateway.ask("/.well-known/oauth-protected-resource/mcp", method="OPTIONS", **origin)
    assert (before.status, before.upstream_saw()) == (404, None)  # no resource stands there
    before = gateway.ask("/.well-known/oauth-protected-resource", method="OPTIONS", **origin)
    assert (before.status, before.headers["access-control-allow-origin"]) == (204, "*")
    answer = gateway.ask("/.well-known/oauth-authorization-server")  # of a resource that passes none on
    assert (answer.status, answer.upstream_saw()) == (404, None)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_bad_token_is_401_with_invalid_token(gateway: Gateway) -> None:
    good = gateway.token()
    answer = gateway.ask("/orders/7", good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"))
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_token_for_another_audience_is_401(gateway: Gateway) -> None:
    assert gateway.ask("/orders/7", gateway.token(audience="https://elsewhere.example/")).status == 401


def test_a_missing_scope_is_403_with_every_scope_in_one_challenge(gateway: Gateway) -> None:
    answer = gateway.ask("/orders/7", gateway.token(), "DELETE")
    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="api orders:write"' in answer.headers["www-authenticate"]


def test_an_open_path_needs_no_token_and_carries_no_identity(gateway: Gateway) -> None:
    headers = seen(gateway.ask("/health"))
    assert not any(headers.get(name) for name in IDENTITY)


def test_a_path_without_a_rule_is_denied(gateway: Gateway) -> None:
    assert gateway.ask("/admin", gateway.token()).status == 403


@pytest.mark.parametrize("path", ["/health", "/orders/7"])
@pytest.mark.parametrize(
    "name",
    [
        "X-Auth-Subject",
        "x-auth-subject",
        "X-AUTH-ROLES",
        "X_Auth_Subject",
        "X-Auth_Subject",
        "X.Auth.Subject",
        "X-Auth-Identity",
    ],
)
def test_a_spoofed_identity_header_never_reaches_the_upstream(gateway: Gateway, name: str, path: str) -> None:
    credential = [] if path == "/health" else [f"Authorization: Bearer {gateway.token()}"]
    whole = gateway.say(path, f"{name}: forged", *credential)
    assert whole.startswith(b"HTTP/1.1 ")
    assert b"forged" not in whole


@pytest.mark.parametrize(
    "path",
    [
        "/health/../orders/7",
        "/health/..%2forders/7",
        "/health%2f..%2forders/7",
        "//orders/7",
        "/orders/%2e%2e/admin",
        "/health;/x",
        "/HEALTH",
        "/health/",
    ],
)
def test_an_ambiguous_path_never_reaches_the_upstream_as_another(gateway: Gateway, path: str) -> None:
    """Envoy and Traefik normalise first and ask about what they will pass on; whoever is let through must have been asked about."""
    answer = gateway.ask(path)
    assert answer.status in (400, 401, 403), (answer.status, answer.body)
    assert answer.upstream_saw() is None


def test_a_body_passes_through_untouched(gateway: Gateway) -> None:
    from ask import request

    token = gateway.token(scope="api orders:write")
    answer = request(
        gateway.stage.ports[gateway.name], "POST", "/orders/", {"Authorization": f"Bearer {token}"}, "x" * 5000
    )
    assert answer.status == 200
    assert b'"body_bytes": 5000' in answer.body


def test_a_revoked_token_is_refused_through_the_gateway(gateway: Gateway) -> None:
    token, other = gateway.token(), gateway.token()
    assert gateway.ask("/orders/7", token).status == 200
    command = [sys.executable, "-m", "bearerd", "revoke", "--config", str(gateway.config)]
    done = subprocess.run(command, input=token, text=True, capture_output=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    assert gateway.ask("/orders/7", token).status == 401
    assert gateway.ask("/orders/7", other).status == 200
