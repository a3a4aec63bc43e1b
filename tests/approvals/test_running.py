"""A real bearerd: its workers serve the page, and its command line decides where the configuration lets it."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from stage import free_port
from support.approving import book_of, call, client_of
from support.bearerd import Bearerd, config, request, run, wait_for
from support.valkey import Valkey

from bearerd.approvals.record import State

if TYPE_CHECKING:
    from collections.abc import Iterator

FLEET = "approvals-running"
APPROVALS = """
[approvals]
listen = "127.0.0.1:0"
url = "http://127.0.0.1:{port}"
issuer = "http://127.0.0.1:{port}"
client_id = "bearerd"
approvers = {{ roles = ["approver"] }}
{more}
[store]
url = "{url}"
fleet = "{fleet}"
"""


@pytest.fixture(scope="module")
def bearerd(approvals_server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    more = APPROVALS.format(port=free_port(), url=approvals_server.url, fleet=FLEET, more="cli = true\n")
    with Bearerd(tmp_path_factory.mktemp("running"), config(workers=2, more=more)) as running:
        yield running


def command(bearerd: Bearerd, act: str, *more: str) -> subprocess.CompletedProcess[str]:
    return run("approvals", act, "--config", str(bearerd.file), *more)


async def opened(server: Valkey, **changes: str) -> str:
    client = client_of(server, FLEET)
    found = await book_of(client).open(call(resource="api", **changes), 600, time.time())
    await client.close()
    return found.approval.id


async def state(server: Valkey, name: str) -> tuple[State, str]:
    client = client_of(server, FLEET)
    found = await book_of(client).find(name)
    await client.close()
    assert found is not None
    return found.state, "" if found.verdict is None else found.verdict.by.name


def test_every_worker_serves_the_page_and_none_takes_a_token(bearerd: Bearerd) -> None:
    (address,) = bearerd.addresses()["approvals"]
    for _ in range(6):
        answer = request(address, "GET", "/", {"Authorization": f"Bearer {bearerd.token()}"})
        assert answer.status == 403
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert request(address, "GET", "/").status == 503  # nobody is where people sign in
    assert request(address, "GET", "/v1/approvals").status == 404  # it is no admin listener


async def test_the_command_line_lists_shows_and_decides(bearerd: Bearerd, approvals_server: Valkey) -> None:
    name = await opened(approvals_server, arguments='{"path":"/tmp/\u202ex"}')
    listed = json.loads(command(bearerd, "list", "-o", "json").stdout)["approvals"]
    assert [(one["id"], one["subject"], one["confirm"]) for one in listed if one["id"] == name] == [
        (name, "alice", "any")
    ]
    shown = command(bearerd, "show", name).stdout
    assert r'"path": "/tmp/\u202ex"' in shown
    assert command(bearerd, "approve", name).returncode == 0
    found, by = await state(approvals_server, name)
    assert found is State.APPROVED
    assert by.startswith("cli:")
    late = command(bearerd, "deny", name)
    assert (late.returncode, "approved" in late.stderr) == (1, True)
    acts = wait_for(lambda: [one for one in bearerd.events("approval") if one.get("approval") == name])
    assert [(one["act"], one["by"]) for one in acts] == [("approved", by)]
    assert "path" not in json.dumps(acts)  # arguments by their digest alone


async def test_it_never_stands_for_another_person(bearerd: Bearerd, approvals_server: Valkey) -> None:
    name = await opened(approvals_server, confirm="other")
    answer = bearerd.api("POST", f"/v1/approvals/{name}/approve", {"user": "root"})
    assert (answer.status, "another person" in answer.json()["error"]) == (403, True)
    assert (await state(approvals_server, name))[0] is State.PENDING


@pytest.mark.parametrize("body", [{}, {"user": ""}, {"user": 1}, {"user": "a", "more": 1}, []])
async def test_a_body_says_who_and_nothing_else(bearerd: Bearerd, body: object) -> None:
    assert bearerd.api("POST", f"/v1/approvals/{'0' * 32}/approve", body).status == 400


@pytest.mark.parametrize("name", ["0" * 32, "x", "0" * 31 + "%2f", "\u0660" * 2])
async def test_what_is_not_there_is_not_decided(bearerd: Bearerd, name: str) -> None:
    target = f"/v1/approvals/{quote(name, safe='%')}"
    assert bearerd.api("GET", target).status == 404
    assert bearerd.api("POST", f"{target}/approve", {"user": "root"}).status == 404


async def test_a_reload_takes_the_command_line_s_right_away(bearerd: Bearerd, approvals_server: Valkey) -> None:
    name = await opened(approvals_server, name="after the reload")
    text = bearerd.file.read_text()
    bearerd.write(text.replace("cli = true\n", ""))
    assert bearerd.api("POST", "/v1/reload").json()["restart_needed_for"] == []
    for method, path, body in (
        ("GET", "", None),
        ("GET", f"/{name}", None),
        ("POST", f"/{name}/approve", {"user": "a"}),
    ):
        answer = bearerd.api(method, f"/v1/approvals{path}", body)
        assert (answer.status, "cli = true" in answer.json()["error"]) == (403, True)
    assert (await state(approvals_server, name))[0] is State.PENDING
