"""A place: whom the operator trusts to bring an issuer's keys.  What is kept, anywhere, is kept for its place alone.

Else keys would outlive the trust that brought them: an operator who takes a certificate authority out of ``ca_file``, or
moves ``jwks_uri``, wants the keys that came by it gone, and a restart, or a peer, would bring them back.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from bearerd.config import files

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.config.model import Issuer


def of(issuer: Issuer) -> str:
    """The place as it is now: the name under which a fleet, or a disk, keeps what came from there.

    Of ``ca_file`` it is the content that counts: hosts of one fleet may keep it under different paths.  They may also reach
    the issuer in different ways (``proxy``, ``connect_to``); where TLS says who answers, these are no part of it.
    """
    route = (issuer.proxy, issuer.connect_to) if issuer.insecure_issuer else None
    trusted = (issuer.jwks_uri, _authorities(issuer.ca_file), route)
    return f"{issuer.issuer} {hashlib.sha256(orjson.dumps(trusted)).hexdigest()[:32]}"


def _authorities(ca_file: Path | None) -> str | None:
    """A digest of a bundle; None: the system's authorities.  A file that cannot be read is like no other: nothing fits it."""
    if ca_file is None:
        return None
    try:
        status = ca_file.stat()
        return _digest(ca_file, status.st_mtime_ns, status.st_size, status.st_ino)
    except OSError:
        return secrets.token_hex(16)


@lru_cache(maxsize=32)
def _digest(path: Path, *_as_it_was: int) -> str:
    with files.opened(path) as file:
        return hashlib.sha256(file.read()).hexdigest()
