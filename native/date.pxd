from libc.stdint cimport int64_t

cdef enum:
    DATE = 29  # bytes

# Writes the date of a second (since the epoch) unless it is the one that was written last.
cdef void write_date(unsigned char* out, int64_t* written, int64_t second) noexcept nogil
