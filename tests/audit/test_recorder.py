"""One decision: one count, one duration, one line where lines are wanted, and never a token."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support.house import token

from bearerd import metrics
from bearerd import request as view
from bearerd.audit import recorder
from bearerd.audit.record import Step
from bearerd.audit.recorder import Recorder, Trail
from bearerd.audit.subjects import subject_key
from bearerd.decision import Decision, WouldRefuse
from bearerd.errors import BearerdError
from bearerd.mcp.operation import Misread, Operation
from bearerd.refusals import TABLE, Code, Outcome, Refusal
from bearerd.verify.verified import Claims, Verified

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = token().encode()
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

ALLOW = Decision(True, Outcome.ALLOW, None, 200, "api", rule=1)


def refused(code: Code = Code.EXPIRED, **more: Any) -> Decision:
    row = TABLE[code]
    return Decision(False, row.outcome, code, row.status, "api", **more)


def made(**more: Any) -> Recorder:
    settings = {"ring_size": 10, "refusals_per_second": 100} | more
    return Recorder(metrics.Metrics(None, metrics.Labels({"api": ("forward_auth",)})), **settings)


def verified(**changes: Any) -> Verified:
    fields: dict[str, Any] = {
        "issuer": "https://issuer.example",
        "subject": "alice",
        "client": "app",
        "session": None,
        "scopes": (),
        "roles": (),
        "audience": (),
        "issued_at": 1.0,
        "expires_at": 2.0,
        "token_id": "00" * 32,
        "thumbprint": "t",
        "alg": "ES256",
        "kid": "k1",
        "confirmed": False,
        "claims": Claims.of({}),
        "key_generation": 1,
    }
    return Verified(**(fields | changes))


def asked(*headers: tuple[bytes, bytes], method: str | None = "GET") -> view.Request:
    return view.of(method, b"/orders/1", headers=[(b"Authorization", b"Bearer " + TOKEN), *headers], peer="10.0.0.1")


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record)["fields"] for record in caplog.records]


def value(found: Recorder, *series: str) -> float:
    return metrics.gather([found.metrics.buffer])[series][0]


def test_a_refusal_is_counted_logged_and_remembered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = made()
    trail = Trail(
        token=TOKEN,
        verified=verified(),
        cache="hit",
        template="/orders/**",
        steps=(Step("decision", False, "expired"),),
    )
    decision = refused(detail="exp has passed", hints=("expired 3 s ago",), rule=2)
    request_id = found.record("forward_auth", decision, asked((b"Traceparent", TRACE)), 0.00123, trail)
    (line,) = lines(caplog)
    assert len(request_id) == 32
    assert line.pop("token_id") == hashlib.sha256(TOKEN.rpartition(b".")[0]).hexdigest()
    assert line == {
        "outcome": "challenge",
        "code": "expired",
        "resource": "api",
        "face": "forward_auth",
        "rule": 2,
        "http.request.method": "GET",
        "url.template": "/orders/**",
        "detail": "exp has passed",
        "hints": ["expired 3 s ago"],
        "cache": "hit",
        "duration_us": 1230,
        "request_id": request_id,
        "traceparent": TRACE.decode(),
        "peer": "10.0.0.1",
        "iss": "https://issuer.example",
        "sub": "alice",
        "client": "app",
        "kid": "k1",
        "alg": "ES256",
    }
    assert value(found, "bearerd_decisions_total", "api", "forward_auth", "challenge", "expired") == 1
    durations = metrics.gather([found.metrics.buffer])[("bearerd_decision_duration_seconds", "forward_auth")]
    assert (sum(durations[:-1]), durations[-1]) == (1, 0.00123)
    kept = found.ring.find(request_id)
    assert kept is not None
    assert kept["steps"] == [{"step": "decision", "ok": False, "detail": "expired"}]
    assert TOKEN.decode() not in json.dumps([line, kept])


def test_an_allow_is_counted_and_has_no_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = made()
    assert found.record("forward_auth", ALLOW, asked(), 0.0) == ""
    assert value(found, "bearerd_decisions_total", "api", "forward_auth", "allow", "none") == 1
    assert not caplog.records
    assert len(found.ring) == 0


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.25, 25), (1.0, 100)])
def test_allows_are_sampled_evenly(caplog: pytest.LogCaptureFixture, share: float, expected: int) -> None:
    caplog.set_level(logging.INFO)
    found = made(log_allows=share)
    for _ in range(100):
        found.record("forward_auth", ALLOW, asked(), 0.0)
    assert len(caplog.records) == expected


def test_refusals_beyond_the_burst_are_counted_and_kept_but_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = made(refusals_per_second=3)
    ids = [found.record("forward_auth", refused(), asked(), 0.0) for _ in range(8)]
    written = len(caplog.records)
    assert 3 <= written < 8
    assert value(found, "bearerd_decision_lines_suppressed_total") == 8 - written
    assert value(found, "bearerd_decisions_total", "api", "forward_auth", "challenge", "expired") == 8
    assert all(found.ring.find(name) for name in ids)


def test_what_shadow_would_refuse_is_counted_and_logged_although_it_is_allowed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    found = made()
    decision = Decision(
        True,
        Outcome.ALLOW,
        None,
        200,
        "api",
        would_refuse=(WouldRefuse(Code.FORBIDDEN, 3), WouldRefuse(Code.EXPIRED, None)),
    )
    assert found.record("forward_auth", decision, asked(), 0.0) == ""
    (line,) = lines(caplog)
    assert line["would_refuse"] == [{"code": "forbidden", "rule": 3}, {"code": "expired", "rule": None}]
    assert value(found, "bearerd_would_refuse_total", "api", "forbidden") == 1
    assert value(found, "bearerd_would_refuse_total", "api", "expired") == 1


def test_a_resource_that_does_not_exist_is_no_label() -> None:
    found = made()
    decision = Decision(False, Outcome.FORBID, Code.UNKNOWN_RESOURCE, 403, "whatever-a-client-wrote")
    found.record("forward_auth", decision, asked(), 0.0)
    assert value(found, "bearerd_decisions_total", "-", "forward_auth", "forbid", "unknown_resource") == 1


@pytest.mark.parametrize(
    ("code", "level"), [(Code.EXPIRED, "INFO"), (Code.STALE_STATE, "WARNING"), (Code.INTERNAL_ERROR, "ERROR")]
)
def test_the_level_says_whose_fault_it_is(caplog: pytest.LogCaptureFixture, code: Code, level: str) -> None:
    caplog.set_level(logging.INFO)
    made().record("forward_auth", refused(code), None, 0.0)
    assert caplog.records[0].levelname == level


@pytest.mark.parametrize(
    ("given", "written"),
    [("GET", "GET"), ("QUERY", "QUERY"), ("get", "_OTHER"), (TOKEN.decode(), "_OTHER"), (None, None)],
)
def test_a_method_is_a_known_one_or_other(
    caplog: pytest.LogCaptureFixture, given: str | None, written: str | None
) -> None:
    caplog.set_level(logging.INFO)
    made().record("forward_auth", refused(), asked(method=given), 0.0)
    assert lines(caplog)[0].get("http.request.method") == written


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"traceparent", TOKEN)],
        [(b"traceparent", TRACE.upper())],
        [(b"traceparent", TRACE), (b"TraceParent", TRACE)],
    ],
)
def test_a_trace_that_is_none_is_not_repeated(
    caplog: pytest.LogCaptureFixture, headers: list[tuple[bytes, bytes]]
) -> None:
    caplog.set_level(logging.INFO)
    made().record("forward_auth", refused(), asked(*headers), 0.0)
    assert "traceparent" not in lines(caplog)[0]


def test_claims_that_look_like_credentials_are_taken_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    secret = TOKEN.decode()
    trail = Trail(token=TOKEN, verified=verified(subject=secret, client=secret, kid=secret))
    name = made().record("forward_auth", refused(detail=secret, hints=(secret,)), asked(), 0.0, trail)
    assert secret[:40] not in json.dumps(lines(caplog))
    assert name in json.dumps(lines(caplog))


def test_the_subject_is_a_keyed_digest_on_request(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO)
    one, same = (made(subject_key=subject_key(None, tmp_path)) for _ in range(2))
    other = made(subject_key=subject_key(b"fleet key", tmp_path))
    for found in (one, same, other):
        found.record("forward_auth", refused(), asked(), 0.0, Trail(verified=verified()))
    first, second, third = (line["sub"] for line in lines(caplog))
    assert first == second != third
    assert "alice" not in first
    file = tmp_path / "subject.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["subject.key"]
    one.configure(log_allows=0.0, subject_key=None)
    assert one.subject("alice") == "alice"


@pytest.mark.parametrize("spoilt", ["writable", "linked", "empty", "long"])
def test_a_key_that_somebody_else_may_have_chosen_hides_nobody(tmp_path: Path, spoilt: str) -> None:
    file = tmp_path / "subject.key"
    subject_key(None, tmp_path)
    if spoilt == "writable":
        file.chmod(0o622)
    elif spoilt == "linked":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file.write_bytes(b"" if spoilt == "empty" else b"k" * 33)
    with pytest.raises((OSError, BearerdError)):
        subject_key(None, tmp_path)


def test_a_revocation_by_a_caller_is_told_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = made()
    found.revocation("enforced", "svc", {"resource": "api", "sequence": 7})
    (line,) = lines(caplog)
    assert line == {"result": "enforced", "caller": "svc", "resource": "api", "sequence": 7}
    assert value(found, "bearerd_revocation_requests_total", "enforced") == 1


def test_the_ring_forgets_the_oldest() -> None:
    found = made(ring_size=3)
    ids = [found.record("forward_auth", refused(), asked(), 0.0) for _ in range(5)]
    assert [found.ring.find(name) is not None for name in ids] == [False, False, True, True, True]
    assert [entry["request_id"] for entry in found.ring.last(2)] == [ids[4], ids[3]]
    assert found.ring.last(0) == []
    assert found.ring.find("0" * 32) is None


def test_the_ring_keeps_what_was_asked_of_an_mcp_server_and_nothing_of_the_message() -> None:
    found = made()
    operation = Operation("tools/call", "drop", "body", "2025-11-25", {"a": "x" * 1000}, "y" * 1000, {"z": {}})
    misread = Misread(Refusal(Code.BAD_REQUEST, "not JSON"), "body", -32700, "y" * 1000)
    request = asked()
    first = found.record("mcp", refused(), request._replace(operation=operation), 0.0)
    second = found.record("mcp", refused(), request._replace(misread=misread), 0.0)
    kept = [found.ring.find(one) or {} for one in (first, second)]
    assert [one["mcp.mode"] for one in kept] == ["body", "body"]
    assert kept[0]["gen_ai.tool.name"] == "drop"
    one, other = found.ring._records[first], found.ring._records[second]
    assert one.operation == Operation("tools/call", "drop", "body", "2025-11-25")
    assert other.misread == misread._replace(id=None)


def test_faults_are_told_by_place_and_cannot_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    found = made()
    for _ in range(50):
        found.fault("a face failed", ValueError("canary"))
    assert 1 <= len(caplog.records) <= recorder.FAULTS_PER_SECOND + 1
