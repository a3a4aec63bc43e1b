"""How callers show who they are."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from bearerd.callers import Callers
from bearerd.config.model import Caller, Config, Resource
from bearerd.faces.credential import authenticate
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.request import Headers

SECRETS = {"plain": b"secret", "odd": b"a+b%20c:d e", "umlaut": "schlüssel".encode()}


@pytest.fixture
def callers(tmp_path: Path) -> Callers:
    entries = []
    for name, secret in SECRETS.items():
        (tmp_path / name).write_bytes(secret)
        entries.append(Caller(name=name, secret_file=tmp_path / name, resources=("api",), may=("introspect",)))
    return Callers(Config(caller=tuple(entries), resource={"api": Resource(identifier="https://api.example.com")}))


def basic(userinfo: bytes, scheme: bytes = b"Basic ") -> Headers:
    return [(b"Host", b"x"), (b"authorization", scheme + base64.b64encode(userinfo))]


@pytest.mark.parametrize(
    ("headers", "form", "name"),
    [
        (basic(b"plain:secret"), {}, "plain"),
        (basic(b"plain:secret", b"bAsIc  "), {}, "plain"),
        (basic(b"plain:secret"), {"client_id": "plain"}, "plain"),
        (basic(b"odd:a+b%20c:d e"), {}, "odd"),  # as curl -u sends it
        (basic(b"odd:a%2Bb%2520c%3Ad+e"), {}, "odd"),  # as RFC 6749 section 2.3.1 has it
        (basic("umlaut:schlüssel".encode()), {}, "umlaut"),
        (basic(b"umlaut:schl%C3%BCssel"), {}, "umlaut"),
        ([], {"client_id": "plain", "client_secret": "secret"}, "plain"),
        ([], {"client_id": "umlaut", "client_secret": "schlüssel"}, "umlaut"),
    ],
)
def test_a_caller_that_shows_its_secret_is_known(
    callers: Callers, headers: Headers, form: dict[str, str], name: str
) -> None:
    found = authenticate(headers, form, callers)
    assert not isinstance(found, Refusal)
    assert found.name == name


@pytest.mark.parametrize(
    ("headers", "form", "code"),
    [
        ([], {}, Code.INVALID_CLIENT),
        ([], {"client_id": "plain"}, Code.INVALID_CLIENT),
        ([], {"client_secret": "secret"}, Code.INVALID_CLIENT),
        ([], {"client_id": "plain", "client_secret": "Secret"}, Code.INVALID_CLIENT),
        (basic(b"plain:"), {}, Code.INVALID_CLIENT),
        (basic(b"plain"), {}, Code.INVALID_CLIENT),
        (basic(b":"), {}, Code.INVALID_CLIENT),
        (basic(b"\xff:secret"), {}, Code.INVALID_CLIENT),
        (basic(b"nobody:secret"), {}, Code.INVALID_CLIENT),
        (basic(b"plain:secret", b"Bearer "), {}, Code.INVALID_CLIENT),
        ([(b"Authorization", b"Basic")], {}, Code.INVALID_CLIENT),
        ([(b"Authorization", b"Basic %%%")], {}, Code.INVALID_CLIENT),
        (basic(b"plain:secret") + basic(b"plain:secret"), {}, Code.BAD_REQUEST),
        (basic(b"plain:secret"), {"client_id": "plain", "client_secret": "secret"}, Code.BAD_REQUEST),
        (basic(b"plain:secret"), {"client_secret": ""}, Code.BAD_REQUEST),
        (basic(b"plain:secret"), {"client_id": "odd"}, Code.BAD_REQUEST),
    ],
)
def test_anything_else_is_refused(callers: Callers, headers: Headers, form: dict[str, str], code: Code) -> None:
    found = authenticate(headers, form, callers)
    assert isinstance(found, Refusal)
    assert found.code is code
    assert "plain" not in found.detail
