"""A house whose decisions are audited, and its records read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from support.lanes import made

from bearerd.audit.sinks import files_of
from bearerd.audit.verify import Verifier

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.audit.chain import Head
    from bearerd.config.model import Config

KEY = b"an auditor's key of thirty-two bytes and more"


def audited(tmp_path: Path, resources: dict[str, Any] | None = None, **settings: Any) -> Config:
    """The lanes' configuration with an audit into a file; ``ruled`` is audited in full, unless told otherwise."""
    key = tmp_path / "audit.key"
    key.write_bytes(KEY)
    audit = {"sink": "file", "file": tmp_path / "audit.jsonl", "key_file": key} | settings
    config = made(tmp_path, audit=audit)
    tables = {"ruled": {"audit": "all"}, "ruled-f": {"audit": "all"}} if resources is None else resources
    changed = {name: config.resource[name].model_copy(update=update) for name, update in tables.items()}
    return config.model_copy(update={"resource": {**config.resource, **changed}})


def lines(tmp_path: Path) -> list[bytes]:
    """Of all files, the oldest first."""
    return [line for file in files_of(tmp_path / "audit.jsonl") for line in file.read_bytes().splitlines(keepends=True)]


def records(tmp_path: Path, event: str | None = "decision") -> list[dict[str, Any]]:
    """Those of one kind; None: all."""
    found = [orjson.loads(line) for line in lines(tmp_path)]
    return [record for record in found if event is None or record["event"] == event]


def verified(tmp_path: Path, heads: list[Head] | None = None) -> Verifier:
    """What the verifier says of them."""
    found = Verifier(KEY)
    for file in files_of(tmp_path / "audit.jsonl"):
        found.read(file.name, file.read_bytes().splitlines(keepends=True))
    found.end(heads)
    return found
