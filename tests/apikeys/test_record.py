from __future__ import annotations

from dataclasses import replace

import pytest

from bearerd.apikeys.record import Record, Secret

NOW = 1_800_000_000
RECORD = Record(
    "k" * 12, "nightly", "ci", ("read",), (), ("api",), NOW, NOW + 1000, (Secret(1, "d1", NOW, NOW + 1000),)
)


def test_what_is_stored_is_read_back() -> None:
    for record in (RECORD, replace(RECORD, revoked=NOW), RECORD.rotated("d2", NOW, 60)):
        assert Record.decode(record.encode()) == record


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"null", b"{}", b'{"version":2}', RECORD.encode().replace(b'"id"', b'"ix"')]
)
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Record.decode(text)


def test_a_rotation_gives_the_last_secret_its_overlap_and_no_older_one_any() -> None:
    once = RECORD.rotated("d2", NOW + 10, 60)
    assert once.secrets == (Secret(1, "d1", NOW, NOW + 70), Secret(2, "d2", NOW + 10, NOW + 1000))
    assert [secret.number for secret in once.rotated("d3", NOW + 20, 60).secrets] == [2, 3]
    assert [secret.number for secret in once.rotated("d3", NOW + 20, 0).secrets] == [3]


def test_an_overlap_never_lengthens_what_was_to_end() -> None:
    ending = replace(RECORD, secrets=(Secret(1, "d1", NOW, NOW + 5),))
    assert ending.rotated("d2", NOW, 60).secrets[0].ends == NOW + 5


def test_a_secret_is_found_by_its_digest() -> None:
    record = RECORD.rotated("d2", NOW, 60)
    found = record.secret("d1")
    assert found is not None
    assert found.number == 1
    assert record.secret("d3") is None
