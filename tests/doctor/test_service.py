"""What the readiness probe says, as findings."""

from __future__ import annotations

from typing import Any

import pytest
from support.gate import told

from bearerd.doctor import service

WELL: dict[str, Any] = {
    "ready": True,
    "components": {
        "workers": "ok",
        "store": "ok",
        "configuration": "ok",
        "issuers": {"a": "ok"},
        "resources": {"r": "ok"},
    },
}


def look(status: int | None, document: Any) -> list[Any]:
    return service.examine("127.0.0.1:9182", status, document)


def test_a_ready_bearerd_is_well() -> None:
    assert told(look(200, WELL), "ready") == ["ok"]


def test_nobody_there_is_a_note_only() -> None:
    assert told(look(None, None), "ready") == ["note"]


@pytest.mark.parametrize("document", ["nginx", {}, None])
def test_somebody_else_there_is_an_error(document: Any) -> None:
    assert told(look(200, document), "ready") == ["error"]


def test_what_is_not_ok_is_named() -> None:
    bad = {
        "ready": False,
        "components": WELL["components"] | {"store": "unreachable", "resources": {"r": "stale_state"}},
    }
    (fault,) = look(503, bad)
    assert (fault.severity, fault.found) == ("error", "not ready: store unreachable, resource r stale_state")
    (fault,) = look(200, bad | {"ready": True})
    assert fault.severity == "warning"


def test_warnings_are_handed_on_and_a_chosen_issuer_is_a_note() -> None:
    found = look(200, WELL | {"warnings": ["insecure_issuer:a", "snapshot_not_written"]})
    assert told(found, "warning") == ["note", "warning"]


def test_since_when_is_told_where_it_is_known() -> None:
    down = "audit_sink_down:file"
    found = look(200, WELL | {"warnings": ["clock_set_back", down], "since": {down: "2027-01-15T08:00:00.000Z"}})
    assert [one.found for one in found if one.check == "warning"] == [
        "clock_set_back",
        f"{down} since 2027-01-15T08:00:00.000Z",
    ]
