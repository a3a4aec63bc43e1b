"""OpenTelemetry's variables: what in them cannot work is named, and no value that may be a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bearerd.config.check_otlp import warnings

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "OTEL_EXPORTER_OTLP_"


def test_a_header_that_is_none_is_named_without_its_value() -> None:
    environ = {PREFIX + "HEADERS": "a=b, x-key: a secret,c=d e", PREFIX + "LOGS_HEADERS": ""}
    (said,) = warnings("http://c.example/v1/logs", environ)
    assert said.startswith(f"{PREFIX}HEADERS: number 2 is no NAME=VALUE")
    assert "secret" not in said
    assert not list(warnings("http://c.example/v1/logs", environ | {PREFIX + "LOGS_HEADERS": "a=b"}))


def test_files_that_are_not_there_and_endpoints_that_are_none_are_named(tmp_path: Path) -> None:
    there, away = tmp_path / "ca.pem", tmp_path / "key.pem"
    there.touch()
    environ = {
        PREFIX + "ENDPOINT": "collector:4318",
        PREFIX + "CERTIFICATE": str(there),
        PREFIX + "LOGS_CLIENT_KEY": str(away),
    }
    endpoint, key = warnings(None, environ)
    assert endpoint.startswith(f"{PREFIX}ENDPOINT: not an absolute http or https url")
    assert key.startswith(f"{PREFIX}LOGS_CLIENT_KEY: {away} cannot be read")
    path, _ = warnings("http://c.example:4318", environ)
    assert path.startswith("audit.otlp_endpoint: names no path")
