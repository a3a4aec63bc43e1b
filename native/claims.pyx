"""What a new token claims: judged before its signature is checked, and read afterwards.  No wording (``verify.claims`` has it).

RFC 7519 section 4.1, RFC 8725 section 3, RFC 9068 section 2.2; contracts, section 2.  Numbers are compared as Python compares
them: an integer of 64 bits is no double.
"""

from enum import IntEnum

cimport cython
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from libc.math cimport isfinite


class Fault(IntEnum):
    """Why claims are refused.  With each goes a name: of the claim, or empty."""

    UNTYPED = 0  # the header has no typ, and must have
    TYPE = 1  # the header's typ is none of an access token
    KIND = 2  # the payload's typ is another kind of token
    MARK = 3  # a claim that only other kinds of tokens have
    MISSING = 4
    NUMBER = 5  # is not one
    STRING = 6  # is not one
    AUDIENCE = 7  # neither a string nor a list of strings
    PAST = 8  # exp has passed
    FUTURE = 9  # nbf or iat lies ahead
    BACKWARDS = 10  # exp lies before iat
    LONG = 11  # exp - iat is more than the longest lifetime


CLIENT_CLAIMS = ("client_id", "azp", "appid", "cid")  # RFC 9068; OpenID Connect and Auth0; Entra v1; Okta

cdef tuple clients = CLIENT_CLAIMS
cdef tuple times = ("exp", "iat", "nbf")
# A claim by which tokens are revoked must be what the revocation names: a token whose jti is the number 7 would not be
# found under "7".
cdef tuple strings = ("sub", "jti", "sid", *CLIENT_CLAIMS)
cdef tuple other_marks = ("at_hash", "c_hash", "events")  # of ID tokens; of logout tokens and security events
cdef frozenset other_kinds = frozenset({"id", "refresh", "offline", "logout"})  # Keycloak's payload ``typ``


cdef inline bint is_number(value) noexcept:
    """A NumericDate (RFC 7519 section 2): finite, and not a boolean, which Python counts among the integers."""
    return PyLong_CheckExact(value) or (PyFloat_CheckExact(value) and isfinite(PyFloat_AS_DOUBLE(value)))


cdef bint is_audience(value) noexcept:
    if isinstance(value, list):
        for one in <list>value:
            if not isinstance(one, str):
                return False
        return True
    return isinstance(value, str)


cdef tuple fault_of_type(dict claims, dict header, frozenset types, bint typed):
    """An access token, as far as it says: ID tokens, refresh tokens, logout tokens and ID-JAGs are none."""
    if "typ" not in header:
        if typed:
            return Fault.UNTYPED, ""
    else:
        typ = header["typ"]
        if not isinstance(typ, str) or (<str>typ).lower() not in types:
            return Fault.TYPE, "typ"
    if "typ" in claims:
        kind = claims["typ"]
        if not isinstance(kind, str) or (<str>kind).lower() in other_kinds:
            return Fault.KIND, "typ"
    for name in other_marks:
        if name in claims:
            return Fault.MARK, name
    return None


cdef tuple fault_of_shapes(dict claims, tuple required):
    """The claims that are required, and the JSON types of those that anything here relies on."""
    for name in required:
        if name not in claims:
            return Fault.MISSING, name
    for name in times:
        if name in claims and not is_number(claims[name]):
            return Fault.NUMBER, name
    for name in strings:
        if name in claims and not isinstance(claims[name], str):
            return Fault.STRING, name
    if "aud" in claims and not is_audience(claims["aud"]):
        return Fault.AUDIENCE, "aud"
    return None


cdef tuple fault_of_times(dict claims, leeway, max_lifetime, time):
    """``exp``, ``nbf`` and ``iat`` against the clock, with leeway; ``exp - iat`` against the longest lifetime, without."""
    expires, issued = claims["exp"], claims["iat"]
    if time >= expires + leeway:
        return Fault.PAST, "exp"
    if "nbf" in claims and time < claims["nbf"] - leeway:
        return Fault.FUTURE, "nbf"
    if time < issued - leeway:
        return Fault.FUTURE, "iat"
    if expires < issued:
        return Fault.BACKWARDS, "exp"
    if expires - issued > max_lifetime:
        return Fault.LONG, "exp"
    return None


@cython.final
cdef class Terms:
    """What an issuer's tokens are judged by, read out of its configuration once: each new token asks for all of it.

    ``types``: what the header's ``typ`` may be, in lower case; ``typed``: it must be there; ``required``: claims.  Times in
    seconds.
    """

    def __init__(
        self, frozenset types not None, bint typed, tuple required not None, leeway, max_lifetime,
        tuple scope_claims not None, tuple role_claims not None,
    ):
        self.types, self.typed, self.required = types, typed, required
        self.leeway, self.max_lifetime = leeway, max_lifetime
        self.scope_claims, self.role_claims = scope_claims, role_claims

    cpdef tuple fault(self, dict claims, dict header, time):
        """The first thing that is wrong with them, whoever signed them; None if nothing is."""
        cdef tuple found = fault_of_type(claims, header, self.types, self.typed)
        if found is None:
            found = fault_of_shapes(claims, self.required)
        if found is None:
            found = fault_of_times(claims, self.leeway, self.max_lifetime, time)
        return found

    # Of claims without fault, here and below.

    cpdef tuple scopes(self, dict claims):
        """All of them, in order: a string holds those between its spaces (RFC 6749 section 3.3)."""
        return united_at(claims, self.scope_claims, " ")

    cpdef tuple roles(self, dict claims):
        """All of them, in order: a string is one role."""
        return united_at(claims, self.role_claims, None)


cpdef object client(dict claims):
    """The OAuth client that the token was issued to."""
    for name in clients:
        if name in claims:
            return claims[name]
    return None


cpdef tuple audience(dict claims):
    """``aud``, one string or a list of them (RFC 7519 section 4.1.3)."""
    if "aud" not in claims:
        return ()
    value = claims["aud"]
    return (value,) if isinstance(value, str) else tuple(value)


def at(claims, str path not None):
    """The value at a path, None where there is none.

    A path is tried as a whole member name first (``https://ns.example/roles``), then split at its dots
    (``realm_access.roles``).
    """
    return value_at(claims, path)


cdef object value_at(claims, str path):
    if path in claims:
        return claims[path]
    if "." not in path:
        return None
    first, *more = path.split(".")
    value = claims.get(first)
    for name in more:
        if not isinstance(value, dict):
            return None
        value = (<dict>value).get(name)
    return value


def united(claims, paths, str between):
    """The strings at all of these paths, each once, in order, none of them empty.

    Of a list the strings count; a string is split where there is a ``between``.  Any other shape (an object keyed by role,
    a number) says nothing.
    """
    return united_at(claims, tuple(paths), between)


cdef tuple united_at(claims, tuple paths, str between):
    cdef dict found = {}
    for path in paths:
        value = value_at(claims, path)
        if isinstance(value, str):
            value = [value] if between is None else (<str>value).split(between)
        if isinstance(value, list):
            for name in <list>value:
                if isinstance(name, str) and name:
                    found[name] = None
    return tuple(found)
