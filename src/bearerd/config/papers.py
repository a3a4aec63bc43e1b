"""What a TLS listener shows, and whom it lets in: the files of ``[server.tls]``, read and checked as one.

The content is kept, not the paths: a worker that starts later is given what is in use, whatever has become of the files
since.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from bearerd.config import files, pem
from bearerd.config.pem import Unfit
from bearerd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

    from bearerd.config.model import Tls
    from bearerd.config.problems import Problem

T = TypeVar("T")

DAY: Final = 86_400.0
MAX_BYTES: Final = 4 * 1024 * 1024  # of certificates
PROTOCOLS: Final = ("http/1.1",)  # by ALPN: the only one that is spoken
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True)
class Papers:
    """All of it, in PEM without whatever else the files hold."""

    chain: str  # the server's certificate, then the intermediates
    key: str = field(repr=False)
    clients: str  # authorities of clients; empty: nobody has to show a certificate
    min_version: str
    ends: float  # notAfter of the server's certificate, seconds since the epoch

    def as_dict(self) -> dict[str, Any]:
        """As it goes over a channel."""
        return asdict(self)


def read(tls: Tls, *, production: bool) -> Papers:
    """Read the files.  Raises ConfigError with all that is wrong with them.

    An expired certificate is none of it: clients that do not look would be cut off, too (``ending``).
    """
    reading = _Reading()
    chain = reading.of("certificate_file", tls.certificate_file, _certificates)
    key = reading.of("key_file", tls.key_file, _key)
    if production and files.world_readable(tls.key_file):
        remedy = f"chmod o-r {tls.key_file} (a Kubernetes volume: defaultMode = 0440, with fsGroup)"
        reading.fault("key_file", f"every local user may read {tls.key_file}", remedy)
    clients = reading.of("client_ca_file", tls.client_ca_file, _certificates) if tls.client_ca_file else []
    if chain and key:
        reading.pair(tls, chain, key)
    reading.end()
    assert chain and key is not None and clients is not None  # noqa: S101 - else there was a fault
    papers = Papers(
        chain=_pem(chain),
        key=pem.written(key),
        clients=_pem(clients),
        min_version=tls.min_version,
        ends=chain[0].not_valid_after_utc.timestamp(),
    )
    try:
        context(papers)
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or type(error).__name__
        remedy = "RSA keys have at least 2,048 bits, and signatures SHA-256"
        reading.fault("certificate_file", f"OpenSSL does not take {tls.certificate_file}: {why}", remedy)
        reading.end()
    return papers


def context(papers: Papers) -> ssl.SSLContext:
    """Handshakes with these papers.  Raises ssl.SSLError where OpenSSL finds them too weak."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = _VERSIONS[papers.min_version]  # not what the machine's OpenSSL takes for enough
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    made.set_alpn_protocols(PROTOCOLS)
    # OpenSSL reads a key from a file only.  This one is in memory, and no other process of this user can open it.
    descriptor = os.memfd_create("bearerd", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(f"{papers.chain}{papers.key}".encode())
        made.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    if papers.clients:
        made.load_verify_locations(cadata=papers.clients)
        made.verify_mode = ssl.CERT_REQUIRED
        # OpenSSL takes a ticket without another look at the certificate, and gives a new one with it: whoever has once been
        # let in could go on for ever.  What it keeps itself (TLS 1.2's session ids) is looked at once it is resumed.
        made.options |= ssl.OP_NO_TICKET
        made.num_tickets = 0
    return made


def look_again(records: ssl.SSLObject, wall: float) -> None:
    """After a handshake that may have resumed a session.  Raises where the certificate has ended with which it began."""
    shown = records.getpeercert() if records.session_reused else None
    if shown and ssl.cert_time_to_seconds(str(shown["notAfter"])) < wall:
        raise ssl.SSLCertVerificationError(1, "the certificate of a resumed session has expired")


def ending(papers: Papers, wall: float) -> str:
    """When the server's certificate ends, in words."""
    days = int(abs(papers.ends - wall) // DAY)
    many = f"{days} day" if days == 1 else f"{days} days"
    if papers.ends <= wall:
        return f"expired {many} ago" if days else "has expired"
    return f"expires in {many}" if days else "expires within a day"


class _Reading:
    """Files, and the faults that are found in them."""

    def __init__(self) -> None:
        self._faults: list[Problem] = []

    def fault(self, key: str, wrong: str, remedy: str) -> None:
        self._faults.append((f"server.tls.{key}", wrong, remedy))

    def end(self) -> None:
        if self._faults:
            raise ConfigError("server.tls", self._faults)

    def of(self, key: str, path: Path, parse: Callable[[Path], T]) -> T | None:
        """What a file holds; None where there is a fault."""
        if (trouble := files.trouble(path)) is not None:
            self.fault(key, *trouble)
            return None
        try:
            return parse(path)
        except Unfit as error:
            self.fault(key, error.wrong, error.remedy)
        except OSError as error:
            self.fault(key, f"{path}: {os.strerror(error.errno or 0)}", "let it be read")
        return None

    def pair(self, tls: Tls, chain: list[x509.Certificate], key: PrivateKeyTypes) -> None:
        """Whether key and certificate belong together."""
        ours = _public(key.public_key())
        if ours == _public(chain[0].public_key()):
            return
        if any(ours == _public(one.public_key()) for one in chain):
            wrong = f"{tls.certificate_file} does not begin with the certificate of {tls.key_file}"
            self.fault("certificate_file", wrong, "put the server's own certificate first, then the intermediates")
            return
        wrong = f"{tls.key_file} is not the key of the certificate in {tls.certificate_file}"
        self.fault("key_file", wrong, "name the key that the certificate was made for")


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(files.read(path, MAX_BYTES))
        for one in found:
            one.public_key()  # of a kind that is known
    except Exception:  # noqa: BLE001 - cryptography raises what its parser does
        found = []
    if not found:
        raise Unfit(f"{path} holds no certificate in PEM", "-----BEGIN CERTIFICATE----- and so on, nothing binary")
    return found


def _key(path: Path) -> PrivateKeyTypes:
    def load() -> PrivateKeyTypes:
        return load_pem_private_key(files.read(path, files.MAX_SECRET_BYTES), None)

    return pem.key_of(path, load, (f"{path} holds no private key in PEM", "-----BEGIN PRIVATE KEY----- and so on"))


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _pem(certificates: list[x509.Certificate]) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)
