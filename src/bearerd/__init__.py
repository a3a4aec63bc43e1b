"""bearerd: may this bearer token do this, here, now?

``Verifier``, ``Decision`` and ``Pending`` are here; ``bearerd.jws.verify`` and ``bearerd.errors`` beside them.  Nothing is
imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bearerd import errors as errors
    from bearerd import jws as jws
    from bearerd.api import Verifier as Verifier
    from bearerd.decision import Decision as Decision
    from bearerd.decision import Pending as Pending

__all__ = ["Decision", "Pending", "Verifier", "__version__", "errors", "jws"]
__version__ = "0.1.0"

_HOMES = {"Verifier": "bearerd.api", "Decision": "bearerd.decision", "Pending": "bearerd.decision"}
_MODULES = ("errors", "jws")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"bearerd.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
