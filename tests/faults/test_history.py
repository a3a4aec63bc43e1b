from __future__ import annotations

from typing import TYPE_CHECKING

from faults.history import History, load, of

if TYPE_CHECKING:
    from pathlib import Path


def test_events_are_numbered_in_the_order_in_which_they_were_noted(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    history.note("world", seed=1)
    history.note("ask", id=7)
    history.close()
    assert [event["n"] for event in history.events] == [0, 1]
    assert load(tmp_path / "h") == history.events
    assert [event["id"] for event in of(history.events, "ask")] == [7]


def test_a_line_that_was_cut_off_ends_a_history(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    history.note("world", seed=1)
    history.note("ask", id=7)
    history.close()
    text = (tmp_path / "h").read_text()
    (tmp_path / "h").write_text(text[:-5])
    assert load(tmp_path / "h") == history.events[:1]
