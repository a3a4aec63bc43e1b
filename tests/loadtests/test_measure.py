"""The benchmark reports nothing that is not so: a wrong answer, or a hit that was none, ends the run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from chart import BARS, drawn
from compare import chosen, gather
from cores import Cores, cpu_seconds, tree
from measure import Line, Wrong, run_round, take_part
from peers import fixed
from place import Absent, Peer, Place, Target, ask

PEER = Peer("floor", "fixed", "C", fixed.floor)
pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or len(os.sched_getaffinity(0)) < 2, reason="needs a C compiler and two cores"
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path, Cores.at_hand()) as place:
        yield place


@pytest.fixture
def target(place: Place) -> Target:
    return fixed.floor(place)


def joined(target: Target, place: Place) -> Line:
    return take_part(PEER, target, place.folder, place.cores)


def test_a_round_measures_what_the_server_used_for_its_answers(target: Target, place: Place) -> None:
    before = cpu_seconds(target.pids)
    done = run_round(joined(target, place), place.cores, 0.5)
    used, answers = cpu_seconds(target.pids) - before, done.rate * 0.5
    assert 0 < done.cpu * answers / 1e6 <= used * 1.1
    assert 0 < done.p50 <= done.p99


def test_one_request_at_a_time_is_measured_of_whole_chains_alone(target: Target, place: Place) -> None:
    line = joined(target, place)
    assert run_round(line, place.cores, 0.2).lone == 0
    line.peer = replace(PEER, gateway="nginx")
    done = run_round(line, place.cores, 0.2)
    assert 0 < done.lone < done.p99


def test_a_peer_that_answers_otherwise_does_not_take_part(target: Target, place: Place) -> None:
    with pytest.raises(Wrong, match="204 instead of 200"):
        joined(replace(target, asks=[ask("token", 200)]), place)


def test_a_peer_that_lets_a_forged_token_pass_does_not_take_part(target: Target, place: Place) -> None:
    with pytest.raises(Wrong, match="204 instead of 401"):
        joined(replace(target, refuses=[ask("forged", 401)]), place)


def test_a_hit_that_checks_signatures_ends_the_run(target: Target, place: Place) -> None:
    counts = iter([0.0, 1e9])
    line = joined(replace(target, checked=lambda: next(counts)), place)
    with pytest.raises(Wrong, match="signatures checked per answer"):
        run_round(line, place.cores, 0.2)


def test_a_miss_that_checks_none_ends_the_run(target: Target, place: Place) -> None:
    line = joined(replace(target, checked=lambda: 0.0, checks_each=1.0), place)
    with pytest.raises(Wrong, match="signatures checked per answer"):
        run_round(line, place.cores, 0.2)


def test_a_peer_that_is_not_here_is_named_with_the_reason(place: Place) -> None:
    def start(_: Place) -> Target:
        raise Absent("it is not on PATH")

    lines, left_out = gather([PEER, Peer("other", "fixed", "the other", start)], place)
    assert [line.peer for line in lines] == [PEER]
    assert left_out == [("the other", "it is not on PATH")]


def test_a_name_that_nobody_has_is_refused() -> None:
    assert [peer.name for peer in chosen("floor, nginx-204")] == ["floor", "nginx-204"]
    with pytest.raises(SystemExit, match="no such peer: flor"):
        chosen("flor,nginx-204")


def test_children_and_their_children_are_charged() -> None:
    script = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()']); print(p.pid, flush=True); p.wait()"
    shell = f'{sys.executable} -c "{script}"; true'
    with subprocess.Popen(["sh", "-c", shell], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) in tree([parent.pid])
        assert os.getpid() not in tree([parent.pid])
        parent.communicate("\n")


def test_those_who_need_more_than_wheels_take_part_only_when_asked() -> None:
    usual, everybody = ({peer.name for peer in chosen("", everybody=more)} for more in (False, True))
    assert everybody - usual == {"fast-jwt", "jose"}
    assert [peer.name for peer in chosen("jose")] == ["jose"]


def test_the_whole_chains_are_drawn_to_a_scale_of_their_own() -> None:
    parts = [("floor", "fixed", 10.0), ("**bearerd**", "fixed", 20.0)], [("nginx alone", "chain", 2000.0)]
    svg = ElementTree.fromstring(drawn(*parts))
    name = "{http://www.w3.org/2000/svg}"
    assert [float(each.attrib["width"]) for each in svg.iterfind(f"{name}g/{name}rect")] == [BARS / 2, BARS, BARS]
    assert drawn(parts[0], []) == drawn(parts[0])


def test_the_chart_has_a_bar_for_each_and_the_dearest_is_the_longest() -> None:
    text = drawn([("**bearerd**, <no> rules", "known", 10.0), ("other", "known", 40.0), ("floor", "fixed", 2.5)])
    svg = ElementTree.fromstring(text)
    name = "{http://www.w3.org/2000/svg}"
    bars = [float(each.attrib["width"]) for each in svg.iterfind(f"{name}g/{name}rect")]
    labels = [each[0].text for each in svg.iterfind(f"{name}g")]
    assert labels == ["bearerd, <no> rules", "other", "floor"]
    assert bars == [BARS / 4, BARS, pytest.approx(BARS / 16, abs=0.1)]
