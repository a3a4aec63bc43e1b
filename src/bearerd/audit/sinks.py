"""Standard output, and a file that all processes of a machine append to and rotate by turns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import select
import stat
from typing import TYPE_CHECKING, Final

from bearerd.log import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

MODE: Final = 0o600
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


class StdoutSink:
    """One line after the other: a lock among the workers keeps those apart that are longer than a pipe takes at once.

    In the lock's file stands whose line is half out.  Nobody but its writer can end it; whoever else comes next, because that one
    was killed, lets it stand and stay apart.
    """

    name = "stdout"

    def __init__(self, lock: Path, descriptor: int = 1) -> None:
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        self._descriptor = descriptor
        self._mark = secrets.token_bytes(8)
        self._left = b""  # what a write that failed has left of its lines: whole ones
        self._out = 0  # bytes of the first of them that are out

    def write(self, lines: Sequence[bytes]) -> None:
        """Again after a fault: from where it stopped, or from that line's beginning where another came between."""
        with locked(self._lock):
            half = os.pread(self._lock, len(self._mark), 0)
            data, at = self._left or b"".join(lines), 0
            if half == self._mark:
                at = self._out
            elif half:
                data = b"\n" + data
            self._note(self._mark)
            whole = not half
            try:
                while at < len(data):
                    at += written(self._descriptor, data[at : _piece(data, at)])
                    whole = data[at - 1 : at] == b"\n"
            finally:
                begins = data.rfind(b"\n", 0, at) + 1
                self._left, self._out = data[begins:], at - begins
                if whole:
                    self._note(b"")

    def sync(self) -> None:
        """A pipe keeps nothing."""

    def close(self) -> None:
        os.close(self._lock)

    def _note(self, mark: bytes) -> None:
        """On a full disk it cannot be noted, and lines go out all the same."""
        with contextlib.suppress(OSError):
            if mark:
                os.pwrite(self._lock, mark, 0)
            else:
                os.ftruncate(self._lock, 0)


def _piece(data: bytes, at: int) -> int:
    """Where to end, of whole lines: no more of them than a pipe takes at once, so that log lines on the same one stay apart."""
    return data.rfind(b"\n", at, at + select.PIPE_BUF) + 1 or data.find(b"\n", at) + 1 or len(data)


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
        if not self._current():
            self._leave()
            self._file = self._opened()
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            # Whoever wrote last was killed, or lost its machine: what it left stays, and stays apart.
            size += os.write(self._file, b"\n")
        return size

    def _current(self) -> bool:
        """Whether the file that is open is the one of this name."""
        try:
            there = self._path.lstat()
        except FileNotFoundError:
            return False
        if self._file < 0:
            return False
        mine = os.fstat(self._file)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def _leave(self) -> None:
        """Close it, and forget its number at once: were the next one not to be opened, the number would soon be another file's."""
        if self._file >= 0:
            os.fdatasync(self._file)
            left, self._file = self._file, -1
            os.close(left)

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, MODE)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError("not a regular file")
            _sync_folder(self._path.parent)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

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
    """All of them, the oldest first; none where their folder is gone."""
    if not path.parent.is_dir():
        return []
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
