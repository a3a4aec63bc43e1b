"""The examples' configurations, with the one thing that none of them may bring: a key."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2] / "examples"
CONFIGURATIONS = sorted(ROOT.glob("*/bearerd.toml"))


def complete(path: Path, folder: Path) -> Path:
    """A copy that can be loaded, in this folder."""
    copy = shutil.copytree(path.parent, folder / path.parent.name)
    if "audit.key" in path.read_text():
        key = copy / "audit.key"
        key.touch(mode=0o600)
        key.write_text("openssl rand -base64 48 has made this, in a manner of speaking")
    return copy / path.name
