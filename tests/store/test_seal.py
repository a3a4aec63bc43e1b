from __future__ import annotations

from pathlib import Path

from bearerd.store import seal
from bearerd.store.names import Names


def test_without_a_key_seals_are_empty_and_hold() -> None:
    plain = seal.Seal("fleet", None)
    assert (plain.make(b"entry", b"x"), plain.size, plain.mark) == (b"", 0, "1")
    assert plain.holds(b"", b"entry", b"x")
    assert not plain.holds(b"x", b"entry", b"x")


def test_a_seal_binds_key_fleet_purpose_and_every_part() -> None:
    one = seal.Seal("fleet", b"k" * 32)
    mac = one.make(b"entry", b"ab", b"c")
    assert len(mac) == one.size == 16
    assert one.holds(mac, b"entry", b"ab", b"c")
    for other, purpose, parts in (
        (one, b"entry", (b"a", b"bc")),
        (one, b"entry", (b"abc",)),
        (one, b"key set", (b"ab", b"c")),
        (seal.Seal("other", b"k" * 32), b"entry", (b"ab", b"c")),
        (seal.Seal("fleet", b"K" * 32), b"entry", (b"ab", b"c")),
        (seal.Seal("fleet", None), b"entry", (b"ab", b"c")),
    ):
        assert not other.holds(mac, purpose, *parts)


def test_the_mark_tells_fleet_keys_apart_without_telling_them() -> None:
    marks = {seal.Seal("fleet", key).mark for key in (None, b"a" * 32, b"b" * 32)}
    assert len(marks) == 3
    assert all("a" * 8 not in mark and "b" * 8 not in mark for mark in marks)


def test_white_space_around_a_key_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\n" + b"k" * 32 + b"\r\n")
    assert seal.read_key(tmp_path / "key") == b"k" * 32


def test_all_keys_of_a_fleet_are_in_one_slot_and_under_its_prefix() -> None:
    names = Names("prod")
    keys = [*names.fixed, names.bucket("forever"), names.key_set("https://a/{x}"), names.fetch("https://a/{x}")]
    assert all(key.startswith("bearerd:{prod}:") and key.count("{") == 1 for key in keys)
    assert len(set(keys)) == len(keys)
    assert {names.leases, names.bell, names.buckets} <= set(names.fixed)
