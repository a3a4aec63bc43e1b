# Seconds, for C callers.  Both return +inf when the kernel refuses the clock: then every token has expired and every
# view is stale, so that a fault of the clock fails closed.
cdef double wall_now() noexcept nogil
cdef double boot_now() noexcept nogil
