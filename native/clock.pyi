"""Wall and boot time.  The test hook exists only in a build with ``BEARERD_TEST=1``."""

def wall() -> float:
    """Seconds since the epoch (CLOCK_REALTIME)."""

def boot() -> float:
    """Seconds since boot, suspended time included (CLOCK_BOOTTIME)."""

def synchronised() -> bool:
    """Whether the kernel says that a time service keeps CLOCK_REALTIME (adjtimex(2)); False where it may not be asked.

    Setting the clock by hand makes it False until the time service has seen to it.
    """

HAS_TEST_HOOK: bool

def shift(wall: float, boot: float) -> None:
    """Add these offsets (seconds) to both clocks; calls add up.  Raises RuntimeError unless HAS_TEST_HOOK."""

__pyx_capi__: dict[str, object]  # the C entry points of clock.pxd
