"""Bad configurations, each named after its fault, and what is said of it.

``bad/NAME.toml`` is refused with exactly the lines of ``bad/NAME.expected``: every problem at once, with its dotted key
and a remedy.  ``files/`` has what they point at.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bearerd.config.load import load
from bearerd.errors import ConfigError

HERE = Path(__file__).parent.resolve()
BAD = sorted((HERE / "bad").glob("*.toml"))
SECRET = "hunter2"  # the password wherever the corpus needs one


def said_of(path: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    return str(refused.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_fault_is_told_as_expected(path: Path) -> None:
    assert said_of(path) == path.with_suffix(".expected").read_text().rstrip("\n")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_no_message_holds_a_secret(path: Path) -> None:
    assert SECRET not in said_of(path)


def test_every_expectation_has_its_configuration() -> None:
    assert {path.stem for path in (HERE / "bad").glob("*.expected")} == {path.stem for path in BAD}
    assert len(BAD) > 50


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_problem_has_a_remedy(path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    assert [problem for problem in refused.value.problems if not all(problem)] == []
