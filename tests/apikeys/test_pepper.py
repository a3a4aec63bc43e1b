"""What the store holds is worth nothing without the pepper."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from support import house

from bearerd.apikeys import pepper
from bearerd.apikeys.pepper import Pepper
from bearerd.errors import ConfigError

TAKES = {"api": {"identifier": house.API, "credentials": ["jwt", "apikey"]}}


def of(tmp_path: Path, **tables: Any) -> Pepper | None:
    return pepper.of(house.config(tmp_path, **{"resource": TAKES} | tables), tmp_path)


def test_without_a_resource_that_takes_keys_there_is_none(tmp_path: Path) -> None:
    assert of(tmp_path, resource={"api": {"identifier": house.API}}) is None
    assert not (tmp_path / pepper.OWN_FILE).exists()


def test_in_development_one_is_kept_that_nobody_else_can_read(tmp_path: Path) -> None:
    first = of(tmp_path)
    file = tmp_path / pepper.OWN_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first == of(tmp_path)
    file.unlink()
    assert first != of(tmp_path)


def test_in_production_there_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"apikeys\.pepper_file: is not given"):
        of(tmp_path, server={"profile": "production"})


def test_it_is_the_file_s_else_the_fleet_key_s(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1" * 32)
    other.write_bytes(b"2" * 32)
    store = {"url": house.NOWHERE, "fleet": "f", "fleet_key_file": one}
    by_fleet = of(tmp_path, store=store)
    assert by_fleet is not None
    assert by_fleet == Pepper("f", b"1" * 32)
    assert by_fleet != Pepper("f", b"2" * 32)
    assert of(tmp_path, store=store, apikeys={"pepper_file": other}) == Pepper("f", b"2" * 32)


def test_a_seal_is_of_one_record_one_id_and_one_fleet() -> None:
    ours = Pepper("f", b"1" * 32)
    seal = ours.seal("a", b"record")
    assert ours.holds(seal, "a", b"record")
    for other in (
        ours.holds(seal, "b", b"record"),
        ours.holds(seal, "a", b"Record"),
        Pepper("g", b"1" * 32).holds(seal, "a", b"record"),
        Pepper("f", b"2" * 32).holds(seal, "a", b"record"),
    ):
        assert not other
