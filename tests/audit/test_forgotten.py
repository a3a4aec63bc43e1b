"""What rotation removed stays known, also once the record of it is removed in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from support.audits import KEY

from bearerd.audit.chain import Chain
from bearerd.audit.forgotten import MOST, forgotten
from bearerd.audit.verify import Verifier

if TYPE_CHECKING:
    from pathlib import Path

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
    file_of_the_record = told(busy, forgotten(file)) + decision(busy)
    file.write_bytes(file_of_the_record)
    rest = [told(busy, forgotten(file)), decision(idle), decision(busy)]
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
    through = forgotten(file)["through"]
    assert through[chain.process] == 2
    assert list(through) == [*list(good)[-MOST + 1 :], chain.process]
