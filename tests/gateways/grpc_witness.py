"""The witness where Envoy asks by gRPC: the same questions, and the same answers in another dialect."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest

from bearerd.decision import Decision
from bearerd.faces.answer import Answer
from bearerd.faces.grpc import authorization, reply
from bearerd.refusals import Code, Outcome
from gateways.witness import Question


class GrpcWitness:
    """See ``witness.Witness``."""

    def __init__(self, port: int, *, silent: bool = False) -> None:
        self.answer = Answer(200, (("X-Auth-Subject", "witness"),))
        self.questions: list[Question] = []
        self.over = threading.Event()
        self.silent = silent
        self._peers: set[str] = set()
        self._server = grpc.server(ThreadPoolExecutor(8))
        check = grpc.unary_unary_rpc_method_handler(self._check)
        handler = grpc.method_handlers_generic_handler(authorization.SERVICE, {authorization.METHOD: check})
        self._server.add_generic_rpc_handlers((handler,))
        self._server.add_insecure_port(f"127.0.0.1:{port}")

    @property
    def connections(self) -> int:
        return len(self._peers)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.stop(None).wait()

    def _check(self, data: bytes, context: Any) -> bytes:
        asked = CheckRequest.FromString(data).attributes
        http = asked.request.http
        assert asked.context_extensions["resource"] == "api"
        fields = [(field.key, field.raw_value.decode("latin-1")) for field in http.header_map.headers]
        raw = {name: value for name, value in fields if name.startswith(":")}
        assert raw[":method"] == http.method
        headers = tuple((name, value) for name, value in fields if not name.startswith(":"))
        self._peers.add(context.peer())
        self.questions.append(Question(http.method, raw[":path"], (("host", http.host), *headers)))
        if self.silent:
            self.over.wait()
        return self._written()

    def _written(self) -> bytes:
        answer = self.answer
        if answer.status == 200:
            decision = Decision(True, Outcome.ALLOW, None, 200, "api", headers_add=answer.headers)
            return bytes(reply.allowed(decision, None).SerializeToString())
        decision = Decision(False, Outcome.FORBID, Code.FORBIDDEN, answer.status, "api")
        return bytes(reply.denied(answer, decision, "").SerializeToString())
