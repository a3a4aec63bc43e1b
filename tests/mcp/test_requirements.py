"""docs/mcp.md says of every requirement which tests show it: they are there, and say what they are said to."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from mcp_tables import REQUIREMENTS, VERSIONS, Requirement  # noqa: E402

ROWS = [pytest.param(row, id=f"{row.section}: {row.what[:40]}") for row in REQUIREMENTS]


@cache
def names_in(file: str) -> frozenset[str]:
    """The tests of a file."""
    tree = ast.parse((ROOT / file).read_text())
    found = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in found if name.startswith("test_"))


@pytest.mark.parametrize("row", ROWS)
def test_each_test_that_is_named_is_there(row: Requirement) -> None:
    for test in row.tests:
        file, _, name = test.partition("::")
        assert name in names_in(file), test


@pytest.mark.parametrize("row", ROWS)
def test_what_is_kept_is_shown_and_what_is_not_has_its_reason(row: Requirement) -> None:
    assert row.tests or row.status == "yours"
    assert row.why or row.status == "kept"
    assert VERSIONS.index(row.since) <= VERSIONS.index(row.until)


def test_no_requirement_is_listed_twice() -> None:
    assert len({(row.since, row.what) for row in REQUIREMENTS}) == len(REQUIREMENTS)
