"""A place is what an operator trusts to bring an issuer's keys, and nothing else."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from bearerd.config import model
from bearerd.issuers import place

ISS = "https://auth.test"


def of(**settings: Any) -> str:
    return place.of(model.Issuer(**({"issuer": ISS, "name": "test"} | settings)))


def test_whoever_is_trusted_differently_is_another_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    places = [
        of(),
        of(issuer="https://other.test"),
        of(jwks_uri=f"{ISS}/jwks"),
        of(jwks_uri=f"{ISS}/other"),
        of(ca_file=tmp_path / "a"),
        of(ca_file=tmp_path / "b"),
        of(insecure_issuer=True),
        of(insecure_issuer=True, proxy="http://p:1"),
        of(insecure_issuer=True, proxy="http://q:1"),
        of(insecure_issuer=True, connect_to="p:1"),
        of(insecure_issuer=True, connect_to="p:1", proxy="http://p:1"),
    ]
    for one, other in itertools.combinations(places, 2):
        assert one != other


@pytest.mark.parametrize(
    "setting",
    [
        {"proxy": "http://p:1"},
        {"connect_to": "a:1"},
        {"key_set_refresh": 60.0},
        {"algorithms": ("RS256",)},
        {"name": "x"},
    ],
)
def test_where_tls_says_who_answers_the_way_there_is_no_part_of_the_place(setting: dict[str, Any]) -> None:
    assert of(**setting) == of()


def test_of_a_bundle_the_content_counts_and_not_its_path(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("CA")
    other.write_text("CA")
    assert of(ca_file=one) == of(ca_file=other)
    before = of(ca_file=one)
    os.utime(one, ns=(1, 1))
    assert of(ca_file=one) == before
    one.write_text("another CA")
    assert of(ca_file=one) != before
    one.unlink()
    other.rename(one)
    assert of(ca_file=one) == before


def test_a_bundle_that_cannot_be_read_fits_nothing_not_even_itself(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert of(ca_file=missing) != of(ca_file=missing)
    assert of(ca_file=missing) != of()
    assert of(ca_file=tmp_path) != of(ca_file=tmp_path)
    os.mkfifo(fifo := tmp_path / "fifo")  # nobody will write into it
    assert of(ca_file=fifo) != of(ca_file=fifo)


def test_no_two_issuers_share_a_name_whatever_theirs_hold() -> None:
    assert of(issuer=f"{ISS} {of().rpartition(' ')[2]}") != of()
    assert of().startswith(f"{ISS} ")
