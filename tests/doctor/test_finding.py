"""Findings, and when all is well."""

from __future__ import annotations

from bearerd.doctor.finding import Notebook, as_dict, healthy


def test_notes_and_what_is_ok_leave_it_healthy() -> None:
    notes = Notebook("store")
    notes.ok("reachable", "there")
    notes.note("fleet", "new")
    assert healthy(notes.findings)
    notes.warning("memory", "full soon", "more of it")
    assert not healthy(notes.findings)


def test_an_error_is_counted_with_its_remedy() -> None:
    notes = Notebook("store")
    notes.error("role", "a replica", "name the primary")
    told = as_dict(notes.findings)
    assert (told["well"], told["counts"]) == (False, {"error": 1, "warning": 0, "note": 0, "ok": 0})
    assert told["findings"] == [
        {"severity": "error", "subject": "store", "check": "role", "found": "a replica", "remedy": "name the primary"}
    ]
