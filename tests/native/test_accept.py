"""native/accept: which form of a refusal a client reads, by its Accept field."""

from __future__ import annotations

import ctypes
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.guard import Guarded, entry

from bearerd._native import accept

PROBLEM, HTML, TEXT = range(3)

WISHES = [
    # Nobody's wish, and everybody's.
    (b"", PROBLEM),
    (b" \t", PROBLEM),
    (b",,,", PROBLEM),
    (b"*/*", PROBLEM),
    (b"image/png", PROBLEM),
    (b"application/json", PROBLEM),
    (b"application/problem+json, text/html", PROBLEM),
    (b"text/html, application/json", PROBLEM),
    # Browsers, of now and of old.
    (b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", HTML),
    (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7", HTML),
    (b"text/html, application/xhtml+xml, */*", HTML),
    (b"text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01", HTML),
    (b"image/avif,image/webp,*/*", PROBLEM),
    (b"text/css,*/*;q=0.1", PROBLEM),
    # Scripts and tools.
    (b"application/json, text/plain, */*", PROBLEM),
    (b"application/json, text/javascript, */*; q=0.01", PROBLEM),
    (b"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", PROBLEM),
    (b"text/plain", TEXT),
    (b"text/plain, */*;q=0.5", TEXT),
    (b"text/*", HTML),
    (b"application/*", PROBLEM),
    (b"application/*;q=0.5, text/plain;q=0.6", TEXT),
    # Weights.
    (b"text/html;q=0.5, application/json;q=0.4", HTML),
    (b"text/html;q=0.4, application/json;q=0.5", PROBLEM),
    (b"text/html;q=0.001, image/png", HTML),
    (b"text/html;q=0", PROBLEM),
    (b"text/html;q=0.000, text/*", TEXT),
    (b"text/html;q=0, */*", PROBLEM),
    (b"application/json;q=0, text/html;q=0", PROBLEM),
    (b"application/json;q=0, application/problem+json;q=0, */*;q=0.1", HTML),
    (b"text/plain;q=1.000, text/html;q=0.999", TEXT),
    (b"text/plain;q=0., text/html;q=1.", HTML),
    (b"text/html;q=0.1, text/html;q=0.9, application/json;q=0.5", HTML),
    # Spelling.
    (b"TEXT/HTML", HTML),
    (b"Text/Plain;Q=1", TEXT),
    (b"text/html;charset=utf-8", HTML),
    (b'text/html;a="b,c;q=0";q=0.5', HTML),
    (b'text/html;a="\\"";q=0.5, application/json;q=0.1', HTML),
    (b"text/html ; q=0.5 ,, text/plain;;q=0.6;", TEXT),
    (b"text/html;q=0.5;level=1", HTML),
]

BROKEN = [
    b"text", b"text/", b"/html", b"text/html/x", b"*", b"*/html", b"text /html", b"text/ html", b"text/html text/plain",
    b"text/html;q=2", b"text/html;q=1.001", b"text/html;q=-1", b"text/html;q=.5", b"text/html;q=0.1234", b"text/html;q=01",
    b"text/html;q=1.5", b"text/html;q=", b"text/html;q", b"text/html;q =1", b"text/html;q= 1", b'text/html;q="1"',
    b"text/html;q=0.5;q=0.5", b"text/html;q=nan", b"text/html;q=1e0", b"text/html;q=0x1", b"text/html;q=\xd9\xa1", b"text/html;=1",
    b"text/html;a b", b'text/html;a="', b'text/html;a="b', b'text/html;a="b\\', b'text/html;a="b\\"', b'text/html;a="b"c',
    b"text/html;a='\x01'", b'text/html;a="\x01"', b'text/html;a="\\\x7f"', b"text/html\0", b"\0text/html", b"te\xcc\x81xt/html",
    b"text/html<script>", b"text/html;a=<b>", b"text/html=1",
]  # fmt: skip


@pytest.mark.parametrize(("value", "form"), WISHES)
def test_the_form_that_is_wished_for_most_is_chosen(value: bytes, form: int) -> None:
    assert accept.preferred(value) == form
    assert accept.preferred(b" \t" + value + b"\t ") == form
    assert accept.preferred(value.swapcase()) == form


@pytest.mark.parametrize("value", BROKEN)
def test_what_breaks_the_grammar_is_no_wish_wherever_it_stands(value: bytes) -> None:
    assert accept.preferred(value) == PROBLEM
    assert accept.preferred(b"text/html, " + value) == PROBLEM
    assert accept.preferred(value + b", text/html") == PROBLEM


def test_a_field_beyond_the_bounds_is_no_wish() -> None:
    assert accept.preferred(b"text/html" + b"," * 1015) == HTML
    assert accept.preferred(b"text/html" + b"," * 1016) == PROBLEM
    assert accept.preferred(b",".join([b"a/b"] * 31 + [b"text/html"])) == HTML
    assert accept.preferred(b",".join([b"a/b"] * 32 + [b"text/html"])) == PROBLEM
    assert accept.preferred(b"text/html," * 1000) == PROBLEM
    assert accept.preferred(b"text/html;a=" + b"x" * 8192) == PROBLEM
    assert accept.preferred(b'text/html;a="' + b'\\"' * 4096) == PROBLEM


# ---- A second reader, slow and from the grammar alone ----

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
PARAMETER = rb"(?:%b=(?:%b|%b))?" % (TOKEN, QUOTED, TOKEN)
RANGE = re.compile(rb"(%b)/(%b)((?:[ \t]*;[ \t]*%b)*)[ \t]*" % (TOKEN, TOKEN, PARAMETER))
EACH = re.compile(rb"[ \t]*;[ \t]*(?:(%b)=(%b|%b))?" % (TOKEN, QUOTED, TOKEN))
QVALUE = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
OFFERED = (
    (b"application/problem+json", b"application/json"),
    (b"text/html",),
    (b"text/plain",),
)


def ranges(value: bytes) -> list[tuple[bytes, float]] | None:
    """Every range with its weight; None where the field is malformed or too long."""
    found, at = [], 0
    if len(value) > 1024:
        return None
    while at < len(value):
        if value[at : at + 1] in b" \t,":
            at += 1
            continue
        match = RANGE.match(value, at)
        if match is None or (match.end() < len(value) and value[match.end() : match.end() + 1] != b","):
            return None
        if match[1] == b"*" and match[2] != b"*":
            return None
        weights = [given for name, given in EACH.findall(match[3]) if name.lower() == b"q"]
        if len(weights) > 1 or not all(map(QVALUE.fullmatch, weights)):
            return None
        found.append(((match[1] + b"/" + match[2]).lower(), float(weights[0]) if weights else 1.0))
        at = match.end()
    return found if len(found) <= 32 else None


def read(value: bytes) -> int:
    given = ranges(value)
    best, form = (0.0, 0), PROBLEM
    for number, names in enumerate(OFFERED):
        wishes = [(0, 0.0)]
        for name in names:
            general = {name: 3, name.partition(b"/")[0] + b"/*": 2, b"*/*": 1}
            wishes += [(general[known], weight) for known, weight in given or () if known in general]
        exact, weight = max(wishes)
        if weight and (weight, exact) > best:
            best, form = (weight, exact), number
    return form


@pytest.mark.parametrize("value", [value for value, _ in WISHES] + BROKEN)
def test_the_second_reader_reads_the_same(value: bytes) -> None:
    assert read(value) == accept.preferred(value)


PIECES = st.sampled_from(
    [b"text", b"html", b"plain", b"application", b"json", b"problem+json", b"*", b"/", b";", b",", b" ", b"\t", b"q=", b"Q=0.",
     b"q=1", b"0.5", b"1.000", b"0", b"2", b"=", b'"', b"\\", b'a="b"', b"\x80", b"\0", b"text/html", b"text/plain;q=0.5", b"*/*"]
)  # fmt: skip
WHOLE = st.sampled_from(
    [b"text/html", b"TEXT/html;q=0.5", b"text/plain;q=0.7", b"text/*;q=0.6", b"*/*;q=0.1", b"application/json", b"a/b", b"",
     b"application/*;q=0.3", b"application/problem+json;q=0.2", b"text/html;q=0", b"text/plain;v=1", b'text/html;a="\\,";q=1.0']
)  # fmt: skip


@given(st.one_of(st.lists(PIECES, max_size=14).map(b"".join), st.lists(WHOLE, max_size=8).map(b", ".join)))
@example(b"text/html;q=0.5;")
@example(b"text/html;;q=0.5,")
def test_any_field_is_read_as_the_grammar_has_it(value: bytes) -> None:
    assert accept.preferred(value) == read(value)


def test_nothing_is_read_beyond_the_end() -> None:
    form = entry(accept, "preferred_of", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
    memory = Guarded()
    for value in [value for value, _ in WISHES] + BROKEN:
        for end in range(len(value) + 1):
            cut = value[:end]
            assert form(memory.place(cut), end) == accept.preferred(cut)
