"""Last-known-good key sets on disk: what a restart serves from while an issuer and the store are both away (G3).

Plain JSON, mode 0600, one file an issuer under ``data_dir/keysets``.  What is read back goes through the same checks as
what comes from the network; a file that somebody else could have written is not read at all, for it holds the keys that
tokens are believed by.  With ``store.snapshot_key_file`` or a fleet key a second line seals the first, and a file without
that seal is not read either.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from bearerd.config import files
from bearerd.errors import IssuerFault
from bearerd.issuers import kept, place
from bearerd.issuers.faults import Reason
from bearerd.issuers.keyset import Origin

if TYPE_CHECKING:
    from bearerd.config.model import Issuer
    from bearerd.issuers.keyset import KeySet
    from bearerd.limits import Limits
    from bearerd.store.seal import Seal

_VERSION: Final = 1
_BESIDE: Final = 4096  # bytes of a file beside the document
_PURPOSE: Final = b"key set on disk"


def path_of(data_dir: Path, issuer: str) -> Path:
    """The file of one issuer: its name says nothing about which, and no issuer can choose it."""
    return data_dir / "keysets" / f"{hashlib.sha256(issuer.encode()).hexdigest()[:32]}.json"


def save(data_dir: Path, issuer: str, key_set: KeySet, where: str, seal: Seal | None = None) -> None:
    """Write a key set that came from the network (or from a peer that had it there), from the place ``where``.

    ``seal``: of data_dir (``store.seal``).  Blocks; raises OSError.
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
            file.write(_sealed(orjson.dumps(record), seal))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(data_dir: Path, issuer: Issuer, limits: Limits, wall: float, seal: Seal | None = None) -> KeySet | None:
    """Read the last saved key set; None where there is none, or from another place.

    Blocks.  Raises IssuerFault for a file that is unusable, or forged.
    """
    path = path_of(data_dir, issuer.issuer)
    text = _own_file(path, 6 * limits.max_key_set_bytes + _BESIDE)  # JSON may write one byte as six
    if text is None:
        return None
    text, _, mac = text.partition(b"\n")  # JSON as we write it has no line ends
    if seal is not None and seal.size and not hmac.compare_digest(mac, _mac(text, seal)):
        raise IssuerFault(Reason.LOCAL_FILE, f"{path}: forged: it is not sealed with our key")
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


def _sealed(text: bytes, seal: Seal | None) -> bytes:
    return text if seal is None or not seal.size else text + b"\n" + _mac(text, seal)


def _mac(text: bytes, seal: Seal) -> bytes:
    return seal.make(_PURPOSE, text).hex().encode()


def _own_file(path: Path, most: int) -> bytes | None:
    """The bytes of a file that only this user (or root) can have written."""
    try:
        with files.open_own(path) as file:
            text = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IssuerFault(Reason.LOCAL_FILE, f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise IssuerFault(Reason.LOCAL_FILE, f"{path}: {error}") from error
    if len(text) > most:
        raise IssuerFault(Reason.LOCAL_FILE, f"{path}: longer than {most} bytes")
    return text
