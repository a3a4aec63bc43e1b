"""Where browsers may be sent to sign in.  What may not be: bad/login.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bearerd.config.check_login import LONGEST_URL
from bearerd.config.effective import warnings
from bearerd.config.load import check
from bearerd.config.model import Config
from bearerd.errors import ConfigError

ISSUER = {"issuer": "https://auth.example.com"}


def checked(folder: Path, profile: str = "production", **resource: Any) -> Config:
    table = {"identifier": "https://api.example.com", "gateway": "nginx"} | resource
    tree = {"server": {"profile": profile}, "issuer": [ISSUER], "resource": {"api": table}}
    return check(tree, {}, folder, "bearerd.toml")


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.com",
        "https://login.example.com:8443/start?app=web",
        "https://[2001:db8::1]/start",
        "https://login.example.com/realms/a/protocol/openid-connect/auth?client_id=web&response_type=code",
    ],
)
def test_an_https_url_without_a_fragment_is_a_place_to_sign_in(tmp_path: Path, url: str) -> None:
    checked(tmp_path, login_redirect=url, login_return_parameter="rd")


def test_http_is_for_the_development_profile(tmp_path: Path) -> None:
    checked(tmp_path, "development", login_redirect="http://127.0.0.1:9000/login")
    with pytest.raises(ConfigError, match="http in production"):
        checked(tmp_path, login_redirect="http://127.0.0.1:9000/login")


@pytest.mark.parametrize(
    "url", ["HTTPS://login.example.com", "//login.example.com", "https:login", "https://a\\b", "https://ü.example"]
)
def test_what_browsers_would_read_in_their_own_way_is_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="not an absolute https url"):
        checked(tmp_path, login_redirect=url)


def test_it_is_no_longer_than_gateways_have_room_for(tmp_path: Path) -> None:
    url = "https://login.example.com/"
    checked(tmp_path, login_redirect=url + "a" * (LONGEST_URL - len(url)))
    with pytest.raises(ConfigError, match="longer than 1024"):
        checked(tmp_path, login_redirect=url + "a" * (LONGEST_URL - len(url) + 1))


@pytest.mark.parametrize("name", ["rd", "return_to", "redirect-uri", "a.b~c"])
def test_a_parameter_s_name_needs_no_escape(tmp_path: Path, name: str) -> None:
    checked(tmp_path, login_redirect="https://login.example.com", login_return_parameter=name)


@pytest.mark.parametrize("name", ["", "a=b", "a&b", "ü", "a" * 65, "a%20b", "a\r\nb"])
def test_one_that_would_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is not a parameter name"):
        checked(tmp_path, login_redirect="https://login.example.com", login_return_parameter=name)


@pytest.mark.parametrize(
    ("url", "rules", "warned"),
    [
        ("https://login.example.com/login", [], False),
        ("https://api.example.com/login", [], True),
        ("https://api.example.com", [{"path": "/**"}], True),
        ("https://api.example.com/login?app=web", [{"path": "/login", "auth": "none"}], False),
        ("https://api.example.com/login", [{"path": "/login", "auth": "optional"}], False),
        ("https://api.example.com/login", [{"path": "/login", "auth": "none", "enforce": "shadow"}], True),
        ("https://api.example.com/login", [{"methods": ["POST"], "path": "/login", "auth": "none"}], True),
        ("https://api.example.com/login", [{"path": "/**"}, {"path": "/login", "auth": "none"}], True),
        ("https://api.example.com/a/../login", [{"path": "/login", "auth": "none"}], True),
    ],
)
def test_a_place_that_sends_browsers_in_circles_is_warned_of(
    tmp_path: Path, url: str, rules: list[dict[str, Any]], warned: bool
) -> None:
    told = [line for line in warnings(checked(tmp_path, login_redirect=url, rule=rules)) if "login_redirect" in line]
    assert len(told) == warned
