"""What the store is shown over TLS, looked at before anybody connects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.certificates import authority, private

from bearerd.config.load import load
from bearerd.errors import ConfigError

REST = """
fleet = "f"
[[issuer]]
issuer = "https://auth.example.com"
[resource.api]
identifier = "https://api.example.com"
"""


def told(folder: Path, **options: Any) -> list[tuple[str, str, str]]:
    """What is wrong with a store's url that has these options."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    file = folder / "bearerd.toml"
    file.write_text(f'[store]\nurl = "rediss://me:hunter2@store?{query}"{REST}')
    try:
        load(file, {})
    except ConfigError as error:
        assert "hunter2" not in str(error)
        return list(error.problems)
    return []


def test_a_certificate_and_its_key_are_taken_in_two_files_or_in_one(tmp_path: Path) -> None:
    issued = authority().issue(tmp_path, "bearerd.test")
    assert told(tmp_path, ssl_certfile=issued.certificate, ssl_keyfile=issued.key) == []
    both = tmp_path / "both.pem"
    both.write_text(issued.certificate.read_text() + issued.key.read_text())
    assert told(tmp_path, ssl_certfile=both) == []


def test_an_encrypted_key_is_opened_by_its_password_only(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issued = authority().issue(tmp_path, "bearerd.test", key=key)
    issued.key.write_bytes(private(key, b"open-sesame"))
    files = {"ssl_certfile": issued.certificate, "ssl_keyfile": issued.key}
    assert told(tmp_path, **files, ssl_password="open-sesame") == []
    for wrong in ({}, {"ssl_password": "another-word"}):
        ((key_, said, remedy),) = told(tmp_path, **files, **wrong)
        assert key_ == "store.url"
        assert str(issued.key) in said
        assert "ssl_password opens an encrypted key" in remedy
        assert "another-word" not in said


@pytest.mark.parametrize("what", ["another's key", "no key", "no certificate", "a key alone"])
def test_what_cannot_be_shown_is_told_with_the_files_and_a_remedy(tmp_path: Path, what: str) -> None:
    issued = authority().issue(tmp_path, "bearerd.test")
    other = authority().issue(tmp_path, "other.test")
    files = {
        "another's key": {"ssl_certfile": issued.certificate, "ssl_keyfile": other.key},
        "no key": {"ssl_certfile": issued.certificate},
        "no certificate": {"ssl_certfile": issued.key, "ssl_keyfile": issued.key},
        "a key alone": {"ssl_keyfile": issued.key},
    }[what]
    ((key, said, remedy),) = told(tmp_path, **files)
    assert key == "store.url"
    assert remedy
    if what == "a key alone":
        assert said == "ssl_keyfile has no effect without ssl_certfile"
    else:
        assert str(files["ssl_certfile"]) in said
        assert ("KEY_VALUES_MISMATCH" in said) is (what == "another's key")
