"""Why an issuer's metadata or keys could not be had: a closed list, the ``reason`` label of the metrics.

``bearerd.errors.IssuerFault.reason`` is one of these names.  Metrics, docs and tests are made from ``MEANING``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from bearerd.errors import IssuerFault


class Reason(StrEnum):
    """The reason of an ``IssuerFault``."""

    BAD_URL = "bad_url"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    PROXY = "proxy"
    TIMEOUT = "timeout"
    PRIVATE_ADDRESS = "private_address"
    REDIRECT = "redirect"
    HTTP_STATUS = "http_status"
    PROTOCOL = "protocol"
    CONTENT_TYPE = "content_type"
    TOO_LARGE = "too_large"
    BAD_JSON = "bad_json"
    BAD_DOCUMENT = "bad_document"
    WRONG_ISSUER = "wrong_issuer"
    NO_USABLE_KEY = "no_usable_key"
    LOCAL_FILE = "local_file"
    INTERNAL = "internal"


MEANING: Final[dict[Reason, str]] = {
    Reason.BAD_URL: "A URL that may not be fetched: not https, with user information, or without a host.",
    Reason.DNS: "The host's name did not resolve.",
    Reason.CONNECT: "No TCP connection to the host.",
    Reason.TLS: "No TLS session: certificate, name or protocol version.",
    Reason.PROXY: "The configured proxy was not reachable, or refused.",
    Reason.TIMEOUT: "Resolving, connecting, redirects and answer took longer than the time-out in all.",
    Reason.PRIVATE_ADDRESS: "A host that the configuration does not name has a private, loopback or multicast address.",
    Reason.REDIRECT: "Too many redirects, or one that may not be followed (another scheme, no or two Location fields).",
    Reason.HTTP_STATUS: "The server answered with another status than 200 (or 304 to a conditional request).",
    Reason.PROTOCOL: "The answer was not proper HTTP, or ended early.",
    Reason.CONTENT_TYPE: "The answer says that it is not JSON, or is encoded although identity was asked for.",
    Reason.TOO_LARGE: "The answer is longer than max_key_set_bytes.",
    Reason.BAD_JSON: "The answer is not JSON, is nested too deeply, has too many members or one twice.",
    Reason.BAD_DOCUMENT: "The JSON is no metadata document or key set, or a set with more than max_keys keys.",
    Reason.WRONG_ISSUER: "The metadata document names another issuer than the one configured.",
    Reason.NO_USABLE_KEY: "The key set holds no key that can be used.",
    Reason.LOCAL_FILE: "A file that the configuration names cannot be read or is not what it must be.",
    Reason.INTERNAL: "A fault of bearerd.",
}

if set(MEANING) != set(Reason):  # a missing row fails at import
    raise AssertionError("faults.MEANING must hold each reason once")


def reason_of(fault: IssuerFault) -> Reason:
    """The fault's reason as a member of the closed list; ``internal`` for a name outside it."""
    try:
        return Reason(fault.reason)
    except ValueError:
        return Reason.INTERNAL
