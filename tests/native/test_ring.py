"""The ring of notes and the bucket of lines.  Notes are made by the lane; what it is asked for is looked at here."""

from __future__ import annotations

import re

import pytest
from support.bay import Bay, ask

from bearerd._native.ring import Burst, Ring


def noted(most: int, refusals: int, *, lines: float = 1e9) -> tuple[Bay, list[bytes]]:
    """A lane whose ring has ``most`` notes, after so many refusals; their ids in order."""
    bay = Bay(notes=most, lines=lines)
    bay.refuse(b"bad")
    line = bay.open()
    for _ in range(refusals):
        line.feed(ask(b"bad"))
    found = re.findall(rb"X-Id: ([0-9a-f]{32})", line.sent)
    return bay, [bytes.fromhex(name.decode()) for name in found]


@pytest.mark.parametrize("most", [0, -1, (1 << 24) + 1])
def test_a_ring_has_a_sane_size(most: int) -> None:
    with pytest.raises(ValueError, match="1 to"):
        Ring(most)


@pytest.mark.parametrize("refusals", [0, 1, 6, 7, 8, 20])
def test_the_last_refusals_are_found_by_their_ids_and_no_others(refusals: int) -> None:
    bay, names = noted(7, refusals)
    ring = bay.lane.ring
    assert len(ring) == min(7, refusals)
    assert [ring.find(name) is not None for name in names] == [number >= refusals - 7 for number in range(refusals)]
    for name in names[-7:]:
        found = ring.find(name)
        assert found is not None
        assert found[9] == name


@pytest.mark.parametrize("name", [b"", b"x" * 15, b"x" * 17, bytes(16)])
def test_what_is_no_id_finds_nothing(name: bytes) -> None:
    bay, _ = noted(7, 3)
    assert bay.lane.ring.find(name) is None


def test_an_allow_has_no_id_to_be_found_by() -> None:
    bay = Bay()
    bay.know(b"good")
    bay.prepare(b"good")
    bay.lane.log_allows = 1.0
    bay.open().feed(ask())
    assert bay.lane.ring.find(bytes(16)) is None
    assert len(bay.lane.ring) == 1


def test_notes_are_drained_once_and_in_order() -> None:
    bay, names = noted(50, 20)
    assert [note[9] for note in bay.lane.ring.drain()] == names
    assert bay.lane.ring.drain() == []
    assert bay.lane.ring.lost == 0


def test_a_line_that_was_overwritten_is_counted_as_lost_and_one_that_was_not_to_be_is_not() -> None:
    bay, names = noted(7, 20)
    assert [note[9] for note in bay.lane.ring.drain()] == names[-7:]
    assert bay.lane.ring.lost == 13
    bay, _ = noted(7, 20, lines=2.0)
    assert (len(bay.lane.ring.drain()), bay.lane.ring.lost) == (0, 2)


def test_a_bucket_gives_a_seconds_worth_and_no_more() -> None:
    burst = Burst(3.0)
    assert [burst.take() for _ in range(6)] == [True] * 3 + [False] * 3
    burst.rate = 1e9  # a minute's worth in an instant
    assert burst.take()


def test_a_bucket_of_nothing_gives_nothing() -> None:
    assert not any(Burst(0.0).take() for _ in range(100))
