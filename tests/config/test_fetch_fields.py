"""``fetch_header_file`` is read in one way: what ``check`` lets pass is what a fetch sends."""

from __future__ import annotations

from pathlib import Path

import pytest

from bearerd.config import fetch_fields
from bearerd.config.load import load
from bearerd.errors import ConfigError, IssuerFault
from bearerd.issuers import headers

FILE = """
[[issuer]]
issuer = "https://a.example"
fetch_header_file = "fields"
[resource.api]
identifier = "https://api.example"
"""


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (b"X-Key: a", True),
        (b"# whose it is\r\nX-Key: a \r\n\r\n", True),
        (b"", True),
        (b"X-Key: caf\xc3\xa9\n", False),
        (b"X-Key:\n", False),
        (b"TE: trailers\n", False),
        (b"If-None-Match: a\n", False),
        (b"X-Key: " + b"a" * fetch_fields.MOST_BYTES, False),
    ],
)
def test_check_and_fetch_say_the_same_of_a_file(tmp_path: Path, text: bytes, good: bool) -> None:
    path = tmp_path / "fields"
    path.write_bytes(text)
    (tmp_path / "bearerd.toml").write_text(FILE)
    if good:
        load(tmp_path / "bearerd.toml", {})
        assert headers.read(path) in ({}, {"X-Key": "a"})
        return
    with pytest.raises(ConfigError, match="fetch_header_file"):
        load(tmp_path / "bearerd.toml", {})
    with pytest.raises(IssuerFault):
        headers.read(path)


def test_a_line_is_told_by_its_number_and_a_field_of_ours_by_its_name() -> None:
    fields, wrong = fetch_fields.parse(b"A: b\n\nno field\nHOST: x\n#\nC: d e\n")
    assert fields == {"A": "b", "C": "d e"}
    assert wrong == {3: None, 4: "HOST"}
