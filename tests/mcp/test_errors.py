"""Refusals in JSON-RPC."""

from __future__ import annotations

import orjson
import pytest

from bearerd.mcp import errors
from bearerd.refusals import TABLE, Code


@pytest.mark.parametrize("code", list(Code))
def test_what_oauth_clients_look_for_stays_plain_http(code: Code) -> None:
    plain = TABLE[code].status == 401 or code in (Code.INSUFFICIENT_SCOPE, Code.HEAD_TOO_LARGE)
    assert (errors.number(code) is None) == plain


def test_an_unknown_version_is_told_those_that_are() -> None:
    found = orjson.loads(errors.body(errors.UNSUPPORTED_VERSION, "a", {"request_id": "r"}, "2031-01-01"))
    assert found["id"] == "a"
    assert found["error"]["code"] == -32022
    assert found["error"]["data"]["requested"] == "2031-01-01"
    assert "2026-07-28" in found["error"]["data"]["supported"]


def test_an_error_without_a_known_id_has_null() -> None:
    assert orjson.loads(errors.body(errors.PARSE_ERROR, None)) | {"error": 0} == {
        "jsonrpc": "2.0",
        "id": None,
        "error": 0,
    }
