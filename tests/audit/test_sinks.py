"""What becomes of lines where the file is taken away, is another's, or is torn; what of a pipe that takes half a line; and how much goes out at once."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bearerd.audit import sinks
from bearerd.audit.feeder import MOST_BYTES_AT_ONCE, Feeder
from bearerd.audit.sinks import FileSink, StdoutSink

if TYPE_CHECKING:
    from collections.abc import Sequence


def held() -> int:
    """How many descriptors this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def opened(path: Path) -> FileSink:
    return FileSink(path, rotate_bytes=1000, keep=0, forgotten=lambda file: None)


def test_a_folder_that_was_away_is_written_to_once_it_is_there_again(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    sink = opened(folder / "audit.jsonl")
    shutil.rmtree(folder)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            sink.write([b"kept\n"])
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)  # may have the number that the removed file had
    folder.mkdir()
    sink.write([b"kept\n"])
    assert (folder / "audit.jsonl").read_bytes() == b"kept\n"
    os.close(other)  # nobody else has closed it
    sink.close()


def test_what_is_not_a_file_is_never_written_to_however_often_it_is_tried(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = opened(path)
    path.unlink()
    os.mkfifo(path)
    before = held()
    for _ in range(3):
        with pytest.raises(OSError, match="not a regular file"):
            sink.write([b"kept\n"])
    assert held() == before - 1  # the removed file's
    path.unlink()
    sink.write([b"kept\n"])
    assert path.read_bytes() == b"kept\n"
    sink.close()


def test_a_line_that_another_process_left_half_stays_apart_from_ours(tmp_path: Path) -> None:
    sink = opened(tmp_path / "audit.jsonl")
    sink.write([b"before\n"])
    with (tmp_path / "audit.jsonl").open("ab") as other:
        other.write(b"half a li")  # and was killed
    sink.write([b"after\n"])
    assert (tmp_path / "audit.jsonl").read_bytes() == b"before\nhalf a li\nafter\n"
    sink.close()


class Pieces:
    """A sink that notes how much it is given at once."""

    name = "pieces"

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def write(self, lines: Sequence[bytes]) -> None:
        self.sizes.append(sum(map(len, lines)))

    def sync(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


def test_no_sink_is_given_more_at_once_than_a_collector_or_a_store_takes() -> None:
    sink = Pieces()
    feeder = Feeder(sink, lambda: None, always=False, interval=1.0)
    line = b"x" * 1_000_000 + b"\n"
    for _ in range(50):
        feeder.put(line)
    feeder.start()
    assert feeder.close(30)
    assert sum(sink.sizes) == 50 * len(line)
    assert max(sink.sizes) < MOST_BYTES_AT_ONCE + len(line)


WRITE = """
import pathlib, sys
from bearerd.audit.sinks import StdoutSink
StdoutSink(pathlib.Path(sys.argv[1])).write([b"a" * 200_000 + b"\\n"])
"""


@pytest.mark.parametrize("killed", [True, False])
def test_a_line_that_a_killed_process_left_half_on_a_pipe_stays_apart_from_ours(tmp_path: Path, killed: bool) -> None:
    reader, writer = os.pipe()
    lock = tmp_path / "lock"
    other = subprocess.Popen([sys.executable, "-c", WRITE, str(lock)], stdout=writer)
    ours = StdoutSink(lock, writer)
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        found = pipe.read(1)  # it has begun, and the pipe takes no more than a part
        if killed:
            other.kill()
            other.wait()
        thread = threading.Thread(target=ours.write, args=([b"ours\n"],))
        thread.start()
        while not found.endswith(b"ours\n"):
            found += pipe.read(65536)
        thread.join()
    other.wait()
    os.close(writer)
    ours.close()
    theirs, mine = found.splitlines()
    assert mine == b"ours"
    assert theirs.strip(b"a") == b""
    assert (len(theirs) == 200_000) is not killed


def test_a_pipe_that_does_not_wait_is_waited_for(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    sinks = [StdoutSink(tmp_path / "lock", writer) for _ in range(2)]
    batches = [[b"%d" % at * 1_000 + b"\n"] * 300 for at in range(2)]
    threads = [threading.Thread(target=sink.write, args=(batch,)) for sink, batch in zip(sinks, batches, strict=True)]
    for thread in threads:
        thread.start()
    with os.fdopen(reader, "rb") as pipe:
        lines = [pipe.readline() for _ in range(600)]
    for thread in threads:
        thread.join()
    os.close(writer)
    assert sorted(lines) == [*batches[0], *batches[1]]
    for sink in sinks:
        sink.close()


def test_a_sink_that_hangs_is_said_to_fail_until_it_takes_something(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bearerd.audit.feeder.HUNG_SECONDS", 0.0)
    caplog.set_level("INFO")
    begun, goes_on = threading.Event(), threading.Event()

    class Hanging(Pieces):
        def write(self, lines: Sequence[bytes]) -> None:
            begun.set()
            goes_on.wait()

    feeder = Feeder(Hanging(), lambda: None, always=False, interval=1.0)
    feeder.put(b"line\n")
    feeder.start()
    assert begun.wait(30)
    for _ in range(2):
        feeder.look()
    assert feeder.failing
    goes_on.set()
    assert feeder.close(30)
    feeder.look()
    assert not feeder.failing
    said = [record.message for record in caplog.records]
    assert said == ["an audit sink fails: records wait", "an audit sink takes records again"]


def test_log_lines_on_the_same_pipe_stay_apart_from_records(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    sink = StdoutSink(tmp_path / "lock", writer)
    record, line = b"r" * 700 + b"\n", b"l" * 300 + b"\n"
    logged, done = list[int](), threading.Event()

    def audit() -> None:
        for _ in range(20):
            sink.write([record] * 200)
        done.set()

    def log() -> None:
        while not done.is_set():
            logged.append(os.write(writer, line))

    def all_of_it() -> None:
        threads = [threading.Thread(target=work) for work in (audit, log, log)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.close(writer)

    whole = threading.Thread(target=all_of_it)
    whole.start()
    got = bytearray()
    while data := os.read(reader, 1000):  # slowly: the pipe is full, and whoever waits for room takes turns
        got += data
    whole.join()
    found = bytes(got).splitlines(keepends=True)
    assert (found.count(record), found.count(line)) == (4000, len(logged))
    assert len(found) == 4000 + len(logged)
    sink.close()
    os.close(reader)


def test_what_is_out_in_whole_lines_is_not_written_again_after_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verifier finds what is there twice, and could not tell it from what somebody has copied."""
    out = tmp_path / "out"
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sink, other = StdoutSink(tmp_path / "lock", descriptor), StdoutSink(tmp_path / "lock", descriptor)
    lines = [b"%0999d\n" % number for number in range(10)]
    room = [1, 0]  # writes before the disk is full, twice

    def full(to: int, data: bytes) -> int:
        if room:
            room[0] -= 1
            if room[0] < 0:
                room.pop(0)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(to, data)

    monkeypatch.setattr(sinks, "written", full)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            sink.write(lines)
    between = [b"other\n"]
    other.write(between)
    sink.write(lines)
    assert sorted(out.read_bytes().splitlines(keepends=True)) == sorted(lines + between)
    for one in (sink, other):
        one.close()
