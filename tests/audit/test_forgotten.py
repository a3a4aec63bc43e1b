"""What rotation removed stays known, also once the record of it is removed in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from support.audits import KEY, audited

from bearerd.audit import assembly
from bearerd.audit.chain import Chain
from bearerd.audit.forgotten import MOST, forgotten, unread
from bearerd.audit.verify import Verifier

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TIME = b"2026-08-01T12:00:00.000Z"


def told(chain: Chain, fields: dict[str, Any]) -> bytes:
    """The record of it."""
    body: bytes = orjson.dumps({"time": TIME.decode(), "event": "forgotten", **fields})[1:-1]
    return chain.line(body)


def decision(chain: Chain) -> bytes:
    return chain.line(b'"time":"%s","event":"decision"' % TIME)


def test_a_process_whose_records_went_long_ago_is_not_missing(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl.2"
    ended, idle, busy = Chain(KEY), Chain(KEY), Chain(KEY)
    seal, head = ended.seal(TIME, final=True)
    file.write_bytes(seal + decision(idle) + decision(busy))
    file_of_the_record = told(busy, forgotten(file, KEY)) + decision(busy)
    file.write_bytes(file_of_the_record)
    rest = [told(busy, forgotten(file, KEY)), decision(idle), decision(busy)]
    verifier = Verifier(KEY)
    verifier.read("audit.jsonl", rest)
    verifier.end([head])
    assert verifier.findings == []


def test_of_what_others_wrote_there_nothing_is_believed_that_could_not_be_so_and_no_more_than_a_record_holds(
    tmp_path: Path,
) -> None:
    file, chain = tmp_path / "audit.jsonl.2", Chain(KEY)
    good = {f"{number:016x}": number for number in range(MOST + 5)}
    bad: dict[str, Any] = {"no process": 1, "a" * 16: "1", "b" * 16: True, "c" * 16: -1, "d" * 16: 10**15}
    lines = [
        told(chain, {"file_sha256": "x", "through": good | bad}),
        told(chain, {"file_sha256": "x", "through": ["a list"]}),
        b'{"event":"forgotten"\n',
        b'["event":"forgotten"]\n',
        chain.line(b'"event":"decision","arguments":{"event":"forgotten"},"through":{"%s":7}' % (b"e" * 16)),
    ]
    file.write_bytes(b"".join(lines))
    through = forgotten(file, KEY)["through"]
    assert through[chain.process] == 2
    assert list(through) == [*list(good)[-MOST + 1 :], chain.process]


def test_what_was_put_into_a_file_before_its_rotation_excuses_nothing(tmp_path: Path) -> None:
    file, ours, other = tmp_path / "audit.jsonl.2", Chain(KEY), Chain(KEY)
    good = decision(ours) + decision(other)
    later, (seal, head) = decision(other), other.seal(TIME, final=True)
    made_up = Chain(b"a key of somebody else's, as long as it has to be", other.process)
    made_up.sequence = 10**14
    torn = Chain(KEY, ours.process)
    torn.sequence = 7
    file.write_bytes(
        good
        + told(made_up, {"file_sha256": "x", "through": {other.process: 10**14}})
        + b'{"chain":{"process":"%s","segment":999999999,"sequence":999999999,"previous":""},"mac":"%s"}\n'
        % (other.process.encode(), b"0" * 32)
        + decision(torn)[:-9]
        + b"\n"
    )
    said = forgotten(file, KEY)
    assert said["through"] == {ours.process: 0, other.process: 0}
    record = told(ours, said)
    for rest in ([], [later, seal]):
        verifier = Verifier(KEY)
        verifier.read("audit.jsonl", [record, *rest])
        verifier.end([head])
        assert bool(verifier.findings) is not bool(rest)


def test_without_a_chain_nothing_carries_a_mac_and_without_its_key_nothing_is_vouched_for(tmp_path: Path) -> None:
    file, chain = tmp_path / "audit.jsonl.2", Chain(None)
    file.write_bytes(decision(chain) + decision(chain))
    assert forgotten(file, None)["through"] == {chain.process: 1}
    assert unread(file) == {**forgotten(file, KEY), "through": {}}


def test_a_key_that_cannot_be_read_stops_no_rotation_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, file = audited(tmp_path).audit, tmp_path / "audit.jsonl.2"
    chain = Chain(KEY)
    file.write_bytes(decision(chain))
    assert assembly._forgotten(file, settings)["through"] == {chain.process: 0}
    (tmp_path / "audit.key").unlink()
    assert assembly._forgotten(file, settings)["through"] == {}
    (said,) = caplog.records
    assert "not vouched for" in said.message
    assert "audit.key" in vars(said)["detail"]
