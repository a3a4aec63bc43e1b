"""Every series is data: created at zero, folded over processes, and never full of what a client wrote."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bearerd import metrics
from bearerd._native import counters
from bearerd.refusals import Code

LABELS = metrics.Labels(
    resources={"api": ("forward_auth", "introspect"), "web": ("ext_authz",)},
    issuers=("dev", "prod"),
    reasons=("dns", "tls"),
    algorithms=("RS256", "EdDSA"),
)

CONTRACT = """bearerd_decisions_total{resource,face,outcome,code} bearerd_decision_duration_seconds{face}
bearerd_would_refuse_total{resource,code} bearerd_token_cache_hits_total bearerd_token_cache_misses_total
bearerd_token_cache_evictions_total bearerd_token_cache_entries bearerd_token_cache_bytes
bearerd_verifications_total{alg,result} bearerd_token_lifetime_over_hour_total{issuer}
bearerd_key_set_last_success_timestamp_seconds{issuer} bearerd_key_set_info{issuer,hash}
bearerd_key_set_fetch_failures_total{issuer,reason} bearerd_unknown_kid_total{issuer} bearerd_revocations_active
bearerd_revocation_propagation_seconds bearerd_view_age_seconds bearerd_store_up
bearerd_config_last_reload_successful bearerd_config_last_reload_timestamp_seconds
bearerd_certificate_expiry_timestamp_seconds bearerd_worker_restarts_total bearerd_build_info"""


def made() -> metrics.Metrics:
    return metrics.Metrics(None, LABELS)


def samples(*pages: metrics.Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = metrics.render([page.buffer for page in pages]).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def at(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found[(name, frozenset(labels.items()))]


@pytest.mark.parametrize("promised", CONTRACT.split())
def test_the_table_holds_what_the_contract_promises(promised: str) -> None:
    name, _, labels = promised.partition("{")
    assert ",".join(metrics.TABLE[name].labels or ()) == labels.rstrip("}") or name == "bearerd_build_info"


def test_names_carry_their_unit_and_help() -> None:
    for name, row in metrics.TABLE.items():
        assert name.startswith("bearerd_")
        assert row.help.endswith(".")
        assert name.endswith("_total") == (row.kind == counters.COUNTER)
        assert bool(row.bounds) == (row.kind == counters.HISTOGRAM)
        if row.kind == counters.HISTOGRAM:
            assert name.endswith("_seconds")


def test_the_buckets_of_a_decision_run_from_ten_microseconds_to_a_hundred_milliseconds() -> None:
    bounds = metrics.TABLE["bearerd_decision_duration_seconds"].bounds
    assert (bounds[0], bounds[-1]) == (1e-5, 0.1)
    assert list(bounds) == sorted(bounds)


def test_every_series_of_a_closed_set_is_there_at_zero() -> None:
    found = samples(made())
    for face in LABELS.resources["api"]:
        assert at(found, "bearerd_decisions_total", resource="api", face=face, outcome="allow", code="none") == 0
        assert at(found, "bearerd_decisions_total", resource="api", face=face, outcome="challenge", code="expired") == 0
        assert at(found, "bearerd_decisions_total", resource="api", face=face, outcome="forbid", code="forbidden") == 0
    assert at(found, "bearerd_would_refuse_total", resource="web", code="missing_token") == 0
    assert at(found, "bearerd_unknown_kid_total", issuer="prod") == 0
    assert at(found, "bearerd_key_set_fetch_failures_total", issuer="dev", reason="tls") == 0
    assert at(found, "bearerd_verifications_total", alg="EdDSA", result="ok") == 0
    assert at(found, "bearerd_verifications_total", alg="EdDSA", result="bad_signature") == 0
    assert at(found, "bearerd_decision_duration_seconds_bucket", face="python", le="+Inf") == 0
    assert at(found, "bearerd_decision_duration_seconds_bucket", face="-", le="+Inf") == 0
    assert at(found, "bearerd_store_up") == 0
    assert ("bearerd_certificate_expiry_timestamp_seconds", frozenset()) not in found


@pytest.mark.parametrize(
    ("face", "outcome", "code"),
    [
        ("forward_auth", "forbid", "unknown_resource"),
        ("ext_authz", "forbid", "unknown_resource"),
        ("-", "forbid", "head_too_large"),
        ("-", "forbid", "bad_request"),
        ("grpc", "forbid", "head_too_large"),
        ("introspect", "challenge", "invalid_client"),
        ("revoke", "unavailable", "stale_state"),
    ],
)
def test_what_is_refused_before_there_is_a_resource_is_there_at_zero(face: str, outcome: str, code: str) -> None:
    assert at(samples(made()), "bearerd_decisions_total", resource="-", face=face, outcome=outcome, code=code) == 0


def test_what_no_request_can_meet_yet_has_no_series() -> None:
    decisions = [dict(labels) for name, labels in samples(made()) if name == "bearerd_decisions_total"]
    codes = {labels["code"] for labels in decisions}
    assert {"bad_proof", "replayed"}.isdisjoint(codes)
    assert "expired" in codes
    named = {labels["code"] for labels in decisions if labels["resource"] != "-"}
    assert {"unknown_resource", "head_too_large", "invalid_client"}.isdisjoint(named)


def test_counters_add_up_and_gauges_fold_as_the_table_says() -> None:
    one, other = made(), made()
    one.inc("bearerd_token_cache_hits_total")
    other.inc("bearerd_token_cache_hits_total", by=2)
    for page, age, up, entries in ((one, 3.0, 1.0, 10.0), (other, 7.0, 0.0, 5.0)):
        page.set(age, "bearerd_view_age_seconds")
        page.set(up, "bearerd_store_up")
        page.set(entries, "bearerd_token_cache_entries")
    found = samples(one, other)
    assert at(found, "bearerd_token_cache_hits_total") == 3
    assert at(found, "bearerd_view_age_seconds") == 7
    assert at(found, "bearerd_store_up") == 0
    assert at(found, "bearerd_token_cache_entries") == 15


def test_histograms_are_cumulative_over_all_pages() -> None:
    one, other = made(), made()
    for page, values in ((one, (5e-6, 3e-5, 1.0)), (other, (1e-5, 0.05))):
        for value in values:
            page.observe(value, "bearerd_decision_duration_seconds", "python")
    found = samples(one, other)
    name = "bearerd_decision_duration_seconds"
    assert at(found, f"{name}_bucket", face="python", le="1e-05") == 2
    assert at(found, f"{name}_bucket", face="python", le="5e-05") == 3
    assert at(found, f"{name}_bucket", face="python", le="0.1") == 4
    assert at(found, f"{name}_bucket", face="python", le="+Inf") == 5
    assert at(found, f"{name}_count", face="python") == 5
    assert math.isclose(at(found, f"{name}_sum", face="python"), 1.050045)


def test_a_counter_follows_a_total_that_something_else_counts() -> None:
    page = made()
    for total in (3, 3, 10, 10):
        page.follow(total, "bearerd_token_cache_hits_total")
    assert at(samples(page), "bearerd_token_cache_hits_total") == 10


def test_a_process_that_takes_over_a_page_counts_on() -> None:
    first = made()
    first.inc("bearerd_token_cache_hits_total", by=5)
    second = metrics.Metrics(first.buffer, LABELS)
    second.follow(2, "bearerd_token_cache_hits_total")
    assert at(samples(second), "bearerd_token_cache_hits_total") == 7


def test_info_that_is_no_longer_true_and_gauges_of_what_is_gone_disappear() -> None:
    page = made()
    page.set(1, "bearerd_key_set_info", "dev", "aaaa")
    page.set(0, "bearerd_key_set_info", "dev", "bbbb")
    page.set(5, "bearerd_key_set_last_success_timestamp_seconds", "dev")
    page.hide("bearerd_key_set_last_success_timestamp_seconds", "dev")
    found = samples(page)
    assert at(found, "bearerd_key_set_info", issuer="dev", hash="aaaa") == 1
    assert {dict(labels).get("hash") for name, labels in found if name == "bearerd_key_set_info"} == {"aaaa"}
    issuers = {dict(labels)["issuer"] for name, labels in found if name.startswith("bearerd_key_set_last")}
    assert issuers == {"prod"}


def test_a_full_page_costs_series_and_never_a_request() -> None:
    page = metrics.Metrics(bytearray(16384))
    for number in range(200):
        page.inc("bearerd_unknown_kid_total", f"issuer-{number}")
        page.observe(1.0, "bearerd_decision_duration_seconds", f"face-{number}")
        page.set(1.0, "bearerd_key_set_last_success_timestamp_seconds", f"issuer-{number}")
    found = samples(page)
    kept = sum(1 for name, _ in found if name == "bearerd_unknown_kid_total")
    assert 0 < kept < 200
    assert at(found, "bearerd_series_dropped_total") > 0


def test_a_page_has_room_for_all_closed_series_twice() -> None:
    many = {f"resource-{number}": ("forward_auth", "ext_authz", "introspect") for number in range(20)}
    page = metrics.Metrics(None, dataclasses.replace(LABELS, resources=many))
    page.create(
        metrics.Labels({f"later-{number}": ("forward_auth", "ext_authz", "introspect") for number in range(20)})
    )
    assert at(samples(page), "bearerd_series_dropped_total") == 0


def test_labels_are_those_of_the_table() -> None:
    with pytest.raises(ValueError, match="labels"):
        made().inc("bearerd_unknown_kid_total")
    with pytest.raises(KeyError):
        made().inc("bearerd_no_such_total")


def test_a_page_of_another_version_is_read_as_far_as_it_is_known() -> None:
    page = made()
    native = counters.Page(page.buffer)
    for key in (b"not json", b'{"a":1}', b"[]", b"[1]", b'["bearerd_gone_total"]', b'["bearerd_unknown_kid_total"]'):
        native.add(native.series(key, counters.COUNTER), 1)
    assert not any("gone" in name for name, _ in samples(page))


def test_an_empty_page_and_no_page_render() -> None:
    assert metrics.render([]) is not None
    assert samples() == {}
    assert metrics.gather([bytearray(4096)]) == {}


def test_the_docs_hold_every_series() -> None:
    text = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()
    assert metrics.markdown() in text


def test_every_code_label_is_a_code() -> None:
    codes = {dict(labels)["code"] for name, labels in samples(made()) if name == "bearerd_would_refuse_total"}
    assert codes <= set(Code)
