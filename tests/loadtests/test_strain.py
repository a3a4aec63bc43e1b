"""What the report on strain says is what was measured: a miss is called one, a wrong answer ends with code 1."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import strain
import strain_report
from cores import Cores
from hammer import fire
from place import Place
from strains import ALL, full
from strains.filled import stand_in
from strains.scene import Row, Section, at_least, at_most, questions, used


def test_a_figure_beyond_its_bound_is_said_to_miss_it() -> None:
    assert [at_most("x", value, 10).met for value in (9.99, 10, 10.01)] == [True, True, False]
    assert [at_least("x", value, 0.8).met for value in (0.79, 0.8, 1.2)] == [False, True, True]


def test_the_report_counts_what_was_promised_and_what_was_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strain_report, "FILE", tmp_path / "report.md")
    rows = [at_most("pause", 3, 10), at_most("ratio", 2.0, 1.3), Row("rate", "7/s")]
    strain_report.write([Section("Tables", "How.", rows, wrong=2)], [("kernel", "Linux")])
    text = (tmp_path / "report.md").read_text()
    assert "1 of 2 figures were met" in text
    assert "**Wrong answers: 2.**" in text
    assert "| ratio | 2.00 | ≤ 1.30 | **no** |" in text
    assert "| rate | 7/s |  |  |" in text


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_wrong_answer_is_the_only_thing_that_ends_with_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives(wrong: int) -> None:
        def section(_: Place) -> Section:
            return Section("Tables", "", [at_most("missed", 2, 1)], wrong)

        monkeypatch.setitem(ALL, "tables", section)

    monkeypatch.setenv("STRAIN_ONLY", "tables")
    gives(0)
    assert strain.main() == 0
    gives(1)
    assert strain.main() == 1


def test_a_name_that_nobody_has_is_refused() -> None:
    assert strain.chosen(" idle,full ") == ["full", "idle"]
    assert strain.chosen("") == list(ALL)
    with pytest.raises(SystemExit, match="no such strain: fulll"):
        strain.chosen("fulll")


def test_stand_ins_differ_and_are_of_a_token_s_size() -> None:
    some = [stand_in(number) for number in (0, 1, 999_999)]
    assert len(set(some)) == 3
    assert {len(each) for each in some} == {739}
    assert all(each.count(".") == 2 for each in some)


def test_a_process_is_charged_for_what_it_computes() -> None:
    before = used(os.getpid())
    while used(os.getpid()) == before:
        pass
    assert used(os.getpid()) > before


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_lane_that_is_filled_answers_for_every_stand_in(tmp_path: Path) -> None:
    with Place(tmp_path, Cores.at_hand()) as place:
        server = full.start(place)
        try:
            assert server.told("tokens 40")["tokens"] == 40
            asks = questions(place, "some", map(stand_in, range(40)))
            counted = fire(server.port, asks, place.cores.client, seconds=30, connections=1, count=40)
        finally:
            server.end()
    assert counted.fault is None
    assert counted.answered == 40
