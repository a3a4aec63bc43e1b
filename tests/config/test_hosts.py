"""Hosts, paths and the listeners that are asked by them: what is valid, and what is worth a second look."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bearerd.config import check_hosts
from bearerd.config.effective import as_toml, effective
from bearerd.config.load import check
from bearerd.config.model import Config, TcpListener, UnixListener, address_of, name_of

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
TCP = {"address": "127.0.0.1:9183"}


def loaded(listen: list[Any], tmp_path: Path, **resources: dict[str, Any]) -> Config:
    tree = {"server": {"listen": listen}, "issuer": [{"issuer": "https://auth.example.com"}], "resource": resources}
    return check(tree, {}, tmp_path, "file")


def resource(gateway: str | list[str], *hosts: str, **more: Any) -> dict[str, Any]:
    return {"identifier": f"https://{hosts[0] if hosts else 'x'}/", "gateway": gateway, "hosts": [*hosts], **more}


def test_the_example_of_the_page_is_valid_and_says_what_it_says(tmp_path: Path) -> None:
    text = re.findall(r"```toml\n(.*?)```", PAGE.partition("### One address for many hosts")[2], re.DOTALL)[0]
    tree = tomllib.loads(text) | {"issuer": [{"issuer": "https://auth.example.com"}]}
    config = check(tree, {}, tmp_path, "page")
    assert config.resource["orders"].hosts == config.resource["users"].hosts == ("api.example.com",)
    assert [*check_hosts.warnings(config)] == []
    again = check(tomllib.loads(as_toml(effective(config))), {}, tmp_path, "again")
    assert again.resource == config.resource
    assert again.server.listen == config.server.listen


def test_an_entry_of_listen_has_three_forms(tmp_path: Path) -> None:
    listen: list[Any] = ["127.0.0.1:9180", TCP, {"path": "b.sock", "gateway": "nginx"}]
    config = loaded(listen, tmp_path, api=resource("nginx", "a.example"))
    socket = UnixListener(path=str(tmp_path / "b.sock"), gateway="nginx")
    assert config.server.listen == ("127.0.0.1:9180", TcpListener(address="127.0.0.1:9183"), socket)
    assert [*map(address_of, config.server.listen)] == ["127.0.0.1:9180", "127.0.0.1:9183", ""]
    assert name_of(socket) == f"unix:{socket.path}"
    assert Config.model_validate(config.model_dump(mode="json")) == config  # as workers are told


def test_listeners_come_from_the_environment_too(tmp_path: Path) -> None:
    tree = {"issuer": [{"issuer": "https://auth.example.com"}], "resource": {"api": resource("nginx", "a.example")}}
    told = {"BEARERD_SERVER__LISTEN": '[{"address": "127.0.0.1:9183", "gateway": "nginx"}]'}
    assert check(tree, told, tmp_path, "file").server.listen == (TcpListener(**TCP, gateway="nginx"),)


@pytest.mark.parametrize(
    ("dialects", "resources", "warned"),
    [
        (["nginx"], {"api": resource("nginx", "a.example")}, []),
        (["nginx", "forwarded"], {"api": resource(["nginx", "envoy"], "a.example")}, [1]),
        (["forwarded"], {}, [0]),
        (["nginx", "nginx"], {"api": resource("nginx")}, [0, 1]),
    ],
)
def test_a_listener_that_is_asked_about_nobody_is_warned_of(
    tmp_path: Path, dialects: list[str], resources: dict[str, Any], warned: list[int]
) -> None:
    listen = [{"address": f"127.0.0.1:{9183 + n}", "gateway": dialect} for n, dialect in enumerate(dialects)]
    told = [*check_hosts.warnings(loaded(listen, tmp_path, **resources))]
    assert [line.partition(":")[0] for line in told] == [f"server.listen[{n}].gateway" for n in warned]


def test_resources_may_share_a_host_by_paths_that_never_meet(tmp_path: Path) -> None:
    parts = {"a": ["/a", "/a/**"], "b": ["/b/**", "/*.js"], "c": ["/c/*/x"]}
    made = {name: resource("nginx", "one.example", "two.example", paths=paths) for name, paths in parts.items()}
    config = loaded([TCP | {"gateway": "nginx"}], tmp_path, **made)
    assert [table.paths for table in config.resource.values()] == [tuple(paths) for paths in parts.values()]
