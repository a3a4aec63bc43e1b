"""Who may introspect and revoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bearerd.callers import Callers
from bearerd.config.model import Caller, Config, Resource
from bearerd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def config(folder: Path, **secrets: bytes) -> Config:
    callers = []
    for name, secret in secrets.items():
        (folder / name).write_bytes(secret)
        callers.append(Caller(name=name, secret_file=folder / name, resources=("api",), may=("introspect",)))
    return Config(caller=tuple(callers), resource={"api": Resource(identifier="https://api.example.com")})


def test_a_caller_is_known_by_its_own_secret_only(tmp_path: Path) -> None:
    callers = Callers(config(tmp_path, one=b"first secret\n", two=b"second secret"))
    assert len(callers) == 2
    one = callers.authenticate("one", b"first secret")
    assert one is not None
    assert one.allowed("introspect")
    assert not one.allowed("revoke")
    for name, secret in [
        ("one", b"second secret"),
        ("one", b""),
        ("one", b"first secret\n"),
        ("three", b"first secret"),
        ("", b""),
    ]:
        assert callers.authenticate(name, secret) is None


def test_every_secret_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    made = config(tmp_path, one=b"x", two=b"y", three=b"z")
    (tmp_path / "one").unlink()
    (tmp_path / "three").write_bytes(b"")
    with pytest.raises(ConfigError) as raised:
        Callers(made)
    assert [key for key, _, _ in raised.value.problems] == ["caller[0].secret_file", "caller[2].secret_file"]


def test_no_secret_stays_in_memory(tmp_path: Path) -> None:
    callers = Callers(config(tmp_path, one=b"canary"))
    assert "canary" not in repr(vars(callers))
