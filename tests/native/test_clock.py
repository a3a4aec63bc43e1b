"""native/clock: what time it is, and that nobody can change that in a release build."""

from __future__ import annotations

import ctypes
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.guard import entry

from bearerd._native import clock

hooked = pytest.mark.skipif(not clock.HAS_TEST_HOOK, reason="needs a build with BEARERD_TEST=1")
released = pytest.mark.skipif(clock.HAS_TEST_HOOK, reason="needs a release build")

PYTHON = {"wall": time.time, "boot": lambda: time.clock_gettime(time.CLOCK_BOOTTIME)}


@pytest.fixture
def unshifted() -> Iterator[None]:
    """Undo what a test shifted, however it ends."""
    offsets = {name: getattr(clock, name)() - PYTHON[name]() for name in PYTHON}
    yield
    clock.shift(
        *(round(offsets[name] - (getattr(clock, name)() - PYTHON[name]())) for name in ("wall", "boot")),
    )


def test_wall_is_the_systems_real_time() -> None:
    before = time.time()
    assert before - 1 < clock.wall() < time.time() + 1


def test_boot_counts_from_boot_with_suspended_time() -> None:
    before = PYTHON["boot"]()
    now = clock.boot()
    assert before <= now <= PYTHON["boot"]()


def test_boot_never_runs_backwards() -> None:
    read = [clock.boot() for _ in range(10_000)]
    assert read == sorted(read)


def test_the_c_entry_points_tell_the_same_time() -> None:
    wall, boot = (entry(clock, name, ctypes.c_double) for name in ("wall_now", "boot_now"))
    first, second, third = clock.boot(), boot(), clock.boot()
    assert first <= second <= third
    assert abs(wall() - clock.wall()) < 60


def test_whether_a_time_service_keeps_the_clock_is_the_kernels_word() -> None:
    state = ctypes.create_string_buffer(512)  # struct timex, with room to spare; its status is an int at byte 40
    answer = ctypes.CDLL(None).adjtimex(state)
    status = int.from_bytes(state.raw[40:44], sys.byteorder)
    unsynchronised, error = 0x40, 5
    assert clock.synchronised() == (answer not in (-1, error) and not status & unsynchronised)


@released
@pytest.mark.parametrize("offsets", [(3600.0, 0.0), (0.0, 3600.0), (0.0, 0.0)])
def test_a_release_build_cannot_shift_its_clocks(offsets: tuple[float, float]) -> None:
    with pytest.raises(RuntimeError, match="BEARERD_TEST"):
        clock.shift(*offsets)
    assert abs(clock.wall() - time.time()) < 60


@released
def test_a_release_build_has_no_place_to_keep_an_offset() -> None:
    library = Path(clock.__file__).read_bytes()
    assert b"wall_now" in library  # the names that it does have can be seen
    assert b"bearerd_wall_offset" not in library
    assert b"bearerd_boot_offset" not in library


@hooked
@pytest.mark.usefixtures("unshifted")
def test_shifts_move_each_clock_and_add_up() -> None:
    clock.shift(3600.0, 0.0)
    assert abs(clock.wall() - PYTHON["wall"]() - 3600) < 60
    assert abs(clock.boot() - PYTHON["boot"]()) < 60
    clock.shift(-7200.0, 1800.0)
    assert abs(clock.wall() - PYTHON["wall"]() + 3600) < 60
    assert abs(clock.boot() - PYTHON["boot"]() - 1800) < 60


@hooked
@pytest.mark.usefixtures("unshifted")
def test_the_c_entry_points_are_shifted_too() -> None:
    clock.shift(3600.0, 7200.0)
    assert abs(entry(clock, "wall_now", ctypes.c_double)() - PYTHON["wall"]() - 3600) < 60
    assert abs(entry(clock, "boot_now", ctypes.c_double)() - PYTHON["boot"]() - 7200) < 60


@hooked
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_shift_must_be_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        clock.shift(bad, 0.0)
    with pytest.raises(ValueError, match="finite"):
        clock.shift(0.0, bad)
