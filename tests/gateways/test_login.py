"""Browsers without a credential are sent to sign in, through each gateway; nobody else is, and nobody to elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from stage import GATEWAYS

from gateways.conftest import Gateway, start

pytestmark = pytest.mark.timeout(300)  # the first test of each gateway waits for six programs to start
PLACE = "https://login.example.com/start?app=web"
LINES = f'login_redirect = "{PLACE}"\nlogin_return_parameter = "rd"\n'
NAVIGATE = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html,*/*;q=0.8")
OLD = ("Accept: text/html,application/xhtml+xml,*/*;q=0.8",)


@pytest.fixture(scope="module", params=GATEWAYS)
def gate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp(request.param)
    yield from start(request.param, folder, {'scopes = ["api"]\n': f'scopes = ["api"]\n{LINES}'})


def fields(answer: bytes, name: str) -> list[str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return [value.strip() for given, _, value in (line.partition(":") for line in lines) if given.lower() == name]


def way_back(answer: bytes) -> str | None:
    """Where the redirect leads back to, of an answer that is one."""
    assert answer.startswith(b"HTTP/1.1 302 "), answer[:300]
    (location,) = fields(answer, "location")
    assert location.startswith(PLACE)
    assert fields(answer, "cache-control") == ["no-store"]
    assert len(fields(answer, "x-auth-request-id")) == 1
    assert fields(answer, "x-auth-redirect") == fields(answer, "x-auth-reason") == []
    return parse_qs(urlsplit(location).query).get("rd", [None])[0]


@pytest.mark.parametrize("browser", [NAVIGATE, OLD], ids=["of today", "of old"])
@pytest.mark.parametrize(
    "target", ["/orders/7", "/orders/7?page=2&sort=a%20b", "/", "/orders/7?u=https://evil.example"]
)
def test_a_browser_comes_back_to_what_it_asked_for(gate: Gateway, target: str, browser: tuple[str, ...]) -> None:
    answer = gate.say(target, *browser, "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example")
    assert way_back(answer) == gate.audience.removesuffix("/") + target


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "/\\evil.example", "/.//evil.example", "/orders/..//evil.example", "/%2fevil.example", "/%5cevil.example",
        "/orders/%0d%0aX:y", "http://evil.example/orders/7", "http://evil.example//orders",
    ],
)  # fmt: skip
def test_no_target_leads_a_browser_to_elsewhere(gate: Gateway, target: str) -> None:
    """A gateway may clean it first, or refuse it; what it then asks about is what the way back is made of."""
    answer = gate.say(target, *NAVIGATE)
    if answer.startswith(b"HTTP/1.1 302 "):
        found = way_back(answer)
        assert found is None or found.startswith(gate.audience)
        assert found is None or not found.removeprefix(gate.audience).startswith(("/", "\\"))
    else:
        assert int(answer.split(b" ", 2)[1]) in (400, 401, 403)
        assert fields(answer, "location") == []


@pytest.mark.parametrize(
    "lines",
    [
        ("Accept: application/json",),
        ("Accept: */*",),
        ("Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: text/html"),
        ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Accept: text/html"),
        (*NAVIGATE, "Authorization: Bearer a.b.c"),
        (*NAVIGATE, "Authorization: Basic YTpi"),
    ],
)
def test_whoever_is_no_browser_that_goes_to_a_page_is_refused(gate: Gateway, lines: tuple[str, ...]) -> None:
    answer = gate.say("/orders/7", *lines)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert len(fields(answer, "www-authenticate")) == 1
    assert fields(answer, "location") == fields(answer, "x-auth-redirect") == []


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS"])
def test_only_a_get_is_redirected(gate: Gateway, method: str) -> None:
    assert gate.say("/orders/7", *NAVIGATE, method=method).startswith(b"HTTP/1.1 401 ")


def test_whom_signing_in_would_not_help_is_not_sent_there(gate: Gateway) -> None:
    bearer = f"Authorization: Bearer {gate.token()}"
    assert gate.say("/admin", *NAVIGATE, bearer).startswith(b"HTTP/1.1 403 ")
    assert gate.say("/health", *NAVIGATE).startswith(b"HTTP/1.1 200 ")
    assert gate.say("/orders/7", *NAVIGATE, bearer).startswith(b"HTTP/1.1 200 ")
    in_query = gate.say("/orders/7?access_token=x", *NAVIGATE)
    assert in_query.startswith(b"HTTP/1.1 40")
    assert fields(in_query, "location") == []


def test_a_way_back_that_is_too_long_is_left_out(gate: Gateway) -> None:
    assert way_back(gate.say("/orders/7?" + "a" * 1500, *NAVIGATE)) is not None
    assert way_back(gate.say("/orders/7?" + "a" * 3000, *NAVIGATE)) is None
