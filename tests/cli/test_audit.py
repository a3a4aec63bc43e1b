"""``bearerd audit`` beside a bearerd that goes on writing."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from support.audits import KEY

from bearerd.audit.chain import Chain, Head
from bearerd.cli import audit
from bearerd.cli.output import Failure

if TYPE_CHECKING:
    from pathlib import Path

TIME = b"2026-08-01T12:00:00.000Z"
WANTED = ("resource", "sub", "tool", "code", "decision", "request_id", "since", "until")


class Writer:
    """A process that records, and a store that knows of its heads at once."""

    def __init__(self, folder: Path) -> None:
        self.chain, self.file, self.heads = Chain(KEY), folder / "audit.jsonl", list[tuple[Head, str]]()
        (folder / "audit.key").write_bytes(KEY)
        self.config = folder / "bearerd.toml"
        table = '[audit]\nsink = "file"\nfile = "audit.jsonl"\nkey_file = "audit.key"\n'
        self.config.write_text(f'[server]\nprofile = "development"\n{table}')

    def segment(self) -> bytes:
        """Sealed: the store knows, and the file does not yet."""
        line = self.chain.line(b'"time":"%s","event":"decision"' % TIME)
        seal, head = self.chain.seal(TIME)
        self.heads.append((head, os.uname().nodename))
        return line + seal

    def write(self, lines: bytes) -> None:
        with self.file.open("ab") as file:
            file.write(lines)

    def asked(self, *_: object) -> Any:
        """What the store says, while the next segment is sealed."""
        self.write(self.segment())
        return list(self.heads)

    def verified(self) -> tuple[int, dict[str, Any]]:
        told = CliRunner().invoke(audit.command, ["verify", "-c", str(self.config), "-o", "json"])
        return told.exit_code, json.loads(told.stdout)


def test_a_segment_that_is_sealed_meanwhile_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path)
    writer.write(writer.segment())
    monkeypatch.setattr(audit, "_asked", writer.asked)
    code, said = writer.verified()
    assert (code, said["findings"], said["records"]) == (0, [], 4)


def test_a_head_that_was_there_before_its_records_is_waited_for_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, waits = Writer(tmp_path), list[float]()
    writer.write(writer.segment())
    late = [writer.segment()]

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if late:
            writer.write(late.pop())

    monkeypatch.setattr(audit.time, "sleep", wait)
    monkeypatch.setattr(audit, "_asked", lambda *_: writer.heads)
    assert writer.verified()[0] == 0
    writer.segment()
    code, said = writer.verified()
    assert (code, [finding["what"] for finding in said["findings"]]) == (
        1,
        ["truncated: the store knows of records up to 5"],
    )
    assert waits[0] > 0
    assert len(waits) <= 3


def test_following_shows_what_was_written_in_the_moment_of_a_rotation(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b'{"n":0}\n')

    class Late:
        """A file that grows, and is rotated, just after its end was read."""

        def __init__(self) -> None:
            self.file = file.open("rb")

        def read(self, most: int = -1) -> bytes:
            data = self.file.read(most)
            if not data and file.read_bytes().startswith(b'{"n":0}'):
                with file.open("ab") as writer:
                    writer.write(b'{"n":1}\n')
                file.rename(tmp_path / "audit.jsonl.1")
                file.write_bytes(b'{"n":2}\n')
            return data

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    coming = audit._coming(file, Late(), audit._wanted(dict.fromkeys(WANTED)))  # type: ignore[arg-type]
    assert [next(coming)["n"] for _ in range(3)] == [0, 1, 2]
    coming.close()


def test_that_all_files_are_gone_is_a_finding_where_the_store_knows_of_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path)
    monkeypatch.setattr(audit, "LATE_SECONDS", 0.0)
    monkeypatch.setattr(audit, "_asked", lambda *_: writer.heads)
    told = CliRunner().invoke(audit.command, ["verify", "-c", str(writer.config)])
    assert isinstance(told.exception, Failure)  # nothing was written yet
    writer.segment()
    code, said = writer.verified()
    assert code == 1
    assert [finding["what"] for finding in said["findings"]] == ["missing: all of the process, up to record 1 at least"]
    assert "there is no" in said["notes"][0]["what"]
