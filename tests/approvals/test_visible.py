"""Nothing hides in what a person reads before they say yes."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from support.approving import call

from bearerd.approvals import html
from bearerd.approvals.record import Approval
from bearerd.approvals.session import Person
from bearerd.approvals.visible import arguments, holds_far, visible
from bearerd.mcp.canonical import canonical


class Reader(HTMLParser):
    """What a browser shows of it, and which elements are in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown = ""
        self.tags: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.shown += data


def test_a_character_that_hides_or_moves_others_is_its_code_point() -> None:
    for number in (*range(0x3400), *range(0xD7F0, 0xE010), *range(0xF8F0, 0x10040), *range(0xE0000, 0xE0200)):
        character = chr(number)
        found = visible(character)
        kind = unicodedata.category(character)
        if kind[0] == "C" or kind in ("Zl", "Zp", "Mn", "Me", "Mc") or (kind == "Zs" and character != " "):
            assert found == f'<b class="code">U+{number:04X}</b>'


@given(st.text())
def test_a_text_is_shown_whole_in_its_order_and_is_never_markup(text: str) -> None:
    read = Reader(visible(text))
    assert read.tags <= {"b", "span"}
    at = 0
    for character in text:
        code = f"U+{ord(character):04X}"
        shown = character if read.shown.startswith(character, at) and character.isprintable() else code
        assert read.shown.startswith(shown, at)
        at += len(shown)
    assert at == len(read.shown)


def test_arguments_stand_a_member_a_line_and_line_ends_within_them_are_escapes() -> None:
    read = Reader(arguments(canonical({"b": "one\ntwo", "a": [1, {"c": None}]}).decode()))
    assert read.shown.split("\n")[1] == '  "a": ['
    assert '"b": "one\\ntwo"' in read.shown


def test_plain_is_ascii_that_can_be_seen() -> None:
    assert not holds_far("")
    assert not holds_far("plain ~")
    assert holds_far("\u0430")
    assert holds_far("a\nb")


def test_of_a_long_name_the_list_shows_the_beginning_and_that_it_goes_on() -> None:
    bob = Person("https://login.example", "bob", "Bob", {}, False, 2e9, "csrf", "terms")
    ones = [Approval("0" * 32, call(name="\x7f" * 2048, subject="\u202e" * 2048), 1e9, 2e9) for _ in range(200)]
    text = html.listed(ones, bob)
    assert len(text) < 200 * 8_000  # not ten million: laying it out takes the loop's time, and the reader's
    reader = Reader(text)
    assert reader.shown.count("U+007F" * html.MOST_LISTED + "…") == 200
    assert "\x7f" * 2048 not in text
