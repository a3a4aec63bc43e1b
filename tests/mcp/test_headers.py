"""Header mode: believed only where a server must compare, and refused as the specification has it wherever something lacks."""

from __future__ import annotations

from itertools import combinations

import pytest

from bearerd.mcp import errors, headers
from bearerd.mcp.operation import Misread, Operation
from bearerd.refusals import Code

VERSION = (b"MCP-Protocol-Version", b"2026-07-28")
METHOD = (b"Mcp-Method", b"tools/call")
NAME = (b"Mcp-Name", b"get_note")


def test_a_call_is_read_from_its_three_fields() -> None:
    found = headers.read("POST", [VERSION, METHOD, NAME])
    assert found == Operation("tools/call", "get_note", "header", "2026-07-28")


def test_a_method_that_names_nothing_has_no_name_whatever_is_sent() -> None:
    found = headers.read("POST", [VERSION, (b"Mcp-Method", b"tools/list"), NAME])
    assert found == Operation("tools/list", None, "header", "2026-07-28")


@pytest.mark.parametrize("sent", [pair for n in (0, 1, 2) for pair in combinations([VERSION, METHOD, NAME], n)])
def test_a_field_that_is_missing_is_a_mismatch(sent: tuple[tuple[bytes, bytes], ...]) -> None:
    found = headers.read("POST", sent)
    assert isinstance(found, Misread)
    assert (found.refusal.code, found.error) == (Code.REQUEST_MISMATCH, errors.HEADER_MISMATCH)


@pytest.mark.parametrize("version", [b"2025-11-25", b"2025-06-18", b"2025-03-26", b"2024-11-05", b"2027-01-01", b"zzz"])
def test_a_version_by_which_nobody_compares_is_refused(version: bytes) -> None:
    found = headers.read("POST", [(b"MCP-Protocol-Version", version), METHOD, NAME])
    assert isinstance(found, Misread)
    assert (found.refusal.code, found.error) == (Code.BAD_REQUEST, errors.UNSUPPORTED_VERSION)
    assert found.requested == version.decode()


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"response"])
def test_no_method_can_pass_for_what_the_transport_has_of_its_own(method: bytes) -> None:
    assert isinstance(headers.read("POST", [VERSION, (b"Mcp-Method", method)]), Misread)


@pytest.mark.parametrize("http", ["GET", "DELETE"])
def test_streams_and_sessions_end_with_the_versions_that_have_them(http: str) -> None:
    assert headers.read(http, []) == Operation(http, None, "header")
    old = headers.read(http, [(b"MCP-Protocol-Version", b"2025-11-25"), METHOD, NAME])
    assert old == Operation(http, None, "header", "2025-11-25")
    for sent, code in (
        ([VERSION], Code.FORBIDDEN),
        ([VERSION, VERSION], Code.REQUEST_MISMATCH),
        ([(b"MCP-Protocol-Version", b"2030-01-01")], Code.BAD_REQUEST),
    ):
        found = headers.read(http, sent)
        assert isinstance(found, Misread)
        assert found.refusal.code is code


@pytest.mark.parametrize("http", ["OPTIONS", "HEAD", "PUT", "post", "CONNECT"])
def test_any_other_method_of_http_is_no_operation(http: str) -> None:
    assert headers.read(http, [VERSION, METHOD, NAME]) is None
