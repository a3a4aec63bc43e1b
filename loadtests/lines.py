"""The lightest client that Python has: blocking sockets, questions made beforehand, answers read and no more."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

PATIENCE = 30.0  # seconds; an answer that takes longer ends the benchmark


class Line:
    """One connection that is kept, and the question that is under way on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.body = b""

    def send(self, question: bytes) -> None:
        """Ask."""
        self.socket.sendall(question)

    def read(self) -> int:
        """The answer's status; its body is in ``body``."""
        data = self._more(b"")
        while (end := data.find(b"\r\n\r\n")) < 0:
            data = self._more(data)
        head = data[:end].lower()
        _, _, length = head.partition(b"\r\ncontent-length:")
        whole = end + 4 + int(length.split(b"\r\n", 1)[0] or b"0")
        while len(data) < whole:
            data = self._more(data)
        self.body = data[end + 4 :]
        return int(head[9:12])

    def ask(self, question: bytes) -> int:
        """Ask, and wait for the answer's status."""
        self.socket.sendall(question)
        return self.read()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def _more(self, data: bytes) -> bytes:
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("bearerd closed the connection")
        return data + piece


def question(resource: str, token: str) -> bytes:
    """What nginx asks about one request."""
    return (
        f"GET /auth/{resource} HTTP/1.1\r\nHost: bearerd\r\nX-Original-Method: GET\r\nX-Original-URI: /orders/7\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


def revocation(issuer: str, jti: str, admin_token: str) -> bytes:
    """What an operator posts to have one token refused everywhere."""
    body = json.dumps({"kind": "token", "issuer": issuer, "value": jti, "ack": "enforced"})
    return (
        f"POST /v1/revocations HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {admin_token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def jti(token: str) -> str:
    """The token's own name."""
    return str(_segment(token, 1)["jti"])


def of_a_stranger(token: str) -> str:
    """The token, said to be signed by a key that nobody has seen: the issuer has to be asked."""
    _, payload, signature = token.split(".")
    renamed = json.dumps({**_segment(token, 0), "kid": secrets.token_hex(8)}).encode()
    return ".".join([base64.urlsafe_b64encode(renamed).decode().rstrip("="), payload, signature])


def _segment(token: str, number: int) -> dict[str, object]:
    part = token.split(".")[number]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


@dataclass
class Heard:
    """The answers of one window."""

    latencies: list[list[float]]  # seconds, for each question
    statuses: list[Counter[int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(map(len, self.latencies))


def paced(line: Line, questions: list[bytes], rate: float, seconds: float) -> Heard:
    """Ask in turn, at a rate that does not wait for answers.

    A request that had to wait for the one before it counts from when it was due: a stall is felt by all whom it held up.
    """
    heard = Heard([[] for _ in questions], [Counter() for _ in questions])
    due = time.perf_counter()
    for number in range(int(rate * seconds)):
        which = number % len(questions)
        early = due - time.perf_counter()
        if early > 0:
            time.sleep(early)
        began = time.perf_counter() if early > 0 else due
        status = line.ask(questions[which])
        heard.latencies[which].append(time.perf_counter() - began)
        heard.statuses[which][status] += 1
        due += 1 / rate
    return heard
