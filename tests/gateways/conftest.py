"""The programs of the examples, started once a test process: an issuer, an upstream, and per gateway a bearerd behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ask import Answer, request, token
from stage import Stage


@dataclass
class Gateway:
    """One gateway with bearerd behind it, and the ways to ask."""

    name: str
    stage: Stage
    config: Path

    @property
    def audience(self) -> str:
        return self.stage.url(self.name, "/")

    def token(self, client: str = "alice", scope: str = "api orders:read", audience: str | None = None) -> str:
        return token(self.stage.ports["issuer"], client, audience or self.audience, scope)

    def ask(self, path: str, bearer: str | None = None, method: str = "GET", **headers: str) -> Answer:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if bearer is not None:
            fields["Authorization"] = f"Bearer {bearer}"
        return request(self.stage.ports[self.name], method, path, fields)


def start(name: str, folder: Path) -> Iterator[Gateway]:
    with Stage.on_free_ports(folder) as stage:
        stage.start_issuer()
        stage.start_upstream()
        config = stage.copy(name) / "bearerd.toml"
        stage.start_bearerd(config)
        {"nginx": stage.start_nginx, "envoy": stage.start_envoy}[name]()
        yield Gateway(name, stage, config)


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from start("nginx", tmp_path_factory.mktemp("nginx"))


@pytest.fixture(scope="session")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from start("envoy", tmp_path_factory.mktemp("envoy"))


@pytest.fixture(scope="session", params=["nginx", "envoy"])
def gateway(request: pytest.FixtureRequest) -> Gateway:
    """Every gateway at hand."""
    found: Gateway = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[[str], Gateway]]:
    """A gateway of a test's own, for tests that stop programs."""
    opened: list[Iterator[Gateway]] = []

    def open_(name: str) -> Gateway:
        opened.append(start(name, tmp_path / name))
        return next(opened[-1])

    yield open_
    for generator in opened:
        next(generator, None)
