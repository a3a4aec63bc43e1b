"""Every series, as data: written to cells of shared memory by a process, read from all pages at a scrape.

``TABLE`` is the one list: pages, exposition, docs/metrics.md and the tests are made from it.  A series of a closed set is
created at zero, so that a rate over it is right from the first event on.  No label holds anything a client wrote.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd._native import counters
from bearerd.refusals import TABLE as REFUSALS
from bearerd.refusals import Code, Outcome
from bearerd.series import APPROVAL_EVENTS, APPROVAL_WEBHOOKS, FAST, HANDSHAKES, SLOW, Fold, Series
from bearerd.series import counter as _counter
from bearerd.series import gauge as _gauge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Buffer

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NO_RESOURCE: Final = "-"  # no name of a resource begins so
NO_FACE: Final = "-"  # refused before it came to a face
NO_CODE: Final = "none"  # the code label of an allow
HITS: Final = "bearerd_token_cache_hits_total"
MISSES: Final = "bearerd_token_cache_misses_total"

FACES: Final = ("forward_auth", "ext_authz", "grpc", "mcp", "introspect", "revoke", "python")
"""The ``face`` label.  A resource's decisions are pre-created for the faces that it answers."""

SNAPSHOT_REASONS: Final = (
    *("unreadable", "truncated", "corrupt", "forged", "wrong_schema", "foreign_fleet"),
    *("future", "too_old", "too_large"),
)
"""Why a snapshot of the revocations is refused (``store.snapshot.Reason``)."""

SERVING: Final = ("fresh", "stale", "refused")
"""How a resource is served (``policy.staleness.Serving``)."""

_ROWS: Final = (
    _counter(
        "bearerd_decisions_total", "Decisions; code: the refusal's, or none.", "resource", "face", "outcome", "code"
    ),
    Series(
        "bearerd_decision_duration_seconds",
        counters.HISTOGRAM,
        "From a parsed request to its answer, waiting for keys included.",
        ("face",),
        bounds=FAST,
    ),
    _counter("bearerd_would_refuse_total", "What shadow rules and resources would have refused.", "resource", "code"),
    _counter(HITS, "Decisions of a token that was found verified."),
    _counter(MISSES, "Decisions of a token that was not: verified anew, or refused, also from memory."),
    _counter("bearerd_token_cache_evictions_total", "Tokens dropped for the least recently used."),
    _counter("bearerd_refused_token_hits_total", "Tokens refused from memory, without a signature check."),
    _gauge("bearerd_token_cache_entries", "Verified tokens held, all workers.", fold=Fold.SUM),
    _gauge("bearerd_token_cache_bytes", "Bytes that they take.", fold=Fold.SUM),
    _counter("bearerd_verifications_total", "Signature checks; result is ok or the refusal's code.", "alg", "result"),
    _counter("bearerd_token_lifetime_over_hour_total", "Tokens verified whose exp - iat is above an hour.", "issuer"),
    _counter(
        "bearerd_issuer_clock_ahead_total",
        "Tokens verified whose iat was ahead of our clock by more than cutoff_slack: cut-offs do not bind such a clock.",
        "issuer",
    ),
    _gauge("bearerd_key_set_last_success_timestamp_seconds", "When the key set was last fetched; 0: never.", "issuer"),
    _gauge(
        "bearerd_key_set_info", "1 for the key set in use, by the head of its hash.", "issuer", "hash", hide_zero=True
    ),
    _counter("bearerd_key_set_fetch_failures_total", "Fetches of metadata or keys that failed.", "issuer", "reason"),
    _counter("bearerd_unknown_kid_total", "Tokens that named a key which the set did not hold.", "issuer"),
    _gauge("bearerd_apikeys_active", "API keys that are neither expired nor revoked."),
    _counter("bearerd_apikey_lookups_total", "API keys read from the store, by what came of it.", "result"),
    _gauge("bearerd_revocations_active", "Revocations in force."),
    _counter(
        "bearerd_revocation_requests_total",
        "POST /revoke by callers that may; result: enforced, stored, none or full.",
        "result",
    ),
    Series(
        "bearerd_revocation_propagation_seconds",
        counters.HISTOGRAM,
        "From the store's time of a revocation to its enforcement in a worker.",
        bounds=SLOW,
    ),
    _gauge("bearerd_view_age_seconds", "Age of the oldest view of the revocations among the workers."),
    _gauge(
        "bearerd_resource_serving",
        "Workers that serve a resource so: by a fresh view, by a stale one (available), or not at all.",
        "resource",
        "state",
        fold=Fold.SUM,
    ),
    _gauge(
        "bearerd_snapshot_timestamp_seconds",
        "When the revocations were as the snapshot on disk has them; 0: there is none that is any good.",
    ),
    _counter("bearerd_snapshot_writes_total", "Snapshots written; result: ok or failed.", "result"),
    _counter("bearerd_snapshot_refused_total", "Snapshots that were there at a start and not used.", "reason"),
    _gauge(
        "bearerd_clock_behind_seconds", "How far the wall clock lies behind what it said before; exp is judged by that."
    ),
    _gauge("bearerd_store_up", "1 while every worker reaches the store.", fold=Fold.SMALLEST),
    _counter(
        "bearerd_store_entries_refused_total",
        "Revocations read that are not from the fleet: forged, or of another key.",
    ),
    _gauge("bearerd_config_last_reload_successful", "1 while the configuration on disk is in use.", fold=Fold.SMALLEST),
    _gauge("bearerd_config_last_reload_timestamp_seconds", "When a configuration was last taken into use."),
    _gauge("bearerd_certificate_expiry_timestamp_seconds", "notAfter of the server's certificate.", fold=Fold.SMALLEST),
    _gauge(
        "bearerd_certificate_last_reload_successful",
        "1 while the files of [server.tls] are in use as they are on disk.",
        fold=Fold.SMALLEST,
    ),
    _counter("bearerd_tls_handshakes_total", "TLS handshakes; result: ok, or why there was no connection.", "result"),
    _counter(
        "bearerd_approvals_total", "What became of approvals that rules with confirm opened.", "resource", "event"
    ),
    _counter("bearerd_approval_webhooks_total", "Attempts to tell approvers; result: failed is tried again.", "result"),
    _counter("bearerd_worker_restarts_total", "Workers that ended unasked and were replaced."),
    _counter("bearerd_log_lines_dropped_total", "Log lines that found their reader too slow."),
    _counter(
        "bearerd_decision_lines_suppressed_total",
        "Decisions counted whose line was not written: beyond refusal_logs_per_second, or its note was overwritten first.",
    ),
    _counter("bearerd_audit_records_total", "Audit records; result: queued, dropped, or refused: no room.", "result"),
    _counter(
        "bearerd_sensitive_found_total", "Audited calls in whose arguments a pattern was found.", "resource", "pattern"
    ),
    _gauge("bearerd_audit_waiting", "Audit records that wait for the slowest sink, all workers.", fold=Fold.SUM),
    _gauge("bearerd_audit_sink_up", "1 while every worker's sink takes records.", "sink", fold=Fold.SMALLEST),
    _counter("bearerd_series_dropped_total", "Series that found the page full; their counts are lost."),
    _gauge("bearerd_build_info", "Always 1.", "version", "python", hide_zero=True),
)

TABLE: Final[dict[str, Series]] = {row.name: row for row in _ROWS}

_DROPPED: Final = "bearerd_series_dropped_total"
_ALONE: Final = frozenset(  # written only where there is such a thing
    {"bearerd_certificate_expiry_timestamp_seconds", "bearerd_certificate_last_reload_successful"}
)

# Before a resource is known, or by a caller, or not at all yet: never counted under a resource's name.
_ELSEWHERE: Final = {Code.UNKNOWN_RESOURCE, Code.HEAD_TOO_LARGE, Code.INVALID_CLIENT}
_CODES: Final = tuple(code for code, row in REFUSALS.items() if row.introduced_by is None and code not in _ELSEWHERE)
# And what may be counted under none, where a resource, a caller, or nobody yet was asked for.
_OURS: Final = (Code.BAD_REQUEST, Code.OVERLOADED, Code.INTERNAL_ERROR)
_NAMELESS: Final = (Code.UNKNOWN_RESOURCE, Code.HEAD_TOO_LARGE, Code.UNTRUSTED_PEER, Code.AMBIGUOUS_PATH, *_OURS)
_CALLING: Final = (Code.INVALID_CLIENT, Code.NOT_YET_VALID, Code.STALE_STATE, Code.ISSUER_UNAVAILABLE, *_OURS)

_ONE_LABEL: Final[dict[str, tuple[str, ...]]] = {
    "bearerd_decision_duration_seconds": (*FACES, NO_FACE),
    "bearerd_revocation_requests_total": ("enforced", "stored", "none", "full"),
    "bearerd_apikey_lookups_total": ("found", "unknown", "forged", "failed"),
    "bearerd_snapshot_writes_total": ("ok", "failed"),
    "bearerd_snapshot_refused_total": SNAPSHOT_REASONS,
    "bearerd_audit_records_total": ("queued", "dropped", "refused"),
    "bearerd_tls_handshakes_total": HANDSHAKES,
    "bearerd_approval_webhooks_total": APPROVAL_WEBHOOKS,
}


@dataclass(frozen=True, slots=True)
class Labels:
    """What the closed labels can be, of one configuration."""

    resources: Mapping[str, Collection[str]] = field(default_factory=dict)  # each name with the faces that it answers
    issuers: Collection[str] = ()
    reasons: Collection[str] = ()  # of failed fetches
    algorithms: Collection[str] = ()


def closed(labels: Labels) -> Iterator[tuple[str, ...]]:
    """(name, label values…) of every series that is created at zero."""
    for row in _ROWS:
        if not row.labels and row.name not in _ALONE:
            yield (row.name,)
    for name, values in _ONE_LABEL.items():
        for value in values:
            yield name, value
    for face in (*FACES, NO_FACE):
        for code in _CALLING if face in {"introspect", "revoke"} else _NAMELESS:
            yield "bearerd_decisions_total", NO_RESOURCE, face, REFUSALS[code].outcome, code
    for algorithm in labels.algorithms:
        for result in ("ok", Code.BAD_SIGNATURE):
            yield "bearerd_verifications_total", algorithm, result
    for resource, faces in labels.resources.items():
        for state in SERVING:
            yield "bearerd_resource_serving", resource, state
        for event in APPROVAL_EVENTS:
            yield "bearerd_approvals_total", resource, event
        for face in faces:
            yield "bearerd_decisions_total", resource, face, Outcome.ALLOW, NO_CODE
            for code in _CODES:
                yield "bearerd_decisions_total", resource, face, REFUSALS[code].outcome, code
        for code in _CODES:
            yield "bearerd_would_refuse_total", resource, code
    for issuer in labels.issuers:
        yield "bearerd_token_lifetime_over_hour_total", issuer
        yield "bearerd_issuer_clock_ahead_total", issuer
        yield "bearerd_key_set_last_success_timestamp_seconds", issuer
        yield "bearerd_unknown_kid_total", issuer
        for reason in labels.reasons:
            yield "bearerd_key_set_fetch_failures_total", issuer, reason


def page_size(labels: Labels) -> int:
    """Bytes for a page: the closed series, as much again for a reload that adds some, and room for the open ones."""
    total = 0
    for series in closed(labels):
        bounds = TABLE[series[0]].bounds
        total += 64 + len(_key(series)) + 16 * (len(bounds) + 2)
    return (2 * total + (1 << 17) + 4095) & ~4095


def _key(series: Sequence[str]) -> bytes:
    return orjson.dumps([str(part) for part in series])


class Metrics:
    """The series of one process, in its page."""

    def __init__(self, page: Buffer | None = None, labels: Labels = Labels()) -> None:
        """``page``: shared memory of ``page_size`` bytes; None: memory of this process alone."""
        self.buffer: Buffer = bytearray(page_size(labels)) if page is None else page
        self.page = counters.Page(self.buffer)
        self._cells: dict[tuple[str, ...], int | None] = {}
        self._seen: dict[tuple[str, ...], float] = {}
        self._dropped = self.page.series(_key((_DROPPED,)), counters.COUNTER)
        self.create(labels)

    def create(self, labels: Labels) -> None:
        """Create the closed series at zero (those that exist keep their values)."""
        for series in closed(labels):
            self.cell(*series)

    def cell(self, *series: str) -> int | None:
        """The cell of (name, label values…); None where the page is full, which is counted once a series."""
        try:
            return self._cells[series]
        except KeyError:
            pass
        row = TABLE[series[0]]
        if len(series) != 1 + len(row.labels):
            raise ValueError(f"{row.name} has the labels {row.labels}")
        cell: int | None
        try:
            cell = self.page.series(_key(series), row.kind, row.bounds)
        except MemoryError:
            cell = None
            self.page.add(self._dropped)
        self._cells[series] = cell
        return cell

    def inc(self, *series: str, by: float = 1.0) -> None:
        """Add to a counter."""
        cell = self._cells.get(series) or self.cell(*series)
        if cell is not None:
            self.page.add(cell, by)

    def set(self, value: float, *series: str) -> None:
        """Set a gauge."""
        cell = self.cell(*series)
        if cell is not None:
            self.page.set(cell, value)

    def observe(self, value: float, *series: str) -> None:
        """Count a value in a histogram."""
        cell = self.cell(*series)
        if cell is not None:
            self.page.observe(cell, value)

    def hide(self, *series: str) -> None:
        """Take a gauge out of the exposition: what it measured is gone."""
        self.set(math.nan, *series)

    def follow(self, total: float, *series: str) -> None:
        """Bring a counter up to a total that something else in this process counts (from its start)."""
        before = self._seen.get(series, 0.0)
        if total > before:
            self._seen[series] = total
            self.inc(*series, by=total - before)


def gather(pages: Iterable[Buffer]) -> dict[tuple[str, ...], tuple[float, ...]]:
    """The values of every series, folded over all pages; a histogram has its buckets (not cumulative), then its sum."""
    found: dict[tuple[str, ...], tuple[float, ...]] = {}
    for page in pages:
        for key, _, _, values in counters.read(page):
            series = _series(key)
            if series is None or math.isnan(values[0]):
                continue
            before = found.get(series)
            found[series] = values if before is None else _fold(TABLE[series[0]], before, values)
    return found


def _series(key: bytes) -> tuple[str, ...] | None:
    """A key read back; None where it is not one of ours (a page that another version left)."""
    try:
        parts = orjson.loads(key)
    except ValueError:
        return None
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
        return None
    row = TABLE.get(parts[0])
    return tuple(parts) if row is not None and len(parts) == 1 + len(row.labels) else None


def _fold(row: Series, one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    if row.fold is Fold.SUM:
        return tuple(a + b for a, b in zip(one, other, strict=False))
    choose = max if row.fold is Fold.LARGEST else min
    return tuple(choose(a, b) for a, b in zip(one, other, strict=False))


def render(pages: Iterable[Buffer]) -> bytes:
    """The exposition in Prometheus' text format, version 0.0.4."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(gather(pages)))
    return generate_latest(registry)


class _Collector:
    """Turns gathered values into prometheus_client's families, in the order of the table."""

    def __init__(self, found: Mapping[tuple[str, ...], tuple[float, ...]]) -> None:
        self._rows: dict[str, list[tuple[tuple[str, ...], tuple[float, ...]]]] = {name: [] for name in TABLE}
        for series, values in sorted(found.items()):
            self._rows[series[0]].append((series[1:], values))

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        for name, samples in self._rows.items():
            row = TABLE[name]
            if row.kind == counters.HISTOGRAM:
                histogram = HistogramMetricFamily(name, row.help, labels=row.labels)
                for labels, values in samples:
                    histogram.add_metric(labels, _cumulative(row.bounds, values), values[-1])
                yield histogram
                continue
            family = (CounterMetricFamily if row.kind == counters.COUNTER else GaugeMetricFamily)(
                name, row.help, labels=row.labels
            )
            for labels, values in samples:
                if values[0] or not row.hide_zero:
                    family.add_metric(labels, values[0])
            yield family


def _cumulative(bounds: tuple[float, ...], values: tuple[float, ...]) -> list[tuple[str, float]]:
    total = 0.0
    buckets = []
    for bound, count in zip((*map(str, bounds), "+Inf"), values, strict=False):
        total += count
        buckets.append((bound, total))
    return buckets


def markdown() -> str:
    """The table of docs/metrics.md."""
    kinds = {counters.COUNTER: "counter", counters.GAUGE: "gauge", counters.HISTOGRAM: "histogram"}
    lines = ["| name | type | labels | over workers | meaning |", "|---|---|---|---|---|"]
    for row in _ROWS:
        labels = ", ".join(f"`{label}`" for label in row.labels) or "–"
        lines.append(f"| `{row.name}` | {kinds[row.kind]} | {labels} | {row.fold} | {row.help} |")
    return "\n".join(lines)
