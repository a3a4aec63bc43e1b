"""The snapshot's file: what is written is read, and whatever else lies there is refused for a reason of its own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bearerd import metrics
from bearerd.decision import Now
from bearerd.store import snapshot
from bearerd.store.protocol import Position
from bearerd.store.seal import Seal
from bearerd.store.snapshot import Head, Reason, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

FLEET = "fleet"
OPEN, SEALED = Seal(FLEET, None), Seal(FLEET, b"k" * 32)
PLACE = Position(7, "0123456789abcdef" * 2 + "01234567")
ENTRIES = (b"a" * 32, b"b" * 64)
MOST = 100

written = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


def head(pieces: Sequence[bytes] = ENTRIES, **changes: object) -> Head:
    count = sum(map(len, pieces)) // 32
    made = Head(FLEET, PLACE, 1000.0, 50.0, snapshot.boot_id(), count, snapshot.digest(pieces))
    return replace(made, **changes)  # type: ignore[arg-type]


def save(folder: Path, by: Seal = OPEN, pieces: Sequence[bytes] = ENTRIES, **changes: object) -> Path:
    snapshot.save(folder, by, head(pieces, **changes), pieces)
    return folder / snapshot.FILE


def refusal(folder: Path, by: Seal = OPEN, fleet: str = FLEET, most: int = MOST) -> Reason:
    with pytest.raises(Refused) as refused:
        snapshot.load(folder, by, fleet, most)
    return refused.value.reason


def resummed(text: bytes) -> bytes:
    """A file whose head was changed by somebody who knows how its digest is made."""
    size = snapshot._HEAD
    return text[: size - 32] + hashlib.sha256(text[: size - 32]).digest() + text[size:]


@pytest.mark.parametrize("by", [OPEN, SEALED])
@pytest.mark.parametrize("position", [PLACE, None])
@pytest.mark.parametrize("pieces", [(), ENTRIES, (b"c" * 32 * MOST,)])
def test_what_was_written_is_read(
    tmp_path: Path, by: Seal, position: Position | None, pieces: tuple[bytes, ...]
) -> None:
    save(tmp_path, by, pieces, position=position)
    assert snapshot.load(tmp_path, by, FLEET, MOST) == (head(pieces, position=position), b"".join(pieces))
    assert snapshot.peek(tmp_path, by, FLEET) == head(pieces, position=position)


def test_where_there_is_none_there_is_none(tmp_path: Path) -> None:
    assert snapshot.load(tmp_path, SEALED, FLEET, MOST) is None
    assert snapshot.peek(tmp_path / "nowhere", SEALED, FLEET) is None


@written
@given(data=st.data(), by=st.sampled_from([OPEN, SEALED]))
def test_any_single_byte_changed_is_refused(tmp_path: Path, data: st.DataObject, by: Seal) -> None:
    path = save(tmp_path, by)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(1, 255))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ byte]) + whole[place + 1 :])
    assert refusal(tmp_path, by) in (Reason.CORRUPT, Reason.WRONG_SCHEMA)


@pytest.mark.parametrize("by", [OPEN, SEALED])
def test_every_bit_counts(tmp_path: Path, by: Seal) -> None:
    path = save(tmp_path, by, ENTRIES[:1])
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert refusal(tmp_path, by) in (Reason.CORRUPT, Reason.WRONG_SCHEMA), place


@written
@given(length=st.integers(0, snapshot._HEAD + 95))
def test_a_file_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    path = save(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    assert refusal(tmp_path) is Reason.TRUNCATED


@given(more=st.binary(min_size=1, max_size=100))
@written
def test_a_file_with_something_at_its_end_is_refused(tmp_path: Path, more: bytes) -> None:
    path = save(tmp_path)
    path.write_bytes(path.read_bytes() + more)
    assert refusal(tmp_path) is Reason.CORRUPT


@given(text=st.binary(max_size=2000))
@written
def test_any_other_file_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / snapshot.FILE).write_bytes(text)
    (tmp_path / snapshot.FILE).chmod(0o600)
    assert refusal(tmp_path) in (Reason.CORRUPT, Reason.TRUNCATED)


@given(place=st.integers(0, snapshot._HEAD - 33), byte=st.integers(1, 255))
@written
def test_a_head_changed_by_one_who_can_make_digests_is_forged(tmp_path: Path, place: int, byte: int) -> None:
    path = save(tmp_path, SEALED)
    whole = path.read_bytes()
    path.write_bytes(resummed(whole[:place] + bytes([whole[place] ^ byte]) + whole[place + 1 :]))
    format_too = (Reason.FORGED, Reason.WRONG_SCHEMA, Reason.CORRUPT)  # the first bytes name it, and its version
    assert refusal(tmp_path, SEALED) in (format_too if place < 28 else (Reason.FORGED,))


def test_entries_of_one_who_can_make_digests_and_has_no_key_are_forged(tmp_path: Path) -> None:
    save(tmp_path, OPEN, (b"x" * 32,))
    assert refusal(tmp_path, SEALED) is Reason.FORGED
    save(tmp_path, Seal(FLEET, b"other key, of 32 bytes or longer"), (b"x" * 32,))
    assert refusal(tmp_path, SEALED) is Reason.FORGED


def test_a_seal_over_something_else_is_none_over_a_snapshot(tmp_path: Path) -> None:
    path = save(tmp_path, SEALED)
    whole = path.read_bytes()
    start = snapshot._LAYOUT.size
    for purpose in (b"entry", b"key set", b"schema"):
        other = SEALED.make(purpose, whole[:start])
        path.write_bytes(resummed(whole[:start] + other + whole[start + 16 :]))
        assert refusal(tmp_path, SEALED) is Reason.FORGED


def test_a_sealed_snapshot_is_read_by_one_who_lost_the_key_as_if_it_were_not(tmp_path: Path) -> None:
    save(tmp_path, SEALED)
    assert snapshot.load(tmp_path, OPEN, FLEET, MOST) == (head(), b"".join(ENTRIES))


def test_another_fleet_s_is_refused(tmp_path: Path) -> None:
    save(tmp_path, fleet="other")
    assert refusal(tmp_path) is Reason.FOREIGN_FLEET


def test_another_version_s_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot.names, "SCHEMA", "2")
    save(tmp_path)
    monkeypatch.undo()
    assert refusal(tmp_path) is Reason.WRONG_SCHEMA


def test_more_than_may_be_loaded_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = save(tmp_path, pieces=(b"c" * 32 * (MOST + 1),))
    assert refusal(tmp_path) is Reason.TOO_LARGE
    path.write_bytes(path.read_bytes()[: snapshot._HEAD])
    assert refusal(tmp_path) is Reason.TOO_LARGE
    assert refusal(tmp_path, most=MOST + 1) is Reason.TRUNCATED


# ---- whose file it is ----


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_read(tmp_path: Path, mode: int) -> None:
    save(tmp_path, SEALED).chmod(mode)
    assert refusal(tmp_path, SEALED) is Reason.UNREADABLE


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    path = save(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert refusal(tmp_path) is Reason.UNREADABLE
    path.unlink()
    path.mkdir()
    assert refusal(tmp_path) is Reason.UNREADABLE
    path.rmdir()
    os.mkfifo(path, 0o600)  # and nobody waits for a writer
    assert refusal(tmp_path) is Reason.UNREADABLE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_user_s_file_is_not_read(tmp_path: Path) -> None:
    os.chown(save(tmp_path), 12345, 12345)
    assert refusal(tmp_path) is Reason.UNREADABLE


def test_it_is_its_user_s_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = save(tmp_path)
        with snapshot.turn(tmp_path):
            pass
    finally:
        os.umask(before)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, tmp_path / snapshot.LOCK)] == [0o600, 0o600]


def test_a_link_in_the_place_of_what_is_being_written_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f"{snapshot.FILE}.new").symlink_to(victim)
    save(tmp_path)
    assert victim.read_text() == "precious"
    assert not (tmp_path / snapshot.FILE).is_symlink()


def test_what_one_who_was_killed_left_behind_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / f"{snapshot.FILE}.new").write_bytes(b"half")
    save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [snapshot.FILE]


def test_a_write_that_fails_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = save(tmp_path).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, pieces=(b"x" * 32,))
    assert (tmp_path / snapshot.FILE).read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == [snapshot.FILE]


def test_the_new_one_is_on_the_disk_before_it_takes_the_old_one_s_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), (tmp_path / snapshot.FILE).exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    path = save(tmp_path)
    assert synced == [(f"{path}.new", False), (str(tmp_path), True)]


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    with snapshot.turn(tmp_path) as first, snapshot.turn(tmp_path) as second:
        assert (first, second) == (True, False)
    with contextlib.suppress(RuntimeError), snapshot.turn(tmp_path) as third:
        assert third
        raise RuntimeError
    with snapshot.turn(tmp_path) as again:
        assert again


# ---- how old it is ----


def test_its_age_is_what_the_clock_says_that_says_more() -> None:
    assert head().age(Now(1010.0, 55.0)) == 10
    assert head().age(Now(1005.0, 60.0)) == 10
    assert head().age(Now(1005.0, 55.0, behind=30.0)) == 35  # a wall clock that was set back is not believed
    assert head().age(Now(1005.0, 55.0, ahead=3.0)) == 5


def test_after_a_reboot_only_the_wall_clock_counts() -> None:
    assert head(boot_id="of another boot", boot=1e6).age(Now(1010.0, 5.0)) == 10
    assert head(boot_id="").age(Now(1010.0, 5000.0)) == 10


@pytest.mark.parametrize("now", [Now(998.0, 55.0), Now(1010.0, 48.0), Now(998.0, 48.0), Now(float("nan"), 55.0)])
def test_one_from_the_future_by_either_clock_is_refused(now: Now) -> None:
    with pytest.raises(Refused) as refused:
        head().age(now)
    assert refused.value.reason is Reason.FUTURE


def test_a_clock_that_is_slewed_makes_nobody_refuse() -> None:
    assert head().age(Now(999.5, 49.5)) == 0


def test_the_reasons_are_those_of_the_metrics() -> None:
    assert set(metrics.SNAPSHOT_REASONS) == set(Reason)
