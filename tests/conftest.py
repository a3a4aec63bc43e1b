"""Settings that every test shares."""

from __future__ import annotations

import gc
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# No deadline: how long an example takes is no claim of a test, and a busy machine is no failure.
# So many examples, unless a test says otherwise: all of the suite is to end within a coffee.
settings.register_profile("bearerd", deadline=None, max_examples=50)
settings.load_profile("bearerd")

# Hundreds of programs are started: none of them is to compile every module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Sixteen thousand tests are no garbage: looking for it among them took a sixth of their collection, and of much that they do.
gc.disable()


def pytest_collection_finish() -> None:
    """From now on there may be some; it is looked for among what comes, and not among the tests."""
    gc.freeze()
    gc.enable()


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """What a module starts for all its tests is started once: they stay in one process.  All others go where there is room."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(self.config.rootpath, nodeid.partition("::")[0])
        if path.parent.name == "gateways":  # each gateway is started once
            named = _GATEWAY.search(nodeid)
            return str(path) if named is None else f"gateways/{named[1]}"
        return _shared(path) or nodeid


_GATEWAY = re.compile(r"[\[-](envoy-grpc|nginx|envoy|traefik|caddy|haproxy)(?=[\]-])")  # among a test's parameters


@cache
def _shared(path: Path) -> str:
    """What must stay together with the tests of this file; empty where each may go its own way."""
    text = path.read_text(encoding="utf-8")
    return str(path) if 'scope="module"' in text or "shared_server" in text else ""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Whatever --dist says."""
    return Together(config, log)
