"""Where a running bearerd is, and how long its answer may take, by a file that may have been broken since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bearerd.cli import place
from bearerd.cli.output import Failure

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


SERVER = '[server]\nadmin = "127.0.0.1:7001"\nprobes = "127.0.0.1:7002"\ndata_dir = "/somewhere"\n'


@pytest.mark.parametrize(
    "broken",
    [
        "[resource.api]\nscopes = [\n",
        '[[issuer]]\nissuer = "https://a"\nissuer = "https://b"\n[resource.api]\n',
        "[resource.api]\n[resource.api]\n",
        "[resource.api\n",
        '[[issuer]]\nname = "',
        '[[issuer]]\nname = """\n[server]\nadmin = "127.0.0.1:9"\n',
        "[resource.api]\nscopes = [\n[1],\n[2]\nmore = 7\n[server]\n",
        "<<<<<<< HEAD\n[[issuer]]\n",
    ],
)
def test_what_stands_before_a_table_that_is_broken_says_where_it_runs(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "bearerd.toml"
    file.write_text(f'[store]\nenforce_timeout = "40s"\n{SERVER}[trust]\n{broken}')
    found = place.find(str(file), {})
    assert (found.admin, found.probes, str(found.data_dir)) == ("127.0.0.1:7001", "127.0.0.1:7002", "/somewhere")
    assert found.enforce_timeout == 40.0
    assert place.issuers(str(file)) == []  # who is missing there may have stood further down


@pytest.mark.parametrize(
    "text",
    [
        f"{SERVER}workers = \n",
        f"{SERVER}admin = '127.0.0.1:9'\n[trust]\n",
        f"[resource.api\n{SERVER}",
        "[resource.api]\n[resource.api]\n",
        "server.admin = '127.0.0.1:9'\nserver.probes\n",
        "=",
    ],
)
def test_no_default_stands_for_what_a_broken_file_does_not_say(tmp_path: Path, text: str) -> None:
    """It would be another bearerd's."""
    file = tmp_path / "bearerd.toml"
    file.write_text(text)
    with pytest.raises(Failure, match=r"bearerd\.toml: .*\(no \[server\] before it says where bearerd runs"):
        place.find(str(file), {})
