"""Taking a changed configuration into use without stopping: read whole, checked whole, or not at all."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bearerd.config import load
from bearerd.config.effective import RELOADABLE, needs_restart, reloadable
from bearerd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from bearerd.config.model import Config

POLL_SECONDS: Final = 1.0
_SECTIONS: Final = ("server", "store", "limits")

Signature = tuple[int, int, int, int] | None


@dataclass(frozen=True)
class Source:
    """A configuration file as it was read: what a later reload is merged with."""

    path: Path
    tree: dict[str, Any]
    config: Config
    signature: Signature = None  # of the file as it was read


@dataclass(frozen=True)
class Reloaded:
    """What a running bearerd can take of a changed file."""

    config: Config
    waiting: list[str]  # dotted keys that differ and wait for a restart


def read(path: Path, environ: Mapping[str, str]) -> Source:
    """Read a file that nobody is writing just now.  Raises ConfigError."""
    return _read(path, signature(path), environ)


def _read(path: Path, before: Signature, environ: Mapping[str, str]) -> Source:
    tree = load.parse(path)
    config = load.check(tree, environ, path.parent, str(path))
    if signature(path) != before:
        raise ConfigError(str(path), [("file", "it changed while it was read", "write it elsewhere and rename it")])
    return Source(path, tree, config, before)


def merged(started: Source, changed: Source, environ: Mapping[str, str]) -> Reloaded:
    """The changed file with those keys as they were at the start that only a restart can change.

    Checked as a whole once more: of two keys that fit each other only one may be able to change now (a longer
    ``max_lifetime`` beside the old ``revocation_retention``), and then nothing changes.  Raises ConfigError.
    """
    waiting = needs_restart(started.config, changed.config)
    tree = copy.deepcopy(changed.tree)
    for section in _SECTIONS:
        new, old = dict(tree.get(section, {})), started.tree.get(section, {})
        for key in (key for key in {*new, *old} if f"{section}.{key}" not in RELOADABLE):
            new.pop(key, None)
            if key in old:
                new[key] = old[key]
        tree[section] = new
    path = changed.path
    try:
        config = load.check(tree, environ, path.parent, str(path))
        # Exactly as at the start: a file that a key names (``store.url_file``) may have changed, though the key did not.
        return Reloaded(reloadable(started.config, config), waiting)
    except ConfigError as error:
        if waiting:
            why = f"does not fit without {', '.join(waiting)}, which only a restart can change"
            raise ConfigError(str(path), [("file", why, "restart bearerd"), *error.problems]) from None
        raise


def signature(path: Path) -> Signature:
    """What changes when a file changes (device, inode, mtime in ns, size); None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


class File:
    """The configuration file as it was read last, whoever asked for it: what a reload has read is no news to the watch."""

    def __init__(self, source: Source) -> None:
        self.path: Final = source.path
        self._known = source.signature

    def read(self, environ: Mapping[str, str]) -> Source:
        """``read``: whatever comes of it, the file is known as it was before; what changes meanwhile is not."""
        self._known = before = signature(self.path)
        return _read(self.path, before, environ)

    def is_news(self, seen: Signature) -> bool:
        """Whether it still is as it was ``seen``, and was never read so."""
        return seen is not None and seen == signature(self.path) and seen != self._known

    async def watch(self, changed: Callable[[Signature], Awaitable[None]]) -> None:
        """Call ``changed``, which reads, with each state that was not read and that has kept still for a poll.  Runs for ever.

        An editor may write it in pieces, and the first half of a file can be a valid one with fewer rules.
        """
        seen = self._known
        while True:
            await asyncio.sleep(POLL_SECONDS)
            now = signature(self.path)
            if now == seen and self.is_news(now):
                await changed(now)
            seen = now
