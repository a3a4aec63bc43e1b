"""The registry answers from memory which key a token must verify with, or says what it waits for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import jose

from bearerd._native import clock
from bearerd._native.generations import Generations
from bearerd.config import model
from bearerd.decision import Now, Pending, Wait
from bearerd.errors import IssuerFault
from bearerd.issuers import keyset
from bearerd.issuers.keyset import KeySet, Origin, Validators
from bearerd.issuers.observer import Nobody
from bearerd.issuers.registry import Issuer, Issuers
from bearerd.jws.algorithms import ALGORITHMS
from bearerd.jws.keys import Key
from bearerd.limits import Limits
from bearerd.refusals import Code, Refusal

ISS = "https://auth.test"
ES256, RS256, HS256 = (ALGORITHMS[name] for name in ("ES256", "RS256", "HS256"))


class Counting(Nobody):
    def __init__(self) -> None:
        self.unknown = 0
        self.hashes: list[str] = []
        self.reasons: list[str] = []

    def loaded(self, issuer: str, key_set: KeySet) -> None:
        self.hashes.append(key_set.hash)

    def failed(self, issuer: str, fault: IssuerFault) -> None:
        self.reasons.append(fault.reason)

    def unknown_kid(self, issuer: str) -> None:
        self.unknown += 1


def issuers(*tables: dict[str, Any], observer: Any = None) -> Issuers:
    return Issuers(config(*tables), Generations(), observer or Nobody())


def config(*tables: dict[str, Any], **rest: Any) -> model.Config:
    return model.Config(issuer=tuple(model.Issuer(**({"issuer": ISS} | table)) for table in tables or ({},)), **rest)


def key_set(*jwks: dict[str, Any], at: float = 1000.0, origin: Origin = Origin.NETWORK) -> KeySet:
    document = json.dumps({"keys": jwks or [jose.jwk("P-256", kid="a")]}).encode()
    validators = Validators(f"{ISS}/jwks", None, at, at + 300)
    return keyset.read(document, origin, validators, ("RS256", "ES256"), Limits())


def now(wall: float = 1000.0, boot: float = 50.0) -> Now:
    return Now(wall, boot)


def loaded(**table: Any) -> Issuer:
    (issuer,) = issuers(table)
    assert issuer.adopt(key_set(), now())
    return issuer


def code(found: Any) -> Code:
    assert isinstance(found, Refusal)
    return found.code


def test_an_issuer_is_found_by_its_exact_name_only() -> None:
    registry = issuers({}, {"issuer": f"{ISS}/"}, {"issuer": "https://other.test"})
    assert [issuer.index for issuer in registry] == [0, 1, 2]
    assert len(registry) == 3
    assert len({issuer.name for issuer in registry}) == 3
    for issuer in registry:
        assert registry.find(issuer.iss) is issuer
    for near in (ISS.upper(), f"{ISS}//", " " + ISS, ""):
        assert registry.find(near) is None


def test_a_known_key_is_selected_without_waiting() -> None:
    found = loaded().select(ES256, "a", now())
    assert isinstance(found, Key)
    assert found.kid == "a"


def test_an_algorithm_outside_the_issuers_list_is_refused_before_any_key_is_looked_at() -> None:
    (issuer,) = issuers({"algorithms": ("RS256",)})
    assert code(issuer.select(ES256, "a", now())) is Code.UNSUPPORTED_ALG
    assert code(loaded().select(HS256, "a", now())) is Code.UNSUPPORTED_ALG


def test_a_known_kid_with_another_algorithm_is_refused_and_causes_no_fetch() -> None:
    assert code(loaded().select(RS256, "a", now())) is Code.UNSUPPORTED_ALG


def test_a_token_without_kid_never_causes_a_fetch() -> None:
    assert code(loaded().select(RS256, None, now())) is Code.UNKNOWN_KEY
    (issuer,) = issuers()
    issuer.adopt(key_set(jose.jwk("P-256"), jose.jwk("P-256", 1)), now())
    assert code(issuer.select(ES256, None, now())) is Code.UNKNOWN_KEY


def test_an_issuer_that_was_never_loaded_is_waited_for() -> None:
    (issuer,) = issuers()
    assert issuer.select(ES256, "a", now()) == Pending(Wait.KEY, ISS, None)


def test_while_attempts_fail_tokens_are_refused_with_the_time_of_the_next() -> None:
    (issuer,) = issuers()
    issuer.fail(IssuerFault("connect", "nobody listens"), retry_boot=53.2)
    refusal = issuer.select(ES256, "a", now())
    assert code(refusal) is Code.ISSUER_UNAVAILABLE
    assert isinstance(refusal, Refusal)
    assert refusal.retry_after == 4
    assert isinstance(issuer.select(ES256, "a", now(boot=53.2)), Pending)


def test_an_unknown_kid_is_waited_for_and_in_the_cool_down_refused_and_counted() -> None:
    observer = Counting()
    (issuer,) = issuers(observer=observer)
    issuer.adopt(key_set(), now())
    assert issuer.select(ES256, "b", now()) == Pending(Wait.KEY, ISS, "b")
    issuer.quiet_boot = 60.0
    assert code(issuer.select(ES256, "b", now(boot=59.9))) is Code.UNKNOWN_KEY
    assert observer.unknown == 1
    assert isinstance(issuer.select(ES256, "b", now(boot=60.0)), Pending)


def test_failures_do_not_touch_the_keys_that_are_there() -> None:
    issuer = loaded()
    issuer.fail(IssuerFault("timeout", ""), retry_boot=1e9)
    assert isinstance(issuer.select(ES256, "a", now()), Key)
    assert (issuer.failures, issuer.status(now()).failing) == (1, "timeout")
    issuer.adopt(key_set(origin=Origin.DISK), now())
    assert (issuer.failures, issuer.status(now()).failing) == (1, "timeout")  # what lies on the disk proves no recovery
    issuer.adopt(key_set(), now())
    assert (issuer.failures, issuer.status(now()).failing) == (0, None)


@pytest.mark.parametrize(
    "later", [now(wall=1101.0), now(boot=151.0), now(wall=0.0, boot=151.0)], ids=["wall", "boot", "set back"]
)
def test_keys_older_than_key_set_max_stale_by_either_clock_are_not_used(later: Now) -> None:
    issuer = loaded(key_set_max_stale=100.0)
    assert isinstance(issuer.select(ES256, "a", now(wall=1099.0, boot=149.0)), Key)
    assert isinstance(issuer.select(ES256, "a", later), Pending)
    issuer.fail(IssuerFault("timeout", ""), retry_boot=1000.0)
    assert code(issuer.select(ES256, "a", later)) is Code.ISSUER_UNAVAILABLE
    assert not issuer.status(later).usable
    issuer.adopt(key_set(at=later.wall), later)
    assert isinstance(issuer.select(ES256, "a", later), Key)


def test_old_keys_are_as_old_in_a_new_process() -> None:
    (issuer,) = issuers({"key_set_max_stale": 100.0})
    issuer.adopt(key_set(at=950.0), now())
    assert issuer.usable_until == (1050.0, 100.0)
    assert isinstance(issuer.select(ES256, "a", now(boot=99.0)), Key)
    assert isinstance(issuer.select(ES256, "a", now(boot=100.0)), Pending)


def test_a_removed_key_stops_verifying_with_the_set_that_lacks_it() -> None:
    issuer = loaded()
    issuer.adopt(key_set(jose.jwk("P-256", 1, kid="b")), now())
    assert isinstance(issuer.select(ES256, "a", now()), Pending)
    issuer.quiet_boot = 1e9
    assert code(issuer.select(ES256, "a", now())) is Code.UNKNOWN_KEY


def test_the_generation_moves_only_when_the_usable_keys_change() -> None:
    issuer = loaded()
    before = issuer.generation
    issuer.adopt(key_set(at=2000.0), now(wall=2000.0))
    issuer.adopt(key_set(jose.jwk("P-256", kid="a"), {"kty": "unknown"}), now())
    assert issuer.generation == before
    issuer.adopt(key_set(jose.jwk("P-256", kid="a"), jose.jwk("P-256", 1, kid="b")), now())
    assert issuer.generation == before + 1
    issuer.adopt(key_set(), now())
    assert issuer.generation == before + 2


def test_keys_never_change_before_their_generation_whatever_fails_in_between() -> None:
    issuer = loaded()
    keys, before = issuer.key_set, issuer.generation

    class Failing:
        def bump_key_set(self, index: int) -> int:
            raise MemoryError

    kept, issuer._generations = issuer._generations, Failing()  # type: ignore[assignment]
    with pytest.raises(MemoryError):
        issuer.adopt(key_set(jose.jwk("P-256", 1, kid="b")), now())
    assert issuer.key_set is keys  # else the next attempt would find nothing to change
    issuer._generations = kept
    issuer.adopt(key_set(jose.jwk("P-256", 1, kid="b")), now())
    assert issuer.generation == before + 1


def test_one_issuers_keys_do_not_move_anothers_generation() -> None:
    first, second = issuers({}, {"issuer": "https://other.test"})
    second.adopt(key_set(), now())
    assert (first.generation, second.generation) == (0, 1)


def test_the_answer_to_an_earlier_request_never_replaces_that_to_a_later_one() -> None:
    (issuer,) = issuers()
    early, late = issuer.ticket(), issuer.ticket()
    newer, older = key_set(jose.jwk("P-256", 1, kid="b")), key_set()
    assert issuer.adopt(newer, now(), late)
    assert not issuer.adopt(older, now(), early)
    assert issuer.key_set is newer


# Keys that need no network


def test_inline_keys_are_there_at_once_never_age_and_no_kid_causes_a_fetch() -> None:
    observer = Counting()
    (issuer,) = issuers({"jwks": {"keys": [jose.jwk("P-256", kid="a")]}, "key_set_max_stale": 1.0}, observer=observer)
    far = Now(clock.wall() + 1e6, clock.boot() + 1e6)
    assert isinstance(issuer.select(ES256, "a", far), Key)
    assert code(issuer.select(ES256, "b", far)) is Code.UNKNOWN_KEY
    assert observer.unknown == 1
    assert issuer.generation == 1


def test_a_secret_verifies_hs_only_and_whatever_the_kid(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(jose.SECRET + b"\n")
    (issuer,) = issuers({"secret_file": path, "algorithms": ("HS256", "HS512")})
    key = issuer.select(HS256, "any", Now(clock.wall(), clock.boot()))
    assert isinstance(key, Key)
    signing_input = b"a.b"
    key.verify(HS256, signing_input, jose.signature("HS256", signing_input, jose.SECRET))
    assert code(issuer.select(RS256, None, now())) is Code.UNSUPPORTED_ALG
    assert issuer.key_set is not None
    assert issuer.key_set.document == b""


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "local_file"), (b"", "bad_json"), (b'{"keys": []}', "no_usable_key"), (b" " * 300_000, "too_large")],
)
def test_a_broken_key_file_stops_only_its_own_issuer(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_bytes(content)
    observer = Counting()
    inline = {"issuer": "https://other.test", "jwks": {"keys": [jose.jwk("P-256", kid="a")]}}
    broken, good = issuers({"jwks_file": path}, inline, observer=observer)
    assert observer.reasons == [reason]
    at = Now(clock.wall(), clock.boot())
    assert code(broken.select(ES256, "a", at)) is Code.ISSUER_UNAVAILABLE
    assert isinstance(good.select(ES256, "a", at), Key)


@pytest.mark.parametrize(("secret", "reason"), [(b"", "local_file"), (b"short", "no_usable_key")])
def test_a_bad_secret_is_a_fault_that_does_not_quote_it(tmp_path: Path, secret: bytes, reason: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(secret)
    (issuer,) = issuers({"secret_file": path, "algorithms": ("HS256",)})
    assert issuer.fault is not None
    assert issuer.fault.reason == reason
    assert "short" not in str(issuer.fault).replace("shorter", "")


def test_the_status_says_how_the_keys_are() -> None:
    (issuer,) = issuers({"insecure_issuer": True})
    empty = issuer.status(now())
    assert (empty.loaded, empty.usable, empty.keys, empty.hash, empty.age) == (False, False, 0, None, None)
    issuer.adopt(key_set(jose.jwk("P-256", kid="a"), {"kty": "x"}), now(wall=1010.0))
    status = issuer.status(now(wall=1010.0))
    assert (status.loaded, status.usable, status.keys, status.last_success, status.age) == (True, True, 1, 1000.0, 10.0)
    assert status.origin == "network"
    assert status.insecure
    assert len(status.problems) == 1


# Reload


def test_an_unchanged_issuer_keeps_its_object_across_a_reload() -> None:
    before = issuers({}, {"issuer": "https://other.test"})
    after = before.reloaded(config({}, {"issuer": "https://other.test"}))
    assert list(after) == list(before)


def test_a_changed_issuer_keeps_its_keys_where_they_come_from_the_same_place() -> None:
    before = issuers({})
    (old,) = before
    old.adopt(key_set(), now(wall=clock.wall(), boot=clock.boot()))
    old.quiet_boot = 77.0
    (new,) = before.reloaded(config({"max_lifetime": 60.0, "key_set_max_stale": 1e8, "connect_to": "a:1"}))
    assert new is not old
    assert new.key_set is old.key_set
    assert new.config.max_lifetime == 60.0
    assert new.quiet_boot == 77.0


@pytest.mark.parametrize(
    "change",
    [{"jwks_uri": "https://auth.test/other"}, {"ca_file": Path("/ca")}, {"insecure_issuer": True}],
)
def test_keys_from_another_place_are_not_carried_over(change: dict[str, Any]) -> None:
    before = issuers({})
    (old,) = before
    old.adopt(key_set(), now())
    (new,) = before.reloaded(config(change))
    assert new.key_set is None
    assert isinstance(new.select(ES256, "a", now()), Pending)


def test_a_reload_after_a_certificate_authority_was_taken_out_of_the_bundle_drops_the_keys_that_may_have_come_by_it(
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("one and two")
    before = issuers({"ca_file": bundle})
    (old,) = before
    old.adopt(key_set(), now())
    assert list(before.reloaded(config({"ca_file": bundle}))) == [old]
    bundle.write_text("one")
    (new,) = before.reloaded(config({"ca_file": bundle}))
    assert new is not old
    assert new.key_set is None


def test_keys_of_a_file_are_not_those_of_the_network_though_the_place_is_no_other(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [jose.jwk("P-256", kid="a")]}))
    before = issuers({"jwks_file": file})
    assert next(iter(before)).key_set is not None
    (new,) = before.reloaded(config({}))
    assert new.key_set is None


def test_an_index_that_passes_to_another_issuer_gets_another_generation() -> None:
    before = issuers({}, {"issuer": "https://other.test"})
    generations = [issuer.generation for issuer in before]
    after = before.reloaded(config({"issuer": "https://other.test"}, {}))
    assert [issuer.generation for issuer in after] == [generation + 1 for generation in generations]


@pytest.mark.parametrize(("refresh", "due"), [(3600.0, 300.0), (60.0, 60.0)])
def test_a_reload_that_asks_more_often_counts_for_the_keys_that_are_there(refresh: float, due: float) -> None:
    """Else the keys that an operator wants gone would stay until the time that the old configuration set."""
    before = issuers({})
    (old,) = before
    old.adopt(key_set(), now())
    assert old.key_set is not None
    known = Validators(f"{ISS}/jwks", None, old.key_set.fetched_at, old.key_set.fetched_at + 300.0)
    old.adopt(old.key_set.renewed(known), now())
    (new,) = before.reloaded(config({"key_set_refresh": refresh}))
    assert new.key_set is not None
    assert new.key_set.expires_at == known.fetched_at + due
    assert (new.key_set.keys, new.key_set.origin) == (old.key_set.keys, old.key_set.origin)


def test_new_limits_make_new_issuers() -> None:
    before = issuers({})
    (new,) = before.reloaded(config({}, limits=Limits(max_keys=5)))
    assert new.limits.max_keys == 5


def test_a_key_set_snapshot_cannot_be_changed() -> None:
    keys = key_set()
    with pytest.raises(AttributeError):
        keys.hash = ""  # type: ignore[misc]
