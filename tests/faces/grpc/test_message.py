"""Messages to MCP servers as Envoy shows them by gRPC."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from support.policies import AUDIENCE

from bearerd.config.model import Config
from bearerd.faces.grpc import message, question
from bearerd.limits import Limits
from bearerd.policy.resource import Policy
from bearerd.refusals import Code
from bearerd.request import Request

CALL = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}})


def read(http: dict[str, Any], *, trusted: bool = True, **table: Any) -> Request:
    table = {"identifier": AUDIENCE, "kind": "mcp", "gateway": "grpc", "rule": [{"tool": "*"}]} | table
    policy = Policy(Config.model_validate({"resource": {"api": table}}), 1)
    asked = CheckRequest()
    asked.attributes.context_extensions["resource"] = "api"
    for name, value in {"method": "POST", "path": "/mcp", "host": "a", **http}.items():
        setattr(asked.attributes.request.http, name, value)
    fields = {"authorization": "Bearer a.b.c", "content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
    asked.attributes.request.http.headers.update(fields)
    found = question.read(asked, Limits(), trusted=trusted, peer="p")
    read = message.read(found, asked, policy, Limits()).request
    assert isinstance(read, Request)
    return read


@pytest.mark.parametrize(
    "http", [{"raw_body": CALL}, {"body": CALL.decode()}, {"raw_body": CALL, "body": CALL.decode()}]
)
def test_a_body_is_read_from_whichever_field_envoy_fills(http: dict[str, Any]) -> None:
    found = read(http)
    assert found.operation is not None
    assert (found.operation.method, found.operation.name, found.operation.mode) == ("tools/call", "x", "body")


@pytest.mark.parametrize("http", [{}, {"raw_body": CALL, "body": "{}"}])
def test_a_body_that_is_not_there_or_is_told_in_two_ways_is_refused(http: dict[str, Any]) -> None:
    found = read(http)
    assert found.operation is None
    assert found.misread is not None
    assert found.misread.refusal.code is Code.BAD_REQUEST


def test_nothing_is_read_of_a_stranger_and_where_no_rule_asks() -> None:
    assert read({"raw_body": CALL}, trusted=False).operation is None
    assert read({"raw_body": CALL}, rule=[]).operation is None
