"""Stands where bearerd stands, allows everything and remembers what it was asked: what gateways say, and to whom they turn."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from bearerd.faces.answer import Answer


@dataclass(frozen=True)
class Question:
    """A request as it came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    @property
    def head(self) -> bytes:
        """The same in bytes."""
        lines = (f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers), "", "")
        return "\r\n".join(lines).encode("latin-1")


class AtPort(ThreadingHTTPServer):
    """Whose clients may hang up: gateways do when they end."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class AtPath(AtPort):
    """Listens on a unix socket, which everybody may open: nginx's workers are nobody."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's would look for a host and a port
        Path(str(self.server_address)).chmod(0o666)


class Witness:
    """Answers 200 with a subject, or what it is given; with ``silent``, nothing, ever.  At a port, or at a unix socket's path."""

    def __init__(self, at: int | Path, *, silent: bool = False) -> None:
        self.answer = Answer(200, (("X-Auth-Subject", "witness"),))
        self.questions: list[Question] = []
        self.connections = 0
        self.over = threading.Event()
        self.silent = silent
        self._server = (
            AtPath(str(at), self._handler())  # type: ignore[arg-type]
            if isinstance(at, Path)
            else AtPort(("127.0.0.1", at), self._handler())
        )
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        witness = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer in one write, as bearerd's

            def setup(self) -> None:
                super().setup()
                witness.connections += 1

            def parse_request(self) -> bool:
                if not super().parse_request():
                    return False
                self.reply()
                return False  # whatever the method: it is answered

            def reply(self) -> None:
                target = self.requestline.split(" ")[1]  # as it came: self.path has one slash where there were two
                witness.questions.append(Question(self.command, target, tuple(self.headers.items())))
                if witness.silent:
                    witness.over.wait()
                    self.close_connection = True
                    return
                self.send_response_only(witness.answer.status)
                for name, value in (*witness.answer.headers, ("Content-Length", str(len(witness.answer.body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(witness.answer.body)
                self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        return Answers
