"""Keys that need no network: ``jwks`` (inline), ``jwks_file`` and ``secret_file``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bearerd.config import files
from bearerd.errors import IssuerFault, UnusableKey
from bearerd.issuers import keyset
from bearerd.issuers.faults import Reason
from bearerd.issuers.keyset import Origin, Validators
from bearerd.jws import keys

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.config.model import Issuer
    from bearerd.issuers.keyset import KeySet
    from bearerd.limits import Limits


def origin_of(issuer: Issuer) -> Origin:
    """Where an issuer's keys come from by its configuration."""
    if issuer.secret_file is not None:
        return Origin.SECRET
    if issuer.jwks is not None:
        return Origin.INLINE
    return Origin.NETWORK if issuer.jwks_file is None else Origin.FILE


def read(issuer: Issuer, limits: Limits, wall: float) -> KeySet:
    """Read the keys of a local issuer; ``wall`` is now (seconds since the epoch).  Blocks on the file.

    Files are read whole each time: they are small, and comparing bytes misses no change, which comparing times can.
    Raises IssuerFault.
    """
    validators = Validators(None, None, wall, math.inf)
    try:
        if issuer.secret_file is not None:
            return keyset.of_secret(keys.from_secret(files.read_secret(issuer.secret_file)), validators)
        if issuer.jwks is not None:
            return keyset.read(issuer.jwks, Origin.INLINE, validators, issuer.algorithms, limits)
        if issuer.jwks_file is not None:
            text = _bounded(issuer.jwks_file, limits.max_key_set_bytes)
            return keyset.read(text, Origin.FILE, validators, issuer.algorithms, limits)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise IssuerFault(Reason.LOCAL_FILE, f"{issuer.secret_file or issuer.jwks_file}: {said}") from error
    except UnusableKey as error:
        raise IssuerFault(Reason.NO_USABLE_KEY, f"{issuer.secret_file}: {error}") from error
    raise ValueError("the issuer's keys are on the network")


def _bounded(path: Path, most: int) -> bytes:
    with files.opened(path) as file:
        text = file.read(most + 1)
    if len(text) > most:
        raise IssuerFault(Reason.TOO_LARGE, f"{path} is longer than {most} bytes")
    return text
