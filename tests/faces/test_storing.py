"""Whether an answer may be kept, in the words of each gateway."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.policies import asked, decided, resource, verified

from bearerd.decision import Decision
from bearerd.faces import answer, forward_auth

DIALECTS = ("nginx", "forwarded", "envoy")


def allowed(seconds: int) -> Decision:
    decision = decided(resource(), asked(), verified())
    assert decision.reuse is not None
    return replace(decision, reuse=decision.reuse._replace(cacheable=seconds))


def said(seconds: int, dialect: str) -> dict[str, str]:
    headers = answer.answer(allowed(seconds), "", dialect).headers
    return {name: value for name, value in headers if name in ("Cache-Control", "X-Accel-Expires", "Vary", "Expires")}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nobody_may_keep_an_answer_by_default(dialect: str) -> None:
    assert said(0, dialect) == {"Cache-Control": "no-store"}
    without = replace(allowed(5), reuse=None)
    assert ("Cache-Control", "no-store") in answer.answer(without, "", dialect).headers
    assert not any(name in ("X-Accel-Expires", "Vary") for name, _ in answer.answer(without, "", dialect).headers)


@pytest.mark.parametrize(("seconds", "told"), [(1, None), (2, "1"), (5, "4"), (60, "59")])
def test_nginx_is_told_a_second_less_for_it_keeps_an_answer_to_the_end_of_its_last_second(
    seconds: int, told: str | None
) -> None:
    assert said(seconds, "nginx").get("X-Accel-Expires") == told
    assert said(seconds, "nginx")["Cache-Control"] == "no-store"  # to any other cache on the way


def test_other_gateways_are_told_by_cache_control_and_never_to_use_it_stale() -> None:
    assert said(1, "forwarded")["Cache-Control"] == "max-age=1, must-revalidate"
    assert said(60, "forwarded")["Cache-Control"] == "max-age=60, must-revalidate"


def test_envoy_is_told_nothing_for_its_answers_depend_on_what_no_key_holds() -> None:
    assert said(60, "envoy") == {"Cache-Control": "no-store"}


@pytest.mark.parametrize("dialect", forward_auth.FAMILIES)
def test_vary_names_all_that_bearerd_reads(dialect: str) -> None:
    family = forward_auth.FAMILIES[dialect]
    read = {b"authorization", family.method, family.target, family.host, *family.also}
    read |= {b"origin", b"access-control-request-method"}
    vary = said(5, dialect)["Vary"]
    assert {name.strip().lower().encode() for name in vary.split(",")} == read
    assert len(vary) <= 128  # nginx keeps nothing with a longer one


def test_a_refusal_is_never_kept_whatever_it_carries() -> None:
    refused = replace(allowed(60), allowed=False, status=403)
    for dialect in DIALECTS:
        headers = answer.answer(refused, "", dialect).headers
        assert ("Cache-Control", "no-store") in headers
        assert not any(name == "X-Accel-Expires" for name, _ in headers)
