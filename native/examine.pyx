"""The order in which a new token is looked at: no cache, no revocation, no waiting.

Nothing that a token says is believed before its signature; until then ``iss`` is a look-up key, and the cheap checks can
only refuse.  The signature, by far the dearest step, comes last.  What is said of a token that is no good is
``verify.examine``'s: here are no words.
"""

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_GetSlice

from hashlib import sha256

from orjson import dumps, loads

from bearerd._native.claims cimport Terms, audience, client
from bearerd._native.fields cimport BEHIND, BOOT, KEY_GENERATION, NOW, VERIFIED, WALL, field, has_fields
from bearerd._native.jws cimport Compact, split_token

from bearerd._native.jws import Malformed

LONG_LIVED = 3600.0  # seconds; tokens that live longer are counted and warned of
cdef object long_lived = LONG_LIVED


cdef class Payload:
    """The text of a payload, and what it says, where that is known."""

    def __init__(self, bytes text not None, dict said=None):
        self.text, self.said = text, said

    cpdef dict read(self):
        """All of it, for whoever changes none."""
        if self.said is None:
            self.said = loads(self.text)
        return self.said


@cython.final
cdef class _Head:
    """A header that was read, with all that is asked of it.  Never changed: another thread may be using it."""


@cython.final
cdef class _Choice:
    """The key for a header, of one key set, under its generation, with what it checks a signature.  Never changed, either."""


@cython.final
cdef class Issuing:
    """An issuer, as its new tokens need it, and the key that was chosen last: mostly the next token's, too."""

    def __init__(self, issuer, Terms terms not None, frozenset algorithms not None, cutoff_slack):
        self.issuer, self.terms, self.algorithms, self.cutoff_slack = issuer, terms, algorithms, cutoff_slack

    cdef object choose(self, _Head head, now, time, key_type):
        """A choice; else why there is no key, which is not remembered.

        A key is chosen anew for another header, of another key set, and where the set is too old unless it was confirmed.
        """
        cdef _Choice choice = self.last
        issuer = self.issuer
        key_set, until = issuer.key_set, issuer.usable_until
        if (
            choice is not None and choice.head is head and choice.key_set is key_set
            and time < until[0] and field(now, BOOT) < until[1]
        ):
            return choice
        generation = issuer.generation
        key = issuer.select(head.alg, head.kid, now)
        if not isinstance(key, key_type):
            return key
        choice = _Choice.__new__(_Choice)
        choice.head, choice.key_set, choice.generation = head, key_set, generation
        choice.check, choice.thumbprint = key.check(head.alg), key.thumbprint
        self.last = choice
        return choice


cdef class Examination:
    """Of tokens of these issuers.  Whoever inherits it has the words: see the stub."""

    def __init__(
        self, dict known not None, Py_ssize_t most_bytes, Py_ssize_t max_depth, Py_ssize_t max_members, header, may_check,
        dict signed not None, types,
    ):
        self.known, self.most_bytes, self.max_depth, self.max_members = known, most_bytes, max_depth, max_members
        self.header, self.may_check, self.signed = header, may_check, signed
        self.key, self.verified, self.claims = types

    def examine(self, bytes token not None, now):
        """Verify a token.  Pending: its key may come with the issuer's next key set."""
        if PyBytes_GET_SIZE(token) > self.most_bytes:
            return self._too_large(PyBytes_GET_SIZE(token))
        has_fields(now, NOW)
        try:
            return self.look(token, now)
        except Exception as fault:
            return self._faulty(fault)

    cdef _Head head_of(self, bytes text):
        """The tokens of one key begin alike."""
        cdef _Head head = self.last
        if head is None or head.text != text:
            read = self.header(text)
            head = _Head.__new__(_Head)
            head.text, head.read, head.alg, head.kid, head.members = text, read, read.alg, read.kid, read.members
            head.name, head.of_digest = head.alg.name, head.alg.of_digest
            self.last = head
        return head

    cdef object look(self, bytes token, now):
        cdef Compact compact = split_token(token, self.max_depth, self.max_members)
        cdef _Head head = self.head_of(compact.header)
        payload = loads(compact.payload)
        if not isinstance(payload, dict):  # ``split_token`` has seen to it, by another reading of the same text
            raise Malformed("the payload is not an object")
        cdef dict said = payload
        iss, time, name = said.get("iss"), field(now, WALL) + field(now, BEHIND), head.name  # the time at its latest
        cdef Issuing issuing = self.known.get(iss) if isinstance(iss, str) else None
        if issuing is None:
            return self._stranger(iss)
        if name not in issuing.algorithms:
            return self._other_algorithm(name, issuing.issuer)
        cdef tuple fault = issuing.terms.fault(said, head.members, time)
        if fault is not None:
            return self._unfit(fault, said, head.members, issuing, time)
        chosen = issuing.choose(head, now, time, self.key)
        if type(chosen) is not _Choice:
            return self._without_key(chosen, head.read, issuing.issuer)
        if not self.may_check(iss):
            return self._in_turn(iss)
        cdef _Choice choice = chosen
        cdef bytes digest = sha256(compact.signing_input).digest()  # what RS256 and ES256 sign, and the token's name
        try:
            choice.check(digest if head.of_digest else compact.signing_input, compact.signature)
        except Exception as forged:
            return self._unsigned(head.read, issuing.issuer, forged)
        self.signed[name]()
        if said["exp"] - said["iat"] > long_lived:
            self._long_lived(issuing.issuer)
        if said["iat"] - time > issuing.cutoff_slack:
            self._ahead(issuing.issuer, said["iat"] - time)
        return tuple.__new__(  # as verified(…), without a call of Python's
            self.verified,
            (
                iss, said.get("sub"), client(said), said.get("sid"), issuing.terms.scopes(said), issuing.terms.roles(said),
                audience(said), said["iat"], said["exp"], digest.hex(), choice.thumbprint, name, head.kid, "cnf" in said,
                choice.generation, self.claims(compact.payload, said),
            ),
        )


cpdef bytes encoded(verified, Payload claims):
    """A flat record: a line of JSON, and the payload as it came.  It keeps no generation."""
    has_fields(verified, VERIFIED)
    if claims is None:
        raise TypeError("claims are needed")
    return dumps(PyTuple_GetSlice(verified, 0, KEY_GENERATION)) + b"\n" + claims.text
