"""One connection: bytes to heads, heads to answers, and the door to aiohttp, which opens one way.

    READING   heads are answered as they come, those of one read by one write; of many at once the others when their turn comes
    WAITING   Python owes the answer to the first head of ``held``; what follows is kept, so that answers stay in order
    LEAVING   ``held`` begins with something that is not ours: aiohttp gets it, and all that comes after it, as soon as
              nothing that we wrote waits in the transport
    CLOSING   what was written goes out, as long as it is read; nothing more is
    GONE      aiohttp has it, or it is closed

A client that does not read what it is sent is not read from either.  A fault ends the connection: what came with it is lost,
and the next answer would be taken for that of another request.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from bearerd._native.anchor cimport Time
from bearerd._native.buffer cimport taken
from bearerd._native.clock cimport boot_now
from bearerd._native.credential cimport credential_of, is_spelled
from bearerd._native.fieldnames cimport FORWARDED_HOST, FORWARDED_URI, ORIGINAL_HOST, ORIGINAL_URI
from bearerd._native.head cimport Head, Verdict as Recognised, recognise
from bearerd._native.lane cimport Lane, Verdict
from bearerd._native.question cimport question_of
from bearerd._native.route cimport Route

cdef enum:
    MOST_UNSENT = 64 * 1024  # bytes of answers made at once; the transport says then whether it takes more

# Every head is answered, or told as a question, before the next one is read: one is enough.
cdef Head scratch


cdef inline const unsigned char* start(bytes data) noexcept:
    return <const unsigned char*>PyBytes_AS_STRING(data)


@cython.final
cdef class Connection:
    """An ``asyncio.Protocol``; ``desk`` (see the stub) is asked for what is Python's."""

    def __init__(self, Lane lane not None, desk, str dialect not None=""):
        """``dialect``: what its listener fixes for ``/auth``; empty: nothing is asked there."""
        self.lane, self.desk, self.dialect = lane, desk, dialect
        self.client.host = self.client.target = self.client.route = -1
        if dialect == "nginx":
            self.client.host, self.client.target = ORIGINAL_HOST, ORIGINAL_URI
        elif dialect == "forwarded":
            self.client.host, self.client.target = FORWARDED_HOST, FORWARDED_URI
        elif dialect:
            raise ValueError('a listener\'s dialect is "nginx" or "forwarded"')
        self.held = self.peer_text = b""
        self.peer = ""

    # -- asyncio.Protocol --

    def connection_made(self, transport):
        self.transport = transport
        self.since = boot_now()
        self.look_at_peer()
        self.lane.connections.add(self)

    def data_received(self, bytes data not None):
        cdef bint fresh = not self.held
        if self.state != State.READING or self.write_paused or self.queued:
            self.keep(data)
            return
        if self.lane.is_crowded() and PyBytes_GET_SIZE(self.held) + PyBytes_GET_SIZE(data) > LARGE:
            self.since = boot_now() if fresh else self.since
            self.keep(data)
            self.queue()
            return
        if not fresh:
            data = self.held + data
        try:
            self.serve(data, fresh)
        except BaseException:
            self.abort()
            raise

    def eof_received(self):
        """As with aiohttp: who has stopped asking gets no further answer."""

    def pause_writing(self):
        self.write_paused = True
        if self.state < State.CLOSING:
            self.read_no_more()

    def resume_writing(self):
        self.write_paused = False
        self.since = boot_now()
        try:
            self.go_on()
        except BaseException:
            self.abort()
            raise

    def connection_lost(self, exc):
        self.state = State.GONE
        self.held = b""
        self.lane.connections.discard(self)
        if self.waiter is not None:
            self.desk.gone(self)

    # -- what Python owes --

    def owes(self):
        """Whether an answer is waited for still.  What stands ready by now is given."""
        return self.lacks(True)

    def shown(self):
        """(its route's number, its rule's place, the token) of what is waited for, where no more decides; else None."""
        cdef const unsigned char* token
        cdef size_t size = 0
        token = credential_of(start(self.held), self.waiting(), &size)
        if self.client.route < 0 or token == NULL or not is_spelled(token, size):
            return None
        return self.client.route, self.client.rule, PyBytes_FromStringAndSize(<const char*>token, <Py_ssize_t>size)

    def settle(self):
        """Answer by what was prepared since ``owes``; whether that was all that it lacked."""
        return not self.lacks(False)

    def question(self):
        """What is waited for."""
        return question_of(start(self.held), self.waiting(), self.peer, self.client.trusted)

    def reply(self, bytes head not None, bytes body not None):
        """Answer what was asked: the head up to Date, and the body."""
        cdef const Head* asked
        if self.state != State.WAITING:
            return
        self.lane.begin()
        try:
            asked = self.waiting()
            self.client.last = asked.close or self.lane.closing
            self.lane.write(&self.client, head, body)
            self.answered(asked)
        except BaseException:
            self.abort()
            raise

    def prepare(self, Route route not None, Py_ssize_t rule, double until_wall, double until_boot, bytes head not None):
        """The token that was last asked about may be answered so again, as ``Decision.reuse`` says.

        ``rule``: its place among the enforced rules, or -1.
        """
        cdef Time now
        if self.client.length:
            self.lane.anchor.look(&now)
            self.lane.cache.prepare(
                self.client.digest, self.client.length, route.index, route.words, <size_t>(rule + 1),
                until_wall, until_boot, now.wall + now.behind, now.boot, start(head), <size_t>PyBytes_GET_SIZE(head),
            )

    # -- from outside --

    def check(self, double boot):
        """Close it if a head, or the next request, is too long in coming, or nobody reads what we write."""
        cdef double most = HEAD_SECONDS if self.held else IDLE_SECONDS
        if self.write_paused or self.state == State.CLOSING:
            if boot - self.since > STALLED_SECONDS:
                self.abort()
        elif self.state == State.READING and not self.queued and boot - self.since > most:
            self.close()

    def rested(self):
        """Seconds since its last answer, or its beginning; 0 while anything is under way."""
        return 0.0 if self.state != State.READING or self.held or self.write_paused else boot_now() - self.since

    def more(self):
        """Its turn has come: answer what was left over."""
        self.queued = False
        try:
            self.go_on()
        except BaseException:
            self.abort()
            raise

    def shut(self):
        """Close it if it owes nothing."""
        if self.state == State.READING and not self.held:
            self.close()

    def abort(self):
        """Close it, whatever it owes."""
        if self.state != State.GONE:
            self.state = State.CLOSING
            self.held = b""
            self.transport.abort()

    # -- within --

    cdef int keep_up(self) except -1:
        """With the configuration in use: its routes, and whether the peer is trusted."""
        if self.lane.routes.generation != self.lane.generations.config:
            self.desk.renew()
        if self.generation != self.lane.routes.generation:
            self.look_at_peer()
        return 0

    cdef int look_at_peer(self) except -1:
        self.peer, self.client.trusted = self.desk.welcome(self.transport)
        self.peer_text = self.peer.encode("ascii", "replace")
        self.client.peer = start(self.peer_text)
        self.client.peer_size = <size_t>PyBytes_GET_SIZE(self.peer_text)
        self.generation = self.lane.routes.generation
        return 0

    cdef int serve(self, bytes data, bint fresh) except -1:
        """``fresh``: the first head begins with these bytes."""
        cdef size_t at = 0
        cdef bint more
        self.keep_up()
        self.held = b""
        self.lane.begin()
        more = self.answer_all(data, &at)
        self.finish()
        if at < <size_t>PyBytes_GET_SIZE(data):
            self.held = data[at:]
        if at or fresh:
            self.since = self.lane.now.boot
        if self.lane.noted:
            self.lane.noted = False
            self.desk.noted()
        if self.state == State.WAITING:
            self.desk.wait(self)
        elif self.state == State.LEAVING:
            self.go_on()
        elif self.queued:
            self.desk.stand_back(self, self.away)
        elif at and self.client.last:
            self.close()
        elif more and not self.transport.is_closing():
            self.queue()
        return 0

    cdef int queue(self) except -1:
        """Others first: a crowd of clients that send thousands of requests at once would have the loop to itself for seconds."""
        self.queued = True
        self.read_no_more()
        self.desk.later(self)
        return 0

    cdef int answer_all(self, bytes data, size_t* at) except -1:
        """``at``: what comes to be answered of it.  Whether there may be more to answer, once this has been written."""
        cdef const unsigned char* p = start(data)
        cdef size_t n = <size_t>PyBytes_GET_SIZE(data), made = 0
        cdef int found
        while at[0] < n:
            found = recognise(p + at[0], n - at[0], &self.searched, &self.lane.limits, &scratch)
            if found == Recognised.MORE:
                return 0
            self.searched = 0
            if found == Recognised.NOT_MINE:
                self.state = State.LEAVING
                return 0
            found = self.lane.judge(&self.client, p + at[0], &scratch)
            if found == Verdict.KNOWN:
                found = self.decide(p + at[0])
            if found == Verdict.LATER or found == Verdict.AWAY:
                self.queued, self.away = True, found == Verdict.AWAY
                return 0
            if found != Verdict.ANSWERED:
                self.state = State.WAITING if found == Verdict.UNKNOWN else State.LEAVING
                self.client.waits = found == Verdict.UNKNOWN
                self.owed = scratch.size
                return 0
            at[0] += scratch.size
            if self.client.last:
                at[0] = n  # what follows was not to be sent
            made += 1
            # An answer is many times as long as its question: who reads none gets no more of them.
            if self.lane.out.size >= MOST_UNSENT or made == AT_ONCE:
                return at[0] < n
        return 0

    cdef int decide(self, const unsigned char* p) except -1:
        """At once, unless there is a signature to check after all."""
        cdef tuple made = self.desk.decide(self, question_of(p, &scratch, self.peer, self.client.trusted))
        if made is None:
            return Verdict.UNKNOWN
        self.lane.write(&self.client, made[0], made[1])
        return Verdict.ANSWERED

    cdef int answered(self, const Head* head) except -1:
        """What was waited for stands in the buffer."""
        self.held = self.held[head.size:]
        self.state = State.READING
        self.client.waits = False
        self.since = self.lane.now.boot
        self.finish()
        if self.client.last:
            self.close()
        else:
            self.go_on()
        return 0

    cdef bint lacks(self, bint anew) except -1:
        """Whether there is no answer yet to what is waited for; where there is, it is given.  ``anew``: by the configuration of now."""
        cdef int found
        if self.state != State.WAITING:
            return False
        try:
            if anew:
                self.keep_up()
                self.lane.begin()
            else:
                self.lane.go_on()
            self.client.first = not anew
            found = self.lane.judge(&self.client, start(self.held), self.waiting())
            self.client.first = False
            if found == Verdict.ANSWERED:
                self.answered(&scratch)
        except BaseException:
            self.abort()
            raise
        return found != Verdict.ANSWERED

    cdef const Head* waiting(self) except NULL:
        """The head that is waited for, once more; not what has come behind it, of which a last request knows nothing."""
        cdef size_t searched = 0
        cdef size_t owed = self.owed if self.state == State.WAITING else 0
        if recognise(start(self.held), owed, &searched, &self.lane.limits, &scratch) != Recognised.COMPLETE:
            raise RuntimeError("a head is not what it was")
        return &scratch

    cdef int go_on(self) except -1:
        """After an answer, or when the transport takes more."""
        cdef bytes data = self.held
        if self.write_paused or self.queued or self.state >= State.CLOSING:
            return 0
        if self.state == State.LEAVING:
            self.read_on()
            self.leave()
            return 0
        if self.state == State.READING and data:
            self.serve(data, False)
        # Not before: as long as what was kept makes us wait, each answer would have more read than it took away.
        if self.state == State.READING and not self.write_paused and not self.queued:
            self.read_on()
        return 0

    cdef int read_no_more(self) except -1:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        return 0

    cdef int read_on(self) except -1:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        return 0

    cdef int keep(self, bytes data) except -1:
        if self.state >= State.CLOSING:
            return 0
        self.held = self.held + data
        if <size_t>PyBytes_GET_SIZE(self.held) > self.lane.limits.max_head_bytes:
            self.read_no_more()
        return 0

    cdef int finish(self) except -1:
        """With what was read, or waited for."""
        self.lane.finish()
        if self.lane.heavy > 0.0 and not self.lane.watched:
            self.lane.watched = True
            self.desk.watch()
        self.flush()
        return 0

    cdef int flush(self) except -1:
        if self.lane.out.size:
            self.transport.write(taken(&self.lane.out))
        return 0

    cdef int leave(self) except -1:
        """Through the door: from here on it is aiohttp's."""
        cdef bytes rest = self.held
        if self.transport.is_closing():
            return 0  # the other end has gone: aiohttp would begin with a connection that is lost already
        handler = self.desk.handler()
        if self.dialect:
            handler.dialect = self.dialect
        self.held = b""
        self.lane.connections.discard(self)
        self.transport.set_protocol(handler)
        handler.connection_made(self.transport)
        if rest:
            handler.data_received(rest)
        self.state = State.GONE  # only now: a fault until then is seen to here
        return 0

    cdef int close(self) except -1:
        """What was written goes out first: until then it is one of ours."""
        self.state = State.CLOSING
        self.held = b""
        self.transport.close()
        return 0
