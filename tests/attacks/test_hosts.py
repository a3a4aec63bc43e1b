"""Heads that two readers could take for two hosts, on the lane and on aiohttp: none chooses a resource that was not named."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.house import API, House, config, token
from support.line import conversation, lane_line, plain_line

RESOURCES = {
    "lax": {
        "identifier": API,
        "gateway": "forwarded",
        "hosts": ["lax.test"],
        "rule": [{"path": "/**", "auth": "none"}],
    },
    "strict": {"identifier": API, "gateway": "forwarded", "hosts": ["strict.test"], "scopes": ["admin"]},
    "shade": {"identifier": API, "gateway": "nginx", "hosts": ["shade.test"], "enforce": "shadow"},
}
LINE = b"GET /auth HTTP/1.1\r\nHost: lax.test\r\n"
ABOUT = b"X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /x\r\nAuthorization: Bearer " + token().encode() + b"\r\n"
NAMED = b"X-Forwarded-Host: strict.test\r\n"

# Each stands beside, or in place of, the gateway's own word for the host, which is strict.test.
FORGED = {
    "a second field": NAMED + b"X-Forwarded-Host: lax.test\r\n",
    "a first field": b"x-forwarded-host: lax.test\r\n" + NAMED,
    "a list": b"X-Forwarded-Host: lax.test, strict.test\r\n",
    "a list the other way": b"X-Forwarded-Host: strict.test,lax.test\r\n",
    "a fold": b"X-Forwarded-Host: strict.test\r\n lax.test\r\n",
    "a fold in another field": b"A: b\r\n X-Forwarded-Host: lax.test\r\n" + NAMED,
    "a space before the colon": b"X-Forwarded-Host : lax.test\r\n" + NAMED,
    "a bare carriage return": b"A: b\rX-Forwarded-Host: lax.test\r\n" + NAMED,
    "a bare line feed": b"A: b\nX-Forwarded-Host: lax.test\r\n" + NAMED,
    "a NUL": b"X-Forwarded-Host: lax.test\0.strict.test\r\n",
    "a user": b"X-Forwarded-Host: lax.test@strict.test\r\n",
    "a user the other way": b"X-Forwarded-Host: strict.test@lax.test\r\n",
    "a port that is a host": b"X-Forwarded-Host: lax.test:strict.test\r\n",
    "a path": b"X-Forwarded-Host: lax.test/strict.test\r\n",
    "a backslash": b"X-Forwarded-Host: lax.test\\strict.test\r\n",
    "a fragment": b"X-Forwarded-Host: lax.test#strict.test\r\n",
    "an escape": b"X-Forwarded-Host: lax%2etest\r\n",
    "a full stop of another script": b"X-Forwarded-Host: lax\xe3\x80\x82test\r\n",
    "a full-width letter": b"X-Forwarded-Host: \xef\xbd\x8cax.test\r\n",
    "a space within": b"X-Forwarded-Host: lax.test strict.test\r\n",
    "two final dots": b"X-Forwarded-Host: lax.test..\r\n",
    "a longer name": b"X-Forwarded-Host: lax.test.strict.test\r\n",
    "the other family": b"X-Original-Host: lax.test\r\n" + NAMED,
    "the other family alone": b"X-Original-Host: lax.test\r\n",
    "a shadow of the other family": b"X-Original-Host: shade.test\r\nX-Forwarded-Host: shade.test\r\n",
    "an underscore": b"X_Forwarded_Host: lax.test\r\n" + NAMED,
    "a dot": b"X.Forwarded.Host: lax.test\r\n" + NAMED,
    "RFC 7239": b"Forwarded: host=lax.test\r\n" + NAMED,
    "Host alone": b"",
    "an empty word": b"X-Forwarded-Host:\r\n",
    "an empty one and another": b"X-Forwarded-Host:\r\nX-Forwarded-Host: lax.test\r\n",
    "connection": b"Connection: X-Forwarded-Host\r\n" + NAMED,
    "a long one": b"X-Forwarded-Host: " + b"a" * 300 + b"lax.test\r\n",
}


async def statuses(house: House, head: bytes, listener: str = "forwarded") -> set[bytes]:
    """What lane and aiohttp answer, now and once more."""
    found = set()
    for make in (lane_line, plain_line):
        for _ in range(2):
            line = await conversation(house, make(house, listener=listener), [head])
            line.hang_up()
            found.add(bytes(line.sent[9:12]))
    return found


@pytest.mark.parametrize("name", FORGED)
async def test_no_forged_host_opens_another_resource(tmp_path: Path, name: str) -> None:
    async with House(config(tmp_path, resource=RESOURCES), tmp_path, lane=True) as house:
        assert await statuses(house, LINE + b"X-Forwarded-Host: lax.test\r\n" + ABOUT + b"\r\n") == {b"200"}
        found = await statuses(house, LINE + FORGED[name] + ABOUT + b"\r\n")
        assert len(found) == 1
        assert found <= {b"400", b"403"}


@pytest.mark.parametrize(
    "target",
    [
        b"http://lax.test/auth",
        b"//auth",
        b"/auth/",
        b"/auth;x",
        b"/auth#",
        b"/auth/..",
        b"/%61uth",
        b"/AUTH",
        b"/auth\\",
        b"*",
    ],
)
async def test_the_address_has_no_other_spelling(tmp_path: Path, target: bytes) -> None:
    async with House(config(tmp_path, resource=RESOURCES), tmp_path, lane=True) as house:
        head = LINE.replace(b"/auth", target) + b"X-Forwarded-Host: lax.test\r\n" + ABOUT + b"\r\n"
        assert await statuses(house, head) <= {b"400", b"404"}


async def test_a_client_that_reaches_a_listener_without_a_dialect_chooses_nothing(tmp_path: Path) -> None:
    async with House(config(tmp_path, resource=RESOURCES), tmp_path, lane=True) as house:
        for host in (b"lax.test", b"shade.test", b"strict.test"):
            for family in (b"X-Forwarded-Host: ", b"X-Original-Host: "):
                assert await statuses(house, LINE + family + host + b"\r\n" + ABOUT + b"\r\n", "") == {b"404"}
