"""The bearerd that runs with the configuration, by what its readiness probe says."""

from __future__ import annotations

from typing import Any

from bearerd.doctor.finding import Finding, Notebook


def examine(address: str, status: int | None, document: Any) -> list[Finding]:
    """Findings from the answer to ``/readyz``; None: nobody answers there."""
    notes = Notebook("service")
    if status is None:
        notes.note(
            "ready",
            f"no bearerd runs with this configuration: nobody answers on {address}",
            "bearerd serve --config FILE",
        )
    elif status not in (200, 503) or not isinstance(document, dict) or "components" not in document:
        notes.error(
            "ready",
            f"who answers on {address} is not bearerd",
            "look who listens there; give server.probes another port",
        )
    else:
        _look(document, notes)
    return notes.findings


def _look(document: dict[str, Any], notes: Notebook) -> None:
    parts = dict(document["components"])
    issuers = parts.pop("issuers", None) or {}
    resources = parts.pop("resources", None) or {}
    states = [*parts.items(), *((f"issuer {name}", state) for name, state in issuers.items())]
    states += [(f"resource {name}", state) for name, state in resources.items()]
    bad = [f"{name} {state}" for name, state in states if state != "ok"]
    if not document.get("ready"):
        notes.error(
            "ready",
            f"not ready: {', '.join(bad) or 'it does not say why'}",
            "bearerd health, docs/operations.md#probes; the log says more",
        )
    elif bad:
        notes.warning("ready", f"ready, and yet: {', '.join(bad)}", "docs/operations.md#probes; the log says more")
    else:
        notes.ok("ready", "ready, every component ok")
    since = document.get("since") or {}
    for warning in map(str, document.get("warnings", ())):
        if warning.startswith("insecure_issuer:"):
            notes.note("warning", warning, "http issuers are for the development profile")
        else:
            found = f"{warning} since {since[warning]}" if warning in since else warning
            notes.warning("warning", found, "docs/operations.md#probes has what it means")
