"""The corpus as data: whole, different, and filled in for whatever target."""

from __future__ import annotations

import dataclasses
import re

import pytest

from bearerd.tricks import GROUPS, TRICKS, Seen, Target, Trick

NOBODY = Target(secret="/orders/7", open="/open/x", tag="17")
ALICE = Target(secret="/tasks/7", open="/orders/7", token="a.b.c", holder={"X-Auth-Subject": "alice"}, tag="18")
OTHER = Target(secret="/s", open="/o", identity=("X-User",), host="h.example", tag="19")


def test_there_are_more_than_three_hundred_different_ones() -> None:
    assert len(TRICKS) == len({trick.name for trick in TRICKS}) >= 300
    plain = {trick.request(dataclasses.replace(ALICE, forbidden="DELETE")) for trick in TRICKS}
    assert len(plain) >= len(TRICKS) - 5  # some differ for some targets only


def test_every_group_is_told_of_and_has_some() -> None:
    assert {trick.group for trick in TRICKS} == set(GROUPS)


@pytest.mark.parametrize("target", [NOBODY, ALICE, OTHER], ids=["nobody", "alice", "other"])
def test_every_template_is_filled_in_and_can_be_told_apart(target: Target) -> None:
    for trick in TRICKS:
        request = trick.request(target)
        assert not re.search(rb"\{[a-z]+\d?(:[^}]*)?\}", request, re.IGNORECASE), trick.name
        assert Seen(request).tag == target.tag, trick.name


def test_braces_that_mean_nothing_stay() -> None:
    assert Trick("x/y", "", target="/{nothing}/{}").request(NOBODY).startswith(b"GET /{nothing}/{} HTTP/1.1\r\n")


def test_a_token_is_shown_unless_the_trick_is_about_credentials() -> None:
    assert b"Authorization: Bearer a.b.c\r\n" in Trick("x/y", "").request(ALICE)
    assert b"Authorization" not in Trick("x/y", "", credential=False).request(ALICE)
    assert b"Authorization" not in Trick("x/y", "").request(NOBODY)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{up:../}", "/open/x/../../orders/7"),
        ("{first}{below} {tail} {rest}", "orders/7 7 orders/7"),
        ("{coded} {twice}", "/%6frders/7 /%256frders/7"),
        ("{folded}", "/order%C5%BF/7"),
        ("{overlong}", "/%c1%afrders/7"),
        ("{id} {id:_} {idfirst:_} {idlast:_}", "X-Auth-Subject X_Auth_Subject X_Auth-Subject X-Auth_Subject"),
        ("{id1} {fill:3}", "X-Auth-Issuer aaa"),
    ],
)
def test_what_stands_in_braces(template: str, filled: str) -> None:
    assert Trick("x/y", "", raw=template).request(NOBODY).decode("latin-1") == filled


def test_a_length_is_that_of_the_body() -> None:
    request = Trick("x/y", "", lines=("Content-Length: {length}",), body="{hidden}").request(NOBODY)
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
