"""Records as OTLP logs, to a collector that the test is; and what is said where the extra is not there."""

from __future__ import annotations

import contextlib
import http.server
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from support.audits import KEY, audited
from support.certificates import authority

from bearerd import log
from bearerd.audit.feeder import Feeder, NotTaken
from bearerd.audit.otlp import MOST_ASKED_SECONDS, OtlpSink
from bearerd.config import check_audit
from bearerd.config.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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


def bodies(request: bytes) -> list[str]:
    """Of the log records of a request."""
    return [
        record.body.string_value
        for resource in ExportLogsServiceRequest.FromString(request).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


@pytest.fixture
def answering() -> Iterator[Callable[[Callable[[http.server.BaseHTTPRequestHandler], None]], str]]:
    """Makes a collector that answers so."""
    servers = []

    def made(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> str:
        class Answering(Collector):
            def do_POST(self) -> None:
                self.headers["X-Body"] = self.rfile.read(int(self.headers["Content-Length"])).decode("latin-1")
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
    found = [record for body in Collector.bodies for record in bodies(body)]
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
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # which requests would believe rather than its maker
        monkeypatch.setenv(name, str(authority("another root").write(tmp_path, "other.pem")))
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


Answering = Callable[[Callable[[http.server.BaseHTTPRequestHandler], None]], str]


def with_head(status: str, *fields: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    head = "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", *fields, "", ""]).encode()
    return lambda handler: handler.wfile.write(head)


def not_taken(sink: OtlpSink, lines: Sequence[bytes] = (b"{}\n",)) -> NotTaken:
    with pytest.raises(NotTaken) as caught:
        sink.write(lines)
    return caught.value


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("40", 40.0, 40.0),
        ("0", 0.0, 6.0),
        ("999999999", MOST_ASKED_SECONDS, MOST_ASKED_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MOST_ASKED_SECONDS, MOST_ASKED_SECONDS),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0, 6.0),
        ("soon", 0.0, 6.0),
        ("nan", 0.0, 6.0),
    ],
)
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_collector_is_asked_again_when_it_says_and_never_for_more_than_a_minute(
    answering: Answering, status: str, said: str, least: float, most: float
) -> None:
    sink = OtlpSink(answering(with_head(status, f"Retry-After: {said}")))
    error = not_taken(sink)
    assert least <= error.seconds <= most
    assert str(error.strerror).endswith(status)
    sink.close()


def test_a_collector_that_says_nothing_is_asked_ever_later(answering: Answering) -> None:
    asked = list[int]()

    def refused(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(1)
        with_head("400 Whatever it says of a token")(handler)

    sink = OtlpSink(answering(refused))
    errors = [not_taken(sink) for _ in range(8)]
    assert len(asked) == 8  # the exporter does not come again by itself
    assert errors[0].seconds < 0.5 < 4.0 <= errors[-1].seconds <= 6.0
    assert errors[0].strerror == "the collector did not take the records: 400 Bad Request"
    sink.close()


def limited(most: int, troubles: list[str], taken: list[str]) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Takes requests of so many bytes; of those it has these troubles first."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        body = handler.headers["X-Body"].encode("latin-1")
        if len(body) > most:
            with_head("413 Content Too Large")(handler)
        elif troubles and (trouble := troubles.pop(0)):
            with_head(trouble)(handler)
        else:
            taken.extend(bodies(body))
            with_head("200 OK")(handler)

    return answer


def test_of_a_batch_that_is_too_large_each_record_is_taken_once(answering: Answering) -> None:
    taken, troubles = list[str](), ["", "503 Service Unavailable", "", "502 Bad Gateway"]
    sink = OtlpSink(answering(limited(2_000, troubles, taken)))
    lines = [b'{"number":%d,"long":"%s"}\n' % (number, b"x" * 100) for number in range(60)]
    for batch in (lines[:50], lines[50:]):
        for _ in range(3):
            with contextlib.suppress(NotTaken):
                sink.write(batch)
                break
    assert taken == [line.decode().rstrip("\n") for line in lines]
    assert not troubles
    error = not_taken(sink, [b"x" * 5_000 + b"\n"])
    assert "413" in str(error)
    assert "5001 bytes" in str(error)
    sink.close()


def test_through_a_proxy_an_answer_is_waited_for_as_long(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    cut = threading.Event()

    def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            for _ in range(400):  # not for ever: where nobody cuts it off, the test is to fail
                handler.wfile.write(b"a")
                time.sleep(0.05)
        except OSError:
            cut.set()

    monkeypatch.setenv("HTTP_PROXY", answering(slow).removesuffix("/v1/logs"))
    sink = OtlpSink("http://collector.example/v1/logs")
    assert str(not_taken(sink).strerror).endswith("no answer in time")
    assert cut.wait(30)
    sink.close()


def test_neither_url_nor_headers_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:  # nobody listens there
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key: hush-of-a-header")
        with (tmp_path / "log").open("wb") as file:
            log.setup("debug", file.fileno())
            sink = OtlpSink(f"http://127.0.0.1:{held.getsockname()[1]}/v1/logs?key=hush-of-a-query")
            error = not_taken(sink)
            logging.getLogger("bearerd.audit").error("an audit sink fails", extra={"detail": log.told(error)})
            sink.close()
            log.close()
    said = (tmp_path / "log").read_text()
    assert "Connection refused" in said
    assert "hush" not in said


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
