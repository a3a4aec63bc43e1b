"""The arguments of a call in the one form that they have (RFC 8785), and the digest that they are known by.

What a person approved, what the audit says and what is passed on are compared by this digest, so two calls that mean
different things must never have one, and one call always has the same: member order, white space and the spelling of
numbers do not count.  What has no such form is refused, never rounded: integers beyond 2^53 - 1, which half of the readers
would round (RFC 7493 section 2.2), NaN and the infinities, lone surrogates, and whatever is not JSON.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import rfc8785

if TYPE_CHECKING:
    from collections.abc import Mapping


class NotCanonical(ValueError):
    """There is no such form.  Says nothing of the arguments: it may be logged."""


def canonical(arguments: Mapping[str, Any] | None) -> bytes:
    """RFC 8785's form of arguments as they were parsed; no arguments are the empty object.  Raises NotCanonical."""
    try:
        return rfc8785.dumps(dict(arguments or {}))
    except (ValueError, RecursionError) as error:
        raise NotCanonical(_why(error)) from None  # the cause quotes what it met


def digest(arguments: Mapping[str, Any] | None) -> str:
    """SHA-256 of the canonical form, in lower-case hex.  Raises NotCanonical."""
    return hashlib.sha256(canonical(arguments)).hexdigest()


def _why(error: Exception) -> str:
    match error:
        case rfc8785.IntegerDomainError():
            return "an integer beyond 2^53 - 1"
        case rfc8785.FloatDomainError():
            return "a number that JSON does not have"
        case RecursionError():
            return "nested too deeply"
        case UnicodeError():
            return "a lone surrogate in a name"
        case _:
            return "something that JSON does not have"
