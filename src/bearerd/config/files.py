"""Files that the configuration names: where they are, whether they can be trusted, and how a secret is read."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import ssl
import stat
from pathlib import Path
from typing import BinaryIO, Final

from bearerd.errors import BearerdError

MAX_SECRET_BYTES: Final = 64 * 1024
LEAST_KEY_BYTES: Final = 32  # of a key that seals


def read_secret(path: Path) -> bytes:
    """A secret's bytes, without the line end that editors and ``echo`` put at its end.  Raises OSError, ValueError."""
    secret = read(path, MAX_SECRET_BYTES).removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise ValueError("it is empty")
    return secret


def read(path: Path, most: int) -> bytes:
    """A file's bytes, at most ``most`` of them.  Raises OSError, ValueError."""
    with opened(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is longer than {most} bytes")
    return content


def opened(path: Path) -> BinaryIO:
    """Open a file that the configuration names, for reading while bearerd runs.  Raises OSError, whose ``strerror`` says why.

    What it was at load it need not be now, so it is held to the same (``trouble``): a FIFO in its place would hold whoever
    opens it until somebody writes, and of one that every local user may write the keys are anybody's.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if mode & stat.S_IWOTH:
            raise PermissionError(errno.EPERM, "every local user may write it: chmod o-w", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_own(path: Path) -> BinaryIO:
    """Open a regular file that only this user (or root) can have written, following no link at its end.

    What bearerd keeps for itself is believed for its owner and mode, not for its name: others may be able to write to the
    folder (a Kubernetes emptyDir has mode 0777).  Raises OSError, and ValueError for any other file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
            raise ValueError("not a file that only this user can write")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def create_own(path: Path) -> BinaryIO:
    """A new file for its owner alone, to be written.  Raises OSError.

    What has that name goes first, be it of one who was killed in the middle, a link to another file of ours, or a FIFO.
    """
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def own_key(file: Path) -> bytes:
    """A random key that bearerd keeps in a file of its own, drawn where there is none yet.

    Raises OSError, and BearerdError for a file that somebody else could have written, or that holds no key.
    """
    if not file.exists():
        # Linked into place whole: of two processes that start at once, one wins and neither reads half a key.
        drawn = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
        with create_own(drawn) as target:
            target.write(secrets.token_bytes(LEAST_KEY_BYTES))
            target.flush()
            os.fsync(target.fileno())
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(drawn)
        drawn.unlink()
    try:
        with open_own(file) as source:
            key = source.read(LEAST_KEY_BYTES + 1)
    except ValueError as error:
        raise BearerdError(f"{file.name}: {error}") from None
    if len(key) != LEAST_KEY_BYTES:
        raise BearerdError(f"{file.name} holds no key: remove it")
    return key


def trouble(path: Path) -> tuple[str, str] | None:
    """Why a file cannot be used, and the remedy; None where it can.

    A file that every local user may write is refused: whoever writes a key file mints tokens.  One that every user may
    read is only warned of (``effective.warnings``): secrets that Kubernetes or Compose mount are so by default.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"{path}: {os.strerror(error.errno or 0)}", "a relative path starts at the configuration file's folder"
    except ValueError:  # a NUL
        return "not a path", "name a file"
    if not stat.S_ISREG(mode):
        return f"{path} is not a regular file", "name a file"
    if mode & stat.S_IWOTH:
        return f"every local user may write {path}", f"chmod o-w {path}"
    if not os.access(path, os.R_OK):
        return f"{path} cannot be read by this user", f"let user {os.geteuid()} read it"
    return None


def holds_certificates(path: Path) -> bool:
    """Whether a file is a bundle of certificate authorities in PEM."""
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return False
    return True


def world_readable(path: Path) -> bool:
    """Whether every local user may read the file."""
    return _others_may(stat.S_IROTH, path)


def world_writable(path: Path) -> bool:
    """Whether every local user may write the file."""
    return _others_may(stat.S_IWOTH, path)


def _others_may(right: int, path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & right)
    except (OSError, ValueError):
        return False
