"""What ``bearerd[mcp]`` brings, imported only where a configuration asks for it."""

from __future__ import annotations

import importlib
from typing import Any, Final

INSTALL: Final = "pip install 'bearerd[mcp]'"


class Missing(Exception):
    """A library of the extra is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"needs bearerd[mcp], which is not installed ({name})")


def need(name: str) -> Any:
    """A module of the extra.  Raises Missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Missing(name.partition(".")[0]) from None
