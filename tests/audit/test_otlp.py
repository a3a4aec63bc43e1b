"""Records as OTLP logs, to a collector that the test is; and what is said where the extra is not there."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from support.audits import KEY, audited

from bearerd.audit.feeder import Feeder
from bearerd.audit.otlp import OtlpSink
from bearerd.config import check_audit
from bearerd.config.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes logs, the first time with an error that is no reason to try again."""

    bodies: list[bytes]
    troubled = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        code = 400 if Collector.troubled else 200
        Collector.troubled = False
        if code == 200:
            Collector.bodies.append(body)
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """It says nothing."""


@pytest.fixture
def collector() -> Iterator[str]:
    Collector.bodies, Collector.troubled = [], True
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/logs"
    server.shutdown()
    server.server_close()


def test_each_line_is_the_body_of_a_log_record_and_is_offered_again_until_it_is_taken(collector: str) -> None:
    told = threading.Event()
    feeder = Feeder(OtlpSink(collector), told.set, always=False, interval=1.0)
    lines = [b'{"chain":{"sequence":%d}}\n' % number for number in range(3)]
    for line in lines:
        feeder.put(line)
    feeder.start()
    while feeder.waiting:
        assert told.wait(30)
        told.clear()
    assert feeder.close(30)
    found = [
        record.body.string_value
        for body in Collector.bodies
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]
    assert found == [line.decode().rstrip("\n") for line in lines]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ModuleNotFoundError, "pip install 'bearerd[otel]'"),
        (ImportError, "pip install --force-reinstall --no-deps opentelemetry-proto"),
    ],
)
def test_without_the_extra_or_with_files_of_another_package_the_sink_is_an_error_that_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[ImportError], remedy: str
) -> None:
    settings = audited(tmp_path, sink=("file", "otlp")).audit
    assert (tmp_path / "audit.key").read_bytes() == KEY

    def not_so(name: str) -> None:
        raise error(name)

    monkeypatch.setattr(check_audit, "import_module", not_so)
    problems = Problems()
    check_audit.check_audit(settings, {}, tmp_path / "data", problems)
    assert [problem[2] for problem in problems.sorted()] == [remedy]
