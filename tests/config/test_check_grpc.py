"""``server.grpc``: what it needs, and what deserves a second look."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from support.certificates import authority

from bearerd.config import check_grpc
from bearerd.config.effective import needs_restart, warnings
from bearerd.config.load import load
from bearerd.config.model import Config
from bearerd.errors import ConfigError

TEXT = """
[server]
profile = "development"
grpc = "127.0.0.1:9183"
{tls}

[[issuer]]
issuer = "https://auth.example.com"

[resource.api]
identifier = "https://api.example.com"
gateway = "{gateway}"
"""


def written(folder: Path, gateway: str = "grpc", tls: str = "") -> Path:
    path = folder / "bearerd.toml"
    path.write_text(TEXT.format(gateway=gateway, tls=tls))
    return path


def test_without_its_packages_it_is_an_error_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def absent(name: str, *more: Any) -> Any:
        return None if name in ("grpc", "envoy") else real(name, *more)

    monkeypatch.setattr(check_grpc, "find_spec", absent)
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path), {})
    ((key, wrong, remedy),) = refused.value.problems
    assert key == "server.grpc"
    assert wrong == "needs bearerd[grpc], which is not installed (grpc, envoy)"
    assert "pip install 'bearerd[grpc]'" in remedy


def test_without_the_key_nothing_is_needed_and_nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_grpc, "find_spec", lambda *_: pytest.fail("it was looked for"))
    check_grpc.check_grpc(Config().server, Config().limits, {}, None)  # type: ignore[arg-type]


def test_a_listener_that_no_resource_names_is_warned_of(tmp_path: Path) -> None:
    told = 'server.grpc: no resource has gateway = "grpc"'
    assert [one for one in warnings(load(written(tmp_path, "envoy"), {})) if one.startswith(told)]
    assert not [one for one in warnings(load(written(tmp_path), {})) if "server.grpc" in one]


def test_identity_of_any_name_is_seen_so_envoy_s_list_is_not_asked_for(tmp_path: Path) -> None:
    """By gRPC every header field comes, by HTTP those of allowed_headers."""
    own = {"X-User": "sub", "X-Auth-Issuer": "iss"}
    for gateway, warned in (("grpc", False), ("envoy", True)):
        config = load(written(tmp_path, gateway), {})
        resource = config.resource["api"].model_copy(update={"identity": own})
        found = warnings(config.model_copy(update={"resource": {"api": resource}}))
        assert any("allowed_headers" in one for one in found) is warned


def test_tls_is_of_use_where_grpc_has_the_only_address(tmp_path: Path) -> None:
    tls = 'listen = [{ path = "b.sock" }]\n' + authority().issue(tmp_path, "127.0.0.1").table()
    assert load(written(tmp_path, tls=tls), {}).server.tls is not None


def test_another_address_needs_a_restart(tmp_path: Path) -> None:
    old = load(written(tmp_path), {})
    new = load(written(tmp_path), {"BEARERD_SERVER__GRPC": "127.0.0.1:9999"})
    assert new.server.grpc == "127.0.0.1:9999"
    assert needs_restart(old, new) == ["server.grpc"]
