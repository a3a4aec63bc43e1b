"""Reasons are a closed list: metrics, documentation and tests are made from it."""

from __future__ import annotations

import ast
from pathlib import Path

from bearerd import issuers
from bearerd.errors import IssuerFault
from bearerd.issuers.faults import MEANING, Reason, reason_of
from bearerd.jws import keysets

assert issuers.__file__ is not None
# Before any test: an interpreter that failed beneath deep calls may parse nothing more (CPython 3.11).
PARSED = [ast.parse(path.read_text()) for path in (Path(keysets.__file__), *Path(issuers.__file__).parent.glob("*.py"))]


def test_each_reason_has_a_meaning_of_one_sentence() -> None:
    assert set(MEANING) == set(Reason)
    for meaning in MEANING.values():
        assert meaning.endswith(".")


def test_a_reason_outside_the_list_is_internal() -> None:
    assert reason_of(IssuerFault("dns", "")) is Reason.DNS
    assert reason_of(IssuerFault("no such reason", "")) is Reason.INTERNAL


def test_no_fault_is_raised_with_a_reason_outside_the_list() -> None:
    """Literal reasons are found in the source; those of ``issuers`` itself are members of the enumeration."""
    literal = set()
    for parsed in PARSED:
        for node in ast.walk(parsed):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "IssuerFault":
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    literal.add(first.value)
                else:
                    assert isinstance(first, ast.Attribute)
                    assert first.attr == "reason" or hasattr(Reason, first.attr)
    assert literal <= set(Reason)
    assert literal  # the search has found something
