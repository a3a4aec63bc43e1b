"""Counters, gauges and histograms in a page of shared memory: written by one worker, read by the supervisor.

A page is a sequence of 64-bit words: a magic number, the end (in words), then series without a gap.  A series is

    size in words | key length << 32 | kind << 48 | bounds << 50
    the key, padded with zeros to whole words
    the bounds
    the cells

It is written behind the end first and the end moved over it after (a release store): whoever reads the end (an acquire
load) finds whole series before it, also when the writer was killed in the middle of one.  A cell is one aligned word,
stored whole.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer, Py_buffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport isfinite, isnan
from libc.stdint cimport uint16_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t bearerd_load(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
    static inline uint64_t bearerd_acquire(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void bearerd_store(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
    static inline void bearerd_release(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline double bearerd_double(uint64_t v) { double d; memcpy(&d, &v, 8); return d; }
    static inline uint64_t bearerd_bits(double d) { uint64_t v; memcpy(&v, &d, 8); return v; }
    """
    uint64_t load "bearerd_load"(const uint64_t* p) noexcept nogil
    uint64_t acquire "bearerd_acquire"(const uint64_t* p) noexcept nogil
    void store "bearerd_store"(uint64_t* p, uint64_t value) noexcept nogil
    void release "bearerd_release"(uint64_t* p, uint64_t value) noexcept nogil
    double as_double "bearerd_double"(uint64_t bits) noexcept nogil
    uint64_t as_bits "bearerd_bits"(double value) noexcept nogil

cdef enum:
    A_COUNTER = 1
    A_GAUGE = 2
    A_HISTOGRAM = 3
    HEADER = 2  # words before the first series
    WORD = 8  # bytes
    MOST_BOUNDS = 1000
    MOST_KEY = 0xFFFF  # bytes

COUNTER = A_COUNTER
GAUGE = A_GAUGE
HISTOGRAM = A_HISTOGRAM

cdef uint64_t MAGIC = 0x3164_7265_7261_6562  # "bearerd1"; another layout gets another number

cdef inline size_t cells_of(int kind, size_t bounds) noexcept nogil:
    return bounds + 2 if kind == A_HISTOGRAM else 1


cdef inline void lay_out(Series* series, size_t key_length, int kind, size_t bounds) noexcept nogil:
    series.key_length = key_length
    series.kind = kind
    series.bounds = bounds
    series.first_bound = 1 + (key_length + WORD - 1) // WORD
    series.first_cell = series.first_bound + bounds
    series.size = series.first_cell + cells_of(kind, bounds)


cdef inline uint64_t packed(const Series* series) noexcept nogil:
    return (
        <uint64_t>series.size | <uint64_t>series.key_length << 32
        | <uint64_t>series.kind << 48 | <uint64_t>series.bounds << 50
    )


cdef bint unpacked(uint64_t word, size_t left, Series* series) noexcept nogil:
    """Whether `word` begins a series of at most `left` words; nothing of it is believed."""
    cdef int kind = <int>(word >> 48 & 3)
    cdef size_t bounds = <size_t>(word >> 50)
    if kind == 0 or bounds > MOST_BOUNDS or (bounds != 0 and kind != A_HISTOGRAM):
        return False
    lay_out(series, <size_t>(word >> 32 & MOST_KEY), kind, bounds)
    return packed(series) == word and series.size <= left


@cython.final
@cython.no_gc_clear  # the buffer is let go of in __dealloc__ only: cleared before, its owner would see it still held
cdef class Page:
    """A writer over a writable buffer (an mmap).  Series are appended; a cell is a 64-bit float at a fixed offset.

    A page that already has series keeps them and their values: a worker that takes over a slot goes on counting.  Raises
    ValueError for a buffer that is too small or not aligned to 8 bytes.
    """

    def __cinit__(self, buffer):
        PyObject_GetBuffer(buffer, &self.view, PyBUF_WRITABLE)
        self.held = True
        self.words = <uint64_t*>self.view.buf
        self.count = <size_t>self.view.len // WORD
        if self.count < HEADER or <uintptr_t>self.view.buf % WORD != 0:
            raise ValueError("a page needs at least 16 bytes, aligned to 8")
        self.shape = <uint16_t*>calloc(self.count, sizeof(uint16_t))
        if self.shape == NULL:
            raise MemoryError
        self.cells = {}
        self.adopt()

    def __dealloc__(self):
        free(self.shape)
        if self.held:
            PyBuffer_Release(&self.view)

    cdef int adopt(self) except -1:
        """Takes over the series that stand there; what is no page becomes an empty one."""
        cdef size_t end = 0
        cdef Series series
        self.end = HEADER
        if load(self.words) == MAGIC:
            end = <size_t>min(load(self.words + 1), <uint64_t>self.count)
        while self.end < end and unpacked(load(self.words + self.end), end - self.end, &series):
            self.enter(&series)
        release(self.words + 1, self.end)
        release(self.words, MAGIC)
        return 0

    cdef size_t enter(self, const Series* series) except 0:
        """The series at the end is whole: our own index has it, too, and the end moves over it."""
        cdef size_t cell = self.end + series.first_cell
        cdef bytes key = PyBytes_FromStringAndSize(<char*>(self.words + self.end + 1), <Py_ssize_t>series.key_length)
        self.cells[key] = cell
        self.shape[cell] = <uint16_t>(series.bounds << 2 | <size_t>series.kind)
        self.end += series.size
        return cell

    def series(self, bytes key not None, int kind, bounds=()):
        """The cell of a series, created at zero when new (``key`` is opaque).  Raises MemoryError when the page is full.

        A histogram has ``len(bounds) + 1`` bucket cells (not cumulative), then its sum.  Its bounds are finite and grow;
        a value counts in the first bucket whose bound is not less.  Raises ValueError for other bounds, another kind, or
        when the key has another kind or other bounds already.
        """
        cdef list limits = [float(bound) for bound in bounds]
        cdef Series series
        check(key, kind, limits)
        known = self.cells.get(key)
        if known is not None:
            if not self.has_shape(known, kind, limits):
                raise ValueError(f"the series {key!r} has another kind or other bounds")
            return known
        lay_out(&series, <size_t>PyBytes_GET_SIZE(key), kind, <size_t>len(limits))
        if series.size > self.count - self.end:
            raise MemoryError("the page of counters is full")
        self.write(&series, key, limits)
        cell = self.enter(&series)
        release(self.words + 1, self.end)
        return cell

    cdef bint has_shape(self, size_t cell, int kind, list bounds) except -1:
        cdef size_t count = <size_t>len(bounds)
        cdef size_t i
        if self.shape[cell] != <uint16_t>(count << 2 | <size_t>kind):
            return False
        for i in range(count):
            if as_double(load(self.words + cell - count + i)) != <double>bounds[i]:
                return False
        return True

    cdef int write(self, const Series* series, bytes key, list bounds) except -1:
        cdef uint64_t* p = self.words + self.end
        cdef size_t i
        memset(p, 0, series.size * WORD)
        memcpy(p + 1, PyBytes_AS_STRING(key), series.key_length)
        for i in range(series.bounds):
            store(p + series.first_bound + i, as_bits(bounds[i]))
        store(p, packed(series))
        return 0

    cdef void add_to(self, size_t cell, double amount) noexcept nogil:
        if cell < self.count and self.shape[cell] != 0:
            store(self.words + cell, as_bits(as_double(load(self.words + cell)) + amount))

    cdef void set_to(self, size_t cell, double value) noexcept nogil:
        if cell < self.count and self.shape[cell] != 0:
            store(self.words + cell, as_bits(value))

    cdef void observe_in(self, size_t cell, double value) noexcept nogil:
        cdef size_t bounds, i = 0
        cdef uint64_t* p = self.words + cell
        if cell >= self.count or self.shape[cell] & 3 != A_HISTOGRAM or isnan(value):
            return
        bounds = self.shape[cell] >> 2
        while i < bounds and value > as_double(load(p - bounds + i)):
            i += 1
        store(p + i, as_bits(as_double(load(p + i)) + 1.0))
        store(p + bounds + 1, as_bits(as_double(load(p + bounds + 1)) + value))

    cdef size_t known(self, Py_ssize_t cell, bint histogram) except 0:
        if not 0 < cell < <Py_ssize_t>self.count or self.shape[cell] == 0:
            raise IndexError(f"no series has the cell {cell}")
        if (self.shape[cell] & 3 == A_HISTOGRAM) != histogram:
            raise ValueError("observe is for histograms, add and set for the others")
        return <size_t>cell

    def add(self, Py_ssize_t cell, double amount=1.0):
        """Add to a counter or gauge.  Raises IndexError for a cell that ``series`` never gave."""
        self.add_to(self.known(cell, False), amount)

    def set(self, Py_ssize_t cell, double value):
        """Set a counter or gauge."""
        self.set_to(self.known(cell, False), value)

    def observe(self, Py_ssize_t cell, double value):
        """Count a value in a histogram.  A NaN is not counted."""
        self.observe_in(self.known(cell, True), value)


cdef int check(bytes key, int kind, list bounds) except -1:
    cdef Py_ssize_t i
    if not A_COUNTER <= kind <= A_HISTOGRAM:
        raise ValueError("kind is COUNTER, GAUGE or HISTOGRAM")
    if len(key) > MOST_KEY or len(bounds) > MOST_BOUNDS:
        raise ValueError(f"a key has at most {MOST_KEY} bytes, a histogram at most {MOST_BOUNDS} bounds")
    if bounds and kind != A_HISTOGRAM:
        raise ValueError("only a histogram has bounds")
    for i in range(len(bounds)):
        if not isfinite(bounds[i]) or (i and not bounds[i - 1] < bounds[i]):
            raise ValueError("bounds are finite and grow")
    return 0


def read(buffer):
    """All series of a page: (key, kind, bounds, values).  Never raises on a page that a killed writer left."""
    cdef Py_buffer view
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        if <uintptr_t>view.buf % WORD != 0:
            return read(PyBytes_FromStringAndSize(<const char*>view.buf, view.len))  # bytes objects are aligned
        return read_words(<const uint64_t*>view.buf, <size_t>view.len // WORD)
    finally:
        PyBuffer_Release(&view)


cdef list read_words(const uint64_t* words, size_t count):
    cdef list found = []
    cdef size_t at = HEADER
    cdef size_t end = 0
    cdef Series series
    if count >= HEADER and acquire(words) == MAGIC:
        end = <size_t>min(acquire(words + 1), <uint64_t>count)
    while at < end and unpacked(load(words + at), end - at, &series):
        found.append((
            PyBytes_FromStringAndSize(<const char*>(words + at + 1), <Py_ssize_t>series.key_length),
            series.kind,
            doubles(words + at + series.first_bound, series.bounds),
            doubles(words + at + series.first_cell, cells_of(series.kind, series.bounds)),
        ))
        at += series.size
    return found


cdef tuple doubles(const uint64_t* words, size_t count):
    cdef size_t i
    return tuple([as_double(load(words + i)) for i in range(count)])
