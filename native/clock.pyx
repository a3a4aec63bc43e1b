"""Wall and boot time.  The test hook exists only in a build with ``BEARERD_TEST=1``."""

from libc.math cimport INFINITY, isfinite
from posix.time cimport CLOCK_REALTIME, clock_gettime, clockid_t, timespec

# Boot time, not monotonic time: CLOCK_MONOTONIC stands still while the machine is suspended, and a view that slept
# for an hour is an hour old.  In a release build the offsets are constants and the setter does not exist.
cdef extern from *:
    """
    #include <string.h>
    #include <sys/timex.h>
    #include <time.h>
    #ifdef BEARERD_TEST
    #define BEARERD_TEST_HOOK 1
    static double bearerd_wall_offset = 0.0, bearerd_boot_offset = 0.0;
    #define bearerd_shift(wall, boot) (bearerd_wall_offset += (wall), bearerd_boot_offset += (boot))
    #else
    #define BEARERD_TEST_HOOK 0
    #define bearerd_wall_offset 0.0
    #define bearerd_boot_offset 0.0
    #define bearerd_shift(wall, boot) ((void)(wall), (void)(boot))
    #endif
    /* To set the clock by hand makes the kernel call it unsynchronised until a time service has seen to it (ntp_adjtime). */
    static inline int bearerd_synchronised(void) {
        struct timex state;
        memset(&state, 0, sizeof state);
        int answer = adjtimex(&state);
        return answer >= 0 && answer != TIME_ERROR && !(state.status & STA_UNSYNC);
    }
    """
    const clockid_t CLOCK_BOOTTIME
    const bint BEARERD_TEST_HOOK
    const double bearerd_wall_offset
    const double bearerd_boot_offset
    void bearerd_shift(double wall, double boot) noexcept nogil
    bint bearerd_synchronised() noexcept nogil


cdef inline double seconds(clockid_t clock) noexcept nogil:
    cdef timespec now
    if clock_gettime(clock, &now) != 0:
        return INFINITY
    return <double>now.tv_sec + <double>now.tv_nsec * 1e-9


cdef double wall_now() noexcept nogil:
    return seconds(CLOCK_REALTIME) + bearerd_wall_offset


cdef double boot_now() noexcept nogil:
    return seconds(CLOCK_BOOTTIME) + bearerd_boot_offset


HAS_TEST_HOOK = bool(BEARERD_TEST_HOOK)


def wall():
    """Seconds since the epoch (CLOCK_REALTIME)."""
    return wall_now()


def boot():
    """Seconds since boot, suspended time included (CLOCK_BOOTTIME)."""
    return boot_now()


def synchronised():
    """Whether the kernel says that a time service keeps CLOCK_REALTIME (adjtimex(2)); False where it may not be asked."""
    return bearerd_synchronised()


def shift(double wall, double boot):
    """Add these offsets (seconds) to both clocks; calls add up.  Raises RuntimeError unless HAS_TEST_HOOK."""
    if not HAS_TEST_HOOK:
        raise RuntimeError("this build has no test hook (build with BEARERD_TEST=1)")
    if not (isfinite(wall) and isfinite(boot)):
        raise ValueError("offsets must be finite")
    bearerd_shift(wall, boot)


# Found at import, not at the first request: a kernel or sandbox that refuses either clock.
if wall_now() == INFINITY or boot_now() == INFINITY:
    raise OSError("clock_gettime refuses CLOCK_REALTIME or CLOCK_BOOTTIME")
