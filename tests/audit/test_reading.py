"""Files are read each once and in their order, whatever rotation does to their names meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bearerd.audit.reading import files_in_turn
from bearerd.audit.sinks import FileSink, files_of

if TYPE_CHECKING:
    from pathlib import Path


def rotating(path: Path, keep: int = 0) -> FileSink:
    """A file of two lines each."""
    return FileSink(path, rotate_bytes=8, keep=keep, forgotten=lambda file: None)


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_rotation_meanwhile_hides_no_record_and_shows_none_twice(tmp_path: Path, moment: int) -> None:
    path = tmp_path / "audit.jsonl"
    sink = rotating(path)
    for number in range(6):
        sink.write([b"%03d\n" % number])
    read = []
    for turn, (_, lines) in enumerate(files_in_turn(path), 1):
        if turn == moment:
            for number in range(6, 10):
                sink.write([b"%03d\n" % number])
        read += [int(line) for line in lines]
    assert len(files_of(path)) == 5
    assert read == list(range(10))
    sink.close()


def test_what_rotation_removes_meanwhile_is_passed_over_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = rotating(path, keep=2)
    for number in range(6):
        sink.write([b"%03d\n" % number])
    read = []
    for turn, (_, lines) in enumerate(files_in_turn(path), 1):
        if turn == 1:
            for number in range(6, 12):  # all that were there are gone by then, but for the one that is open
                sink.write([b"%03d\n" % number])
        read += [int(line) for line in lines]
    assert read == [0, 1, *range(6, 12)]
    sink.close()
