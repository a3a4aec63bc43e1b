"""Secrets and personal data in arguments: found where they are, kept out of records, and never by a slow way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bearerd.mcp.canonical import canonical
from bearerd.mcp.detectors import BUILT_IN, LONGEST, AnyOf, BadPattern, Detector
from bearerd.mcp.redact import BY_NAME, MOST_TEXTS, REDACTED, TOO_DEEP, TOO_MANY, Watched, _apart, redacted

ALL = tuple(Detector.built_in(name) for name in BUILT_IN)
SAMPLES = {
    "private-key": ("-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN PUBLIC KEY-----"),
    "aws-key": ("AKIA" + "ABCDEFGH01234567", "AKIAabcdefgh01234567"),
    "github-token": ("ghp_" + "a1" * 18, "ghp_short"),
    "slack-token": ("xoxb-" + "1234567890-abc", "xoxq-1234567890"),
    "jwt": ("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "eyJhbGciOiJFUzI1NiJ9"),
    "card": ("4111 1111 1111 1111", "4111 1111 1111 1112"),
    "iban": ("DE89 3704 0044 0532 0130 00", "DE88 3704 0044 0532 0130 00"),
    "email": ("alice.b+c@mail.example.com", "alice at example.com"),
    "us-ssn": ("123-45-6789", "900-45-6789"),
}


def found(text: Any, *names: str) -> tuple[str, ...]:
    return Watched(flag=[one for one in ALL if not names or one.name in names]).redacted({"x": text})[1]


def test_every_built_in_pattern_has_a_sample() -> None:
    assert SAMPLES.keys() == BUILT_IN.keys()


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_a_pattern_stands_for_is_found_amid_other_words(name: str) -> None:
    good, bad = SAMPLES[name]
    for text in (good, f"é: {good}.", f"PAY {good} FOR 12 MONTHS", f"({good})"):
        assert found(text, name) == (name,), text
    assert found(bad, name) == ()
    assert found("rent for november, 12.50 EUR", name) == ()


@pytest.mark.parametrize("number", ["4111111111111111", "5500-0000-0000-0004", "340000000000009", "6011000000000004"])
def test_cards_are_found_by_their_checksum_also_as_numbers(number: str) -> None:
    assert found(number, "card") == ("card",)
    if number.isdecimal():
        assert found(int(number), "card") == ("card",)
    assert found("0000 0000 0000 0000", "card") == ()


def test_what_is_to_be_redacted_is_not_in_the_record_and_the_rest_is() -> None:
    watched = Watched(flag=[ALL[-1]], redact=ALL[:-1])
    text = "pay 4111 1111 1111 1111, or to DE89 3704 0044 0532 0130 00 FOR RENT; é 123-45-6789"
    kept, names = redacted({"note": text, "n": [1, 2.5, True, None, 4111111111111111]}, watched)
    assert kept == {"note": "pay [card], or to [iban] FOR RENT; é 123-45-6789", "n": [1, 2.5, True, None, "[card]"]}
    assert set(names) == {"card", "iban", "us-ssn"}


def test_what_is_blocked_is_refused_and_not_in_the_record() -> None:
    watched = Watched(block=[Detector.built_in("aws-key")], redact=[Detector.built_in("email")])
    secret = SAMPLES["aws-key"][0]
    for arguments in ({"a": [{"b": f"x {secret}"}]}, {secret: 1}, {"a": {secret: {}}}):
        assert watched.blocked(arguments) == "aws-key"
        assert secret not in str(watched.redacted(arguments))
    assert watched.blocked({"a": "bob@example.com"}) is None
    assert watched.blocked(None) is None


def test_the_value_of_a_secret_name_is_never_told() -> None:
    arguments = {
        "password": "hunter2",
        "db_Password": {"deep": "hunter2"},
        "X-Api-Key": ["hunter2"],
        "tokens": ["hunter2"],
    }
    arguments |= {"client": {"clientSecret": "hunter2", "name": "n"}, "token_type": "Bearer", "pin": None}
    kept, names = redacted(arguments, Watched())
    assert "hunter2" not in str(kept)
    assert kept["client"] == {"clientSecret": REDACTED, "name": "n"}
    assert (kept["token_type"], kept["pin"], names) == ("Bearer", None, (BY_NAME,))


def test_a_configuration_may_name_its_own_names_instead() -> None:
    watched = Watched(names=["diagnosis"])
    assert redacted({"diagnosis": "x", "password": "y"}, watched)[0] == {"diagnosis": REDACTED, "password": "y"}


def test_names_that_become_one_stay_two() -> None:
    watched = Watched(redact=[Detector.built_in("email")])
    kept, _ = redacted({"a@example.com": 1, "b@example.com": 2}, watched)
    assert list(kept.values()) == [1, 2]
    assert "@" not in str(kept)


def test_thousands_of_names_that_become_one_are_told_apart_at_once() -> None:
    """Each counted from the first again, with a longer name each time: for 4,000 of them, 30 KB, it took 20 seconds."""

    class Counted(dict[str, int]):
        asked = 0

        def __contains__(self, name: object) -> bool:
            self.asked += 1
            return super().__contains__(name)

    kept, times = Counted(), dict[str, int]()
    for number in range(500):
        kept[_apart("[email]", kept, times)] = number
    assert len(kept) == 500
    assert kept.asked <= 2 * 500
    assert max(map(len, kept)) < 20


def test_a_crowd_of_texts_with_something_in_them_is_not_told_and_costs_no_more() -> None:
    """Each asked about every pattern by itself, 32,000 texts of one call held the worker up for four seconds."""
    looked: list[bytes] = []

    class Seen(Detector):
        __slots__ = ()

        def spans(self, text: bytes) -> Any:
            looked.append(text)
            return super().spans(text)

    watched = Watched(flag=[Seen("email", BUILT_IN["email"].pattern)])
    many = [f"{number}@example.com" for number in range(MOST_TEXTS + 100)]
    kept, names = watched.redacted({"a": [*many, "plain"]})
    assert kept == {"a": [*many[:MOST_TEXTS], *[REDACTED] * 100, "plain"]}
    assert names == ("email", TOO_MANY)
    assert len(looked) == MOST_TEXTS


def test_a_pattern_of_ones_own_is_as_good() -> None:
    own = Detector("ticket", r"(?i)\bproj-[0-9]+\b")
    watched = Watched(redact=[own, Detector.built_in("email")])
    assert redacted({"a": "see PROJ-17 of a@b.example"}, watched) == (
        {"a": "see [ticket] of [email]"},
        ("ticket", "email"),
    )


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "(a)\\1", "a*", "", "((a{1,100}){1,100}){1,100}", "a" * 2000])
def test_a_pattern_that_cannot_be_used_is_an_error(pattern: str) -> None:
    with pytest.raises(BadPattern):
        Detector("own", pattern)


def test_a_pattern_that_would_swallow_what_stands_behind_it_is_an_error() -> None:
    """Beside others all patterns are one: a quotation without an end would take theirs for its own text."""
    with pytest.raises(BadPattern, match="close"):
        Detector("own", r"\Qabc")
    both = AnyOf.of((Detector("own", r"\Qa.c\E"), Detector.built_in("aws-key")))
    assert both(b"a.c")
    assert both(b"AKIAIOSFODNN7EXAMPLE")
    assert not both(b"abc")


def test_a_pattern_may_be_as_long_as_the_page_says_and_no_longer() -> None:
    assert Detector("own", "a" * LONGEST).pattern
    with pytest.raises(BadPattern, match="longer than 1024"):
        Detector("own", "a" * (LONGEST + 1))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+b", "(x+x+)+y", "([0-9A-Za-z]+)*@"])
def test_a_hostile_pattern_meets_a_hostile_value_in_linear_time(pattern: str) -> None:
    own = Detector("own", pattern)  # with backtracking this would outlive whoever waits for it
    for text in ("a" * 50_000 + "c", "x" * 50_000, "aA0" * 20_000):
        assert Watched(block=[own]).blocked({"a": text}) in (None, "own")


def test_more_places_than_are_looked_at_count_as_found() -> None:
    numbers = " ".join("1234567890123,") * 500
    kept, names = redacted({"a": numbers}, Watched(redact=[Detector.built_in("card")]))
    assert (kept, names) in (({"a": "[card]"}, ("card",)), ({"a": numbers}, ()))
    many = "4111111111111112, " * 500
    assert redacted({"a": many}, Watched(redact=[Detector.built_in("card")])) == ({"a": "[card]"}, ("card",))


def test_what_is_nested_without_end_is_not_told_and_not_passed_on() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    assert redacted({"a": deep}, Watched(flag=ALL)) == (REDACTED, (TOO_DEEP,))
    assert Watched(block=ALL).blocked({"a": deep}) == TOO_DEEP


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PARTS = st.sampled_from([good for good, _ in SAMPLES.values()])


@given(st.lists(TEXT | PARTS, max_size=6).map("".join), st.dictionaries(TEXT, TEXT | PARTS, max_size=3))
def test_a_record_holds_nothing_that_would_be_found_in_it_again(text: str, more: dict[str, str]) -> None:
    watched = Watched(redact=[one for one in ALL if one.name in ("aws-key", "jwt", "us-ssn", "private-key")])
    kept, _ = watched.redacted({"a": text, "b": more})
    assert watched.redacted(kept)[1] in ((), (BY_NAME,))
    canonical(kept)  # and is still JSON
