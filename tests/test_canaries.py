"""The canaries are seen in every spelling, and nowhere else."""

from __future__ import annotations

import base64
import json
import secrets
from urllib.parse import quote

import pytest
from support.canaries import Canaries

from bearerd.apikeys import form


@pytest.mark.parametrize(
    "spell",
    [
        str,
        str.upper,
        lambda text: text[5:13],
        lambda text: "".join(f"%{ord(sign):02x}" for sign in text),
        lambda text: quote(quote("a b " + text)),
        lambda text: "".join(f"\\u00{ord(sign):02x}" for sign in text),
        lambda text: repr(b"\0" + text.encode()),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(b"user:" + text.encode()).decode(),
        lambda text: "xy" + base64.urlsafe_b64encode(b"1" + text.encode()).decode().rstrip("="),
        lambda text: quote(base64.b64encode(b"12" + text.encode()).decode()),
        lambda text: text.encode().hex(),
        lambda text: "f" + text.encode().hex(),
        lambda text: json.dumps({"event": f"a {text} b"}),
    ],
)
def test_a_canary_is_seen(spell: object) -> None:
    canaries = Canaries()
    other, secret = canaries.new("other"), canaries.new("secret")
    assert callable(spell)
    found = canaries.leaks(f'{{"level": "info", "words": "{spell(secret)}"}}\n')
    assert [line.partition(":")[0] for line in found] == ["secret"]
    assert other not in str(found)


@pytest.mark.parametrize(
    "show", [str, str.upper, lambda key: key[:30], lambda key: key[40:], lambda key: f"id {key[4:16]}, {key[17:25]}"]
)
def test_a_piece_of_an_api_keys_secret_is_seen_and_its_id_is_none(show: object) -> None:
    canaries, key = Canaries(), form.new(form.new_id()).decode()
    canaries.watch("API key", key.rpartition("_")[2])
    assert callable(show)
    assert canaries.leaks(f'{{"event": "{show(key)}"}}') != []
    assert canaries.leaks(f'{{"client": "{key[4:16]}"}}') == []


def test_noise_is_no_canary() -> None:
    canaries = Canaries()
    canaries.new("secret")
    noise = b" ".join(secrets.token_hex(16).encode() + b" " + secrets.token_urlsafe(48).encode() for _ in range(300))
    assert canaries.leaks(noise) == []
