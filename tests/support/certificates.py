"""A private certificate authority for a test."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Authority:
    """A root key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def write(self, folder: Path, name: str = "ca.pem") -> Path:
        """The root certificate as a file."""
        path = folder / name
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(self, folder: Path, *names: str, stem: str = "", days: float = 30, key: Key | None = None) -> Issued:
        """A certificate for these names or addresses that ends in so many days, and its key, in files of their own."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
        builder = _builder(names[0], key.public_key(), self.certificate.subject, days)
        certificate = builder.add_extension(alternatives, False).sign(self.key, hashes.SHA256())
        stem = stem or names[0].replace(":", "_")
        return Issued.write(folder, stem, certificate.public_bytes(serialization.Encoding.PEM), private(key))

    def server(self, folder: Path, *names: str) -> ssl.SSLContext:
        """A server's context, with a certificate for these names or addresses."""
        issued = self.issue(folder, *names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        return context

    def client(self, issued: Issued | None = None) -> ssl.SSLContext:
        """A client's context that believes this authority alone, and shows a certificate if it has one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.certificate.public_bytes(serialization.Encoding.PEM).decode())
        context.set_alpn_protocols(["http/1.1"])
        if issued is not None:
            context.load_cert_chain(issued.certificate, issued.key)
        return context


@dataclass(frozen=True)
class Issued:
    """The files of one certificate."""

    certificate: Path
    key: Path

    @classmethod
    def write(cls, folder: Path, stem: str, certificate: bytes, key: bytes) -> Self:
        """Each put into place whole, the key first."""
        issued = cls(folder / f"{stem}.crt", folder / f"{stem}.key")
        for path, content in ((issued.key, key), (issued.certificate, certificate)):
            new = path.with_suffix(".new")
            new.touch(0o600)
            new.write_bytes(content)
            new.replace(path)
        return issued

    def table(self, **more: str | Path) -> str:
        """``[server.tls]`` with these files."""
        rows = {"certificate_file": self.certificate, "key_file": self.key, **more}
        return "\n".join(["[server.tls]", *(f'{key} = "{value}"' for key, value in rows.items())])


def private(key: Key, password: bytes | None = None) -> bytes:
    """A key in PEM, encrypted if there is a password."""
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)


@cache
def authority(name: str = "test root") -> Authority:
    """One authority a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, key.public_key(), subject)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(usage, True)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def _builder(name: str, key: Any, issuer: x509.Name, days: float = 30) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
