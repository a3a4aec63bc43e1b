"""Where a browser is sent to sign in: a fixed place, with a way back that leads to the resource and nowhere else."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.policies import resource

from bearerd import request as view
from bearerd.policy.login import LONGEST_RETURN, Login

URL = "https://login.example/start"
ORIGIN = "https://api.example"
LOGIN = Login(URL, "rd", ORIGIN)


def back(target: bytes | None, login: Login = LOGIN) -> str | None:
    """The way back that somebody who signs in is given."""
    where = login.to(view.of("GET", target, "evil.example", [(b"X-Forwarded-Host", b"evil.example")], trusted=True))
    assert where.isascii()
    assert where.isprintable()
    assert " " not in where
    assert where.startswith(login.url)
    return dict(parse_qsl(urlsplit(where).query)).get("rd")


def test_a_resource_without_login_redirect_has_none() -> None:
    assert resource().login is None


def test_it_is_made_of_what_is_configured() -> None:
    made = resource(identifier="https://api.example:8443/v1?x=y", login_redirect=URL, login_return_parameter="rd").login
    assert made == Login(URL, "rd", "https://api.example:8443")


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/a",
        b"/a?b=c&d=%20e",
        b"/?x",
        b"/a%20b",
        b"/a?u=https://evil.example",
        b"/a?//evil",
        b"/a?b\\c",
        b"/caf%C3%A9",
    ],
)
def test_the_way_back_is_the_origin_and_the_raw_target(target: bytes) -> None:
    assert back(target) == ORIGIN + target.decode()


@pytest.mark.parametrize(
    "target",
    [
        None, b"", b"*", b"a", b"?a", b"//evil.example", b"//evil.example/..", b"/\\evil.example", b"\\\\evil.example", b"/\\/evil",
        b"///evil", b"/./evil", b"/../evil", b"/.//evil.example", b"/a/..//evil", b"/%2fevil.example", b"/%5cevil.example", b"/%2e%2e/a",
        b"/\t/evil.example", b"/\x00", b"/a\r\nLocation: https://evil.example", b"/a\nX: y", b"/%0d%0aX: y", b"/a?\r\nX: y", b"/a?b\x00",
        b"/a?b\x7f", b"/a b", b"/a?b c", b" /a", b"/a ", b"@evil.example", b".evil.example", b":80@evil.example/", b"https://evil.example",
        b"http:/evil", b"javascript:alert(1)", b"/a#b", b"/a?b#c", b"/a;b", b"/caf\xc3\xa9", b"/a?\xff", b"/a?\xe2\x80\xae",
    ],
)  # fmt: skip
def test_a_target_that_could_lead_elsewhere_has_no_way_back(target: bytes | None) -> None:
    assert back(target) is None


@given(st.one_of(st.binary(max_size=40), st.text("/\\.?%2fF5cC:@#;ae \t\r\n", max_size=30).map(str.encode)))
@example(b"/a/../..//evil.example")
def test_every_way_back_leads_to_the_resource_s_origin(target: bytes) -> None:
    found = back(target)
    if found is not None:
        assert found.encode() == ORIGIN.encode() + target
        assert found.startswith(ORIGIN + "/")
        assert not found.startswith((ORIGIN + "//", ORIGIN + "/\\"))
        assert urlsplit(found).netloc == "api.example"


def test_a_way_back_that_no_gateway_would_read_is_left_out() -> None:
    room = LONGEST_RETURN - len("https%3A%2F%2Fapi.example%2F")
    assert back(b"/" + b"a" * room) == f"{ORIGIN}/{'a' * room}"
    assert back(b"/" + b"a" * (room + 1)) is None
    assert back(b"/" + b"=" * 1000) is None
    assert back(b"/" + b"a" * 30_000) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, f"{URL}?rd="),
        (f"{URL}?", f"{URL}?rd="),
        (f"{URL}?a=b", f"{URL}?a=b&rd="),
        (f"{URL}?a=b&", f"{URL}?a=b&rd="),
        ("https://login.example", "https://login.example?rd="),
    ],
)
def test_the_way_back_joins_the_query_of_the_place(url: str, expected: str) -> None:
    where = Login(url, "rd", ORIGIN).to(view.of("GET", b"/", trusted=True))
    assert where == f"{expected}https%3A%2F%2Fapi.example%2F"


def test_without_a_parameter_there_is_the_place_alone() -> None:
    assert Login(URL, None, ORIGIN).to(view.of("GET", b"/a", trusted=True)) == URL
