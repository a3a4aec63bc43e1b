"""The key under which subjects are digested in logs, where they are not to be read (``server.hash_subjects``)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from bearerd import log
from bearerd.config import files
from bearerd.errors import BearerdError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.config.model import Config

_KEY_BYTES: Final = 32


def subject_key_of(config: Config, data_dir: Path) -> bytes | None:
    """None where subjects are logged as they are.  Raises ConfigError."""
    if not config.server.hash_subjects:
        return None
    try:
        fleet_key = files.read_secret(config.store.fleet_key_file) if config.store.fleet_key_file else None
        return subject_key(fleet_key, data_dir)
    except (OSError, ValueError, BearerdError) as error:
        why = f"the key for it cannot be kept: {log.told(error)}"
        raise ConfigError("configuration", [("server.hash_subjects", why, f"let {data_dir} be written")]) from None


def subject_key(fleet_key: bytes | None, data_dir: Path) -> bytes:
    """The key under which subjects are digested: the same for a whole fleet that has a key, else for one machine.

    Without one a digest could be undone by trying every e-mail address, and so it could by whoever chose the key.  Raises
    OSError, and BearerdError for a file that somebody else could have written, or that holds no key.
    """
    if fleet_key is not None:
        return hashlib.sha256(b"bearerd-subject-1\0" + fleet_key).digest()
    key = files.own_key(data_dir / "subject.key")
    return hashlib.sha256(b"bearerd-subject-1\0" + key).digest()
