"""The lane's own judgement: what is answered from memory, when it is not, and what it counts and notes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from support.bay import FOREVER, OK, Bay, ask

from bearerd._native import clock
from bearerd._native.digest import keyed128
from bearerd._native.revocations import FOREVER as ALWAYS
from bearerd._native.revocations import TOMBSTONE, pack

KEY = keyed128(b"alice")
ALLOW = b"HTTP/1.1 200 OK\r\nServer: bay\r\n"


def native(bay: Bay, data: bytes = b"", peer: str = "127.0.0.1") -> bool:
    """Whether it is answered without asking the desk."""
    line = bay.open(peer)
    line.feed(data or ask())
    bay.serve()
    given = bool(line.sent) and not bay.asked and not bay.waiting
    bay.asked.clear()
    bay.waiting.clear()
    line.hang_up()
    return given


def ready(*rules: Any, probes: bytes = KEY, **more: Any) -> Bay:
    """With a token that is known, and prepared under no rule or under all."""
    bay = Bay(*rules, **more)
    bay.know(b"good", probes=probes)
    for rule in range(len(rules)) or [-1]:
        bay.prepare(b"good", rule=rule)
    assert native(bay)
    return bay


# ---- what is answered


def test_an_allow_is_the_prepared_text_then_the_date() -> None:
    line = ready().open()
    line.feed(ask())
    assert re.fullmatch(re.escape(ALLOW) + rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n\r\n", line.sent)


def test_a_token_remembered_as_bad_is_refused_under_an_id_of_its_own() -> None:
    bay = ready()
    name = bay.refuse(b"bad")
    seen = set()
    for _ in range(50):
        line = bay.open()
        line.feed(ask(b"bad"))
        bay.serve()
        (number,) = re.findall(rb"X-Id: ([0-9a-f]{32})\r\n", line.sent)
        seen.add(number)
        found = bay.lane.ring.find(bytes.fromhex(number.decode()))
        assert found is not None
        assert found[5] == 0
        assert found[10] == name
    assert len(seen) == 50
    assert not bay.asked


@pytest.mark.parametrize("token", [b"a" * 1025, b"a." * 900, b"." + b"a" * 2000, b"a" * 2000 + b".", b"." * 1025])
def test_a_token_that_is_too_long_is_refused_for_its_length_and_named(token: bytes) -> None:
    bay = Bay()
    line = bay.open()
    line.feed(ask(token))
    (number,) = re.findall(rb"X-Id: ([0-9a-f]{32})\r\n", line.sent)
    found = bay.lane.ring.find(bytes.fromhex(number.decode()))
    assert found is not None
    assert found[5] == 1
    assert found[10] == hashlib.sha256(token.rpartition(b".")[0] or token).digest()
    assert (found[11], found[12]) == (bytes(16), len(token))
    assert not bay.asked
    assert not bay.waiting


def test_one_that_is_too_long_waits_its_turn_where_a_known_one_has_come_just_now_and_there_is_room() -> None:
    bay = ready()
    line = bay.open()
    line.feed(ask() + ask(b"a" * 1025))
    (connection,) = bay.waiting
    assert line.sent.count(b"HTTP/1.1 200") == 1
    assert b"401" not in line.sent
    assert not connection.owes()  # it is its turn, and the answer stands ready
    assert line.sent.count(b"HTTP/1.1 401") == 1
    line.feed(ask() + ask(b"a" * 1025) + ask())
    assert not bay.waiting.pop().owes()
    assert re.findall(rb"HTTP/1.1 (\d+)", line.sent) == [b"200", b"401", b"200", b"401", b"200"]
    bay.lane.full = True
    bay.waiting.clear()
    line.feed(ask() + ask(b"a" * 1025))
    assert line.sent.count(b"HTTP/1.1 401") == 3
    assert not bay.waiting
    assert not bay.asked


@pytest.mark.parametrize("token", [b"a" * 1024, b"a" * 1024 + b"!", b"a" * 1024 + b"=", b" " + b"a" * 1025])
def test_one_that_is_not_too_long_or_has_a_byte_that_no_token_has_is_pythons(token: bytes) -> None:
    assert not native(ready(), ask(token))


def test_a_shadow_resource_refuses_nothing_for_its_length() -> None:
    assert not native(Bay(enforced=False), ask(b"a" * 1025))


@pytest.mark.parametrize(("tokens", "keys"), [(True, False), (False, True), (True, True)])
def test_what_a_resource_does_not_take_is_pythons_whatever_is_known_of_it(tokens: bool, keys: bool) -> None:
    bay = Bay(takes_tokens=tokens, takes_keys=keys)
    for token, taken in ((b"a.b.c", tokens), (b"brd_x", keys), (b"BRD_x", tokens), (b"brd", tokens)):
        for bad in (token, token.ljust(1025, b"x")):
            bay.refuse(bad)
            assert native(bay, ask(bad)) is taken


def test_every_answer_is_counted_and_timed() -> None:
    bay = ready()
    bay.refuse(b"bad")
    before, hits = bay.counts(), bay.lane.hits
    line = bay.open()
    line.feed(ask() * 3 + ask(b"bad") * 2)
    bay.serve()
    assert [now - then for now, then in zip(bay.counts(), before, strict=True)] == [3.0, 2.0, 5.0]
    assert (bay.lane.hits - hits, bay.lane.misses, bay.refused.hits) == (3, 2, 2)


def test_a_share_of_the_allows_is_noted_evenly() -> None:
    bay = ready()
    bay.lane.log_allows = 0.25
    line = bay.open()
    line.feed(ask() * 32)
    assert len(bay.lane.drained()) == 8
    assert bay.told == 1  # once for all of one read
    line.feed(ask() * 32)
    assert bay.told == 2


def test_refusals_beyond_the_burst_are_counted_and_kept_but_not_written() -> None:
    bay = ready(lines=3.0)
    bay.refuse(b"bad")
    line = bay.open()
    line.feed(ask(b"bad") * 10)
    bay.serve()
    assert len(bay.lane.drained()) == 3
    assert len(bay.lane.ring) == 10


@pytest.mark.parametrize("trace", [b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"00-short", b"x" * 55, b""])
def test_a_note_has_what_a_line_needs_and_nothing_malformed(trace: bytes) -> None:
    bay = ready()
    bay.lane.log_allows = 1.0
    line = bay.open("192.0.2.1")
    line.feed(ask(b"good", b"traceparent: " + trace, method=b"POST"))
    (noted,) = bay.lane.drained()
    assert noted[2:9] == (0, 0, -1, -1, b"POST", b"192.0.2.1", trace if trace.startswith(b"00-a") else b"")
    assert noted[-5:] == (keyed128(b"good"), 4, b"", True, False)


@pytest.mark.parametrize(("method", "noted"), [(b"X" * 16, b"X" * 16), (b"X" * 32, b"X" * 16)])
def test_a_long_method_is_noted_as_one_that_nobody_knows(method: bytes, noted: bytes) -> None:
    bay = ready()
    bay.lane.log_allows = 1.0
    bay.open().feed(ask(method=method))
    assert bay.lane.drained()[0][6] == noted


def test_a_request_that_tells_no_method_is_noted_without() -> None:
    bay = ready()
    bay.lane.log_allows = 1.0
    line = bay.open()
    line.feed(b"GET /auth/api HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n\r\n")
    assert line.sent.startswith(ALLOW)
    assert bay.lane.drained()[0][6] == b""


# ---- what is not


def revoke(bay: Bay) -> None:
    bay.revocations.apply(pack(KEY, ALWAYS, ALWAYS, 1), 0)


def rotate(bay: Bay) -> None:
    bay.generations.bump_key_set(0)


def reload(bay: Bay) -> None:
    bay.generations.config += 1


def distrust(bay: Bay) -> None:
    bay.trusted = False


def fall_behind(bay: Bay) -> None:
    """The wall clock was later once than it is now."""
    bay.anchor.tell(clock.wall() + 2 * FOREVER, clock.boot())


CHANGES: dict[str, Callable[[Bay], None]] = {
    "a revocation": revoke,
    "a key set": rotate,
    "a configuration": reload,
    "trust": distrust,
    "time": fall_behind,
    "an eviction": lambda bay: bay.cache.drop(b"good"),
    "a put of the same": lambda bay: bay.know(b"good", probes=KEY),
    "all forgotten": lambda bay: bay.cache.clear(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_what_was_prepared_is_not_given(change: str) -> None:
    bay = ready()
    CHANGES[change](bay)
    assert not native(bay)
    assert not native(bay)


OTHERS = {
    "another token": ask(b"gooe"),
    "a longer token": ask(b"goods"),
    "another case": ask(b"GOOD"),
    "another scheme": ask(None, b"Authorization: Basic good"),
    "two spaces": ask(None, b"Authorization: Bearer  good"),
    "a tab": ask(None, b"Authorization: Bearer\tgood"),
    "a list": ask(None, b"Authorization: Bearer good,good"),
    "two fields": ask(b"good", b"Authorization: Bearer good"),
    "HEAD": ask().replace(b"GET ", b"HEAD ", 1),
    "OPTIONS": ask(method=b"OPTIONS"),
    "a method in lower case": ask(method=b"get"),
    "an empty method": ask(method=b""),
    "too long a method": ask(method=b"X" * 33),
    "two methods": ask(b"good", b"X-Original-Method: GET"),
    "two URIs": ask(b"good", b"x-original-uri: /a"),
    "two hosts": ask(b"good", b"X-Original-Host: a", b"X-Original-Host: a"),
    "a list of hosts": ask(b"good", b"X-Original-Host: a, b"),
    "a host beyond ASCII": ask(b"good", b"X-Original-Host: \xe9"),
    "a token in the query": ask(uri=b"/a?access_token=x"),
    "a token in the query, escaped": ask(uri=b"/a?access%5ftoken=x"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_not_the_same_request_is_not_answered_so(other: str) -> None:
    assert not native(ready(), OTHERS[other])


def test_who_shows_no_credential_is_refused_from_memory_unless_some_rule_lets_nobody_in() -> None:
    assert native(ready(), ask(None))
    assert not native(Bay(enforced=False), ask(None))


def test_an_untrusted_peer_is_told_nothing_from_memory() -> None:
    bay = ready()
    bay.refuse(b"bad")
    bay.trusted = False
    assert not native(bay)
    assert not native(bay, ask(b"bad"))


@pytest.mark.parametrize("clock_number", [0, 1])
def test_a_prepared_answer_ends_by_either_clock(clock_number: int) -> None:
    bay = Bay()
    bay.know(b"good")
    ends = [FOREVER, FOREVER]
    ends[clock_number] = (clock.wall, clock.boot)[clock_number]() - 1e-6
    bay.prepare(b"good", until=(ends[0], ends[1]))
    assert not native(bay)


@pytest.mark.parametrize("clock_name", ["until_wall", "until_boot"])
def test_nor_is_it_given_for_a_token_that_has_ended_by_either_clock(clock_name: str) -> None:
    bay = ready()
    later = {"until_wall": clock.wall(), "until_boot": clock.boot()}[clock_name] - 1e-6
    bay.know(b"good", **{clock_name: later})
    bay.prepare(b"good")
    assert not native(bay)


@pytest.mark.parametrize("until", [(float("nan"), FOREVER), (FOREVER, float("nan")), (float("-inf"), FOREVER)])
def test_a_time_that_is_none_prepares_nothing(until: tuple[float, float]) -> None:
    bay = Bay()
    bay.know(b"good")
    bay.prepare(b"good", until=until)
    assert not native(bay)


def test_a_cut_off_counts_for_those_issued_before_it_and_a_lift_at_once() -> None:
    bay = Bay()
    for token, issued in ((b"old", 100), (b"new", 200)):
        bay.know(token, probes=KEY, issued_at=issued)
        bay.prepare(token)
    bay.revocations.apply(pack(KEY, 150, ALWAYS, 1), 0)
    assert (native(bay, ask(b"old")), native(bay, ask(b"new"))) == (False, True)
    bay.revocations.apply(pack(KEY, TOMBSTONE, ALWAYS, 2), 0)
    assert (native(bay, ask(b"old")), native(bay, ask(b"new"))) == (True, True)
    bay.revocations.apply(pack(KEY, ALWAYS, ALWAYS, 3), 0)
    assert (native(bay, ask(b"old")), native(bay, ask(b"new"))) == (False, False)


RULES = (None, "/a/**", False), (["POST"], None, False), (None, "/b", False)


def test_one_rules_answer_is_no_others() -> None:
    bay = Bay(*RULES)
    bay.know(b"good")
    bay.prepare(b"good", rule=1)
    assert native(bay, ask(method=b"POST", uri=b"/b"))
    assert not native(bay, ask(uri=b"/b"))
    assert not native(bay, ask(uri=b"/a/x"))
    bay.prepare(b"good", rule=2)
    assert native(bay, ask(uri=b"/b"))
    assert native(bay, ask(method=b"POST", uri=b"/b"))
    assert not native(bay, ask(uri=b"/a/x"))


def test_two_rules_with_one_text_end_with_the_first_of_them() -> None:
    bay = Bay(*RULES)
    bay.know(b"good")
    bay.prepare(b"good", rule=1)
    bay.prepare(b"good", rule=2, until=(clock.wall() - 1, FOREVER))
    assert not native(bay, ask(uri=b"/b"))
    assert not native(bay, ask(method=b"POST", uri=b"/x"))


def test_another_text_takes_the_place_of_all_that_were_prepared() -> None:
    bay = Bay(*RULES)
    bay.know(b"good")
    bay.prepare(b"good", rule=1)
    bay.prepare(b"good", rule=2, head=OK + b"X: y\r\n")
    assert native(bay, ask(uri=b"/b"))
    assert not native(bay, ask(method=b"POST", uri=b"/x"))


PATHS = [b"/b/", b"/B", b"/c", b"/a/../b", b"/b%2f", b"/b%00", b"//b", b"b", b"", b"*", b"/b;x", b"/\xff"]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_no_rules_or_can_be_read_in_two_ways_is_not_answered(path: bytes) -> None:
    bay = Bay(*RULES)
    bay.know(b"good")
    for rule in range(3):
        bay.prepare(b"good", rule=rule)
    assert not native(bay, ask(uri=path))
    assert native(bay, ask(uri=b"/b"))


@pytest.mark.parametrize("field", [b"X-Original-Method: GET", b"X-Original-URI: /b"])
def test_where_rules_select_both_method_and_target_must_be_known(field: bytes) -> None:
    bay = Bay(*RULES)
    bay.know(b"good")
    for rule in range(3):
        bay.prepare(b"good", rule=rule)
    assert not native(bay, ask(uri=b"/b").replace(field + b"\r\n", b""))


@pytest.mark.parametrize("settings", [{"plain": False}])
def test_where_shadow_rules_have_a_say_nothing_is_answered_from_memory(settings: dict[str, bool]) -> None:
    bay = Bay(**settings)
    bay.know(b"good")
    bay.prepare(b"good")
    bay.refuse(b"bad")
    assert not native(bay)
    assert not native(bay, ask(b"bad"))


def test_a_shadow_resource_refuses_nothing_from_memory_nor_when_full() -> None:
    bay = Bay(enforced=False)
    bay.refuse(b"bad")
    bay.lane.full = True
    assert not native(bay, ask(b"bad"))
    assert not native(bay, ask(b"unknown"))


@pytest.mark.parametrize("value", [1, 2, 1 << 30])
def test_a_refusal_that_no_template_stands_for_is_left_to_python(value: int) -> None:
    bay = ready()
    bay.refuse(b"bad", value)
    assert not native(bay, ask(b"bad"))


def test_a_memory_of_a_refusal_ends_with_its_time_and_with_any_generation() -> None:
    bay = ready()
    bay.refuse(b"bad", until=clock.boot() - 1e-6)
    assert not native(bay, ask(b"bad"))
    bay.refuse(b"bad")
    assert native(bay, ask(b"bad"))
    bay.generations.bump_key_set(7)
    assert not native(bay, ask(b"bad"))


# ---- Envoy's


def envoy(*fields: bytes, method: bytes = b"GET", path: bytes = b"/b", token: bytes = b"good") -> bytes:
    lines = [method + b" /ext_authz/api" + path + b" HTTP/1.1", b"Host: a", b"Authorization: Bearer " + token]
    return b"\r\n".join([*lines, *fields, b"", b""])


@pytest.fixture
def envoys() -> Bay:
    bay = Bay(*RULES, dialect="envoy")
    bay.know(b"good")
    line = bay.open()
    line.feed(envoy())
    connection: Any = line.get_protocol()
    connection.prepare(bay.route, 2, FOREVER, FOREVER, OK)
    line.hang_up()
    bay.asked.clear()
    assert native(bay, envoy())
    return bay


SPOOFS = [
    b"X-Auth-Subject",
    b"x_auth_x",
    b"X.AUTH-y",
    b"X-Tier",
    b"x_tier",
    b"X.tier",
    b"x~auth~",
    b"X!Auth+Subject",
    b"x|tier",
    b"x" * 65,
]


@pytest.mark.parametrize("name", SPOOFS)
def test_a_header_that_could_pass_for_identity_is_left_to_python(envoys: Bay, name: bytes) -> None:
    assert not native(envoys, envoy(name + b": x"))
    assert not native(envoys, envoy(b"A: b", name + b":"))


@pytest.mark.parametrize("name", [b"X-Author", b"X-Auth", b"X-Tiers", b"Tier", b"A" * 64])
def test_a_header_that_could_not_is_no_reason_to_ask(envoys: Bay, name: bytes) -> None:
    assert native(envoys, envoy(name + b": x"))


@pytest.mark.parametrize(("method", "path"), [(b"HEAD", b"/b"), (b"OPTIONS", b"/b"), (b"GET", b""), (b"GET", b"/B")])
def test_envoys_other_requests_are_others(envoys: Bay, method: bytes, path: bytes) -> None:
    assert not native(envoys, envoy(method=method, path=path))


def test_another_face_is_not_this_one(envoys: Bay) -> None:
    line = envoys.open()
    line.feed(ask())
    assert envoys.behind[0].got == ask()


# ---- memory


def test_an_answer_stands_while_its_cache_evicts_and_goes_with_its_token() -> None:
    bay = Bay(entries=8)
    for number in range(8):
        bay.know(b"%d" % number)
        bay.prepare(b"%d" % number)
    assert all(native(bay, ask(b"%d" % number)) for number in range(8))
    bay.know(b"new")
    assert [native(bay, ask(b"%d" % number)) for number in range(8)].count(False) == 1


def test_a_cache_without_room_for_an_answer_prepares_none_and_loses_nothing_it_shall_keep() -> None:
    bay = Bay(size=400)
    bay.know(b"good", bytes(200))
    bay.prepare(b"good", head=OK + b"X: " + b"y" * 300 + b"\r\n")
    assert not native(bay)
    assert bay.cache.entries == 1
    assert bay.cache.bytes <= 400
    bay.prepare(b"good")
    assert native(bay)
    assert bay.cache.bytes <= 400


def test_to_prepare_evicts_others_and_never_the_one_that_is_answered() -> None:
    bay = Bay(size=3000)
    for number in range(8):
        bay.know(b"%d" % number, bytes(150))
    for number in range(8):
        if bay.cache.record_of(keyed128(b"%d" % number), 1) is None:
            continue
        bay.prepare(b"%d" % number, head=OK + b"X: " + b"y" * 500 + b"\r\n")
        assert native(bay, ask(b"%d" % number))
        assert bay.cache.bytes <= 3000
    assert bay.cache.evictions > 0


@pytest.mark.parametrize("size", [65_000, 65_536, 200_000])
def test_a_text_too_large_to_be_kept_is_not(size: int) -> None:
    bay = Bay()
    bay.know(b"good")
    bay.prepare(b"good", head=OK + b"X: " + b"y" * size + b"\r\n")
    assert native(bay) == (size < 65_500)


def test_a_rule_beyond_the_mask_prepares_nothing() -> None:
    bay = Bay()
    bay.know(b"good")
    bay.prepare(b"good", rule=63)
    bay.prepare(b"good", rule=1 << 20)
    assert not native(bay)


def test_many_rules_have_a_bit_each() -> None:
    bay = Bay(*[(None, f"/{number}", False) for number in range(200)])
    bay.uri = b"/0"
    bay.know(b"good")
    for rule in range(0, 200, 7):
        bay.prepare(b"good", rule=rule)
    found = [native(bay, ask(uri=b"/%d" % number)) for number in range(200)]
    assert [number for number, given in enumerate(found) if given] == list(range(0, 200, 7))
