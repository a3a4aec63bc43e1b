"""One token, verified: what is known of these exact bytes, else an examination, whose outcome is remembered.

Never waits.  A known token costs one look-up; time, revocations and generations are compared on every look-up, by the table
itself.  A known *bad* token costs another look-up, in a table of its own: a flood of one bad token buys no signature checks and
evicts no good one.  Whatever is rarer than that, and all that has words, is ``verify.verifier``'s.
"""

from math import floor

from libc.stdint cimport int64_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.long cimport PyLong_CheckExact

from bearerd._native.digest cimport keyed128_of
from bearerd._native.entry cimport saturated, whole_seconds
from bearerd._native.examine cimport Issuing, Payload, encoded
from bearerd._native.fields cimport (
    BEHIND, BOOT, CLAIMS, CLIENT, EXPIRES_AT, ISSUED_AT, ISSUER, KEY_GENERATION, NOW, SESSION, SUBJECT, THUMBPRINT, TOKEN_ID,
    VERIFIED, WALL, field, has_fields,
)
from bearerd._native.probes cimport probes_of
from bearerd._native.refused cimport Memory
from bearerd._native.shelf cimport PROBE
from bearerd._native.tokens cimport Finding


cdef class Verification:
    """Of tokens of these issuers, under one configuration.  Whoever inherits it has the words: see the stub."""

    def __init__(
        self, TokenCache cache not None, RefusedTokens refused not None,
        Generations generations not None, Revocations table not None, examiner, Py_ssize_t most_bytes, bytes apart,
        verified,
    ):
        self.cache, self.refused, self.generations, self.table = cache, refused, generations, table
        self.examiner, self.known, self.most_bytes, self.apart, self.verified = examiner, examiner.known, most_bytes, apart, verified

    def verify_now(self, bytes token not None, now):
        """Verify a bearer token, or an API key.  Pending: resolve it (await), then ask again."""
        if self.cache is None:
            raise TypeError("it was not initialised")
        has_fields(now, NOW)
        cdef uint64_t generation = self.generations.of_all()
        cdef double latest = <double>field(now, WALL) + <double>field(now, BEHIND), boot = field(now, BOOT)
        cdef unsigned char[16] digest
        cdef Finding found
        cdef const Memory* memory
        if PyBytes_GET_SIZE(token) > self.most_bytes or (self.apart is not None and token.startswith(self.apart)):
            return self._apart(token, now)
        verified = self.cache.seek(token, latest, boot, self.generations, self.table, &found)
        if verified is not None:
            has_fields(verified, VERIFIED)
            if found == Finding.HIT and field(verified, ISSUER) in self.known:
                return verified
            again = self._judged_again(token, <int>found, verified, now)
            if again is not None:
                return again
        memory = self.refused.recall(digest, keyed128_of(token, digest), boot, generation)
        if memory != NULL:
            self.refused.hits += 1
            return self._again(memory.value)
        examined = self.examiner.examine(token, now)
        if type(examined) is not self.verified:
            return self._noted(token, examined, now, generation)
        return self.kept(token, examined, latest, boot)

    cdef object kept(self, bytes token, verified, double latest, double boot):
        """Into the cache, also if it is revoked: that is asked at each hit.

        Until ``exp`` plus leeway by either clock (the wall clock at its latest), and not beyond the keys' own time: else an
        issuer's long silence would be noticed by new tokens only.
        """
        has_fields(verified, VERIFIED)
        cdef Issuing issuing = self.known[field(verified, ISSUER)]
        cdef Payload claims = <Payload?>field(verified, CLAIMS)
        issued = field(verified, ISSUED_AT)
        cdef int64_t second = saturated(issued if PyLong_CheckExact(issued) else floor(issued))
        cdef double until = field(verified, EXPIRES_AT) + issuing.terms.leeway, keys_wall, keys_boot
        cdef bytes probes = probes_of(
            field(verified, ISSUER), claims.read().get("jti"), field(verified, TOKEN_ID),
            field(verified, SUBJECT), field(verified, SESSION), field(verified, CLIENT), field(verified, THUMBPRINT),
        )
        keys_wall, keys_boot = issuing.issuer.usable_until
        self.cache.keep(
            token, encoded(verified, claims), issuing.issuer.index, field(verified, KEY_GENERATION), self.generations.config,
            second, min(until, keys_wall), min(boot + (until - latest), keys_boot), probes,
        )
        cdef Py_ssize_t at = self.table.first_revoked(
            <const unsigned char*>PyBytes_AS_STRING(probes), <size_t>PyBytes_GET_SIZE(probes) // PROBE, second,
            whole_seconds(latest),
        )
        return verified if at < 0 else self._revoked(verified, at)
