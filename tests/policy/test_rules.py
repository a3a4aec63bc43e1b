"""Which rule decides: against the contracts, and against a naive reference of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.policies import asked, resource

from bearerd.policy.resource import Resource
from bearerd.policy.rules import Selected, select_rule
from bearerd.refusals import Code, Refusal
from bearerd.request import Request

PREFLIGHT = ((b"Origin", b"https://app.example"), (b"Access-Control-Request-Method", b"POST"))


def selected(made: Resource, request: Request) -> Selected:
    found = select_rule(made, request)
    assert isinstance(found, Selected)
    return found


def refused(made: Resource, request: Request) -> Code:
    found = select_rule(made, request)
    assert isinstance(found, Refusal)
    return found.code


def test_the_first_rule_whose_selectors_match_decides() -> None:
    made = resource({"methods": ["GET"], "path": "/a/*"}, {"path": "/a/**"}, {})
    assert selected(made, asked("GET", b"/a/b")).index == 0
    assert selected(made, asked("POST", b"/a/b")).index == 1
    assert selected(made, asked("GET", b"/b")).index == 2


def test_no_match_is_kept_for_whoever_has_shown_a_token() -> None:
    found = selected(resource({"path": "/a"}), asked("GET", b"/b"))
    assert found.rule is None
    assert found.needs_credential
    assert found.refusal is not None
    assert found.refusal.code is Code.FORBIDDEN
    assert not found.plain


def test_a_resource_without_rules_selects_none_and_refuses_nothing() -> None:
    assert selected(resource(), asked(None, None, trusted=False)) == Selected(None)


@pytest.mark.parametrize(
    ("path", "hint"),
    [(b"/a", "with the final slash"), (b"/c/", "without the final slash"), (b"/C", "in lower case"), (b"/x", "")],
)
def test_a_near_miss_is_hinted_to_the_logs(path: bytes, hint: str) -> None:
    found = selected(resource({"path": "/a/"}, {"path": "/c"}), asked("GET", path))
    assert found.refusal is not None
    assert " ".join(found.refusal.hints).endswith(hint)
    assert bool(found.refusal.hints) == bool(hint)


@pytest.mark.parametrize(
    ("method", "path", "hints"),
    [
        ("DELETE", b"/a", ("a rule matches for GET, PUT",)),
        ("DELETE", b"/b", ("a rule matches for PUT",)),
        ("DELETE", b"/c", ()),
    ],
)
def test_who_asks_with_a_method_that_no_rule_has_finds_in_the_log_which_one_does(
    method: str, path: bytes, hints: tuple[str, ...]
) -> None:
    made = resource({"methods": ["GET", "PUT"], "path": "/a"}, {"methods": ["PUT"], "path": "/b"})
    found = selected(made, asked(method, path))
    assert found.refusal is not None
    assert (found.refusal.code, found.refusal.hints) == (Code.FORBIDDEN, hints)


RULE_ON_METHOD_OR_PATH: list[dict[str, Any]] = [{"path": "/a"}, {"methods": ["GET"]}, {"preflight": True}]


@pytest.mark.parametrize("rule", RULE_ON_METHOD_OR_PATH)
@pytest.mark.parametrize(
    "request_",
    [asked("GET", b"/a", trusted=False), asked(None, b"/a"), asked("GET", None), asked(None, None)],
)
def test_a_rule_on_method_or_path_needs_a_known_request_of_a_trusted_peer(
    rule: dict[str, Any], request_: Request
) -> None:
    assert refused(resource(rule), request_) is Code.UNTRUSTED_PEER
    assert refused(resource({"auth": "none"}, rule), request_) is Code.UNTRUSTED_PEER


def test_other_rules_do_not() -> None:
    made = resource({"scopes": ["a"]}, {})
    assert selected(made, asked(None, None, trusted=False)).index == 0


def test_shadow_rules_do_not_count_as_rules() -> None:
    shadow = {"path": "/a", "enforce": "shadow"}
    assert selected(resource(shadow), asked("GET", b"/b")) == Selected(None)
    assert selected(resource(shadow), asked("GET", b"//a")) == Selected(None)
    assert selected(resource(shadow), asked(None, None, trusted=False)) == Selected(None)
    assert selected(resource(shadow, {}), asked("GET", b"/A")).index == 1


@pytest.mark.parametrize("target", [b"//a", b"/a/../b", b"/a;x", b"/%2e", b"/a%2fb", b"/%zz", b"a", b"*", b"/\xff"])
def test_an_ambiguous_path_is_refused_where_there_are_path_rules(target: bytes) -> None:
    assert refused(resource({"path": "/**"}), asked("GET", target)) is Code.AMBIGUOUS_PATH
    assert refused(resource({"path": "/x", "auth": "none"}, {}), asked("GET", target)) is Code.AMBIGUOUS_PATH
    assert selected(resource({"methods": ["GET"]}), asked("GET", target)).index == 0


@pytest.mark.parametrize("target", [b"/ADMIN", b"/admin/", b"/Admin/"])
def test_a_path_that_narrowly_misses_an_earlier_rule_is_ambiguous_to_the_holder_of_a_token(target: bytes) -> None:
    found = selected(resource({"path": "/admin"}, {"path": "/**", "auth": "none"}), asked("GET", target))
    assert found.rule is None
    assert found.needs_credential, "the lax rule must not decide"
    assert found.refusal is not None
    assert found.refusal.code is Code.AMBIGUOUS_PATH


def test_head_matches_get_rules_and_options_is_no_exemption() -> None:
    made = resource({"methods": ["GET"], "path": "/a"})
    assert selected(made, asked("HEAD", b"/a")).index == 0
    assert selected(made, asked("OPTIONS", b"/a")).refusal is not None
    assert selected(made, asked("get", b"/a")).refusal is not None


def test_a_preflight_rule_matches_a_whole_preflight_only() -> None:
    made = resource({"preflight": True, "path": "/a"}, {"path": "/**"})
    opened = selected(made, asked("OPTIONS", b"/a", *PREFLIGHT))
    assert opened.index == 0
    assert not opened.needs_credential
    for request in (
        asked("GET", b"/a", *PREFLIGHT),
        asked("OPTIONS", b"/a", PREFLIGHT[0]),
        asked("OPTIONS", b"/a", PREFLIGHT[1]),
        asked("OPTIONS", b"/a", PREFLIGHT[0], (b"access-control-request-method", b" ")),
        asked("OPTIONS", b"/b", *PREFLIGHT),
    ):
        found = selected(made, request)
        assert found.index == 1
        assert found.needs_credential


def test_only_none_and_preflight_rules_need_no_credential() -> None:
    assert not selected(resource({"auth": "none"}), asked()).needs_credential
    assert selected(resource({"auth": "optional"}), asked()).needs_credential
    assert selected(resource({}), asked()).needs_credential


def test_a_token_in_the_query_is_noticed_except_on_none_rules() -> None:
    target = b"/a?access_token=x"
    assert selected(resource(), asked("GET", target)).token_in_query
    assert selected(resource({"auth": "optional"}), asked("GET", target)).token_in_query
    assert selected(resource({"path": "/b"}), asked("GET", target)).token_in_query
    assert not selected(resource({"auth": "none"}), asked("GET", target)).token_in_query
    assert not selected(resource({"preflight": True}), asked("OPTIONS", target, *PREFLIGHT)).token_in_query


@pytest.mark.parametrize(
    "request_",
    [
        asked("GET", b"/a?access_token=x"),
        asked("GET", b"/a", (b"x-auth-subject", b"root"), sees_all_headers=True),
        asked("GET", b"/shadowed"),
        asked("GET", b"/nowhere/else"),
    ],
)
def test_a_request_on_which_more_depends_than_its_rule_is_not_plain(request_: Request) -> None:
    made = resource({"path": "/shadowed", "enforce": "shadow"}, {"path": "/*"})
    assert selected(made, asked("GET", b"/a")).plain
    assert not selected(made, request_).plain


def test_a_spoofed_identity_header_is_refused_where_the_face_sees_all_headers() -> None:
    header = (b"X_Auth_Subject", b"root")
    found = selected(resource(), asked("GET", b"/", header, sees_all_headers=True))
    assert found.refusal is not None
    assert found.refusal.code is Code.FORBIDDEN
    assert found.spoofed == ("X_Auth_Subject",)
    assert selected(resource(), asked("GET", b"/", header)) == Selected(None)
    allowed = resource(client_headers=["x_auth_subject_hint"])
    assert selected(allowed, asked("GET", b"/", (b"X_Auth_Subject_Hint", b""), sees_all_headers=True)).plain


def test_shadow_rules_before_the_deciding_one_are_told_and_later_ones_are_not() -> None:
    shadow = {"enforce": "shadow"}
    made = resource(
        {"path": "/a", "roles": ["x"]} | shadow,
        {"path": "/b"} | shadow,
        shadow,
        {"path": "/a"},
        {"path": "/**"} | shadow,
    )
    assert [rule.index for rule in selected(made, asked("GET", b"/a")).shadows] == [0, 2]
    assert [rule.index for rule in selected(made, asked("GET", b"/zz")).shadows] == [2, 4], "nothing decides"
    assert not selected(made, asked("GET", b"/a")).plain


def test_a_shadow_rule_that_cannot_be_matched_safely_is_passed_over() -> None:
    made = resource({"methods": ["GET"], "enforce": "shadow"}, {"path": "/a", "enforce": "shadow"}, {})
    assert [rule.index for rule in selected(made, asked("GET", b"//a")).shadows] == [0]
    assert selected(made, asked("GET", b"/a", trusted=False)).shadows == ()
    assert selected(made, asked(None, None)).shadows == ()


# ---- a naive reference ----

SEGMENTS = ("a", "A", "b", "ab", "*", "a*", "**")
PATHS = [b"/", b"/a", b"/A", b"/a/", b"/a/b", b"/a/B", b"/ab", b"/ab/", b"/b/a/ab", b"/AB", b"//", b"/a;b", b"/a%20b"]


def patterns() -> st.SearchStrategy[str | None]:
    middle = st.lists(st.sampled_from(SEGMENTS[:-1]), max_size=2)
    last = st.sampled_from(["", "/", *(f"/{segment}" for segment in SEGMENTS)])
    made = st.builds(lambda parts, end: "".join(f"/{part}" for part in parts) + end or "/", middle, last)
    return st.none() | made


def rules() -> st.SearchStrategy[dict[str, Any]]:
    def build(methods: list[str] | None, path: str | None, kind: str) -> dict[str, Any]:
        table: dict[str, Any] = {}
        if path is not None:
            table["path"] = path
        if kind == "preflight":
            return table | {"preflight": True}
        if methods is not None:
            table["methods"] = methods
        return table | {"shadow": {"enforce": "shadow"}, "none": {"auth": "none"}, "": {}}[kind]

    methods = st.none() | st.lists(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]), min_size=1, max_size=2)
    return st.builds(build, methods, patterns(), st.sampled_from(["", "", "none", "shadow", "preflight"]))


def requests() -> st.SearchStrategy[Request]:
    return st.builds(
        lambda method, target, headers, trusted: asked(method, target, *headers, trusted=trusted),
        st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", None]),
        st.sampled_from([*PATHS, None]),
        st.sampled_from([(), PREFLIGHT]),
        st.sampled_from([True, True, True, False]),
    )


def reference_path(pattern: str, path: str) -> bool:
    below = pattern.endswith("/**")
    text = re.escape(pattern.removesuffix("**") if below else pattern).replace(r"\*", "[^/]+")
    return re.fullmatch(text + (".*" if below else ""), path, re.DOTALL) is not None


def reference(tables: list[dict[str, Any]], request: Request) -> str | int | None:
    """The contracts' sentences, one by one, without a thought of speed."""
    enforced = [(index, table) for index, table in enumerate(tables) if table.get("enforce") != "shadow"]
    if any({"methods", "path", "preflight"} & table.keys() for _, table in enforced) and not (
        request.trusted and request.method is not None and request.target is not None
    ):
        return "untrusted_peer"
    has_paths = any("path" in table for _, table in enforced)
    if has_paths and request.path is None:
        return "ambiguous_path"
    preflight = request.method == "OPTIONS" and len(request.headers) == 2

    def selects(table: dict[str, Any], *, folded: bool = False) -> bool:
        if table.get("preflight") and not preflight:
            return False
        method = "GET" if request.method == "HEAD" and "GET" in table.get("methods", ()) else request.method
        if "methods" in table and method not in table["methods"]:
            return False
        if "path" not in table:
            return True
        assert request.path is not None
        if not folded:
            return reference_path(table["path"], request.path)
        slashed = request.path.removesuffix("/") if request.path.endswith("/") else request.path + "/"
        candidates = {request.path.lower(), (slashed or "/").lower()}
        return any(reference_path(table["path"].lower(), candidate) for candidate in candidates)

    for place, (index, table) in enumerate(enforced):
        if selects(table):
            missed = any(selects(earlier, folded=True) for _, earlier in enforced[:place] if "path" in earlier)
            return "near_miss" if missed else index
    return "no_match" if enforced else None


@given(st.lists(rules(), max_size=5), requests())
def test_the_selection_is_that_of_a_naive_reference(tables: list[dict[str, Any]], request: Request) -> None:
    found = select_rule(resource(*tables), request)
    expected = reference(tables, request)
    if isinstance(found, Refusal):
        assert found.code.value == expected
    elif found.refusal is None:
        assert found.index == expected
    else:
        assert found.rule is None
        assert {"near_miss": Code.AMBIGUOUS_PATH, "no_match": Code.FORBIDDEN}[str(expected)] is found.refusal.code
