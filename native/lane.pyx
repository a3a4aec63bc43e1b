"""The lane: requests of gateways answered from their bytes, by the tables that every face shares.

An answer is given here where all of it stands ready: the text that ``policy.decide`` made for this token under this rule, as
long as its ``Decision.reuse`` says (G4), or the refusal of a token that is remembered as bad.  Time, generations, cut-offs
and the rule are looked at for each request.  Whatever else there is to decide is Python's, by the same core.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MIN, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy, memset

from bearerd._native.anchor cimport Anchor
from bearerd._native.buffer cimport put, put_with_hole, room_for
from bearerd._native.clock cimport boot_now
from bearerd._native.counters cimport Page
from bearerd._native.credential cimport credential_of, is_spelled, name_into
from bearerd._native.date cimport DATE, write_date
from bearerd._native.digest cimport keyed128_into, siphash128_into
from bearerd._native.fieldnames cimport AUTHORIZATION, TRACEPARENT, bit
from bearerd._native.forms cimport form_of, may_navigate
from bearerd._native.generations cimport Generations
from bearerd._native.head cimport Face, Head, value_of
from bearerd._native.operations cimport FREE
from bearerd._native.path cimport names_access_token, normalise_into
from bearerd._native.refused cimport Memory, RefusedTokens
from bearerd._native.revocations cimport Revocations
from bearerd._native.ring cimport DIGITS, ID, TRACE, Burst, Note, Ring, name, note_asked, write_hex
from bearerd._native.route cimport Route, Routes, Template
from bearerd._native.tokens cimport Finding, Lookup, TokenCache
from bearerd._native.values cimport is_host, is_plain_method, is_trace

cdef enum:
    # Places of refusals, from the end (``lane.plan.READY``).
    TOO_LARGE = 3
    MISSING = 2
    FULL = 1

cdef double LIGHT = 0.00005  # seconds that nearly every read takes at the most
cdef double PRESSED_SECONDS = 0.001  # as turns.PAUSE


@cython.final
cdef class Lane:
    """One a worker, around its tables.  ``max_*``: as of ``bearerd.limits``."""

    def __cinit__(
        self, *, TokenCache cache not None, RefusedTokens refused not None, Revocations revocations not None,
        Generations generations not None, Anchor anchor not None, Page page not None, Burst burst not None, Ring ring not None,
        Py_ssize_t suppressed, Py_ssize_t max_token_bytes, Py_ssize_t max_header_bytes, Py_ssize_t max_head_bytes,
        Py_ssize_t max_headers,
    ):
        """``suppressed``: the metrics cell that counts refusals without a line."""
        self.cache, self.refused, self.revocations, self.generations = cache, refused, revocations, generations
        self.anchor, self.page, self.burst, self.ring = anchor, page, burst, ring
        self.connections = set()
        self.routes = Routes(0, [])
        self.suppressed = <size_t>max(0, suppressed)
        self.max_token = <size_t>max_token_bytes
        self.limits.max_header_bytes = <uint32_t>max_header_bytes
        self.limits.max_head_bytes = <uint32_t>max_head_bytes
        self.limits.max_headers = <uint32_t>max_headers
        self.second = INT64_MIN
        self.path = <unsigned char*>malloc(<size_t>max_header_bytes + 1)  # a target is no longer than a field
        room_for(&self.out, 4096)
        if self.path == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.path)
        free(self.out.text)

    def drained(self, Py_ssize_t most=-1):
        """The notes that are to become lines (``ring.Noted``), ``most`` of them; a further one is announced by ``noted`` again."""
        self.noted = False
        return self.ring.drain(most)

    # -- one read --

    cdef void begin(self) noexcept nogil:
        self.out.size = 0
        self.go_on()
        self.started = self.now.boot

    cdef void go_on(self) noexcept nogil:
        self.anchor.look(&self.now)
        self.latest = self.now.wall + self.now.behind

    cdef void finish(self) noexcept nogil:
        cdef double took = max(0.0, boot_now() - self.now.boot)
        if took > LIGHT:
            self.heavy += 1000.0 * took

    def turned(self):
        """Another turn of the loop."""
        self.heavy = 0.0
        self.watched = False

    cdef double took(self) noexcept nogil:
        """Seconds since the last answer of this read."""
        cdef double before = self.started
        self.started = boot_now()
        return max(0.0, self.started - before)

    # -- one request --

    cdef int judge(self, Client* client, const unsigned char* p, const Head* head) except -1:
        cdef bint named = head.name.length > 0
        cdef Route route
        cdef Asked asked
        cdef Lookup found
        cdef const unsigned char* token
        cdef size_t size
        cdef Py_ssize_t rule
        cdef int verdict = Verdict.UNKNOWN
        client.last = head.close or self.closing
        client.length = 0
        client.route = -1
        if not named and client.host < 0:
            return Verdict.ELSEWHERE
        route = self.routes.find(head.face, p + head.name.at, head.name.length) if named else self.chosen(client, p, head)
        if route is None:
            # A name is the gateway's, and stays what it is.  A host is any client's, who must not drive others off the lane.
            return Verdict.ELSEWHERE if named else Verdict.UNKNOWN
        # What would have to be looked at twice is left to those who look at it anyway.
        if client.trusted and route.plain and not head.is_head and route.admits(p, head) and self.select(route, p, head, &asked, &rule):
            return self.look_up(client, route, p, head, &asked, rule)
        token = credential_of(p, head, &size)
        if token != NULL and size <= self.max_token:
            found = self.find(client, token, size)
            if found.found == Finding.HIT or found.found == Finding.KEYS_CHANGED:
                verdict = self.known(client)
        client.length = 0  # nothing is prepared for such
        return verdict

    cdef Route chosen(self, const Client* client, const unsigned char* p, const Head* head):
        """The resource of the host that is asked about; None where there is none, or more to it."""
        cdef const unsigned char* host = NULL
        cdef const unsigned char* target = NULL
        cdef size_t host_size = 0, target_size = 0
        if not client.trusted or head.twice & (bit(client.host) | bit(client.target)):
            return None
        if head.known[client.host] >= 0:
            host = value_of(p, head, head.known[client.host], &host_size)
        if head.known[client.target] >= 0:
            target = value_of(p, head, head.known[client.target], &target_size)
        return self.routes.of_host(client.host, host, host_size, target, target_size, self.path)

    cdef bint select(self, Route route, const unsigned char* p, const Head* head, Asked* asked, Py_ssize_t* rule) except -1:
        """What ``rules.select_rule`` selects for this request; False where there is more to it than a rule's number."""
        cdef const unsigned char* target = NULL
        cdef const unsigned char* text
        cdef size_t size, target_size = 0
        cdef Py_ssize_t path_size = 0
        cdef uint32_t i
        asked.method = asked.said.method = NULL
        asked.method_size = 0
        if route.method < 0:
            asked.method, asked.method_size = p + head.method.at, head.method.length
            target, target_size = p + head.rest.at, head.rest.length
            if target_size == 0:
                return False
            for i in range(head.fields):
                if route.spoofs(p + head.field[i].name.at, head.field[i].name.length):
                    return False
        else:
            if head.twice & route.family:
                return False
            if head.known[route.host] >= 0:
                text = value_of(p, head, head.known[route.host], &size)
                if not is_host(text, size):
                    return False
            if head.known[route.method] >= 0:
                asked.method = value_of(p, head, head.known[route.method], &asked.method_size)
            if head.known[route.target] >= 0:
                target = value_of(p, head, head.known[route.target], &target_size)
            if route.constrained and (asked.method == NULL or target == NULL):
                return False
        if asked.method != NULL and not is_plain_method(asked.method, asked.method_size):
            return False
        if target != NULL:
            if memchr(target, c'?', target_size) != NULL and names_access_token(target, target_size):
                return False
            if route.has_paths:
                path_size = normalise_into(target, target_size, self.path)
                if path_size < 0:
                    return False
        asked.path, asked.path_size = self.path, <size_t>path_size
        rule[0] = -1
        if route.operations is not None:
            if asked.method_size != 4 or memcmp(asked.method, b"POST", 4) != 0:
                return False
            rule[0] = route.operations.of_head(p, head, True, self.path, &asked.said)
            return rule[0] >= FREE
        if route.in_body or route.count == 0:
            return not route.in_body
        rule[0] = route.rules.select(asked.method, asked.method_size, asked.path, asked.path_size, False, 0)
        return rule[0] >= 0 and not route.is_open(rule[0])

    cdef Lookup find(self, Client* client, const unsigned char* token, size_t size) noexcept nogil:
        keyed128_into(token, size, client.digest)
        client.length = <uint32_t>size
        return self.cache.look_up(
            client.digest, client.length, self.latest, self.now.boot, self.generations, self.revocations
        )

    cdef int at_once(self) noexcept nogil:
        """The same of one that has stood back: KNOWN or UNKNOWN."""
        return Verdict.KNOWN if self.heavy + 1000.0 * (boot_now() - self.now.boot) < SLICE else Verdict.UNKNOWN

    cdef int look_up(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                     Py_ssize_t rule) except -1:
        cdef const unsigned char* token
        cdef const unsigned char* text
        cdef const Memory* memory
        cdef Lookup found
        cdef size_t size
        if head.known[AUTHORIZATION] < 0 and route.enforced and not route.asks_nobody(rule):
            if route.redirects and may_navigate(p, head):
                return self.unless_full(client, route, p, head, asked, rule)  # anybody may say so: it waits its turn
            if self.stands_back(client):
                return Verdict.LATER
            return self.refuse(client, route, p, head, asked, rule, route.refusal_count - MISSING, NULL)
        token = credential_of(p, head, &size)
        if token == NULL or not route.takes(token, size):
            return Verdict.UNKNOWN
        if size > self.max_token:
            return self.refuse_long(client, route, p, head, asked, rule, token, size)
        found = self.find(client, token, size)
        if found.found == Finding.HIT:
            text = self.cache.prepared(found.index, route.index, <size_t>(rule + 1), self.latest, self.now.boot, &size)
            if text == NULL:
                return self.known(client)
            return self.allow(client, route, p, head, asked, rule, text, size)
        if found.found == Finding.KEYS_CHANGED:
            return self.known(client)
        if found.found == Finding.REVOKED or not route.enforced:
            return Verdict.UNKNOWN
        memory = self.refused.recall(client.digest, client.length, self.now.boot, self.generations.of_all())
        if memory != NULL and <size_t>memory.value + TOO_LARGE < route.refusal_count:
            if self.stands_back(client):
                return Verdict.LATER
            self.misses += 1
            self.refused.hits += 1
            return self.refuse(client, route, p, head, asked, rule, <size_t>memory.value, memory.name)
        client.route, client.rule = <int32_t>route.index, <int32_t>rule
        return self.unless_full(client, route, p, head, asked, rule)

    cdef int refuse_long(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                         Py_ssize_t rule, const unsigned char* token, size_t size) except -1:
        """For its length, whatever it says; its name is all that is made of it."""
        cdef unsigned char[32] named
        if not route.enforced or (self.is_pressed(client) and not self.full) or not is_spelled(token, size):
            return Verdict.UNKNOWN
        name_into(token, size, named)
        memset(client.digest, 0, sizeof(client.digest))
        client.length = <uint32_t>size
        return self.refuse(client, route, p, head, asked, rule, route.refusal_count - TOO_LARGE, named)

    cdef bint is_pressed(self, const Client* client) noexcept nogil:
        """Whether known tokens come: what is dear to read goes behind them.

        Who sends nothing else would be answered as often as they are, at five times their price.
        """
        return not client.waits and self.now.boot - self.allowed_at < PRESSED_SECONDS

    cdef bint stands_back(self, Client* client) noexcept nogil:
        """Until known tokens have had most of the time: whoever is no allow that stands ready costs as much, or far more."""
        client.stood_back = not client.stood_back and self.is_pressed(client)
        return client.stood_back

    cdef int unless_full(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                         Py_ssize_t rule) except -1:
        """Python's, in its turn, if there is room to wait.  The more are told at once that there is none, the fewer are served."""
        if (self.full or self.outside) and not client.waits:
            client.stood_back = not client.stood_back
            if client.stood_back:
                return Verdict.AWAY
            if self.full:
                return self.refuse(client, route, p, head, asked, rule, route.refusal_count - FULL, NULL)
        return Verdict.UNKNOWN

    cdef int allow(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                   Py_ssize_t rule, const unsigned char* text, size_t size) except -1:
        cdef double seconds
        cdef Note* note
        cdef bint logged, audited
        if client.first and self.owed + self.log_allows >= 1.0:
            return Verdict.UNKNOWN  # a line is told of it by who has it in hand: of a note, once the token is gone from the cache, half
        if route.audits_all and not self.ring.makes_room():
            return self.known(client)  # whoever decides it there waits for room, or says that there is none
        put(&self.out, text, size)
        self.put_end(client)
        seconds = self.took()
        if client.first:  # nor is it a known token, for whom others would have to stand back
            self.misses += 1
        else:
            self.hits += 1
            self.allowed += 1
            self.allowed_at = self.now.boot
        self.page.add_to(route.allowed, 1.0)
        self.page.observe_in(route.duration, seconds)
        self.owed += self.log_allows
        route.audits_owed += route.audits
        logged, audited = self.owed >= 1.0, route.audits_owed >= 1.0
        if logged or audited:
            self.owed -= logged
            route.audits_owed -= audited
            note = self.note(client, route, p, head, asked, rule, logged, audited)
            if note != NULL:
                self.ring.draw_id(note.request_id)
                note.seconds = seconds
                note.refusal = -1
        return Verdict.ANSWERED

    cdef int refuse(self, Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                    Py_ssize_t rule, size_t place, const unsigned char* name32) except -1:
        cdef const Template* template = route.refusals + place
        cdef unsigned char[ID] request_id
        cdef unsigned char[DIGITS] digits
        cdef double seconds
        cdef Note* note
        cdef bint logged
        if route.audits_all and not self.full and not self.ring.makes_room():
            return self.at_once()  # likewise, by whoever stood back; where Python is overwhelmed, too, it is told so, and the record counted
        if route.forms > 1:
            template += <size_t>form_of(p, head) * route.refusal_count
        self.ring.draw_id(request_id)
        write_hex(request_id, digits)
        put_with_hole(&self.out, template.head, template.head_size, template.head_hole, digits, DIGITS)
        self.put_end(client)
        if template.body_has_hole:
            put_with_hole(&self.out, template.body, template.body_size, template.body_hole, digits, DIGITS)
        else:
            put(&self.out, template.body, template.body_size)
        seconds = self.took()
        self.page.add_to(template.cell, 1.0)
        self.page.observe_in(route.duration, seconds)
        logged = self.burst.take_at(self.started)
        if not logged:
            self.page.add_to(self.suppressed, 1.0)
        note = self.note(client, route, p, head, asked, rule, logged, route.audits_refusals)
        if note != NULL:
            note.seconds = seconds
            note.refusal = <int16_t>place
            memcpy(note.request_id, request_id, ID)
            if name32 != NULL:
                memcpy(note.token_name, name32, 32)
        return Verdict.ANSWERED

    cdef Note* note(self, const Client* client, Route route, const unsigned char* p, const Head* head, const Asked* asked,
                    Py_ssize_t rule, bint logged, bint audited) noexcept nogil:
        """What is known of it; NULL where all that is noted has to be kept."""
        cdef Note* note = self.ring.make(logged, audited)
        cdef const unsigned char* text
        cdef size_t size
        self.noted = self.noted or logged or audited or self.ring.is_half_full()
        if note == NULL:
            return NULL
        note.logged, note.audited, note.kept = logged, audited, route.audits_all
        note.at = self.now.wall
        note.route = route.index
        note.generation = self.routes.generation
        note.rule = <int32_t>rule
        memcpy(note.digest, client.digest, 16)
        note.length = client.length
        name(note, asked.method, 0 if asked.method == NULL else asked.method_size, client.peer, client.peer_size)
        if asked.said.method != NULL:
            note_asked(note, &asked.said)
        if head.known[TRACEPARENT] >= 0 and not head.twice & bit(TRACEPARENT):
            text = value_of(p, head, head.known[TRACEPARENT], &size)
            if is_trace(text, size):
                note.trace_size = TRACE
                memcpy(note.trace, text, TRACE)
        return note

    # -- writing --

    cdef int write(self, Client* client, bytes head, bytes body) except -1:
        put(&self.out, <const unsigned char*>PyBytes_AS_STRING(head), <size_t>PyBytes_GET_SIZE(head))
        self.put_end(client)
        put(&self.out, <const unsigned char*>PyBytes_AS_STRING(body), <size_t>PyBytes_GET_SIZE(body))
        self.took()
        return 0

    cdef int put_end(self, const Client* client) except -1:
        """The Date field, whether the connection ends, and the end of the head: in aiohttp's order."""
        write_date(self.date, &self.second, <int64_t>self.now.wall)
        put(&self.out, b"Date: ", 6)
        put(&self.out, self.date, DATE)
        if client.last:
            put(&self.out, b"\r\nConnection: close\r\n\r\n", 23)
        else:
            put(&self.out, b"\r\n\r\n", 4)
        self.answered += 1
        return 0
