"""The chain and its verifier: whatever is done to records shows, and what was not done to them does not."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import orjson
import pytest
from support.audits import KEY

from bearerd._native.mac import Mac
from bearerd.audit.chain import Chain, Head, first_key, next_key, proof_of
from bearerd.audit.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "00112233445566aa"
TIME = b"2026-08-01T12:00:00.000Z"


def written(*segments: int, final: bool = True, name: str = NAME) -> tuple[list[bytes], list[Head]]:
    """So many records in each segment, the seal beside them; with ``final`` the process has ended."""
    chain, lines, heads = Chain(KEY, name), [], []
    for number, count in enumerate(segments):
        lines += [chain.line(b'"time":"%s","event":"decision","n":%d' % (TIME, n)) for n in range(count)]
        line, head = chain.seal(TIME, final=final and number == len(segments) - 1)
        lines.append(line)
        heads.append(head)
    return lines, heads


def said(lines: list[bytes], heads: list[Head] | None = None, *, again: bool = False) -> Verifier:
    found = Verifier(KEY)
    found.read("audit.jsonl", lines, again=again)
    found.end(heads)
    return found


@pytest.mark.parametrize("key", [b"", b"k", KEY, b"k" * 64, b"k" * 65])
@pytest.mark.parametrize("text", [b"", b"t", b"t" * 55, b"t" * 64, b"t" * 1000])
def test_the_native_mac_is_that_of_the_standard(key: bytes, text: bytes) -> None:
    assert Mac(key).of(text) == hmac.digest(key, text, hashlib.sha256)


def test_what_was_written_is_intact() -> None:
    lines, heads = written(3, 1, 5)
    found = said(lines, heads)
    assert (found.findings, found.notes, found.records) == ([], [], 12)
    assert all(orjson.loads(line)["chain"]["sequence"] == number for number, line in enumerate(lines))


def test_of_a_process_that_has_not_ended_the_open_end_is_told() -> None:
    lines, heads = written(3, 2, final=False)
    found = said(lines, heads)
    assert found.findings == []
    assert [(note.sequence, note.what[:35]) for note in found.notes] == [(6, f"open end since {TIME.decode()[:20]}")]


SPOILED: dict[str, tuple[Callable[[list[bytes]], object], str]] = {
    "edited": (lambda lines: lines.__setitem__(2, lines[2].replace(b'"n":2', b'"n":3')), "edited"),
    "a digit of the MAC": (lambda lines: lines.__setitem__(4, lines[4][:-4] + b'0"}\n'), "edited"),
    "renumbered": (lambda lines: lines.__setitem__(2, lines[2].replace(b'"sequence":2', b'"sequence":7')), "edited"),
    "dropped": (lambda lines: lines.pop(2), "missing: record 2"),
    "a segment is dropped": (lambda lines: lines.__delitem__(slice(4, 6)), "missing: records 4 to 5"),
    "the beginning is cut off": (lambda lines: lines.__delitem__(slice(0, 3)), "missing: records 0 to 2"),
    "the tail is cut off": (lambda lines: lines.__delitem__(slice(7, None)), "truncated: the store knows"),
    "all is gone": (lambda lines: lines.clear(), "missing: all of the process"),
    "reordered": (lambda lines: lines.insert(1, lines.pop(2)), "reordered"),
    "duplicated": (lambda lines: lines.insert(3, lines[1]), "duplicated"),
    "put in again later": (lambda lines: lines.append(lines[1]), "duplicated"),
    "of nobody": (lambda lines: lines.insert(1, b'{"time":"now"}\n'), "not an audit record"),
    "half a record within": (lambda lines: lines.__setitem__(1, lines[1][:60] + b"\n"), "missing: record 1"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_whatever_is_done_to_records_is_found(how: str) -> None:
    lines, heads = written(3, 1, 5)
    assert (len(lines), lines[0].count(b'"mac"')) == (12, 1)
    spoil, words = SPOILED[how]
    spoil(lines)
    found = said(lines, heads)
    assert any(words in finding.what for finding in found.findings), found.findings


def test_a_record_of_another_chain_does_not_pass_for_one_of_this() -> None:
    lines, _ = written(3)
    other, _ = written(3, name="ffffffffffffffff")
    assert said(lines + other).findings == []
    lines[1] = other[1].replace(b"ffffffffffffffff", NAME.encode())
    assert [finding.sequence for finding in said(lines).findings if "edited" in finding.what] == [1]


def test_a_segment_s_key_is_good_for_no_record_that_was_sealed_before() -> None:
    lines, heads = written(2, 2)
    stolen = next_key(first_key(KEY, NAME))  # what a process holds in its second segment
    text = lines[1].rpartition(b',"mac":"')[0].replace(b'"n":1', b'"n":9')
    lines[1] = text + b',"mac":"' + stolen.of(text)[:16].hex().encode() + b'"}\n'
    assert any("edited" in finding.what for finding in said(lines, heads).findings)


def test_without_the_store_a_lost_tail_is_not_seen_and_that_is_said() -> None:
    lines, _ = written(3, 3, final=False)
    found = said(lines[:-2])
    assert found.findings == []
    assert any("the store was not asked" in note.what for note in found.notes)


def test_a_head_that_somebody_made_up_is_called_so() -> None:
    lines, heads = written(3)
    made_up = heads[0]._replace(process="ab" * 8, last=10_000)
    found = said(lines, [*heads, made_up])
    assert [finding.what for finding in found.findings] == ["a head that no process of ours made"]
    signed = made_up._replace(proof=proof_of(first_key(KEY, made_up.process), made_up))
    assert "missing: all of the process" in said(lines, [*heads, signed]).findings[0].what


def test_half_a_record_at_the_end_is_the_mark_of_a_lost_machine_and_no_finding() -> None:
    lines, heads = written(3, 2, final=False)
    more = Chain(KEY, NAME).line(b'"time":"x"').replace(b'"sequence":0', b'"sequence":7')
    found = said([*lines, more[:70]], heads)
    assert found.findings == []
    assert any("half a record" in note.what for note in found.notes)


def test_a_record_of_which_only_the_first_bytes_were_written_is_no_forgery_either() -> None:
    lines, heads = written(3)
    other = Chain(KEY, "ffffffffffffffff").line(b'"time":"x"').rstrip(b"\n")
    for size in range(1, len(other)):
        found = said([*lines, other[:size] + b"\n"], heads)
        assert found.findings == [], size
        assert any("half a record" in note.what for note in found.notes)
    assert said([*lines, b'{"chain":{"process":"x"\n']).findings


def test_what_the_store_was_offered_twice_is_no_forgery() -> None:
    lines, heads = written(4)
    twice = lines[:3] + lines[1:]
    assert any("duplicated" in finding.what for finding in said(twice, heads).findings)
    found = said(twice, heads, again=True)
    assert (found.findings, len(found.notes)) == ([], 2)


def test_records_that_rotation_removed_are_known_by_the_record_of_it() -> None:
    lines, _ = written(3, 2)
    chain = Chain(KEY, "ffffffffffffffff")
    told = chain.line(b'"time":"%s","event":"forgotten","file_sha256":"x","through":{"%s":3}' % (TIME, NAME.encode()))
    seal, _ = chain.seal(TIME, final=True)
    assert said([*lines[4:], told, seal]).findings == []
    assert any("missing: record" in finding.what for finding in said([*lines[5:], told, seal]).findings)


def test_made_up_numbers_do_not_keep_the_verifier_busy() -> None:
    lines, _ = written(2)
    huge = lines[0].replace(b'"segment":0', b'"segment":999999999')
    assert any("edited" in finding.what for finding in said([huge] * 50 + lines).findings)


def test_a_chain_without_a_key_is_numbered_and_not_sealed() -> None:
    chain = Chain(None, NAME)
    assert orjson.loads(chain.line(b'"n":1'))["chain"] == {"process": NAME, "segment": 0, "sequence": 0}
    assert not chain.keyed
    with pytest.raises(RuntimeError):
        chain.seal(TIME)
