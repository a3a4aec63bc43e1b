"""Keys in PEM: how one is read from a file, in what words it is told not to be one, and how one is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

T = TypeVar("T")


class Unfit(Exception):
    """A file that does not hold what it should."""

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.remedy = remedy


def key_of(path: Path, load: Callable[[], T], otherwise: tuple[str, str]) -> T:
    """The key that ``load`` finds in a file.  ``otherwise``: what is wrong where there is none, and the remedy.

    Raises Unfit; no word of it is cryptography's, which may quote the file.
    """
    try:
        return load()
    except TypeError:  # cryptography's, for a passphrase that is lacking
        remedy = f"openssl pkey -in {path} -out NEW, and name the new file"
        raise Unfit(f"{path} is encrypted, and nobody is asked for its passphrase", remedy) from None
    except Exception:  # noqa: BLE001 - cryptography raises what its parser does
        raise Unfit(*otherwise) from None


def written(key: PrivateKeyTypes) -> str:
    """A private key in PKCS #8, not encrypted: never for a log."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
