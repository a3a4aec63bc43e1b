"""native/verify: what a caller is given is what the tables and the examiner say, whatever the order in which they are asked."""

from __future__ import annotations

from typing import Any

import pytest
from support.desk import NOW, WALL, Desk, key, later, token

from bearerd._native.tokens import Found, TokenCache
from bearerd._native.verify import Verification
from bearerd.decision import Now
from bearerd.refusals import Code
from bearerd.store import entries
from bearerd.verify.verified import Verified


class Examiner:
    """Says what it is told to say, of anything."""

    def __init__(self, says: Any, known: dict[str, Any] | None = None) -> None:
        self.says = says
        self.known = known or {}
        self.asked = 0

    def examine(self, token: bytes, now: Any) -> Any:
        self.asked += 1
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says


class Bare(Verification):
    """Keeps what it is told."""

    def __init__(self, desk: Desk, says: Any, *, cache: Any = None, apart: bytes | None = None) -> None:
        examiner = Examiner(says, desk.verifier._examiner.known)  # type: ignore[arg-type]
        self.told: list[Any] = []
        tables = cache or desk.cache, desk.refused, desk.generations, desk.view.table
        super().__init__(*tables, examiner, 1000, apart, Verified)  # type: ignore[arg-type]

    def _apart(self, token: bytes, now: Any) -> str:
        return "apart"

    def _judged_again(self, *given: Any) -> None:
        self.told.append(("judged again", *given))

    def _noted(self, token: bytes, examined: Any, now: Any, generation: int) -> Any:
        self.told.append(("noted", examined, generation))
        return examined

    def _revoked(self, verified: Verified, at: int) -> str:
        return f"revoked {at}"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def good(desk: Desk, text: bytes) -> Verified:
    found = desk.verifier.examine(text, NOW)
    assert isinstance(found, Verified)
    return found


def test_what_is_verified_is_kept_and_given_again_without_an_examination(desk: Desk) -> None:
    text = token()
    bare = Bare(desk, good(desk, text))
    assert bare.verify_now(text, NOW) == bare.verify_now(text, NOW) == good(desk, text)
    assert not bare.told
    assert desk.cache.hits == 1


@pytest.mark.parametrize("says", [None, 7, "allowed", (), ("https://issuer.example",) * 16, True])
def test_what_is_not_verified_is_never_kept(desk: Desk, says: Any) -> None:
    bare = Bare(desk, says)
    assert bare.verify_now(b"a.b.c", NOW) is says
    assert bare.told == [("noted", says, desk.generations.total)]
    assert desk.cache.entries == 0


def test_a_fault_of_the_examiner_is_a_fault_and_nothing_is_kept(desk: Desk) -> None:
    bare = Bare(desk, RuntimeError("injected"))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="injected"):
            bare.verify_now(b"a.b.c", NOW)
    assert desk.cache.entries == 0


def test_a_token_of_an_issuer_that_is_not_known_here_is_not_kept(desk: Desk) -> None:
    text = token()
    bare = Bare(desk, good(desk, text)._replace(issuer="https://elsewhere.example"))
    with pytest.raises(KeyError):
        bare.verify_now(text, NOW)
    assert desk.cache.entries == 0


def test_a_known_token_of_an_issuer_that_is_not_known_any_more_is_judged_again(desk: Desk) -> None:
    text = token()
    desk.verified(text)
    bare = Bare(desk, None)
    tables = desk.cache, desk.refused, desk.generations, desk.view.table
    Verification.__init__(bare, *tables, Examiner(None), 1000, None, Verified)  # type: ignore[arg-type]
    assert bare.verify_now(text, NOW) is None
    assert [what for what, *_ in bare.told] == ["judged again", "noted"]


def test_a_cache_of_other_things_is_no_verdict(desk: Desk) -> None:
    cache: TokenCache[bytes] = TokenCache(10, 1 << 20)
    text = token()
    bare = Bare(desk, good(desk, text), cache=cache)
    bare.verify_now(text, NOW)
    with pytest.raises(TypeError, match="a tuple of 16 fields"):
        bare.verify_now(text, NOW)


def test_what_is_too_large_or_no_token_is_judged_elsewhere(desk: Desk) -> None:
    bare = Bare(desk, None, apart=b"bk_")
    assert bare.verify_now(b"a" * 1001, NOW) == "apart"
    assert bare.verify_now(b"bk_" + b"a", NOW) == "apart"
    assert bare.verify_now(b"a" * 1000, NOW) is None


@pytest.mark.parametrize("by", [(10_000, 0), (0, 10_000)])
def test_what_is_kept_ends_by_either_clock(desk: Desk, by: tuple[float, float]) -> None:
    text = token()
    bare = Bare(desk, good(desk, text))
    for _ in range(2):
        bare.verify_now(text, NOW)
    assert desk.cache.hits == 1
    bare.verify_now(text, later(by[0], boot=by[1]))
    assert desk.cache.hits == 1


def test_what_is_known_ends_by_the_latest_time_though_the_wall_clock_was_set_back(desk: Desk) -> None:
    text = token(exp=WALL + 100)
    desk.verified(text)
    back = Now(NOW.wall - 500, NOW.boot, 0.0)
    desk.verified(text, back._replace(behind=600.0))
    assert desk.checks() == 1
    assert desk.code(text, back._replace(behind=631.0)) is Code.EXPIRED


def test_what_is_kept_is_of_the_generation_of_the_key_that_checked_it(desk: Desk) -> None:
    """Though another key set has come in the meantime: then it is judged again."""
    text = token()
    verified = good(desk, text)
    desk.adopt(key("ES256"), key("ES256", 1))
    bare = Bare(desk, verified)
    bare.verify_now(text, NOW)
    bare.verify_now(text, NOW)
    assert bare.told[0][:3] == ("judged again", text, Found.KEYS_CHANGED)


def test_a_refusal_is_noted_under_the_generation_in_which_it_was_asked_for(desk: Desk) -> None:
    class Rotating(Examiner):
        def examine(self, token: bytes, now: Any) -> Any:
            desk.adopt(key("ES256", 1))
            return super().examine(token, now)

    bare, before = Bare(desk, None), desk.generations.total
    tables = desk.cache, desk.refused, desk.generations, desk.view.table
    Verification.__init__(bare, *tables, Rotating(7), 1000, None, Verified)  # type: ignore[arg-type]
    bare.verify_now(b"a.b.c", NOW)
    assert bare.told == [("noted", 7, before)]
    assert desk.generations.total > before


def test_one_that_was_not_initialised_is_an_error(desk: Desk) -> None:
    with pytest.raises(TypeError, match="not initialised"):
        Verification.__new__(Verification).verify_now(b"", NOW)


def good_of(desk: Desk, text: bytes) -> Verified:
    """Though it is revoked."""
    found = desk.verifier.examine(text, NOW, revoked_too=True)
    assert isinstance(found, Verified)
    return found


@pytest.mark.parametrize("issued", [1_699_999_990, 1_699_999_990.9])
def test_a_cut_off_counts_from_the_whole_second(desk: Desk, issued: float) -> None:
    desk.revoke(entries.Kind.SUBJECT, "alice", cutoff=1_699_999_990)
    assert Bare(desk, good_of(desk, token(iat=issued))).verify_now(token(iat=issued), NOW) == "revoked 2"
    later_one = token(iat=1_699_999_991)
    assert isinstance(Bare(desk, good(desk, later_one)).verify_now(later_one, NOW), Verified)
