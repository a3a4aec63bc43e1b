"""Whole chains: each gateway alone, with bearerd and with its own check, from the examples' files, and what a check adds."""

from __future__ import annotations

import os
import shutil
from itertools import groupby
from pathlib import Path

import added
import peers
import pytest
from compare import chosen, gather
from cores import Cores
from measure import Line, Round
from peers import caddy, haproxy, traefik
from place import Peer, Place, Target
from stage import Stage

CHAINS = [peer for peer in peers.ALL if peer.gateway]
OWN = {"nginx", "Envoy", "HAProxy"}  # have a check of their own


@pytest.mark.parametrize("gateway", ["nginx", "Envoy", "Traefik", "Caddy", "HAProxy"])
def test_each_gateway_has_a_group_that_begins_with_it_alone(gateway: str) -> None:
    groups = [list(members) for _, members in groupby(peers.ALL, key=lambda peer: peer.group)]
    (group,) = [members for members in groups if members[0].gateway == gateway]
    assert [peer.label for peer in group if peer.alone] == [group[0].label] == [f"{gateway} alone"]
    assert any(peer.label.startswith(f"{gateway} with **bearerd**") for peer in group)
    assert any(peer.label.startswith(f"{gateway} with its own check") for peer in group) is (gateway in OWN)


def test_the_usual_run_has_all_of_them() -> None:
    assert {peer.name for peer in CHAINS} <= {peer.name for peer in chosen("")}


def text(folder: Path, gateway: str, file: str, changes: dict[str, str]) -> str:
    stage = Stage.on_free_ports(folder)
    stage.changes |= changes
    return (stage.copy(gateway) / file).read_text()


def test_a_gateway_alone_is_its_example_without_the_question(tmp_path: Path) -> None:
    """And with all that clears a client's headers."""
    alone = text(tmp_path, "traefik", "dynamic.yaml", traefik.UNASKED)
    assert "middlewares: [keep-the-token]" in alone
    alone = text(tmp_path, "caddy", "Caddyfile", caddy.UNASKED)
    assert "\t\t\tforward_auth" not in alone
    assert "copy_headers X-Auth" not in alone
    assert "request_header -X-Auth-Subject" in alone
    alone = text(tmp_path, "haproxy", "haproxy.cfg", {haproxy.ASKED: ""})
    assert "lua.bearerd api" not in alone
    assert "bearerd_allowed" not in alone
    assert "del-header x-auth- -m beg" in alone


@pytest.mark.skipif(
    shutil.which("cc") is None or len(os.sched_getaffinity(0)) < 2, reason="needs a C compiler and two cores"
)
@pytest.mark.timeout(120)
def test_whole_chains_from_an_example_give_the_right_answers(tmp_path: Path) -> None:
    """Those of HAProxy, in which all three are: whoever lets a forged token pass raises Wrong."""
    with Place(tmp_path, Cores.at_hand()) as place:
        lines, left_out = gather(list(haproxy.CHAINS), place)
    assert left_out == []
    assert [len(line.target.pids) for line in lines] == [2, 3, 2]
    assert [len(line.target.refuses) for line in lines] == [0, 2, 2]


def measured(name: str, gateway: str, *rounds: tuple[float, float], alone: bool = False) -> Line:
    """Of each round CPU and time."""
    peer = Peer(name, "group", name, lambda _: Target(1, (), []), gateway, alone)
    return Line(peer, Target(1, (), []), Path(), [Round(cpu, 1, 1, 1, 1, 1, 0, 0, lone) for cpu, lone in rounds])


def test_what_a_check_adds_is_held_against_the_same_gateway_in_the_same_round() -> None:
    lines = [
        measured("floor", "", (1, 0), (1, 0), (1, 0)),
        measured("nginx alone", "nginx", (10, 50), (90, 90), (11, 51), alone=True),
        measured("nginx with it", "nginx", (30, 80), (109, 119), (32, 82)),
        measured("Caddy with it", "Caddy", (70, 100), (71, 100), (72, 100)),
    ]
    *_, rows = added.section(lines)
    assert rows.splitlines()[2:] == [
        "| nginx alone | 11.0 | – | 51 | – |",
        "| nginx with it | 32.0 | **+20.0** | 82 | **+30** |",
        "| Caddy with it | 71.0 | – | 100 | – |",
    ]
    assert list(added.section(lines[:1])) == []
