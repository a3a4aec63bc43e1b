"""Files are read each once and in their order, whatever rotation does to their names meanwhile."""

from __future__ import annotations

import itertools
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


@pytest.mark.parametrize("hard", [False, True])
def test_a_file_of_two_names_is_read_once_and_in_its_place(tmp_path: Path, *, hard: bool) -> None:
    path = tmp_path / "audit.jsonl"
    sink = rotating(path)
    for number in range(6):
        sink.write([b"%03d\n" % number])
    sink.close()
    kept, first = tmp_path / "audit.jsonl.9", tmp_path / "audit.jsonl.1"
    kept.hardlink_to(first) if hard else kept.symlink_to(first)
    read = [int(line) for _, lines in itertools.islice(files_in_turn(path), 5) for line in lines]
    assert read == list(range(6))


def test_a_name_that_leads_nowhere_is_an_error_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"000\n")
    (tmp_path / "audit.jsonl.2").symlink_to(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"audit\.jsonl\.2"):
        next(files_in_turn(path))
