"""What bearerd is put under, in the order of the report: each gives a section."""

from __future__ import annotations

from collections.abc import Callable

from place import Place

from strains import floods, full, idle, overload, revoking, tables
from strains.scene import Section

ALL: dict[str, Callable[[Place], Section]] = {
    "tables": tables.section,
    "full": full.section,
    "revoking": revoking.section,
    "overload": overload.section,
    "floods": floods.section,
    "idle": idle.section,
}
