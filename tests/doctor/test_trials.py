"""Which tricks are sent, and what their answers mean."""

from __future__ import annotations

import json

import pytest
from support.gate import Gate, Reply, Seen, echoed, guarded, told

from bearerd.doctor import trials
from bearerd.doctor.finding import Notebook
from bearerd.doctor.trials import Known
from bearerd.tricks import TRICKS, Answer, Outcome, Target, Trick
from bearerd.tricks.model import FORGED

TARGET = Target(secret="/orders/7", open="/health", host="gate")
OPEN, ALLOWED = Answer(200, (), b"fine"), Answer(200, (), b"secret")
USUAL = Known(OPEN, ALLOWED)
PLAIN = Trick("spellings/x", "It tries.", target="{secret}")
SPOOF = Trick("identity/x", "It tries.", lines=("{id}: {forged}",))


def outcome(trick: Trick, *answers: Answer, known: Known = USUAL) -> Outcome:
    return trials.judged(trick, TARGET, answers, known).outcome


def test_only_what_reads_is_sent_by_default() -> None:
    sent = trials.chosen(everything=False)
    assert len(sent) > 100
    for trick in sent:
        head, _, body = trick.request(Target(secret="/s", open="/o", forbidden="DELETE", tag="x")).partition(
            b"\r\n\r\n"
        )
        assert head.split(b" ")[0] in (b"GET", b"HEAD", b"OPTIONS"), trick.name
        assert body == b"", trick.name
        lowered = head.lower()
        for word in (b"delete", b"\ncontent-length:", b"\ntransfer-encoding:", b"\nexpect:"):
            assert word not in lowered, trick.name
        assert b"\n" not in head.replace(b"\r\n", b""), trick.name


def test_all_of_them_are_sent_when_asked_to() -> None:
    assert trials.chosen(everything=True) == list(TRICKS)


def test_who_gets_what_the_good_token_got_has_got_through() -> None:
    assert outcome(PLAIN, ALLOWED) is Outcome.REACHED


def test_who_gets_what_is_open_has_got_nothing() -> None:
    assert outcome(PLAIN, OPEN) is Outcome.HARMLESS
    assert outcome(SPOOF, OPEN) is Outcome.UNSEEN  # whether the header arrived nobody saw


def test_a_head_of_what_is_open_is_answered_without_a_body_and_got_nothing() -> None:
    first = "HEAD {open} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    behind = Trick("connections/x", "It tries.", raw=first + "GET {secret} HTTP/1.1\r\nHost: {host}\r\n\r\n")
    bare, refused = Answer(200, (), b""), Answer(401, (), b"")
    assert outcome(behind, bare, refused) is Outcome.HARMLESS
    assert outcome(behind, bare) is Outcome.HARMLESS
    assert outcome(behind, bare, ALLOWED) is Outcome.REACHED
    assert outcome(behind, bare, Answer(200, (), b"what is this")) is Outcome.UNSEEN
    assert outcome(behind, bare, Answer(200, (), b"")) is Outcome.UNSEEN  # the second is not of the HEAD
    assert outcome(behind, Answer(206, (), b"")) is Outcome.UNSEEN
    assert outcome(Trick("identity/y", "It tries.", raw=first), bare) is Outcome.UNSEEN
    assert outcome(PLAIN, bare) is Outcome.UNSEEN  # of what is closed


def test_any_other_success_is_suspicious() -> None:
    assert outcome(PLAIN, Answer(200, (), b"what is this")) is Outcome.UNSEEN
    assert outcome(PLAIN, ALLOWED, known=Known(OPEN, None)) is Outcome.UNSEEN


def test_who_is_sent_elsewhere_or_refused_has_got_nothing() -> None:
    assert outcome(PLAIN, Answer(301, (("location", "/"),))) is Outcome.STOPPED
    assert outcome(PLAIN, Answer(400)) is Outcome.STOPPED
    assert outcome(PLAIN) is Outcome.STOPPED
    assert outcome(PLAIN, Answer(401, (("x-auth-request-id", "0"),))) is Outcome.REFUSED


def test_a_redirect_that_the_good_token_got_is_a_success() -> None:
    moved = Answer(302, (), b"to your order")
    assert outcome(PLAIN, moved, known=Known(OPEN, moved)) is Outcome.REACHED


def test_the_upstream_s_own_words_count_most() -> None:
    def echo(target: str, **headers: str) -> Answer:
        fields = [[name.replace("_", "-"), value] for name, value in headers.items()]
        return Answer(200, (), json.dumps({"method": "GET", "target": target, "headers": fields}).encode())

    assert outcome(PLAIN, echo("/x/../orders/7")) is Outcome.REACHED
    assert outcome(SPOOF, echo("/health", X_Auth_Subject=FORGED)) is Outcome.FORGED
    assert outcome(SPOOF, echo("/health")) is Outcome.HARMLESS


def test_the_forged_value_in_any_answer_is_enough() -> None:
    assert outcome(SPOOF, Answer(200, (), b"<td>" + FORGED.encode())) is Outcome.FORGED


async def run(answer: object, tricks: list[Trick], token: str | None = None) -> Notebook:
    notes = Notebook("gateway")
    async with Gate(answer) as gate:  # type: ignore[arg-type]
        way = gate.way()
        open_ = await way.ask("/health")
        target = Target(secret="/orders/7", open="/health", host="gate", token=token)
        await trials.run(way, target, Known(open_, None), tricks, notes, "without a token")
    return notes


async def test_a_gateway_that_lets_nothing_through_is_well() -> None:
    notes = await run(guarded("good"), [PLAIN])
    assert told(notes, "tricks") == ["ok"]
    assert "1 refused" in notes.findings[-1].found


async def test_holes_are_named_with_what_helps() -> None:
    def lax(seen: Seen) -> Reply:
        return echoed(seen)

    notes = await run(lax, [PLAIN, SPOOF])
    assert told(notes, "tricks") == ["error", "error"]
    assert "identity/x got through (forged)" in notes.findings[1].found
    assert "identity headers" in notes.findings[1].remedy


async def test_many_holes_of_one_kind_are_counted() -> None:
    tricks = [Trick(f"spellings/{number}", "It tries.", target="{secret}") for number in range(30)]
    notes = await run(echoed, tricks)
    assert len(notes.findings) == 9
    assert "22 more of spellings" in notes.findings[-1].found


async def test_the_token_is_in_no_finding() -> None:
    notes = await run(echoed, [Trick("identity/t", "It tries.", lines=("X-Auth-Subject: {token}",))], token="to.k.en")
    assert told(notes, "tricks") == ["error"]
    assert "to.k.en" not in str(notes.findings)


@pytest.mark.parametrize("count", [1, 20])
async def test_what_could_not_be_seen_is_told(count: int) -> None:
    tricks = [Trick(f"spellings/{number}", "It tries.", target="{secret}") for number in range(count)]
    dynamic = await run(lambda seen: Reply(200, body=seen.target.encode()), tricks)
    assert told(dynamic, "tricks") == ["warning", "ok"]
    spoofed = await run(guarded("good"), [SPOOF])
    assert told(spoofed, "tricks") == ["note", "ok"]
