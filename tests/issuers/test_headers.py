"""Header fields: what is sent is what the operator wrote; what comes back is believed in part."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from bearerd.errors import IssuerFault
from bearerd.issuers import headers


def fields(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def test_a_file_of_fields_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "fields"
    path.write_bytes(b"# comment\r\nAuthorization: Basic abc==\r\n\r\nX-A:b c\n")
    assert headers.read(path) == {"Authorization": "Basic abc==", "X-A": "b c"}


@pytest.mark.parametrize(
    "line",
    ["no colon", ": value", "X A: b", "X-A:", "Host: evil", "content-length: 5", "Transfer-Encoding: chunked", "X-A: \x01",
     "Accept-Encoding: gzip", "X-A: caf\xe9"],
)  # fmt: skip
def test_a_line_that_is_no_field_is_named_by_number_and_not_quoted(tmp_path: Path, line: str) -> None:
    path = tmp_path / "fields"
    path.write_bytes(b"X-Good: yes\n" + line.encode("latin-1"))
    with pytest.raises(IssuerFault) as caught:
        headers.read(path)
    assert caught.value.reason == "local_file"
    assert line not in str(caught.value)


def test_a_missing_or_huge_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(IssuerFault, match="No such file"):
        headers.read(tmp_path / "none")
    (tmp_path / "huge").write_bytes(b"X: y\n" * 10_000)
    with pytest.raises(IssuerFault, match="longer than"):
        headers.read(tmp_path / "huge")
    os.mkfifo(tmp_path / "fifo")  # nobody will write into it
    with pytest.raises(IssuerFault, match="not a regular file"):
        headers.read(tmp_path / "fifo")


@pytest.mark.parametrize(
    ("control", "age", "expected"),
    [
        ([], None, None),
        (["no-cache"], None, None),
        (["max-age=60"], None, 60.0),
        (["public, Max-Age=60, must-revalidate"], "10", 50.0),
        (["public", 'max-age="60"'], None, 60.0),
        (["max-age=60"], "100", 0.0),
        (["max-age=60"], "soon", 60.0),
        (["max-age=-60"], None, None),
        (["max-age=9999999999999"], None, None),
        (["s-maxage=60"], None, None),
        (["x-max-age=60"], None, None),
        (["max-age=soon"], None, None),
    ],
)
def test_freshness_is_max_age_less_age(control: list[str], age: str | None, expected: float | None) -> None:
    pairs = [("Cache-Control", value) for value in control] + ([("Age", age)] if age else [])
    assert headers.freshness(fields(*pairs)) == expected


@given(st.text(), st.text())
def test_freshness_never_fails_and_is_never_negative(control: str, age: str) -> None:
    found = headers.freshness(fields(("Cache-Control", control), ("Age", age)))
    assert found is None or found >= 0


@pytest.mark.parametrize("tag", ['"v1"', 'W/"v1"', '""', '"' + "a" * 200 + '"'])
def test_entity_tags_are_kept(tag: str) -> None:
    assert headers.valid_etag(tag) == tag


@pytest.mark.parametrize("tag", [None, "", "v1", '"a"b"', '"a\r\nX: y"', '"' + "a" * 201 + '"', '"caf\xe9"', '"a" '])
def test_what_is_no_entity_tag_is_never_sent_back(tag: str | None) -> None:
    assert headers.valid_etag(tag) is None
