"""What verification and key sets report becomes counts."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from support.house import key

from bearerd import metrics
from bearerd._native import clock
from bearerd.audit.watch import Watch
from bearerd.errors import IssuerFault
from bearerd.issuers import keyset
from bearerd.issuers.keyset import Origin, Validators
from bearerd.limits import Limits
from bearerd.refusals import Code

if TYPE_CHECKING:
    import pytest


def key_set(kid: str) -> keyset.KeySet:
    return keyset.read(
        {"keys": [key(kid=kid)]}, Origin.INLINE, Validators(None, None, 5.0, math.inf), ("ES256",), Limits()
    )


def test_reports_become_counts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    counted = metrics.Metrics(None, metrics.Labels(issuers=("dev",)))
    watch = Watch(counted)
    watch.checked("ES256", "ok")()
    watch.checked("ES256", Code.BAD_SIGNATURE)()
    watch.lifetime_over_hour("dev")
    watch.lifetime_over_hour("dev")
    watch.unknown_kid("dev")
    watch.failed("dev", IssuerFault("timeout", "too slow"))
    watch.failed("dev", IssuerFault("made up", "whatever"))
    one, other = key_set("k1"), key_set("k2")
    watch.loaded("dev", one)
    watch.loaded("dev", one)
    watch.loaded("dev", other)
    found = metrics.gather([counted.buffer])
    assert found[("bearerd_verifications_total", "ES256", "ok")] == (1.0,)
    assert found[("bearerd_verifications_total", "ES256", "bad_signature")] == (1.0,)
    assert found[("bearerd_token_lifetime_over_hour_total", "dev")] == (2.0,)
    assert found[("bearerd_unknown_kid_total", "dev")] == (1.0,)
    assert found[("bearerd_key_set_fetch_failures_total", "dev", "timeout")] == (1.0,)
    assert found[("bearerd_key_set_fetch_failures_total", "dev", "internal")] == (1.0,)
    assert found[("bearerd_key_set_last_success_timestamp_seconds", "dev")] == (5.0,)
    assert found[("bearerd_key_set_info", "dev", one.hash[:16])] == (0.0,)
    assert found[("bearerd_key_set_info", "dev", other.hash[:16])] == (1.0,)
    assert [record.getMessage() for record in caplog.records] == ["tokens of this issuer live longer than an hour"]


def test_an_issuer_whose_clock_is_ahead_is_counted_and_told_of_once_an_hour(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = metrics.Metrics(None, metrics.Labels(issuers=("dev",)))
    watch = Watch(counted)
    boot = clock.boot()
    for seconds in (0, 1, 3599, 3600, 3601):
        monkeypatch.setattr(clock, "boot", lambda seconds=seconds: boot + seconds)
        watch.clock_ahead("dev", 3.04)
    assert metrics.gather([counted.buffer])[("bearerd_issuer_clock_ahead_total", "dev")] == (5.0,)
    assert [record.fields["seconds"] for record in caplog.records] == [3.0, 3.0]  # type: ignore[attr-defined]


def test_an_issuer_that_left_leaves_no_gauge() -> None:
    counted = metrics.Metrics(None, metrics.Labels(issuers=("dev",)))
    watch = Watch(counted)
    watch.loaded("dev", key_set("k1"))
    watch.forget("dev")
    watch.forget("nobody")
    found = metrics.gather([counted.buffer])
    assert ("bearerd_key_set_last_success_timestamp_seconds", "dev") not in found
    assert all(values == (0.0,) for series, values in found.items() if series[0] == "bearerd_key_set_info")
