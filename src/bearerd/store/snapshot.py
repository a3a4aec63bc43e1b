"""A snapshot of the revocations as a file: what it looks like, how it is written, and why one is refused.

    head:     what the file says of itself (``_LAYOUT``) | seal, 16 bytes | SHA-256 of all before, 32 bytes
    entries:  32 bytes each, in no order (``bearerd._native.revocations``)

The head holds the SHA-256 of the entries, so the seal over the head is one over all.  Without a key the seal is sixteen zero
bytes and whoever can write data_dir can write a snapshot; the digests tell only what has rotted.  A file is checked whole
before anything of it is used, and is refused for one reason of a closed list.

Age is told by two clocks.  The boot clock counts only within the boot that wrote the file; the wall clock may have been set.
A reader takes whichever says more, and refuses what lies in its future.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from bearerd._native.revocations import ENTRY_SIZE
from bearerd.config import files
from bearerd.errors import BearerdError
from bearerd.store import names, seal
from bearerd.store.protocol import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bearerd.decision import Now
    from bearerd.store.seal import Seal

FILE: Final = "revocations.snapshot"  # in data_dir
LOCK: Final = "revocations.lock"  # beside it: whoever writes holds it
STEP: Final = 1.0  # seconds by which a stamp may lie ahead: clocks are slewed
# Format and schema; fleet; whether there is a position, sequence, head; wall and boot time, boot id; entries, their SHA-256.
_LAYOUT: Final = struct.Struct(">20s8p 64p ?Q48p dd48p Q32s")
_FORMAT: Final = b"bearerd revocations\n"
_DIGEST: Final = 32
_HEAD: Final = _LAYOUT.size + seal.SIZE + _DIGEST
_PURPOSE: Final = b"snapshot"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Reason(StrEnum):
    """Why a snapshot is refused: a label of the metrics, a word of /readyz."""

    UNREADABLE = "unreadable"  # it cannot be opened, or somebody else could have written it
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"  # a digest does not fit
    FORGED = "forged"  # whole, and not sealed with our key
    WRONG_SCHEMA = "wrong_schema"
    FOREIGN_FLEET = "foreign_fleet"
    FUTURE = "future"  # written at a time that has not come
    TOO_OLD = "too_old"  # older than available_for
    TOO_LARGE = "too_large"  # more than limits.max_revocations allows to load


class Refused(BearerdError):
    """A snapshot that is not used."""

    def __init__(self, reason: Reason, detail: str, head: Head | None = None) -> None:
        """``head``: what it says of itself, where that much of it is good."""
        super().__init__(detail)
        self.reason = reason
        self.head = head


@dataclass(frozen=True, slots=True)
class Head:
    """What a snapshot says of itself."""

    fleet: str
    position: Position | None  # all up to here is in it; None: it was taken while the store did not know its writer's
    wall: float  # when the last heartbeat was sent that counted for its writer: seconds since the epoch
    boot: float  # the same by the boot clock
    boot_id: str  # of the boot that this one ran in
    entries: int
    digest: bytes  # SHA-256 of them

    def age(self, now: Now) -> float:
        """Seconds since then: what either clock says, whichever is more.  Raises Refused where one says that it is to come."""
        ages = [now.latest - self.wall]
        if self.boot_id == boot_id():
            ages.append(now.boot - self.boot)
        if not all(age >= -STEP for age in ages):
            raise Refused(Reason.FUTURE, f"it was written {-min(ages):.0f} s from now")
        return max(0.0, *ages)

    def since(self, now: Now) -> tuple[float, float]:
        """(wall, boot) time of that heartbeat as this boot reckons: what ``View.inherit`` asks for."""
        return self.wall, now.boot - self.age(now)


def boot_id() -> str:
    """The running kernel's name for this boot; empty where there is none, which is like no other."""
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return ""


def digest(pieces: Iterable[bytes]) -> bytes:
    """SHA-256 of the concatenated pieces."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.digest()


# ---- reading; every function blocks


def load(folder: Path, by: Seal, fleet: str, most: int) -> tuple[Head, bytes] | None:
    """The snapshot in a folder and its entries, packed, checked whole; None where there is none.

    ``most``: entries that may be loaded.  How old it is, is for the caller to judge.  Raises Refused.
    """
    with _reading(folder) as file:
        if file is None:
            return None
        head = _head(file, by, fleet)
        if head.entries > most:
            raise Refused(Reason.TOO_LARGE, f"{head.entries} entries, and {most} may be loaded", head)
        size = head.entries * ENTRY_SIZE
        entries = file.read(size + 1)
    if len(entries) < size:
        raise Refused(Reason.TRUNCATED, f"{len(entries)} of {size} bytes of entries", head)
    if len(entries) > size or digest((entries,)) != head.digest:
        raise Refused(Reason.CORRUPT, "the digest of the entries does not fit", head)
    return head, entries


def peek(folder: Path, by: Seal, fleet: str) -> Head | None:
    """What the snapshot in a folder says of itself; None where there is none.  Raises Refused.

    Of the entries nothing is looked at: they may have rotted.
    """
    with _reading(folder) as file:
        return None if file is None else _head(file, by, fleet)


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[BinaryIO | None]:
    try:
        with files.open_own(folder / FILE) as file:
            yield file
    except FileNotFoundError:
        yield None
    except OSError as error:
        raise Refused(Reason.UNREADABLE, error.strerror or type(error).__name__) from None
    except ValueError as error:
        raise Refused(Reason.UNREADABLE, str(error)) from None


def _head(file: BinaryIO, by: Seal, fleet: str) -> Head:
    text = file.read(_HEAD)
    if len(text) < _HEAD:
        raise Refused(Reason.TRUNCATED, f"{len(text)} of {_HEAD} bytes of the head")
    rest, sealed, summed = text[: _LAYOUT.size], text[_LAYOUT.size : -_DIGEST], text[-_DIGEST:]
    form, schema, whose, placed, sequence, head, wall, boot, boot_id, count, entries = _LAYOUT.unpack(rest)
    if form == _FORMAT and schema != names.SCHEMA.encode():
        raise Refused(Reason.WRONG_SCHEMA, "it is of another version of bearerd")
    if form != _FORMAT or digest((rest, sealed)) != summed:
        raise Refused(Reason.CORRUPT, "the digest of the head does not fit")
    if by.size and not by.holds(sealed, _PURPOSE, rest):
        raise Refused(Reason.FORGED, "it is not sealed with our key")
    if whose.decode("ascii", "replace") != fleet:
        raise Refused(Reason.FOREIGN_FLEET, f"it is of fleet {whose.decode('ascii', 'replace')!r}")
    position = Position(sequence, head.decode("ascii", "replace")) if placed else None
    return Head(fleet, position, wall, boot, boot_id.decode("ascii", "replace"), count, entries)


# ---- writing; every function blocks


@contextlib.contextmanager
def turn(folder: Path) -> Iterator[bool]:
    """Whether it is our turn to write: one process a folder, until this ends.  Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def save(folder: Path, by: Seal, head: Head, pieces: Iterable[bytes]) -> None:
    """Put a snapshot into place, whole: mode 0600, and on the disk before it takes the old one's name.

    In ``turn`` only.  Raises OSError.
    """
    where = head.position or Position(0, "")
    rest = _LAYOUT.pack(
        *(_FORMAT, names.SCHEMA.encode(), head.fleet.encode()),
        *(head.position is not None, where.sequence, where.head.encode()),
        *(head.wall, head.boot, head.boot_id.encode()),
        *(head.entries, head.digest),
    )
    sealed = by.make(_PURPOSE, rest) or bytes(seal.SIZE)
    new = folder / f"{FILE}.new"
    file = files.create_own(new)
    try:
        with file:
            file.write(rest + sealed + digest((rest, sealed)))
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / FILE)
        _sync(folder)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    """So that the name, too, is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # not every file system can
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
