"""bearerd's own file of a starting configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starter.test_gateways import EXAMPLES, usual

from bearerd.config import effective, load
from bearerd.config.model import Config
from bearerd.starter import service
from bearerd.starter.gateways import GATEWAYS
from bearerd.starter.wishes import Endpoint, Wishes


def loaded(name: str, wishes: Wishes, folder: Path) -> Config:
    file = folder / "bearerd.toml"
    file.write_text(service.written(name, wishes))
    return load.load(file, {})


@pytest.mark.parametrize("name", GATEWAYS)
def test_without_wishes_it_is_the_example_s(name: str) -> None:
    said = service.written(name, usual(name))
    assert said.splitlines() == (EXAMPLES / name / "bearerd.toml").read_text().splitlines()


@pytest.mark.parametrize("name", GATEWAYS)
def test_an_https_issuer_leaves_nothing_of_the_development_profile(name: str, tmp_path: Path) -> None:
    wishes = replace(usual(name), issuer="https://auth.example.com/realms/x", identifier="https://api.example.com/v1")
    config = loaded(name, wishes, tmp_path)
    assert config.server.profile == "production"
    assert (config.issuer[0].issuer, config.issuer[0].insecure_issuer) == ("https://auth.example.com/realms/x", False)
    assert config.issuer[0].name == "auth-example-com"
    assert config.resource["api"].identifier == "https://api.example.com/v1"
    assert effective.warnings(config) == []


@pytest.mark.parametrize("name", GATEWAYS)
def test_the_addresses_are_those_that_were_wished_for(name: str, tmp_path: Path) -> None:
    config = loaded(name, replace(usual(name), bearerd=Endpoint("::1", 7000)), tmp_path)
    assert config.server.listen == ("[::1]:7000",)
    assert (config.server.admin, config.server.probes) == ("[::1]:7001", "[::1]:7002")


def test_a_url_with_a_quote_is_a_string_of_toml(tmp_path: Path) -> None:
    config = loaded("nginx", replace(usual("nginx"), identifier="https://a.example/it's?x=$1"), tmp_path)
    assert config.resource["api"].identifier == "https://a.example/it's?x=$1"
