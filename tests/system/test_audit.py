"""A worker is killed in the midst of audited decisions: what was answered is on the record, and the verifier says the rest."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING, Any

from support.audits import KEY
from support.bearerd import RESOURCE, Bearerd, config, run, wait_for
from support.house import token

if TYPE_CHECKING:
    from pathlib import Path

AUDIT = """
[audit]
sink = ["file", "store"]
file = "{folder}/audit.jsonl"
key_file = "{folder}/audit.key"
sync = "always"
segment_records = 20
"""


def answered(bearerd: Bearerd, count: int, allowed: str) -> int:
    """Allows that reached us."""
    found = 0
    for _ in range(count):
        with contextlib.suppress(OSError, ValueError):
            found += bearerd.decide(token=allowed).status == 200
    return found


def verified(bearerd: Bearerd, *more: str) -> tuple[int, dict[str, Any]]:
    told = run("audit", "verify", "-c", str(bearerd.file), "-o", "json", *more, **bearerd.environ)
    assert told.returncode in (0, 1), told.stderr
    return told.returncode, json.loads(told.stdout)


def test_what_was_answered_before_a_kill_is_on_the_record_and_a_cut_shows(tmp_path: Path) -> None:
    (tmp_path / "audit.key").write_bytes(KEY)
    resource = RESOURCE.replace("[resource.api]", '[resource.api]\naudit = "all"')
    good = token()
    with Bearerd(tmp_path / "b", config(workers=1, resource=resource, more=AUDIT.format(folder=tmp_path))) as bearerd:
        given = answered(bearerd, 50, good)
        (before,) = bearerd.pids().values()
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: bearerd.ready() and before not in bearerd.pids().values())
        given += answered(bearerd, 50, good)
        assert given >= 95
        wait_for(lambda: not verified(bearerd)[1]["findings"])
        code, said = verified(bearerd)
        assert (code, said["processes"]) == (0, 2)
        assert (
            sum("open end since" in note["what"] for note in said["notes"]) == 2
        )  # the killed one's, and the running one's
        lines = (tmp_path / "audit.jsonl").read_bytes().splitlines(keepends=True)
        allows = [line for line in lines if b'"decision":"allow"' in line]
        assert len(allows) >= given
        asked = ("audit", "query", "-c", str(bearerd.file), "--from-store", "--decision", "allow", "-o", "json")
        in_store = run(*asked, **bearerd.environ)
        assert len(json.loads(in_store.stdout)) == len(allows)

        (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[:30]))
        code, said = verified(bearerd, str(tmp_path / "cut.jsonl"))
        assert code == 1
        assert any("truncated" in finding["what"] for finding in said["findings"])
        assert any("missing: all of the process" in finding["what"] for finding in said["findings"])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "audit.key").write_bytes(KEY)
    file = tmp_path / "bearerd.toml"
    key = '[audit]\nsink = "file"\nfile = "audit.jsonl"\nkey_file = "audit.key"\n'
    file.write_text(f'[server]\nprofile = "development"\n{key}')
    told = run("audit", "verify", "-c", str(file), "--offline")
    assert told.returncode == 2
    assert f"there is no {tmp_path}/audit.jsonl" in told.stderr


def test_readiness_tells_of_a_sink_that_takes_nothing_and_of_what_is_refused_for_it(tmp_path: Path) -> None:
    resource = RESOURCE.replace("[resource.api]", '[resource.api]\naudit = "all"')
    file = tmp_path / "audit.jsonl"
    sink = f'[audit]\nsink = "file"\nfile = "{file}"\nchain = "off"\nsync = "always"\nwait = "200ms"\n'
    with Bearerd(tmp_path / "b", config(workers=1, resource=resource, more=sink)) as bearerd:
        assert bearerd.decide(token=token()).status == 200
        file.unlink()
        file.mkdir()
        assert bearerd.decide(token=token()).status == 503
        wait_for(lambda: "warnings" in bearerd.probe("/readyz").json())
        ready = bearerd.probe("/readyz")
        document = ready.json()
        assert (ready.status, document["ready"]) == (200, True)
        assert document["warnings"] == list(document["since"]) == ["audit_sink_down:file"]
        assert document["components"]["resources"] == {"api": "audit_down"}
        told = run("health", "-c", str(bearerd.file), **bearerd.environ)
        assert told.returncode == 0
        assert f"audit_sink_down:file since {document['since']['audit_sink_down:file']}" in told.stdout
        file.rmdir()
        wait_for(lambda: bearerd.probe("/readyz").json()["components"]["resources"] == {"api": "ok"})
        assert "since" not in bearerd.probe("/readyz").json()
        assert bearerd.decide(token=token()).status == 200
