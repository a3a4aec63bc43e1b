"""data_dir: held by one bearerd at a time; what it writes there is readable by its own user only.

Others may be able to write to the folder itself (a Kubernetes emptyDir has mode 0777), so nothing in it is believed for
its name: files are opened without following links, and owner, kind and mode are looked at.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any, Final

from bearerd.config import files
from bearerd.serve.errors import NotStarted

LOCK: Final = "bearerd.lock"
TOKEN: Final = "admin.token"  # noqa: S105 - a file's name
ADDRESSES: Final = "addresses.json"
_MOST: Final = 64 * 1024  # bytes of any of these files
_TOKEN_BYTES: Final = 32


class Held:
    """data_dir, made where it was missing, and locked.  Raises NotStarted where another process holds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            remedy = f"give it to user {os.geteuid()}, or set server.data_dir"
            raise NotStarted(f"data_dir {folder}: {error.strerror}", remedy) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            who = f"another bearerd (process {holder})" if holder.isdigit() else "another bearerd"
            raise NotStarted(
                f"data_dir {folder} is in use by {who}", "stop it, or give this one a server.data_dir of its own"
            ) from None
        with contextlib.suppress(OSError):  # a full disk: whom it is held by is a help, the lock is what holds
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def admin_token(self) -> str:
        """The token of the admin listener: what the file holds if only our user could ever read it, else a new one."""
        path = self.folder / TOKEN
        with contextlib.suppress(OSError, ValueError):
            return read_token(path, owners=(os.geteuid(),))
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.write(TOKEN, token.encode() + b"\n")
        return token

    def tell_addresses(self, addresses: dict[str, Any]) -> None:
        """Write down where we listen: with port 0 nobody else knows."""
        self.write(ADDRESSES, json.dumps(addresses).encode() + b"\n")

    def write(self, name: str, content: bytes) -> None:
        """Put a file of mode 0600 into place, whole.  Raises NotStarted."""
        drawn = self.folder / f"{name}.{secrets.token_hex(8)}"
        try:
            with files.create_own(drawn) as file:
                file.write(content)
            drawn.replace(self.folder / name)
        except OSError as error:
            with contextlib.suppress(OSError):
                drawn.unlink()
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "make room on the disk of data_dir" if full else "make data_dir writable"
            raise NotStarted(f"{self.folder / name}: {error.strerror}", remedy) from None

    def release(self) -> None:
        """Let others have it."""
        with contextlib.suppress(OSError):
            (self.folder / ADDRESSES).unlink()
        os.close(self._lock)


def read_token(path: Path, owners: tuple[int, ...] | None = None) -> str:
    """The admin token in a file.

    Raises OSError, or ValueError where others than its owner may read or write it, or its owner is none of ``owners``
    (default: our own user; for root, whoever runs bearerd).
    """
    token = _read(path, 0o077, owners or _believed()).decode("ascii").strip()
    if len(token) < _TOKEN_BYTES:
        raise ValueError("it holds no token")
    return token


def read_addresses(folder: Path) -> dict[str, Any]:
    """Where the bearerd that holds this data_dir listens; empty where none says so."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(_read(folder / ADDRESSES, 0o022, (os.geteuid(),)))
        if isinstance(found, dict):
            return found
    return {}


def _believed() -> tuple[int, ...]:
    return () if os.geteuid() == 0 else (os.geteuid(),)


def _read(path: Path, forbidden: int, owners: tuple[int, ...]) -> bytes:
    """A small regular file without any of the ``forbidden`` mode bits, that one of ``owners`` (none: anybody) owns."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & forbidden:
            raise ValueError("not a file of its owner alone")
        if owners and status.st_uid not in owners:
            raise ValueError("it belongs to another user")
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise ValueError("too long")
    return content
