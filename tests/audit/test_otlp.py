"""Records as OTLP logs, to a collector that the test is; and what is said where the extra is not there."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from support.audits import KEY, audited
from support.certificates import authority

from bearerd.audit.feeder import Feeder
from bearerd.audit.otlp import OtlpSink
from bearerd.config import check_audit
from bearerd.config.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
def answering() -> Iterator[Callable[[Callable[[http.server.BaseHTTPRequestHandler], None]], str]]:
    """Makes a collector that answers so."""
    servers = []

    def made(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> str:
        class Answering(Collector):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.close_connection = True
                answer(self)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/v1/logs"

    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


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


def dribbled(handler: http.server.BaseHTTPRequestHandler) -> None:
    """A byte now and then, until the other side has had enough."""
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"a")
            time.sleep(0.05)


def moved(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 301 Moved\r\nLocation: https://logs.example/\r\nContent-Length: 0\r\n\r\n")


def slow_head(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    dribbled(handler)


def slow_body(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    dribbled(handler)


def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b" " * 65536)


@pytest.mark.parametrize("answer", [moved, slow_head, slow_body, endless])
def test_an_answer_that_is_no_receipt_is_none_and_is_not_waited_for(
    answer: Callable[[http.server.BaseHTTPRequestHandler], None],
    monkeypatch: pytest.MonkeyPatch,
    answering: Callable[[Callable[[http.server.BaseHTTPRequestHandler], None]], str],
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    sink = OtlpSink(answering(answer))
    with pytest.raises(OSError, match="did not take"):
        sink.write([b"{}\n"])
    sink.close()


def asked(line: socket.socket) -> None:
    """Read one request."""
    head, body = b"", b""
    while not head.endswith(b"\r\n\r\n"):
        head += line.recv(1)
    size = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < size:
        body += line.recv(size - len(body))


def said_slowly(line: socket.socket) -> None:
    """A record of TLS that never ends."""
    line.recv(65536)
    with contextlib.suppress(OSError):
        line.sendall(b"\x16\x03\x03\x3f\xff")
        while True:
            line.sendall(b"\x02")
            time.sleep(0.05)


@pytest.mark.parametrize("hello", [None, said_slowly])
def test_by_tls_an_answer_is_waited_for_as_long_and_a_handshake_too(
    hello: Callable[[socket.socket], None] | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = authority()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(root.write(tmp_path)))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # requests believes these rather than its maker
        monkeypatch.delenv(name, raising=False)
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: "]
    context = root.server(tmp_path, "127.0.0.1")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            line, _ = listener.accept()
            if hello is not None:
                hello(line)
                return
            with context.wrap_socket(line, server_side=True) as secured:
                for answer in answers:  # by one connection, which is kept
                    asked(secured)
                    secured.sendall(answer)
                while True:
                    secured.sendall(b"a")
                    time.sleep(0.05)

    threading.Thread(target=serve, daemon=True).start()
    sink = OtlpSink(f"https://127.0.0.1:{listener.getsockname()[1]}/v1/logs")
    if hello is None:
        sink.write([b"{}\n"])
    with pytest.raises(OSError, match="did not take"):
        sink.write([b"{}\n"])
    sink.close()
    listener.close()


def test_what_the_collector_rejects_is_told(
    answering: Callable[[Callable[[http.server.BaseHTTPRequestHandler], None]], str], caplog: pytest.LogCaptureFixture
) -> None:
    said = ExportLogsServiceResponse()
    said.partial_success.rejected_log_records = 2
    body = said.SerializeToString()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    sink = OtlpSink(answering(lambda to: to.wfile.write(head + body)))
    sink.write([b"{}\n", b"{}\n"])
    sink.close()
    (told,) = [record for record in caplog.records if record.name == "bearerd.audit"]
    assert "rejected" in told.message
    assert vars(told)["records"] == 2


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
