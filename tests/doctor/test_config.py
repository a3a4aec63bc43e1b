"""The configuration: what check warns of is a finding, and what was chosen is not."""

from __future__ import annotations

from pathlib import Path

from support.bearerd import config as written
from support.gate import told

from bearerd.config import load
from bearerd.config.model import Config
from bearerd.doctor import config
from bearerd.doctor.finding import healthy


def loaded(folder: Path, **parts: str) -> Config:
    file = folder / "bearerd.toml"
    file.write_text(written(**parts))  # type: ignore[arg-type]
    return load.load(file, {})


def test_a_development_configuration_is_well_with_notes(tmp_path: Path) -> None:
    found = config.examine(loaded(tmp_path))
    assert healthy(found)
    assert "development" in next(one.found for one in found if one.check == "warning")
    assert told(found, "open") == ["note"]
    assert told(found, "lifetime") == ["note"]


def test_what_check_warns_of_is_a_warning(tmp_path: Path) -> None:
    found = config.examine(loaded(tmp_path, server="reveal_reason = true"))
    assert "warning" in told(found, "warning")


def test_a_file_that_every_local_user_may_write_is_a_warning(tmp_path: Path) -> None:
    made = loaded(tmp_path)
    file = tmp_path / "bearerd.toml"
    file.chmod(0o666)
    assert "warning" in told(config.examine(made, file), "warning")
    file.chmod(0o644)
    assert "warning" not in told(config.examine(made, file), "warning")


def test_lifetimes_of_an_hour_at_most_are_well(tmp_path: Path) -> None:
    shorter = config.examine(
        loaded(tmp_path, resource='[resource.api]\nidentifier = "https://a.test"\nmax_lifetime = "1h"')
    )
    assert told(shorter, "lifetime") == ["ok"]
