"""One address for many hosts, on a running bearerd: every listener by itself, and the commands that know of it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import house
from support.bearerd import Bearerd, config, wait_for

LISTEN = 'listen = ["127.0.0.1:0"]'
RESOURCES = f"""
[resource.api]
identifier = "{house.API}"
gateway = "nginx"
hosts = ["api.test"]

[resource.shop]
identifier = "https://shop.test"
gateway = "nginx"
hosts = ["shop.test"]

[resource.other]
identifier = "{house.API}"
gateway = "forwarded"
hosts = ["other.test"]
"""


def text(folder: Path) -> str:
    tables = [
        '"127.0.0.1:0"',
        '{ address = "127.0.0.1:0", gateway = "nginx" }',
        '{ address = "127.0.0.1:0", gateway = "forwarded" }',
        f'{{ path = "{folder / "b.sock"}", gateway = "nginx" }}',
    ]
    return config(workers=2, resource=RESOURCES).replace(LISTEN, f"listen = [{', '.join(tables)}]")


@pytest.fixture(scope="module")
def bearerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    folder = tmp_path_factory.mktemp("hosts")
    with Bearerd(folder, text(folder)) as running:
        yield running


def ask(
    where: str, *headers: tuple[str, str], target: str = "/auth", token: str | None = None
) -> tuple[int, str | None]:
    """The status, and the status meant for the client."""
    if where.startswith("unix:"):
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(where.removeprefix("unix:"))
    else:
        connection = http.client.HTTPConnection(*where.split(":"), timeout=30)
    fields = dict(headers) | {"Authorization": f"Bearer {token or house.token()}"}
    connection.request("GET", target, headers=fields)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers["X-Auth-Status"]


def by_dialect(bearerd: Bearerd) -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = {}
    for name in bearerd.addresses()["listen"]:
        found.setdefault(bearerd.addresses()["gateways"].get(name), []).append(name)
    return found


def test_each_listener_is_asked_in_its_own_dialect_and_in_no_other(bearerd: Bearerd) -> None:
    where = by_dialect(bearerd)
    assert {name: len(found) for name, found in where.items()} == {None: 1, "nginx": 2, "forwarded": 1}
    for dialect, listeners in where.items():
        for listener in listeners:
            for _ in range(6):  # either worker, decided and prepared
                assert ask(listener, ("X-Original-Host", "api.test"))[0] == {None: 404, "nginx": 200}.get(dialect, 403)
                assert ask(listener, ("X-Forwarded-Host", "other.test"))[0] == {None: 404, "forwarded": 200}.get(
                    dialect, 403
                )
                assert ask(listener, target="/auth/api") == (200, None)  # the name is asked for everywhere


def test_a_host_gets_its_own_resource_s_answer(bearerd: Bearerd) -> None:
    (listener, _) = by_dialect(bearerd)["nginx"]
    shop = house.token(aud="https://shop.test", jti="s")
    for token, host, expected in (
        (None, "API.test.:443", (200, None)),
        (None, "shop.test", (401, "401")),
        (shop, "shop.test", (200, None)),
        (shop, "api.test", (401, "401")),
        (shop, "other.test", (403, "403")),
        (shop, "", (403, "403")),
        (shop, "shop.test, api.test", (403, "400")),
    ):
        assert ask(listener, ("X-Original-Host", host), token=token) == expected


def test_explain_and_bench_choose_by_host_too(bearerd: Bearerd) -> None:
    told = bearerd.cli("explain", "--host", "shop.test", "-X", "GET", "--path", "/", "-o", "json", given=house.token())
    assert (told.returncode, json.loads(told.stdout)["code"]) == (1, "wrong_audience")
    told = bearerd.cli("bench", "--host", "other.test", "-s", "0.2", "-n", "2", "-o", "json", given=house.token())
    found = json.loads(told.stdout)
    assert (told.returncode, set(found["statuses"])) == (0, {"200"}), told.stderr
    assert [found["asked"]] == by_dialect(bearerd)["forwarded"]
    told = bearerd.cli("bench", "--host", "nowhere.test", given=house.token())
    assert (told.returncode, "no resource has that host" in told.stderr) == (2, True)
    for command in ("bench", "explain"):
        told = bearerd.cli(command, given=house.token())
        assert (told.returncode, "--resource (or --host) is missing" in told.stderr) == (2, True)


def test_hosts_follow_a_reload_and_listeners_wait_for_a_restart(tmp_path: Path) -> None:
    before = text(tmp_path)
    with Bearerd(tmp_path, before) as running:
        (listener, _) = by_dialect(running)["nginx"]
        assert ask(listener, ("X-Original-Host", "api.test"))[0] == 200
        running.write(before.replace('hosts = ["api.test"]', 'hosts = ["moved.test"]'))
        assert running.api("POST", "/v1/reload").status == 200
        wait_for(lambda: ask(listener, ("X-Original-Host", "moved.test"))[0] == 200)
        for _ in range(6):
            assert ask(listener, ("X-Original-Host", "api.test"))[0] == 403
        running.write(before.replace('gateway = "nginx" }', 'gateway = "forwarded" }', 1))
        assert "server.listen" in json.dumps(running.api("POST", "/v1/reload").json())
        wait_for(lambda: ask(listener, ("X-Original-Host", "api.test"))[0] == 200)
        running.write(before.replace('hosts = ["shop.test"]', 'hosts = ["api.test"]'))
        assert running.api("POST", "/v1/reload").status >= 400
        assert ask(listener, ("X-Original-Host", "api.test"))[0] == 200
