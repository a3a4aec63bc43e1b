"""Header mode: the operation as the header fields have it, where the server is known to compare them with the body.

They are believed only in a version by which it must (``versions.CHECKED``).  Whatever is missing, doubled or malformed is
refused as the specification has its own servers do (HeaderMismatch); nothing of it is ever an allow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.mcp import errors, fields, versions
from bearerd.mcp.operation import NAMED, Misread, Operation
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bearerd.mcp.fields import Said
    from bearerd.mcp.operation import Mode

_POST_ONLY: Final = Refusal(Code.FORBIDDEN, "the endpoint of this version is POST only")


def read(http: str, headers: Sequence[tuple[bytes, bytes]], *, joined: bool = False) -> Operation | Misread | None:
    """The operation of a request whose method is ``http``; None: a method that is none of the transport's."""
    said = fields.read(headers, joined=joined)
    if http != "POST":
        return transports(http, said, "header")
    refusal = _unbelieved(said)
    if refusal is not None:
        return refusal
    method = said.method or ""
    if method in versions.TRANSPORT or method == versions.ANSWER:  # names of ours, and nobody's methods
        return mismatch("header", "Mcp-Method is not a method")
    return Operation(method, said.name if method in NAMED else None, "header", said.version)


def _unbelieved(said: Said) -> Misread | None:
    if said.fault:
        return mismatch("header", said.fault)
    if said.version is None:
        return mismatch("header", "MCP-Protocol-Version is missing, and with it the reason to believe headers")
    if said.version not in versions.CHECKED:
        detail = f"version {said.version} does not oblige a server to compare headers with the body"
        return Misread(Refusal(Code.BAD_REQUEST, detail), "header", errors.UNSUPPORTED_VERSION, requested=said.version)
    if said.method is None:
        return mismatch("header", "Mcp-Method is missing")
    if said.method in NAMED and said.name is None:
        return mismatch("header", "Mcp-Name is missing")
    return None


def transports(http: str, said: Said, mode: Mode) -> Operation | Misread | None:
    """What the transport has of its own: the stream to listen to, and the end of a session."""
    if http not in versions.TRANSPORT:
        return None
    if said.fault:
        return mismatch(mode, said.fault)
    if said.version in versions.CHECKED:
        return Misread(_POST_ONLY, mode, errors.FORBIDDEN)
    if said.version is not None and said.version not in versions.KNOWN:
        return unknown_version(mode, said.version)
    return Operation(http, None, mode, said.version)


def mismatch(mode: Mode, detail: str) -> Misread:
    """Headers that are not there as they must be, or that say another thing than the body."""
    return Misread(Refusal(Code.REQUEST_MISMATCH, detail), mode, errors.HEADER_MISMATCH)


def unknown_version(mode: Mode, version: str) -> Misread:
    """A revision of which nobody here knows what it would mean."""
    refusal = Refusal(Code.BAD_REQUEST, f"version {version} is not known")
    return Misread(refusal, mode, errors.UNSUPPORTED_VERSION, requested=version)
