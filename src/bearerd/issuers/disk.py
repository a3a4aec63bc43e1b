"""Last-known-good key sets on disk: what a restart serves from while an issuer and the store are both away (G3).

Plain JSON, mode 0600, one file an issuer under ``data_dir/keysets``.  What is read back goes through the same checks as
what comes from the network; a file that somebody else could have written is not read at all, for it holds the keys that
tokens are believed by.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from bearerd.errors import IssuerFault
from bearerd.issuers import kept, place
from bearerd.issuers.faults import Reason
from bearerd.issuers.keyset import Origin

if TYPE_CHECKING:
    from bearerd.config.model import Issuer
    from bearerd.issuers.keyset import KeySet
    from bearerd.limits import Limits

_VERSION: Final = 1
_BESIDE: Final = 4096  # bytes of a file beside the document


def path_of(data_dir: Path, issuer: str) -> Path:
    """The file of one issuer: its name says nothing about which, and no issuer can choose it."""
    return data_dir / "keysets" / f"{hashlib.sha256(issuer.encode()).hexdigest()[:32]}.json"


def save(data_dir: Path, issuer: str, key_set: KeySet, where: str) -> None:
    """Write a key set that came from the network (or from a peer that had it there), from the place ``where``.

    Blocks; raises OSError.
    """
    if not key_set.document:
        raise ValueError("a secret or an inline key set is not for the disk")
    path = path_of(data_dir, issuer)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = key_set.validators
    record = {
        "version": _VERSION,
        "issuer": issuer,
        "place": where,
        "jwks_uri": known.jwks_uri,
        "etag": known.etag,
        "fetched_at": known.fetched_at,
        "expires_at": known.expires_at,
        "document": key_set.document.decode(),
    }
    # A name of its own for each writer: several workers save the same set, and a reader must see one of them whole.
    handle, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(record))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(data_dir: Path, issuer: Issuer, limits: Limits, wall: float) -> KeySet | None:
    """Read the last saved key set; None where there is none, or from another place.

    Blocks.  Raises IssuerFault for a file that is unusable.
    """
    path = path_of(data_dir, issuer.issuer)
    text = _own_file(path, 6 * limits.max_key_set_bytes + _BESIDE)  # JSON may write one byte as six
    if text is None:
        return None
    try:
        record = orjson.loads(text)
        if record["version"] != _VERSION or record["issuer"] != issuer.issuer:
            raise ValueError("another version or issuer")
        if record["place"] != place.of(issuer):
            return None
        document = record["document"].encode()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IssuerFault(Reason.LOCAL_FILE, f"{path}: not a saved key set ({type(error).__name__})") from error
    return kept.read(issuer, document, record, Origin.DISK, limits, wall)


def _own_file(path: Path, most: int) -> bytes | None:
    """The bytes of a regular file that only this user (or root) can have written."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IssuerFault(Reason.LOCAL_FILE, f"{path}: {error.strerror}") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
            raise IssuerFault(Reason.LOCAL_FILE, f"{path}: not a file that only this user can write")
        with os.fdopen(handle, "rb", closefd=False) as file:
            text = file.read(most + 1)
    finally:
        os.close(handle)
    if len(text) > most:
        raise IssuerFault(Reason.LOCAL_FILE, f"{path}: longer than {most} bytes")
    return text
