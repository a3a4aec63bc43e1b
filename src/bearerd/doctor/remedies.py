"""What helps where an issuer's metadata or keys cannot be had: one line for each reason of the closed list."""

from __future__ import annotations

from typing import Final

from bearerd.issuers.faults import MEANING, Reason

REMEDY: Final[dict[Reason, str]] = {
    Reason.BAD_URL: "write an https URL without user information; http only with insecure_issuer in the development profile",
    Reason.DNS: 'check the name, and the resolver of this machine; connect_to = "HOST:PORT" reaches an issuer under another name',
    Reason.CONNECT: "check the port, firewalls and egress rules; proxy or connect_to where there is no direct way",
    Reason.TLS: "ca_file for a private authority; else the issuer's certificate, its name and its chain are to be mended there",
    Reason.PROXY: "check proxy: its address, and that it lets CONNECT through to the issuer",
    Reason.TIMEOUT: "an egress rule that drops instead of refusing is the usual cause; proxy or connect_to lead around it",
    Reason.PRIVATE_ADDRESS: "name the host in the configuration (jwks_uri, connect_to) if its private address is what you want",
    Reason.REDIRECT: "name the last place of the redirects as issuer or jwks_uri",
    Reason.HTTP_STATUS: "check the path: Keycloak's has /realms/NAME, Auth0's a final slash; or name jwks_uri",
    Reason.PROTOCOL: "look at what answers there: curl -v",
    Reason.CONTENT_TYPE: "a login page or an error page answers there, or something that compresses unasked: let bearerd through, or name jwks_uri",
    Reason.TOO_LARGE: "raise limits.max_key_set_bytes if so large a document is really the issuer's",
    Reason.BAD_JSON: "look at what answers there: curl -v",
    Reason.BAD_DOCUMENT: "look at what answers there: curl -v; a JWK Set is an object with a list keys",
    Reason.WRONG_ISSUER: "write issuer as the document has it, to the byte: it is what stands in the tokens' iss",
    Reason.NO_USABLE_KEY: "widen algorithms, or have the issuer publish public signing keys (RSA from 2048 bits, EC, Ed25519)",
    Reason.LOCAL_FILE: "make the file what it must be, readable to bearerd's user",
    Reason.INTERNAL: "this is a fault of bearerd: please tell us",
}

if set(REMEDY) != set(MEANING):  # a missing row fails at import
    raise AssertionError("remedies.REMEDY must hold each reason once")
