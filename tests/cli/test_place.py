"""Where a running bearerd is, and how long its answer may take, by a file that may have been broken since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bearerd.cli import place

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "environ", "seconds"),
    [
        ("", {}, 2.0),
        ('[store]\nenforce_timeout = "40s"', {}, 40.0),
        ('[store]\nenforce_timeout = "40s"', {"BEARERD_STORE__ENFORCE_TIMEOUT": "1m"}, 60.0),
        ('[store]\nenforce_timeout = "soon"', {}, 2.0),
        ("[store]\nenforce_timeout = 40", {}, 2.0),
        ("store = 7", {}, 2.0),
    ],
)
def test_it_knows_how_long_a_revocation_may_wait_for_the_workers(
    tmp_path: Path, text: str, environ: dict[str, str], seconds: float
) -> None:
    file = tmp_path / "bearerd.toml"
    file.write_text(text)
    assert place.find(str(file), environ).enforce_timeout == seconds
