"""Body mode: the operation as the body has it, in one reading only, and as the header fields have it, where they are there.

A server behind us may read JSON in another way: keep the first of two members instead of the last, ignore the case of their
names (Go), take a charset at its word.  Where two readings are possible, there is none.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from bearerd import jsonobject
from bearerd.mcp import errors, fields, headers, versions
from bearerd.mcp.fields import LONGEST_NAME
from bearerd.mcp.goingon import goes_on
from bearerd.mcp.operation import NAMED, Misread, Operation
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bearerd.limits import Limits
    from bearerd.mcp.fields import Said
    from bearerd.mcp.operation import Id

PARTIAL: Final = b"x-envoy-auth-partial-body"
_TYPE, _ENCODING = b"content-type", b"content-encoding"
_LENGTHS: Final = frozenset(map(len, (_TYPE, _ENCODING)))
_META: Final = "io.modelcontextprotocol/"
_REQUEST: Final = frozenset({"jsonrpc", "id", "method", "params"})
_RESPONSE: Final = frozenset({"jsonrpc", "id", "result", "error"})
_READ: Final = frozenset({"name", "uri", "arguments", "_meta", "inputResponses", "requestState"})  # of ``params``
_READ_CASELESS: Final = frozenset(name.casefold() for name in _READ)
_JSON: Final = re.compile(rb'application/json(?:[ \t]*;[ \t]*charset="?utf-8"?)?', re.IGNORECASE)
_METHOD: Final = re.compile(r"[A-Za-z0-9_$./-]{1,128}")
_MOST_MEMBERS: Final = 1 << 20
_LONG: Final = re.compile(rb"[0-9.]{16}")  # fewer digits are one double each
_STRING: Final = re.compile(rb'"(?>[^"\\]+|\\.)*"')  # of a text that is JSON
_SMALLEST, _LARGEST = -(1 << 63), (1 << 64) - 1
_EXACT: Final = 1 << 53  # beyond it there are integers that no double is
_LONGEST_NUMBER: Final = 400


class _Bad(Exception):
    """Why a body is not read: the words for the log, and the number of JSON-RPC."""

    def __init__(self, detail: str, error: int = errors.INVALID_REQUEST, code: Code = Code.BAD_REQUEST) -> None:
        super().__init__(detail)
        self.detail, self.error, self.code = detail, error, code


def read(
    http: str, sent: Sequence[tuple[bytes, bytes]], body: bytes | None, limits: Limits, *, joined: bool = False
) -> Operation | Misread | None:
    """The operation of a request whose method is ``http``; None: a method that is none of the transport's.

    ``body``: None where it did not arrive, whole.
    """
    said = fields.read(sent, joined=joined)
    if http != "POST":
        return headers.transports(http, said, "body")
    message: dict[str, Any] = {}
    try:
        message = _parsed(sent, body, limits)
        return _compared(_message(message, said), message, said)
    except _Bad as bad:
        return Misread(Refusal(bad.code, bad.detail), "body", bad.error, _id_of(message), said.version)


def _parsed(sent: Sequence[tuple[bytes, bytes]], body: bytes | None, limits: Limits) -> dict[str, Any]:
    if any(name.lower() == PARTIAL and value.strip().lower() != b"false" for name, value in sent):
        raise _Bad("the gateway shows only a part of the body")
    _check_type(sent)
    if body is None:
        most = limits.max_mcp_body_bytes
        raise _Bad(f"no body arrived, or not all of it, or more than {most} bytes: a gateway must send it along")
    if not body:
        raise _Bad("no body arrived: the gateway must send it along")
    if len(body) > limits.max_mcp_body_bytes:
        raise _Bad(f"the body is longer than {limits.max_mcp_body_bytes} bytes")
    if body.lstrip(b" \t\r\n").startswith(b"["):
        raise _Bad("a batch")
    if _values(body, limits.max_mcp_values) > limits.max_mcp_values:
        raise _Bad(f"more than {limits.max_mcp_values} values")
    try:
        found = jsonobject.read(body, limits.max_mcp_depth, _MOST_MEMBERS)
    except jsonobject.Malformed as error:
        raise _Bad(str(error), errors.PARSE_ERROR) from None
    if _LONG.search(body):
        json.loads(body, parse_int=_check_integer, parse_float=_check_float)
    return found


def _values(body: bytes, most: int) -> int:
    """No fewer than it has.  Each is read, judged and recorded by itself: half a million zeros would hold a worker up for seconds."""
    found = _marks(body)
    return found if found <= most else _marks(_STRING.sub(b"", body))  # those within strings do not count


def _marks(text: bytes) -> int:
    return 1 + text.count(b",") + text.count(b"[") + text.count(b"{")


def _check_integer(digits: str) -> None:
    """That it was not rounded: beyond 64 bits we read a float, one for thousands of integers, and other servers do not."""
    if len(digits) > 20 or not _SMALLEST <= int(digits) <= _LARGEST:
        raise _Bad("an integer beyond 64 bits", errors.PARSE_ERROR)


def _check_float(text: str) -> None:
    """The same for what is written as a float is (``12345678901234567891.0``): beyond 2^53 it is the double that we read, or refused."""
    if len(text) > _LONGEST_NUMBER:
        raise _Bad(f"a number of more than {_LONGEST_NUMBER} characters", errors.PARSE_ERROR)
    value = float(text)
    if abs(value) < _EXACT:
        return
    said = Decimal(text)
    if said != Decimal(repr(value)) and said != Decimal(value):  # in this order: the last takes ten times as long
        raise _Bad("a number beyond 2^53 that a double rounds", errors.PARSE_ERROR)


def _check_type(sent: Sequence[tuple[bytes, bytes]]) -> None:
    """That the server, too, reads UTF-8, and these very bytes."""
    named = [(fields.as_read(name), name.lower(), value.strip()) for name, value in sent if len(name) in _LENGTHS]
    if any(read != name and read in (_TYPE, _ENCODING) for read, name, _ in named):
        raise _Bad("a field that reads like Content-Type or Content-Encoding")
    types = [value for _, name, value in named if name == _TYPE]
    if len(types) != 1 or not _JSON.fullmatch(types[0]):
        raise _Bad("Content-Type is not application/json, once, in UTF-8")
    if any(name == _ENCODING and value.lower() != b"identity" for _, name, value in named):
        raise _Bad("the body is encoded")


def _message(message: dict[str, Any], said: Said) -> Operation:
    """One request, notification or response."""
    if said.version is not None and said.version not in versions.KNOWN:
        raise _Bad(f"version {said.version} is not known", errors.UNSUPPORTED_VERSION)
    if message.get("jsonrpc") != "2.0":
        raise _Bad('no "jsonrpc": "2.0"')
    if "method" not in message:
        return _response(message, said)
    if not message.keys() <= _REQUEST:
        raise _Bad("a member that is none of a JSON-RPC request's")
    if "id" in message and not _is_id(message["id"]):
        raise _Bad("the id is neither a string nor an integer")
    method = message["method"]
    if not isinstance(method, str) or not _METHOD.fullmatch(method) or method in (*versions.TRANSPORT, versions.ANSWER):
        raise _Bad("the method is none")
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise _Bad("params is no object")
    if any(name not in _READ and name.casefold() in _READ_CASELESS for name in params):
        raise _Bad("a member of params that is another to whoever ignores case")
    meta = _object(params, "_meta")
    return Operation(
        method,
        _name(method, params),
        "body",
        said.version,
        _object(params, "arguments") if NAMED.get(method) in ("tool", "prompt") else None,
        message.get("id"),
        _object(meta, f"{_META}clientCapabilities"),
        goes_on(params),
    )


def _response(message: dict[str, Any], said: Said) -> Operation:
    """A client's answer to a question of the server's, where it may be asked any."""
    if said.version in versions.CHECKED:
        raise _Bad("no method: a client of this version sends no responses")
    given = message.keys() & {"result", "error"}
    if not message.keys() <= _RESPONSE or len(given) != 1:
        raise _Bad("neither a request nor a response")
    if not _is_id(message.get("id")):
        raise _Bad("the id is neither a string nor an integer")
    return Operation(versions.ANSWER, None, "body", said.version)


def _name(method: str, params: dict[str, Any]) -> str | None:
    item = NAMED.get(method)
    if item is None:
        return None
    name = params.get("uri" if item == "resource" else "name")
    if not isinstance(name, str) or not name or len(name.encode()) > LONGEST_NAME:
        raise _Bad(f"the {item} has no name, or none of sane length", errors.INVALID_PARAMS)
    return name


def _object(parent: Any, key: str) -> dict[str, Any]:
    """A member that is an object, or is not there."""
    found = parent.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _Bad(f"{key} is no object")
    return found


def _compared(operation: Operation, message: dict[str, Any], said: Said) -> Operation:
    """The same, once the header fields say the same."""
    if said.fault:
        raise _mismatch(said.fault)
    params = message.get("params") or {}
    meta = params.get("_meta") or {}
    version = meta.get(f"{_META}protocolVersion")
    if version is not None and version != said.version:
        raise _mismatch("MCP-Protocol-Version and _meta say different versions")
    is_request = operation.id is not None
    if said.version in versions.CHECKED and is_request:
        if version is None:
            raise _mismatch("_meta says no version")
        if said.method is None or (operation.item is not None and said.name is None):
            raise _mismatch("Mcp-Method or Mcp-Name is missing")
    if said.method is not None and said.method != operation.method:
        raise _mismatch("Mcp-Method is another method")
    if operation.item is not None and said.name is not None and said.name != operation.name:
        raise _mismatch("Mcp-Name is another name")
    return operation


def _mismatch(detail: str) -> _Bad:
    return _Bad(detail, errors.HEADER_MISMATCH, Code.REQUEST_MISMATCH)


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _id_of(message: dict[str, Any]) -> Id:
    found = message.get("id")
    return found if _is_id(found) else None
