"""Callers that ask for more than their own: by confusing credentials, forms, resources or lists of scopes."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, SECRET, House, config, token

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "https://other.example"
TABLES = {
    "resource": {"api": {"identifier": API}, "other": {"identifier": OTHER}},
    "callers": ({"name": "svc"}, {"name": "off", "resources": ["other"]}),
}
FORM = ("Content-Type", "application/x-www-form-urlencoded")


def basic(text: str | bytes) -> tuple[str, str]:
    raw = text if isinstance(text, bytes) else text.encode()
    return "Authorization", "Basic " + b64encode(raw).decode()


GOOD = basic(f"svc:{SECRET}")
SHOWN: dict[str, tuple[list[tuple[str, str]], str]] = {
    "nothing": ([], ""),
    "a name alone": ([], "client_id=svc"),
    "a secret alone": ([], "client_secret=s3cret+of+the+caller"),
    "an empty secret": ([], "client_id=svc&client_secret="),
    "a wrong secret": ([basic("svc:wrong")], ""),
    "another's name": ([basic(f"root:{SECRET}")], ""),
    "no name": ([basic(f":{SECRET}")], ""),
    "no colon": ([basic(f"svc{SECRET}")], ""),
    "a NUL behind the secret": ([basic(f"svc:{SECRET}\0")], ""),
    "a name in capitals": ([basic(f"SVC:{SECRET}")], ""),
    "a form-encoded colon": ([basic(f"svc%3A{SECRET}")], ""),
    "not base64": ([("Authorization", "Basic svc:" + SECRET)], ""),
    "base64 with noise": ([("Authorization", GOOD[1][:12] + "*" + GOOD[1][12:])], ""),
    "Basic and a secret": ([GOOD], "client_secret=x"),
    "Basic for another": ([GOOD], "client_id=off"),
    "two fields": ([GOOD, GOOD], ""),
    "two fields, the first good": ([GOOD, ("authorization", "Bearer x")], ""),
    "a bearer token": ([("Authorization", f"Bearer {token()}")], ""),
    "one field twice in the form": ([GOOD], "token=a"),
    "a field twice under an escape": ([GOOD], "%74oken=a"),
}


@pytest.mark.parametrize("target", ["/introspect", "/revoke"])
@pytest.mark.parametrize("name", SHOWN)
async def test_who_does_not_show_one_good_secret_learns_nothing(tmp_path: Path, name: str, target: str) -> None:
    headers, fields = SHOWN[name]
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        body = f"token={token()}&{fields}".encode()
        reply = await house.ask(target, FORM, *headers, method="POST", body=body)
        assert reply.status in (400, 401, 403)
        assert set(reply.json()) == {"error"}
        assert not house.service.cache.entries


async def test_a_caller_does_what_it_may_and_no_more(tmp_path: Path) -> None:
    tables = TABLES | {"callers": ({"name": "svc", "may": ["introspect"]}, {"name": "off", "may": ["revoke"]})}
    async with House(config(tmp_path, **tables), tmp_path) as house:
        found = [
            (await house.post(target, user=user)).status
            for target in ("/introspect", "/revoke")
            for user in ("svc", "off")
        ]
        assert found == [400, 403, 403, 400]  # 400: no token, which is looked for last


BODIES: dict[str, tuple[list[tuple[str, str]], bytes]] = {
    "JSON": ([("Content-Type", "application/json")], b'{"token":"%b"}'),
    "a multipart form": ([("Content-Type", "multipart/form-data; boundary=x")], b"token=%b"),
    "two types": ([FORM, FORM], b"token=%b"),
    "a type in a list": ([("Content-Type", "text/plain, application/x-www-form-urlencoded")], b"token=%b"),
    "compressed": ([FORM, ("Content-Encoding", "gzip")], b"token=%b"),
    "fields between semicolons": ([FORM], b"a=b;token=%b"),
    "in the query only": ([FORM], b""),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_form_with_another_reading_is_refused(tmp_path: Path, name: str) -> None:
    headers, body = BODIES[name]
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        target = f"/introspect?token={token()}"
        body = body.replace(b"%b", token().encode())
        assert (await house.ask(target, *headers, GOOD, method="POST", body=body)).status == 400


OTHERS = [
    {"aud": OTHER},
    {"aud": OTHER, "cnf": {}},
    {"iss": "https://evil.example"},
    {"number": 1},
    {"exp": 1, "iat": 0},
]


@pytest.mark.parametrize("changes", OTHERS)
async def test_all_that_is_not_the_callers_is_one_answer(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        asked = token(**changes)
        await house.post("/introspect", user="off", token=asked)  # whoever may know it has just asked
        one, other = await house.post("/introspect", token=asked), await house.post("/introspect", token="x")
        assert (one.status, one.body) == (other.status, other.body) == (200, b'{"active":false}')
        assert [name for name, _ in one.headers] == [name for name, _ in other.headers]


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\u00a0", "\u2028", "\x1f"])
@pytest.mark.parametrize("claim", ["scope", "scp"])
async def test_one_scope_is_never_told_as_two(tmp_path: Path, claim: str, blank: str) -> None:
    odd = f"x{blank}admin"
    value: Any = ["read", odd] if blank == " " or claim == "scp" else f"read {odd}"
    async with House(config(tmp_path, **TABLES), tmp_path) as house:
        said = (await house.post("/introspect", token=token(**{"scope": ..., claim: value}))).json()
        assert (said["active"], said["scope"].split()) == (True, ["read"])
