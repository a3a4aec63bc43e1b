"""How a caller shows who it is: HTTP Basic, or ``client_id`` and ``client_secret`` in the form (RFC 6749 section 2.3.1)."""

from __future__ import annotations

import base64
import binascii
import contextlib
from typing import TYPE_CHECKING, Final

from bearerd.faces.form import BadForm, decode
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bearerd.callers import Caller, Callers
    from bearerd.request import Headers

_UNKNOWN: Final = Refusal(Code.INVALID_CLIENT, "no caller of this name has this secret")

Shown = tuple[str, bytes]  # name and secret


def authenticate(headers: Headers, form: Mapping[str, str], callers: Callers) -> Caller | Refusal:
    """The caller, or invalid_client, or bad_request where it shows two credentials.

    A ``client_id`` beside Basic is no second credential where it names the same caller: some libraries always send it.
    """
    fields = [value for name, value in headers if name.lower() == b"authorization"]
    if len(fields) > 1:
        return Refusal(Code.BAD_REQUEST, "more than one Authorization field")
    if not fields:
        if "client_id" in form and "client_secret" in form:
            return _known([(form["client_id"], form["client_secret"].encode())], callers)
        return Refusal(Code.INVALID_CLIENT, "no credentials of a caller")
    if "client_secret" in form:
        return Refusal(Code.BAD_REQUEST, "credentials both in the Authorization field and in the form")
    shown = _basic(fields[0])
    if isinstance(shown, Refusal):
        return shown
    if "client_id" in form and form["client_id"] not in [name for name, _ in shown]:
        return Refusal(Code.BAD_REQUEST, "client_id names another caller than the Authorization field")
    return _known(shown, callers)


def _known(shown: Iterable[Shown], callers: Callers) -> Caller | Refusal:
    """Each reading is compared, whatever came of the one before: the time taken tells nothing."""
    found = [callers.authenticate(name, secret) for name, secret in shown]
    return next((caller for caller in found if caller is not None), _UNKNOWN)


def _basic(field: bytes) -> list[Shown] | Refusal:
    """Name and secret of an ``Authorization: Basic`` field (RFC 7617), in both readings that clients have of it.

    RFC 6749 has each form-encoded within; curl and many libraries send them as they are.
    """
    scheme, _, encoded = field.strip(b" \t").partition(b" ")
    if scheme.lower() != b"basic":
        return Refusal(Code.INVALID_CLIENT, "a caller authenticates with Basic, or in the form")
    try:
        name, colon, secret = base64.b64decode(encoded.strip(b" "), validate=True).partition(b":")
    except binascii.Error:
        return Refusal(Code.INVALID_CLIENT, "Basic credentials that are not base64")
    if not colon:
        return Refusal(Code.INVALID_CLIENT, "no colon between name and secret")
    readings = []
    with contextlib.suppress(UnicodeDecodeError):
        readings.append((name.decode(), secret))
    with contextlib.suppress(BadForm):
        readings.append((decode(name), decode(secret).encode()))
    return readings
