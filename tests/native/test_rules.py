"""native/rules: the first rule whose selectors match, and nothing between two spellings."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd._native import rules
from bearerd._native.rules import AMBIGUOUS, NONE, BadPattern, Rules

Rule = tuple[Sequence[str] | None, str | None, bool]


def paths(*patterns: str | None) -> Rules:
    return Rules([(None, pattern, False) for pattern in patterns])


def matches(pattern: str, path: str) -> bool:
    return paths(pattern).match(b"GET", path.encode(), False) == 0


# ---- patterns ----


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("/a b", "/a b"),
        ("/café", "/café"),
        ("/*", "/a"),
        ("/*", "/é"),
        ("/*", "/*"),
        ("/*", "/**"),
        ("/*/b", "/a/b"),
        ("/a/*/c/*", "/a/b/c/d"),
        ("/a*", "/ab"),
        ("/*a", "/ba"),
        ("/*a", "/aa"),
        ("/a*c", "/abc"),
        ("/a*c", "/abccc"),
        ("/a*b*c", "/axbxc"),
        ("/a*b*c", "/abbbc"),
        ("/a*aa*a", "/axaaxa"),
        ("/*ab*ab", "/aababab"),
        ("/*.json", "/x.json.json"),
        ("/v*/users/*.json", "/v12/users/7.json"),
        ("/*/", "/a/"),
        ("/**", "/"),
        ("/**", "/a"),
        ("/**", "/a/b/c/"),
        ("/a/**", "/a/"),
        ("/a/**", "/a/b"),
        ("/a/**", "/a/b/c"),
        ("/*/**", "/a/"),
        ("/*/**", "/a/b/c"),
        ("/a*/x/**", "/ab/x/y"),
    ],
)
def test_a_pattern_matches(pattern: str, path: str) -> None:
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/", ""),
        ("/", "/a"),
        ("/a", "/"),
        ("/a", "/a/"),
        ("/a", "/A"),
        ("/a", "/ab"),
        ("/ab", "/a"),
        ("/a/", "/a"),
        ("/a", "a"),
        ("/café", "/cafe\u0301"),  # another spelling of the same text is another path
        ("/é", "/É"),
        ("/*", "/"),
        ("/*", "/a/"),
        ("/*", "/a/b"),
        ("/*/b", "/b"),
        ("/*/b", "//b"),
        ("/*/b", "/a/a/b"),
        ("/a*", "/a"),
        ("/a*", "/a/b"),
        ("/*a", "/a"),
        ("/a*c", "/ac"),
        ("/a*c", "/ab/c"),
        ("/a*b*c", "/abc"),
        ("/a*b*c", "/abxc"),
        ("/a*aa*a", "/aaaa"),
        ("/*ab*ab", "/xabab"),
        ("/*ab*ab", "/ababab"[:5]),
        ("/*.json", "/.json"),
        ("/*/", "/a"),
        ("/*/", "//"),
        ("/a/**", "/a"),
        ("/a/**", "/ab"),
        ("/a/**", "/ab/c"),
        ("/a/**", "/A/b"),
        ("/*/**", "/"),
        ("/*/**", "/a"),
        ("/a*/x/**", "/ab/x"),
        ("/a*/x/**", "/a/x/"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, path: str) -> None:
    assert not matches(pattern, path)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a",
        "*",
        "**",
        "**/a",
        "a/**",
        "/**/a",
        "/a/**/b",
        "/a**",
        "/**a",
        "/***",
        "/a/***",
        "/**/**",
        "/*/**/",
        "/**/",
        "//",
        "/a//b",
        "//**",
        "/.",
        "/../a",
        "/a/..",
        "/a/./b",
        "/a?b",
        "/a?",
        "/a#b",
        "/a;b",
        "/a\\b",
        "/a\x00",
        "/a\nb",
        "/a\x7f",
        "/a\x85",
        "/a%20b",
        "/100%",
        "/\ud800",
    ],
)
def test_a_pattern_that_no_path_could_match_is_bad(pattern: str) -> None:
    """Such a rule would be skipped for ever, and a laxer one after it would decide."""
    with pytest.raises(BadPattern):
        paths(pattern)


@pytest.mark.parametrize("methods", [[], [""], ["GET "], ["GE T"], ["GÉT"], ["GET\n"], ["A" * 256], ["GET", ""], [","]])
def test_a_method_must_be_a_token(methods: list[str]) -> None:
    with pytest.raises(BadPattern):
        Rules([(methods, "/a", False)])


@pytest.mark.parametrize("wrong", ["GET", b"GET", 1, [1], [b"GET"]])
def test_methods_must_be_a_sequence_of_names(wrong: object) -> None:
    with pytest.raises((TypeError, AttributeError)):
        Rules([(wrong, "/a", False)])  # type: ignore[list-item]


@pytest.mark.parametrize("wrong", [None, [()], [("GET", "/a")], [(None, b"/a", False)], [(None, 1, False)]])
def test_rules_of_another_shape_are_refused(wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        Rules(wrong)  # type: ignore[arg-type]


# ---- selection ----


def test_the_first_rule_that_matches_is_found() -> None:
    table = paths("/a", "/*", "/b", "/**")
    assert [table.match(b"GET", path, False) for path in (b"/a", b"/b", b"/a/b")] == [0, 1, 3]
    assert len(table) == 4


def test_no_rule_no_match() -> None:
    table = Rules([])
    assert len(table) == 0
    assert table.match(b"GET", b"/", False) == NONE
    assert paths("/a").match(b"GET", b"/b", False) == NONE


def test_start_skips_rules() -> None:
    table = paths("/a", "/*", "/**")
    assert [table.match(b"GET", b"/a", False, start) for start in (0, 1, 2, 3, 4, 2**62)] == [0, 1, 2, NONE, NONE, NONE]
    with pytest.raises(ValueError, match="negative"):
        table.match(b"GET", b"/a", False, -1)


def test_methods_select_exactly() -> None:
    table = Rules([(["PUT", "PATCH"], "/a", False), (["P"], None, False)])
    found = {
        m: table.match(m, b"/a", False) for m in (b"PUT", b"PATCH", b"P", b"put", b"PU", b"PUTS", b"", b"GET", b"\xff")
    }
    assert found == {
        b"PUT": 0, b"PATCH": 0, b"P": 1, b"put": NONE, b"PU": NONE, b"PUTS": NONE, b"": NONE, b"GET": NONE, b"\xff": NONE
    }  # fmt: skip


def test_connect_is_a_method_that_has_to_be_named() -> None:
    table = Rules([(None, "/any", False), (["CONNECT"], "/tunnel", False), (None, None, False)])
    asked = {
        m: [table.match(m, path, False) for path in (b"/any", b"/tunnel")] for m in (b"CONNECT", b"CONNECTS", b"GET")
    }
    assert asked == {b"CONNECT": [NONE, 1], b"CONNECTS": [0, 2], b"GET": [0, 2]}


def test_connect_passes_no_rule_for_any_method_by_to_a_laxer_one() -> None:
    table = Rules([(None, "/admin/**", False), (["GET", "CONNECT"], "/**", False)])
    asked = [
        [table.match(method, path, False) for path in (b"/admin/a", b"/ADMIN/a", b"/a")]
        for method in (b"GET", b"POST", b"CONNECT")
    ]
    assert asked == [[0, AMBIGUOUS, 1], [0, NONE, NONE], [NONE, AMBIGUOUS, 1]]


def test_head_matches_what_get_matches_and_not_the_reverse() -> None:
    table = Rules([(["HEAD"], "/head", False), (["GET"], "/get", False), (["POST"], None, False)])
    assert table.match(b"HEAD", b"/get", False) == 1
    assert table.match(b"HEAD", b"/head", False) == 0
    assert table.match(b"GET", b"/head", False) == NONE
    assert table.match(b"HEAD", b"/other", False) == NONE


def test_a_rule_without_a_path_matches_any_path() -> None:
    table = Rules([(["GET"], None, False)])
    assert [table.match(b"GET", path, False) for path in (b"/", b"", b"not a path", b"\xff")] == [0] * 4


def test_options_is_no_exemption() -> None:
    table = Rules([(["GET"], "/a", False), (None, "/b", False)])
    assert table.match(b"OPTIONS", b"/a", True) == NONE
    assert table.match(b"OPTIONS", b"/b", True) == 1


def test_a_preflight_rule_matches_only_preflights() -> None:
    table = Rules([(None, "/a/**", True), (None, "/**", False)])
    assert table.match(b"OPTIONS", b"/a/b", True) == 0
    assert table.match(b"OPTIONS", b"/a/b", False) == 1
    assert table.match(b"OPTIONS", b"/b", True) == 1


# ---- near misses ----


@pytest.mark.parametrize(
    ("earlier", "path"),
    [
        ("/admin", "/admin/"),
        ("/admin", "/ADMIN"),
        ("/admin", "/Admin/"),
        ("/Admin", "/admin"),
        ("/admin/", "/admin"),
        ("/admin/", "/ADMIN"),
        ("/admin/**", "/admin"),
        ("/admin/**", "/ADMIN/x"),
        ("/admin/**", "/ADMIN"),
        ("/*/Edit", "/a/edit"),
        ("/*/edit", "/a/edit/"),
        ("/*/", "/a"),
        ("/a*Z", "/abz"),
        ("/a*z", "/AbZ/"),
        ("/é", "/É"),  # to whoever ignores case by Unicode
        ("/tasks/**", "/ta\u017fks/x"),
        ("/tasks/**", "/tas\u212as/x"),
        ("/K", "/\u212a"),
        ("/\u212a", "/K"),
        ("/admin", "/adm\u0131n"),  # Python's IGNORECASE and Java's equalsIgnoreCase take them for an i
        ("/admin", "/ADM\u0130N"),
        ("/adm\u0130n", "/admin"),
        ("/\u0130", "/i\u0307"),
        ("/straße", "/STRASSE"),
        ("/\u0390", "/\u03b9\u0308\u0301"),  # two bytes, which are six without case
        ("/admin", "/admin."),  # to Windows, which drops dots and spaces at a segment's end
        ("/admin", "/admin. . "),
        ("/admin/**", "/admin /x"),
        ("/admin/**", "/Admin./x"),
        ("/admin./x", "/admin/x"),
        ("/admin/", "/admin ."),
        ("/é/**", "/É ./x"),
        ("/admin", "/admin/..."),  # to which the whole of such a last segment is nothing
        ("/admin/", "/Admin/ "),
        ("/", "/ "),
        ("/", "/..."),
    ],
)
def test_case_or_a_final_slash_before_a_laxer_rule_is_ambiguous(earlier: str, path: str) -> None:
    assert paths(earlier, "/**").match(b"GET", path.encode(), False) == AMBIGUOUS
    assert paths("/x", earlier, "/y", None).match(b"GET", path.encode(), False) == AMBIGUOUS
    assert paths(earlier).match(b"GET", path.encode(), False) == NONE
    assert paths("/**", earlier).match(b"GET", path.encode(), False) == 0
    assert paths(earlier, "/x", "/**").match(b"GET", path.encode(), False, 1) == 2


@pytest.mark.parametrize(
    ("earlier", "path"),
    [
        ("/admin", "/admins"),
        ("/admin", "/admin/x"),
        ("/admin", "/"),
        ("/", "/admin"),
        ("/admin/*", "/admin/"),
        ("/admin/*", "/admin"),
        ("/admin/**", "/adminx"),
        ("/é", "/e"),
        ("/admin", "/.admin"),
        ("/admin", "/ admin"),
        ("/admin", "/ad.min"),
        ("/", "/ a"),
        ("/admin", "/admin/.../x"),
        ("/[", "/{"),  # one bit apart, as letters of two cases are
        ("/@", "/`"),
        ("/`", "/@"),
    ],
)
def test_other_misses_leave_the_later_rule(earlier: str, path: str) -> None:
    assert paths(earlier, "/**").match(b"GET", path.encode(), False) == 1


def test_only_a_rule_whose_other_selectors_match_can_be_nearly_missed() -> None:
    table = Rules([(["POST"], "/a", False), (None, "/a", True), (None, None, False)])
    assert table.match(b"GET", b"/A", False) == 2
    assert table.match(b"POST", b"/A", False) == AMBIGUOUS
    assert table.match(b"OPTIONS", b"/A", True) == AMBIGUOUS
    assert Rules([(["GET"], "/a", False), (None, "/**", False)]).match(b"HEAD", b"/A", False) == AMBIGUOUS


def test_a_path_longer_than_any_buffer_on_the_stack_is_compared_whole() -> None:
    for size in (1021, 1022, 1023, 1024, 1025, 5000, 60_000):
        long = "/" + "a" * size
        table = paths(long, "/**")
        assert table.match(b"GET", long.encode(), False) == 0
        assert table.match(b"GET", long.upper().encode(), False) == AMBIGUOUS
        assert table.match(b"GET", long.encode() + b"/", False) == AMBIGUOUS
        assert table.match(b"GET", long.encode() + b"a", False) == 1


def test_a_hostile_path_is_matched_in_linear_time() -> None:
    """With backtracking the stars of this pattern would take (path length) ** 8 steps: the test would never end."""
    table = paths("/" + "*a" * 8 + "b", "/" + "*" + "a" * 500 + "b*c", "/**")
    assert table.match(b"GET", b"/" + b"a" * 60_000, False) == 2


def test_the_exceptions_and_marks_are_what_the_stub_says() -> None:
    assert issubclass(BadPattern, ValueError)
    assert (rules.NONE, rules.AMBIGUOUS) == (-1, -2)


def test_a_table_is_compiled_once() -> None:
    table = paths("/a")
    with pytest.raises(TypeError, match="once"):
        table.__init__([])  # type: ignore[misc]
    assert table.match(b"GET", b"/a", False) == 0
    assert Rules.__new__(Rules).match(b"GET", b"/a", False) == NONE


def test_no_character_is_another_one_without_case_and_none_the_wiser() -> None:
    """Whether an upstream goes by upper or lower case, or by both in turn as Java does, letter by letter."""
    every = [chr(code) for code in range(0x21, 0x11_0000) if not 0xD800 <= code < 0xE000]
    cased = [one for one in every if not one == one.upper() == one.lower() == one.casefold()]
    plain = sorted({*cased, *"".join(image(one) for one in cased for image in (str.upper, str.lower))})
    for same in (str.upper, str.lower, lambda one: (one.upper() if len(one.upper()) == 1 else one).lower()):
        found: dict[str, set[str]] = {}
        for one in plain:
            found.setdefault(same(one), set()).add(caseless(one))
        assert [names for names in found.values() if len(names) > 1] == []


# ---- against an oracle ----


def regex(pattern: str, flags: int = 0) -> re.Pattern[str]:
    below = pattern.endswith("/**")
    parts = re.split(r"(\*)", pattern[:-2] if below else pattern)
    body = "".join("[^/]+" if part == "*" else re.escape(part) for part in parts)
    return re.compile(body + (".*" if below else ""), flags | re.DOTALL)


def other_slash(path: str) -> str:
    return path[:-1] if path.endswith("/") and path != "/" else path + "/"


def folded(text: str) -> str:
    """Without case, and without dots and spaces at the end of a segment, of which one character stays, but of the last."""
    *firsts, last = caseless(text).split("/")
    kept = [segment[:1] + segment[1:].rstrip(". ") for segment in firsts]
    return "/".join([*kept, last.rstrip(". ")])


def caseless(text: str) -> str:
    return text.replace("\u0131", "i").casefold().replace("i\u0307", "i")


def oracle(table: Sequence[Rule], method: str, path: str, preflight: bool, start: int) -> int:
    near = False
    for index, (methods, pattern, only_preflight) in enumerate(table):
        if index < start or (only_preflight and not preflight):
            continue
        if methods is not None and method not in methods and not (method == "HEAD" and "GET" in methods):
            continue
        if pattern is None or regex(pattern).fullmatch(path):
            if methods is None and method == "CONNECT":
                return NONE
            return AMBIGUOUS if near else index
        lax, spelled = regex(folded(pattern)), folded(path)
        near = near or bool(lax.fullmatch(spelled) or lax.fullmatch(other_slash(spelled)))
    return NONE


# Few letters, so that patterns and paths meet; no dot segments, which are no patterns.
SEGMENT = (
    st.text("aAéÉs\u017fIi\u0131\u0130*. ", min_size=1, max_size=5)
    .map(lambda text: re.sub(r"\*+", "*", text))
    .filter(lambda text: text.strip("."))
)
PATTERNS = st.builds(
    lambda segments, end: "/" + "/".join(segments) + (end if segments else end.removeprefix("/")),
    st.lists(SEGMENT, max_size=3),
    st.sampled_from(["", "/", "/**"]),
)
RULES = st.tuples(
    st.none() | st.lists(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]), min_size=1, max_size=2),
    st.none() | PATTERNS,
    st.booleans(),
)
PATHS = st.builds(
    lambda segments, end: "/" + "/".join(segments) + (end if segments else ""),
    st.lists(st.text("aAéÉsS\u017fIi\u0131\u0130. *", min_size=1, max_size=5), max_size=3),
    st.sampled_from(["", "/"]),
)


@given(
    st.lists(RULES, max_size=6),
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "get"]),
    PATHS,
    st.booleans(),
    st.integers(0, 7),
)
def test_agrees_with_regular_expressions(
    table: list[Rule], method: str, path: str, preflight: bool, start: int
) -> None:
    expected = oracle(table, method, path, preflight, start)
    assert Rules(table).match(method.encode(), path.encode(), preflight, start) == expected


@given(PATTERNS, PATHS)
def test_one_pattern_agrees_with_a_regular_expression(pattern: str, path: str) -> None:
    assert matches(pattern, path) == bool(regex(pattern).fullmatch(path))
    # The paths that a pattern was made for, so that matches are as common as misses.
    assert matches(pattern, filled := pattern.replace("**", "x/y").replace("*", "z")) == bool(
        regex(pattern).fullmatch(filled)
    )
    assert matches(pattern, filled)


@given(st.lists(RULES, max_size=4), st.binary(max_size=20), st.binary(max_size=40), st.booleans())
def test_any_bytes_are_taken(table: list[Rule], method: bytes, path: bytes, preflight: bool) -> None:
    assert -2 <= Rules(table).match(method, path, preflight) < len(table)
