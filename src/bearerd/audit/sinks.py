"""Standard output, and a file that all processes of a machine append to and rotate by turns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

MODE: Final = 0o600
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


class StdoutSink:
    """One line after the other: a lock among the workers keeps those apart that are longer than a pipe takes at once."""

    name = "stdout"

    def __init__(self, lock: Path, descriptor: int = 1) -> None:
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        self._descriptor = descriptor
        self._left = b""  # of a line whose beginning is out

    def write(self, lines: Sequence[bytes]) -> None:
        """A line that was begun is ended, whatever happens: no other comes into it."""
        with locked(self._lock):
            data = self._left or b"".join(lines)
            while data:
                self._left = data = data[os.write(self._descriptor, data) :]

    def sync(self) -> None:
        """A pipe keeps nothing."""

    def close(self) -> None:
        os.close(self._lock)


class FileSink:
    """``path``, ``path.1``, ``path.2`` and so on: the higher the number, the older.

    A lock beside it is held for each write and each rotation, so that lines are whole, a line that was torn by a full disk is
    taken back, and a process that finds another file under the name follows it.
    """

    name = "file"

    def __init__(self, path: Path, *, rotate_bytes: int, keep: int, forgotten: Callable[[Path], None]) -> None:
        """``keep``: 0 keeps all.  ``forgotten(file)``: is called before one is removed."""
        self._path = path
        self._most = rotate_bytes
        self._keep = keep
        self._forgotten = forgotten
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(path.with_name(path.name + ".lock"), flags, MODE)
        self._file = -1
        with locked(self._lock):
            self._follow()

    def write(self, lines: Sequence[bytes]) -> None:
        """All or nothing: what was written of it before a fault is cut off again."""
        with locked(self._lock):
            size = self._follow()
            if size >= self._most:
                self._rotate()
                size = self._follow()
            try:
                data = b"".join(lines)
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, size)
                raise

    def sync(self) -> None:
        os.fdatasync(self._file)

    def close(self) -> None:
        os.close(self._file)
        os.close(self._lock)

    def _follow(self) -> int:
        """Have the file of this name open, ending with a whole line; its size."""
        try:
            there = self._path.lstat()
        except FileNotFoundError:
            there = None
        mine = os.fstat(self._file) if self._file >= 0 else None
        if there is None or mine is None or (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
            if mine is not None:
                os.fdatasync(self._file)  # what we wrote to the one before
                os.close(self._file)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            self._file = os.open(self._path, flags, MODE)
            mine = os.fstat(self._file)
            if not stat.S_ISREG(mine.st_mode):
                raise OSError("not a regular file")
            _sync_folder(self._path.parent)
            if mine.st_size and os.pread(self._file, 1, mine.st_size - 1) != b"\n":
                os.write(self._file, b"\n")  # whoever wrote last lost its machine: what it left stays, and stays apart
            mine = os.fstat(self._file)
        return mine.st_size

    def _rotate(self) -> None:
        os.fdatasync(self._file)
        for number in sorted(numbers(self._path), reverse=True):
            file = self._path.with_name(f"{self._path.name}.{number}")
            if self._keep and number >= self._keep:
                self._forgotten(file)
                file.unlink()
            else:
                file.rename(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.rename(self._path.with_name(f"{self._path.name}.1"))


def numbers(path: Path) -> list[int]:
    """Of the older files beside it."""
    start = path.name + "."
    ends = [file.name.removeprefix(start) for file in path.parent.iterdir() if file.name.startswith(start)]
    return [int(end) for end in ends if _NUMBER.fullmatch(end)]


def files_of(path: Path) -> list[Path]:
    """All of them, the oldest first."""
    older = [path.with_name(f"{path.name}.{number}") for number in sorted(numbers(path), reverse=True)]
    return [*older, path] if path.exists() else older


@contextlib.contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Against other processes."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
