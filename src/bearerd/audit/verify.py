"""Whether records are what was written: a reader of lines in the order of their files, who holds the chain's key.

What it says of each process is either a *finding* (a record was edited, dropped, put elsewhere, written twice, or cut off) or
a *note* (what cannot be told from here).  A finding can be the work of a fault as well as that of a hand; a note is neither.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bearerd.audit.chain import Head, apart, first_key, mac_of, next_key, proof_of
from bearerd.audit.forgotten import BEGINNING, begun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bearerd._native.mac import Mac

MOST_SEGMENTS: Final = 1_000_000  # of one process: at least ten days of the shortest ones
MOST_STEPS: Final = 20_000_000  # of keys, in all: made-up numbers must not keep a verifier busy for ever
MOST_MISSING: Final = 1_000_000  # sequences that are remembered as missing
_HALF: Final = "half a record: its process, or its machine, ended in the midst of it"


class Said(NamedTuple):
    """One finding or note."""

    process: str
    sequence: int | None
    where: str  # file:line
    what: str


@dataclass(slots=True)
class _Process:
    start: Mac  # the key of segment 0
    key: Mac  # of ``segment``
    segment: int = 0  # that the key is of
    first: int | None = None  # the first sequence that is here
    last: int = -1
    previous: bytes = b""  # the MAC of the last
    known: bool = False  # whether ``previous`` is
    sealed: int = -1  # the last sealed segment
    final: bool = False
    missing: set[int] = field(default_factory=set)
    macs: dict[int, str] = field(default_factory=dict)  # of seals, by sequence
    seen: dict[int, bytes] = field(default_factory=dict)  # the MACs of this segment and the one before, by sequence
    place: str = ""
    time: str = ""
    torn: str = ""  # where half a line of it stands


class Verifier:
    """Feed it every line; then ``end``."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.findings: list[Said] = []
        self.notes: list[Said] = []
        self.records = 0
        self._processes: dict[str, _Process] = {}
        self._forgotten: dict[str, int] = {}  # process -> the last sequence that rotation removed
        self.hosts: set[str] = set()
        self.behind = 0  # findings of heads whose records are not here: those that are written this very moment, too
        self._steps = 0

    @property
    def processes(self) -> int:
        """How many there are."""
        return len(self._processes)

    def read(self, name: str, lines: Iterable[bytes], *, again: bool = False) -> None:
        """One file, or stream.  The older ones come first.  ``again``: its sink may have been offered the same twice."""
        self._again = again
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._line(f"{name}:{number}", line)

    def note(self, what: str) -> None:
        """What its caller has to say of the records as a whole."""
        self._note("", None, "", what)

    # ---- one line

    def _line(self, where: str, line: bytes) -> None:
        begins, (text, mac) = BEGINNING.match(line), apart(line)
        if begins is None:
            if begun(line):
                self._note("", None, where, _HALF)
            else:
                self._find("", None, where, "not an audit record")
            return
        name, segment, sequence = begins[1].decode(), int(begins[2]), int(begins[3])
        process = self._processes.get(name)
        if process is None:
            start = first_key(self._key, name)
            process = self._processes[name] = _Process(start, start)
        if mac is None:
            self._torn(process, name, sequence, where)
            return
        self.records += 1
        key = self._key_of(process, segment)
        if key is None or not hmac.compare_digest(mac_of(key, text), mac):
            # Nothing of it is believed but its place: what follows says whether it had one.
            self._find(name, sequence, where, "edited: it does not carry its MAC")
            if sequence == process.last + 1:
                self._step(process, sequence, mac, where)
            return
        if segment > process.segment:  # only by a record that is good: others' numbers lead nowhere
            process.key, process.segment = key, segment
        self._good(process, name, sequence, segment, orjson.loads(line), mac, where)

    def _good(
        self, process: _Process, name: str, sequence: int, segment: int, record: dict[str, Any], mac: bytes, where: str
    ) -> None:
        if process.first is None:
            process.first, process.last, process.known = sequence, sequence - 1, sequence == 0
        if sequence <= process.last:
            self._late(process, name, sequence, mac, where)
            return
        if process.final:
            self._find(name, sequence, where, "it stands after the end of its process")
        if sequence > process.last + 1:
            self._gap(process, name, sequence, where)
        elif process.known and record["chain"]["previous"].encode() != process.previous:
            self._find(name, sequence, where, f"what stands before it ({process.place}) is not what was before it")
        elif segment != process.sealed + 1 and process.last >= process.first:
            self._find(name, sequence, where, "its segment does not follow the one before")
        self._step(process, sequence, mac, where)
        process.time = str(record.get("time", ""))
        self._told(process, name, record, sequence, segment, mac)

    def _step(self, process: _Process, sequence: int, mac: bytes, where: str) -> None:
        process.last, process.previous, process.known, process.place = sequence, mac, True, where
        process.seen[sequence] = mac
        if process.first is None:
            process.first = sequence

    def _told(
        self, process: _Process, name: str, record: dict[str, Any], sequence: int, segment: int, mac: bytes
    ) -> None:
        """What some records say of others."""
        event = record.get("event")
        if event == "seal":
            process.sealed, process.final = segment, bool(record.get("final"))
            process.macs[sequence] = mac.decode()
            process.seen = {sequence: mac}
        elif event == "forgotten":
            for other, last in record.get("through", {}).items():
                self._forgotten[other] = max(last, self._forgotten.get(other, -1))
        elif event == "dropped":
            count = record.get("records")
            self._note(name, sequence, process.place, f"{count} decisions left no record: there was no room")
        elif event == "start":
            self.hosts.add(str(record.get("host", "")))
        if segment > process.sealed + 1:
            process.sealed = segment - 1  # of which something is missing, and was told

    def _late(self, process: _Process, name: str, sequence: int, mac: bytes, where: str) -> None:
        if sequence in process.missing:
            process.missing.discard(sequence)
            self._find(name, sequence, where, f"reordered: it stands behind {process.last}")
        elif sequence < (process.first or 0):
            self._find(name, sequence, where, f"reordered: it stands behind {process.last}")
        elif self._again and process.seen.get(sequence) == mac:
            self._note(name, sequence, where, "there twice: the store was offered it again")
        else:
            self._find(name, sequence, where, "duplicated")

    def _gap(self, process: _Process, name: str, sequence: int, where: str) -> None:
        gap = range(process.last + 1, sequence)
        if len(gap) + len(process.missing) <= MOST_MISSING:
            process.missing.update(gap)
        else:
            self._find(name, sequence, where, f"missing: {len(gap)} records before it")

    def _torn(self, process: _Process, name: str, sequence: int, where: str) -> None:
        if sequence == process.last + 1 and not process.final:
            process.torn = where
        else:
            self._find(name, sequence, where, "half a record")

    def _key_of(self, process: _Process, segment: int) -> Mac | None:
        """Of a segment: from the one at hand, or from the first."""
        if segment >= process.segment:
            return self._forward(process.key, segment - process.segment)
        return self._forward(process.start, segment)

    def _forward(self, key: Mac, steps: int) -> Mac | None:
        self._steps += steps
        if steps > MOST_SEGMENTS or self._steps > MOST_STEPS:
            return None
        for _ in range(steps):
            key = next_key(key)
        return key

    # ---- the end

    def end(self, heads: Iterable[Head] | None) -> None:
        """All lines were read.  ``heads``: what the store knows of sealed segments; None: it was not asked."""
        for name, process in self._processes.items():
            self._ended(name, process)
        if heads is None:
            self._note(
                "", None, "", "the store was not asked: the loss of a whole tail, or of a whole process, does not show"
            )
        else:
            self._compare_all(sorted(heads))

    def _ended(self, name: str, process: _Process) -> None:
        through = self._forgotten.get(name, -1)
        if process.first is None:
            if not process.torn:
                return
            process.first = 0
        if process.first > 0 and through < process.first - 1:
            self._find(
                name,
                process.first,
                "",
                f"missing: records {through + 1} to {process.first - 1}, before the first that is here",
            )
        for first, last in _spans(process.missing):
            self._find(
                name, first, "", f"missing: record {first}" if first == last else f"missing: records {first} to {last}"
            )
        if process.torn:
            self._note(
                name,
                process.last + 1,
                process.torn,
                _HALF,
            )
        if not process.final:
            self._note(
                name,
                process.last,
                process.place,
                f"open end since {process.time or 'its start'}: the process runs yet, or ended without a seal; "
                "what came after this record, if anything did, is not here",
            )

    def _compare_all(self, heads: list[Head]) -> None:
        """By process and segment, so that a key is made of the one before."""
        name, at, key = "", 0, first_key(self._key, "")
        for head in heads:
            if head.process != name:
                name, at, key = head.process, 0, first_key(self._key, head.process)
            moved = self._forward(key, head.segment - at) if head.segment >= at else None
            if moved is None or not hmac.compare_digest(proof_of(moved, head), head.proof):
                self._find(head.process, head.last, "store", "a head that no process of ours made")
                continue
            at, key = head.segment, moved
            self._compare(head)

    def _compare(self, head: Head) -> None:
        process = self._processes.get(head.process)
        through = self._forgotten.get(head.process, -1)
        if process is None or process.first is None:
            if through < head.last:
                self.behind += 1
                self._find(
                    head.process, head.last, "store", f"missing: all of the process, up to record {head.last} at least"
                )
        elif head.last > process.last:
            self.behind += 1
            self._find(
                head.process, process.last, process.place, f"truncated: the store knows of records up to {head.last}"
            )
        elif head.last >= process.first and process.macs.get(head.last) not in (None, head.mac):
            self._find(head.process, head.last, "store", "the seal here is not the one that the store knows of")

    def _find(self, process: str, sequence: int | None, where: str, what: str) -> None:
        self.findings.append(Said(process, sequence, where, what))

    def _note(self, process: str, sequence: int | None, where: str, what: str) -> None:
        self.notes.append(Said(process, sequence, where, what))


def _spans(numbers: set[int]) -> list[tuple[int, int]]:
    """Runs of neighbours, as (first, last)."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found
