"""The date of an HTTP message (RFC 9110 section 5.6.7), made once a second."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MIN, int64_t
from libc.string cimport memcpy

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    cdef struct tm:
        int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday
    tm* gmtime_r(const time_t*, tm*) noexcept


cdef const char* DAYS = b"SunMonTueWedThuFriSat"
cdef const char* MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"


cdef void write_date(unsigned char* out, int64_t* written, int64_t second) noexcept nogil:
    cdef time_t seconds = <time_t>second
    cdef tm at
    if written[0] == second:
        return
    if gmtime_r(&seconds, &at) == NULL:
        at.tm_sec = at.tm_min = at.tm_hour = at.tm_mon = 0
        at.tm_mday, at.tm_year, at.tm_wday = 1, 70, 4
    written[0] = second
    memcpy(out, b"---, -- --- ---- --:--:-- GMT", DATE)
    memcpy(out, DAYS + 3 * at.tm_wday, 3)
    put_number(out + 5, at.tm_mday, 2)
    memcpy(out + 8, MONTHS + 3 * at.tm_mon, 3)
    put_number(out + 12, at.tm_year + 1900, 4)
    put_number(out + 17, at.tm_hour, 2)
    put_number(out + 20, at.tm_min, 2)
    put_number(out + 23, at.tm_sec, 2)


cdef inline void put_number(unsigned char* out, int number, int digits) noexcept nogil:
    while digits > 0:
        digits -= 1
        out[digits] = <unsigned char>(c'0' + number % 10)
        number //= 10


def date(int64_t second):
    """``Sun, 06 Nov 1994 08:49:37 GMT`` of seconds since the epoch."""
    cdef unsigned char[DATE] out
    cdef int64_t written = INT64_MIN
    write_date(out, &written, second)
    return PyBytes_FromStringAndSize(<char*>out, DATE)
