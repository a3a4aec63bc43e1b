"""native/counters: a page that one process writes and another reads, whatever becomes of the writer."""

from __future__ import annotations

import ctypes
import gc
import math
import mmap
import os
import struct
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.guard import Guarded

from bearerd._native import counters
from bearerd._native.counters import COUNTER, GAUGE, HISTOGRAM, Page, read

HEADER = 16  # bytes: magic, end
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
BOUNDS = st.lists(FLOATS, max_size=6, unique=True).map(sorted)
KEYS = st.binary(max_size=20)


def size_of(key: bytes, kind: int, bounds: Sequence[float]) -> int:
    """Bytes of a series."""
    cells = len(bounds) + 2 if kind == HISTOGRAM else 1
    return 8 * (1 + -(-len(key) // 8) + len(bounds) + cells)


class Machine(RuleBasedStateMachine):
    """A page beside a dict; the reader sees what the writer wrote, after each step."""

    @initialize(size=st.integers(2, 60))
    def start(self, size: int) -> None:
        self.buffer = mmap.mmap(-1, 4096)
        self.view = memoryview(self.buffer)[: 8 * size]
        self.page = Page(self.view)
        self.room = 8 * size - HEADER
        self.series: dict[bytes, tuple[int, tuple[float, ...], list[float]]] = {}
        self.cells: dict[bytes, int] = {}

    @rule(key=KEYS, kind=st.sampled_from([COUNTER, GAUGE, HISTOGRAM]), bounds=BOUNDS)
    def create(self, key: bytes, kind: int, bounds: list[float]) -> None:
        bounds = bounds if kind == HISTOGRAM else []
        known = self.series.get(key)
        if known is not None and known[:2] != (kind, tuple(bounds)):
            with pytest.raises(ValueError, match="another kind or other bounds"):
                self.page.series(key, kind, bounds)
        elif known is None and size_of(key, kind, bounds) > self.room:
            with pytest.raises(MemoryError):
                self.page.series(key, kind, bounds)
        else:
            cell = self.page.series(key, kind, bounds)
            assert self.cells.setdefault(key, cell) == cell
            if known is None:
                self.room -= size_of(key, kind, bounds)
                self.series[key] = (kind, tuple(bounds), [0.0] * (len(bounds) + 2 if kind == HISTOGRAM else 1))

    @rule(data=st.data(), value=FLOATS)
    def write(self, data: st.DataObject, value: float) -> None:
        if not self.series:
            return
        key = data.draw(st.sampled_from(sorted(self.series)))
        kind, bounds, values = self.series[key]
        if kind == HISTOGRAM:
            self.page.observe(self.cells[key], value)
            values[next((i for i, bound in enumerate(bounds) if value <= bound), len(bounds))] += 1
            values[-1] += value
        elif kind == GAUGE:
            self.page.set(self.cells[key], value)
            values[0] = value
        else:
            self.page.add(self.cells[key], value)
            values[0] += value

    @rule()
    def another_writer_takes_over(self) -> None:
        self.page = Page(self.view)

    @invariant()
    def the_reader_sees_it(self) -> None:
        if hasattr(self, "view"):
            found = read(self.view)
            assert [(key, kind, bounds, list(values)) for key, kind, bounds, values in found] == [
                (key, *series) for key, series in self.series.items()
            ]


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=20)


def page_with_series() -> tuple[bytearray, Page]:
    buffer = bytearray(1024)
    page = Page(buffer)
    page.add(page.series(b"a counter", COUNTER), 3.5)
    page.observe(page.series(b"a histogram", HISTOGRAM, (0.001, 0.1, 2.5)), 0.1)
    page.set(page.series(b"", GAUGE), -math.inf)
    return buffer, page


WHOLE = [
    (b"a counter", COUNTER, (), (3.5,)),
    (b"a histogram", HISTOGRAM, (0.001, 0.1, 2.5), (0.0, 1.0, 0.0, 0.0, 0.1)),
    (b"", GAUGE, (), (-math.inf,)),
]


def test_a_bucket_holds_what_is_not_above_its_bound() -> None:
    page = Page(buffer := bytearray(1024))
    cell = page.series(b"h", HISTOGRAM, (1.0, 2.0))
    for value in (-math.inf, 0.5, 1.0, math.nextafter(1.0, 2.0), 2.0, 2.5):
        page.observe(cell, value)
    assert read(buffer)[0][3][:3] == (3.0, 2.0, 1.0)


def test_a_nan_is_not_observed() -> None:
    page = Page(buffer := bytearray(1024))
    cell = page.series(b"h", HISTOGRAM, (1.0,))
    page.observe(cell, math.nan)
    assert read(buffer)[0][3] == (0.0, 0.0, 0.0)


def test_a_gauge_may_be_hidden_by_a_nan() -> None:
    page = Page(buffer := bytearray(1024))
    page.set(page.series(b"g", GAUGE), math.nan)
    assert math.isnan(read(buffer)[0][3][0])


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [
        (0, ()),
        (4, ()),
        (COUNTER, (1.0,)),
        (GAUGE, (1.0,)),
        (HISTOGRAM, (2.0, 1.0)),
        (HISTOGRAM, (1.0, 1.0)),
        (HISTOGRAM, (math.nan,)),
        (HISTOGRAM, (1.0, math.inf)),
        (HISTOGRAM, tuple(map(float, range(1001)))),
    ],
)
def test_a_series_that_cannot_be_is_refused_and_the_page_as_it_was(kind: int, bounds: tuple[float, ...]) -> None:
    buffer, page = page_with_series()
    before = bytes(buffer)
    with pytest.raises(ValueError, match=r"kind|bounds"):
        page.series(b"new", kind, bounds)
    assert bytes(buffer) == before


def test_only_cells_that_were_given_can_be_written() -> None:
    """A wrong number must not become a write anywhere in a page that another process trusts."""
    buffer, page = page_with_series()
    cells = {page.series(b"a counter", COUNTER), page.series(b"", GAUGE)}
    histogram = page.series(b"a histogram", HISTOGRAM, (0.001, 0.1, 2.5))
    before = bytes(buffer)
    for cell in [-1, *range(130), 1 << 40]:
        if cell not in cells:
            for write in (page.add, page.set):
                with pytest.raises(ValueError if cell == histogram else IndexError):
                    write(cell, 1.0)
        if cell != histogram:
            with pytest.raises(ValueError if cell in cells else IndexError):
                page.observe(cell, 1.0)
    assert bytes(buffer) == before


def test_a_series_is_known_by_all_of_its_shape() -> None:
    buffer, page = page_with_series()
    before = bytes(buffer)
    for kind, bounds in [(COUNTER, ()), (GAUGE, ()), (HISTOGRAM, (0.001, 0.1)), (HISTOGRAM, (0.001, 0.1, 2.6))]:
        with pytest.raises(ValueError, match="another kind or other bounds"):
            page.series(b"a histogram", kind, bounds)
    assert page.series(b"a histogram", HISTOGRAM, [0.001, 0.1, 2.5]) > 0
    assert bytes(buffer) == before


@pytest.mark.parametrize("size", [0, 1, 8, 15])
def test_a_page_without_room_for_its_header_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Page(bytearray(size))
    assert read(bytearray(size)) == []


def test_a_page_must_be_writable_aligned_and_of_one_piece() -> None:
    with pytest.raises(BufferError):
        Page(bytes(64))
    with pytest.raises(ValueError, match="aligned"):
        Page(memoryview(bytearray(64))[1:])
    with pytest.raises(BufferError):
        Page(memoryview(bytearray(64))[::2])


def test_a_page_can_be_read_wherever_it_lies() -> None:
    buffer, _ = page_with_series()
    for shift in range(9):
        assert read(memoryview(bytes(shift) + buffer)[shift:]) == WHOLE
    assert read(bytes(buffer)) == WHOLE


def test_a_page_is_let_go_with_its_writer() -> None:
    memory = mmap.mmap(-1, 4096)
    page = Page(memory)
    read(memory)
    with pytest.raises(BufferError):
        memory.close()
    del page
    gc.collect()
    memory.close()


def test_a_writer_that_takes_over_goes_on_counting_and_appends() -> None:
    buffer, page = page_with_series()
    del page
    page = Page(buffer)
    page.add(page.series(b"a counter", COUNTER))
    page.add(page.series(b"new", COUNTER))
    assert read(buffer) == [(b"a counter", COUNTER, (), (4.5,)), *WHOLE[1:], (b"new", COUNTER, (), (1.0,))]


# ---- what a killed writer, or nobody, left ----


@given(st.integers(0, 1024))
def test_a_page_cut_short_has_the_series_that_are_whole(size: int) -> None:
    buffer, _ = page_with_series()
    found = read(bytes(buffer[:size]))
    assert found == WHOLE[: len(found)]
    end = HEADER + sum(size_of(key, kind, bounds) for key, kind, bounds, _ in WHOLE[: len(found)])
    assert len(found) == 0 or end <= size
    assert len(found) == len(WHOLE) or size < end + size_of(WHOLE[len(found)][0], *WHOLE[len(found)][1:3])


def test_what_stands_behind_the_end_is_not_there() -> None:
    buffer, _ = page_with_series()
    end = struct.unpack_from("<Q", buffer, 8)[0]
    for written in range(1, 5):  # killed after so many words of the next series
        struct.pack_into(f"<{written}Q", buffer, 8 * end, *range(1, written + 1))
        assert read(buffer) == WHOLE
    Page(buffer).series(b"next", COUNTER)
    assert read(buffer) == [*WHOLE, (b"next", COUNTER, (), (0.0,))]


def test_a_series_that_contradicts_itself_ends_the_page() -> None:
    buffer, _ = page_with_series()
    first = size_of(*WHOLE[0][:3])
    size = struct.unpack_from("<I", buffer, HEADER + first)[0]
    struct.pack_into("<I", buffer, HEADER + first, size - 1)
    assert read(buffer) == WHOLE[:1]
    Page(buffer).series(b"next", COUNTER)
    assert read(buffer) == [WHOLE[0], (b"next", COUNTER, (), (0.0,))]


def test_series_of_something_that_is_no_page_are_not_taken_over() -> None:
    buffer, _ = page_with_series()
    buffer[:8] = b"bearerd0"
    assert read(buffer) == []
    Page(buffer)
    assert read(buffer) == []


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 255), st.one_of(st.integers(0, 255), st.just(255))), min_size=1, max_size=12))
def test_garbage_is_read_without_a_fault_and_taken_over_without_one(changes: list[tuple[int, int]]) -> None:
    buffer, _ = page_with_series()
    for at, byte in changes:
        buffer[at] = byte
    guarded = Guarded(4096)
    address = guarded.place(bytes(buffer[:256]))
    memory = (ctypes.c_char * 256).from_address(address)
    for _, kind, bounds, values in read(memory):
        assert len(values) == (len(bounds) + 2 if kind == HISTOGRAM else 1)
    page = Page(memory)
    for key, kind, bounds, _ in read(memory):
        if kind != HISTOGRAM or (all(map(math.isfinite, bounds)) and list(bounds) == sorted(set(bounds))):
            cell = page.series(key, kind, bounds)
            assert cell < 32


@given(st.binary(max_size=300))
def test_what_never_was_a_page_is_an_empty_one(noise: bytes) -> None:
    assert read(noise) == [] or noise.startswith(b"bearerd1")
    if len(noise) >= HEADER:
        buffer = bytearray(noise)
        Page(buffer)
        assert read(buffer) == [] or noise.startswith(b"bearerd1")


WRITER = """
import mmap, signal, sys
from bearerd._native.counters import HISTOGRAM, Page
page = Page(mmap.mmap(int(sys.argv[1]), 1 << 16))
for number in range(400):
    bounds = [float(number + i) for i in range(1 + number % 5)]
    page.observe(page.series(b"%d." % number * (1 + number % 3), HISTOGRAM, bounds), bounds[-1])
signal.pause()
"""


@pytest.mark.parametrize("enough", [1, 50, 399])
def test_a_reader_never_sees_half_a_series_of_a_writer_at_work_or_killed(enough: int) -> None:
    """A process appends series whose content follows from their number; we read all the while, then kill it."""
    descriptor = os.memfd_create("page")
    os.truncate(descriptor, 1 << 16)
    with (
        mmap.mmap(descriptor, 1 << 16) as shared,
        subprocess.Popen([sys.executable, "-c", WRITER, str(descriptor)], pass_fds=[descriptor]) as writer,
    ):
        os.close(descriptor)
        seen = 0
        while seen < enough and writer.poll() is None:
            found = read(shared)
            assert len(found) >= seen
            seen = len(found)
            for number, (key, kind, bounds, values) in enumerate(found):
                assert key == b"%d." % number * (1 + number % 3)
                assert kind == HISTOGRAM
                assert bounds == tuple(float(number + i) for i in range(1 + number % 5))
                assert sum(values[:-1]) in (0, 1)
        writer.kill()
        assert seen >= enough
        left = read(shared)
        page = Page(shared)  # the next worker in this slot
        page.series(b"the next worker", COUNTER)
        del page
        assert read(shared) == [*left, (b"the next worker", COUNTER, (), (0.0,))]


def test_a_fresh_page_begins_with_its_name() -> None:
    Page(buffer := bytearray(64))
    assert buffer[:8] == b"bearerd1"
    assert (counters.COUNTER, counters.GAUGE, counters.HISTOGRAM) == (1, 2, 3)
