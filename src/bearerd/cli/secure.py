"""Speaking TLS with a bearerd of ours, whose certificate we can read ourselves."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from bearerd.cli.output import Failure

if TYPE_CHECKING:
    from bearerd.config.model import Tls

_END: Final = "-----END CERTIFICATE-----\n"


def context(tls: Tls | None, certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """How its listener is spoken to; None: without TLS.  Raises Failure.

    Whoever answers has to show the certificate of ``certificate_file`` itself: by which authority it was signed, and for
    which name, is for those to ask who cannot read the file.
    """
    if tls is None:
        return None
    from bearerd.config import papers

    if tls.client_ca_file is not None and certificate is None:
        raise Failure("server.tls.client_ca_file asks for a client's certificate: name one with --cert and --key")
    own, end, _ = papers.read(tls, production=False).chain.partition(_END)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.load_verify_locations(cadata=own + end)
    if certificate is not None:
        try:
            made.load_cert_chain(certificate, key, lambda: "")  # it must never ask a terminal
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise Failure(f"{certificate} and its key cannot be used: {error}") from None
    return made
