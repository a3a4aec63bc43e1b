"""The resources as the lane knows them: what of a request selects a rule, and the answers that stand ready.

All of it is made from the compiled policy by Python, once a configuration, and never changes.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from bearerd._native.accept cimport FORMS
from bearerd._native.ascii cimport is_digit, is_lower, to_lower
from bearerd._native.fieldnames cimport (
    FORWARDED_HOST, FORWARDED_METHOD, FORWARDED_PROTO, FORWARDED_URI, ORIGINAL_HOST, ORIGINAL_METHOD, ORIGINAL_URI, bit,
)
from bearerd._native.head cimport Face

cdef enum:
    CHAINS = 64
    ID_DIGITS = 32
    LONGEST = 64  # bytes of an identity header's name that is looked for here

NO_ID = "{the-id-of-the-request-comes-here"[:ID_DIGITS - 1] + "}"  # nothing that is configured, or that a page escapes
cdef bytes HOLE = NO_ID.encode()
cdef const unsigned char* X_AUTH = b"x-auth-"


@cython.final
cdef class Route:
    """One resource at one face: ``"forward_auth"`` by its dialect, or ``"ext_authz"``."""

    def __init__(
        self, Py_ssize_t index, str resource, str dialect, Rules rules not None, bytes open_rules not None, *,
        bint plain, bint enforced, bint constrained, bint has_paths, tuple identity, Py_ssize_t allowed, Py_ssize_t duration,
        bint takes_tokens=True, bint takes_keys=False, bint redirects=False, Operations operations=None, bint in_body=False, tuple origins=None,
        double audits=0.0, bint audits_refusals=False, bint audits_all=False,
    ):
        """``open_rules``: a byte for each enforced rule, 1 where no credential is looked at, 2 where it is optional.  ``allowed``, ``duration``: cells of the metrics page.  ``origins``: None where no Origin is looked at.

        ``audits``: the share of allows that leave an audit record; ``audits_all``: every decision does, or is not made here.
        """
        self.index = <uint32_t>index
        self.resource = resource
        self.name = resource.encode()
        self.face = "ext_authz" if dialect == "envoy" else "forward_auth"
        self.method = self.target = self.host = -1
        if dialect == "nginx":
            self.method, self.target, self.host = ORIGINAL_METHOD, ORIGINAL_URI, ORIGINAL_HOST
            self.family = bit(ORIGINAL_METHOD) | bit(ORIGINAL_URI) | bit(ORIGINAL_HOST)
        elif dialect == "forwarded":
            self.method, self.target, self.host = FORWARDED_METHOD, FORWARDED_URI, FORWARDED_HOST
            self.family = bit(FORWARDED_METHOD) | bit(FORWARDED_URI) | bit(FORWARDED_HOST) | bit(FORWARDED_PROTO)
        elif dialect != "envoy":
            raise ValueError('a dialect is "nginx", "forwarded" or "envoy"')
        self.sees_all = dialect == "envoy"
        self.plain, self.enforced = plain, enforced
        self.constrained, self.has_paths, self.redirects = constrained, has_paths, redirects
        self.takes_tokens, self.takes_keys = takes_tokens, takes_keys
        self.rules, self.open = rules, open_rules
        self.operations, self.in_body = operations, in_body
        self.audits, self.audits_refusals, self.audits_all = audits, audits_refusals, audits_all
        self.count = <size_t>len(open_rules)
        self.words = (self.count + 64) // 64
        self.identity, self.origins = identity, origins
        for known in (b"x", *identity):
            self.first[known[0]] = True
        self.allowed, self.duration = <size_t>max(0, allowed), <size_t>max(0, duration)
        self.texts = []

    def __dealloc__(self):
        free(self.refusals)

    def refuse_with(self, list answers not None, Py_ssize_t forms=1):
        """The refusals that stand ready, by place: (head without Date, body, cell); ``NO_ID`` stands for the request id.

        ``forms``: how many forms of them there are, one after the other; one, or those of ``accept.Form``.
        """
        cdef size_t i
        cdef bytes head, body
        cdef Template* made
        if self.refusals != NULL:
            raise RuntimeError("they are given once")
        if forms not in (1, FORMS) or len(answers) % forms:
            raise ValueError("one form, or as many of each refusal as there are")
        self.refusals = <Template*>calloc(max(1, len(answers)), sizeof(Template))
        if self.refusals == NULL:
            raise MemoryError
        for i in range(<size_t>len(answers)):
            head, body, cell = answers[i]
            self.texts += [head, body]
            made = self.refusals + i
            made.head, made.head_size = <const unsigned char*>PyBytes_AS_STRING(head), <uint32_t>len(head)
            made.body, made.body_size = <const unsigned char*>PyBytes_AS_STRING(body), <uint32_t>len(body)
            made.head_hole = <uint32_t>head.index(HOLE)
            made.body_has_hole = HOLE in body
            made.body_hole = <uint32_t>body.index(HOLE) if made.body_has_hole else 0
            if head.count(HOLE) != 1 or body.count(HOLE) > 1:
                raise ValueError("a request id stands once in the head, and at most once in the body")
            made.cell = <size_t>max(0, cell)
        self.forms = <size_t>forms
        self.refusal_count = <size_t>len(answers) // self.forms

    cdef bint spoofs(self, const unsigned char* name, size_t n):
        """Whether an upstream could take this name for identity, as its laxest reader does; also where it is allowed."""
        cdef unsigned char[LONGEST] canonical
        cdef unsigned char lower
        cdef size_t i
        cdef bytes known
        if not self.first[to_lower(name[0])]:  # nearly always; a name has at least one byte
            return False
        if n > LONGEST:  # it is not looked for here: whoever asks Python is told
            return True
        for i in range(n):
            lower = to_lower(name[i])
            canonical[i] = lower if is_lower(lower) or is_digit(lower) else c'-'
        if n >= 7 and memcmp(canonical, X_AUTH, 7) == 0:
            return True
        for known in self.identity:
            if <size_t>PyBytes_GET_SIZE(known) == n and memcmp(PyBytes_AS_STRING(known), canonical, n) == 0:
                return True
        return False

    cdef bint knows(self, const unsigned char* origin, size_t n):
        """Whether it is one of ``origins``, to the byte; there are a few."""
        cdef bytes known
        for known in self.origins:
            if <size_t>PyBytes_GET_SIZE(known) == n and memcmp(PyBytes_AS_STRING(known), origin, n) == 0:
                return True
        return False


cdef inline size_t chain_of(int face, const unsigned char* name, size_t n) noexcept nogil:
    """FNV-1a.  Names are the operator's: nobody fills a chain."""
    cdef uint64_t h = 0xCBF29CE484222325ULL ^ <uint64_t>face
    cdef size_t i
    for i in range(n):
        h = (h ^ name[i]) * <uint64_t>0x100000001B3
    return <size_t>(h ^ h >> 32) & (CHAINS - 1)


@cython.final
cdef class Routes:
    """All routes of a configuration, by face and name."""

    def __init__(self, generation, routes, Hosts hosts=None, belongs=()):
        """``belongs``: the route of each place in ``hosts``, or None."""
        cdef Route route
        self.hosts, self.belongs = hosts, list(belongs)
        self.generation = generation
        self.all = list(routes)
        self.chains = [[] for _ in range(CHAINS)]
        for place, route in enumerate(self.all):
            if route.index != <uint32_t>place:
                raise ValueError("a route's index is its place")
            self.chains[chain_of(
                Face.EXT_AUTHZ if route.sees_all else Face.AUTH,
                <const unsigned char*>PyBytes_AS_STRING(route.name), <size_t>PyBytes_GET_SIZE(route.name),
            )].append(route)

    cdef Route find(self, int face, const unsigned char* name, size_t n):
        cdef list chain = <list>self.chains[<Py_ssize_t>chain_of(face, name, n)]
        cdef Route route
        cdef bint sees_all = face == Face.EXT_AUTHZ
        for item in chain:
            route = <Route>item
            if route.sees_all == sees_all and <size_t>PyBytes_GET_SIZE(route.name) == n and memcmp(
                PyBytes_AS_STRING(route.name), name, n
            ) == 0:
                return route
        return None

    cdef Route of_host(
        self, int field, const unsigned char* host, size_t n, const unsigned char* target, size_t target_size,
        unsigned char* room
    ):
        cdef Py_ssize_t place
        cdef Route route
        if self.hosts is None:
            return None
        place = self.hosts.choose(host, n, target, target_size, room)
        if not 0 <= place < len(self.belongs):
            return None
        route = self.belongs[place]
        return route if route is not None and route.host == field else None
