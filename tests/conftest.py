"""Settings that every test shares."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# No deadline: how long an example takes is no claim of a test, and a busy machine is no failure.
settings.register_profile("bearerd", deadline=None)
settings.load_profile("bearerd")

# Hundreds of programs are started: none of them is to compile every module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a module starts for all its tests is started once: they stay in one process."""
    for item in items:
        if isinstance(item, pytest.Function) and _shares(item) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.location[0]))


def _shares(item: pytest.Function) -> bool:
    found = (fixture for each in item._fixtureinfo.name2fixturedefs.values() for fixture in each)
    return any(fixture.scope == "module" and fixture.baseid.startswith("tests") for fixture in found)
