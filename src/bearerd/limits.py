"""Every limit, as data: the ``[limits]`` table of the configuration, docs/operations.md and the tests are made from it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def _limit(default: int, unit: str, beyond: str, *, least: int = 1, most: int = 2**31 - 1) -> Any:
    """A field: its default and bounds, its unit, and what happens beyond it."""
    return Field(default=default, strict=True, ge=least, le=most, description=beyond, json_schema_extra={"unit": unit})


class Limits(BaseModel):
    """What is bounded, by how much, and what happens beyond (contracts, section 6)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_header_bytes: int = _limit(
        32 * 1024, "bytes", "a header field beyond it is head_too_large", least=1024, most=1 << 20
    )
    max_head_bytes: int = _limit(
        64 * 1024, "bytes", "a request head beyond it is head_too_large", least=2048, most=1 << 20
    )
    max_headers: int = _limit(100, "fields", "a request with more is head_too_large", least=16, most=1000)
    max_token_bytes: int = _limit(8 * 1024, "bytes", "a longer token is too_large", least=256, most=32 * 1024)
    max_json_depth: int = _limit(16, "levels", "deeper claims or header: malformed_token", least=4, most=64)
    max_json_members: int = _limit(
        512, "members", "more members in claims or header: malformed_token", least=16, most=4096
    )
    max_connections: int = _limit(
        10_000,
        "connections per worker",
        "who has rested longest, ten seconds at least, goes; until then further ones wait in the kernel",
        least=16,
    )
    max_waiting: int = _limit(
        1_000,
        "requests per worker",
        "more that wait for a key, or for half a second that they may wait for their turn: overloaded",
    )
    max_body_bytes: int = _limit(
        64 * 1024,
        "bytes",
        "a longer form is bad_request, a longer body for the admin API 413",
        least=1024,
        most=1 << 24,
    )
    max_mcp_body_bytes: int = _limit(
        1024 * 1024, "bytes", "a longer message to an MCP server is bad_request", least=1024, most=1 << 24
    )
    max_mcp_answer_bytes: int = _limit(
        4 * 1024 * 1024,
        "bytes",
        "a longer list of tools, or message where one may stand, is not passed on",
        least=1024,
        most=1 << 28,
    )
    max_mcp_values: int = _limit(
        32_768, "values", "a message to an MCP server that may hold more is bad_request", least=256, most=1 << 20
    )
    max_mcp_depth: int = _limit(32, "levels", "a deeper message to an MCP server is bad_request", least=8, most=256)
    max_grpc_message_bytes: int = _limit(
        256 * 1024, "bytes", "a longer gRPC message ends its call: RESOURCE_EXHAUSTED", least=16 * 1024, most=1 << 24
    )
    max_grpc_calls: int = _limit(
        1_000, "calls per worker", "more gRPC calls at once: overloaded; as many streams a connection", most=1_000_000
    )
    token_cache_entries: int = _limit(100_000, "tokens per worker", "the least recently used is evicted")
    token_cache_bytes: int = _limit(
        256 * 1024 * 1024, "bytes per worker", "the least recently used is evicted", least=1 << 16, most=1 << 36
    )
    refused_tokens: int = _limit(16_384, "tokens per worker", "the oldest refusal is forgotten")
    refused_seconds: int = _limit(60, "seconds", "a remembered refusal is judged anew", most=3600)
    identity_tokens: int = _limit(10_000, "tokens per worker", "the oldest is signed anew once it is asked for")
    rate_buckets: int = _limit(
        100_000, "budgets per worker", "further principals under a rule with rate: overloaded, until one is full again"
    )
    max_approvals: int = _limit(
        1_000, "approvals in the fleet", "further calls that need one are rate_limited; never evicted", most=100_000
    )
    max_approvals_per_principal: int = _limit(
        20, "approvals of one subject", "its further calls that need one are rate_limited", most=10_000
    )
    max_approval_bytes: int = _limit(
        32 * 1024,
        "bytes of canonical arguments",
        "a call with more, which nobody would read, is forbidden",
        most=1 << 18,
    )
    max_revocations: int = _limit(
        2_000_000, "entries", "507, and nothing more is acknowledged; never evicted", least=1000, most=50_000_000
    )
    max_apikeys: int = _limit(
        10_000, "keys per fleet", "507: no key is made until others, revoked ones too, expire", most=1_000_000
    )
    max_key_set_bytes: int = _limit(
        256 * 1024, "bytes", "a larger key set or metadata document is a failed fetch", least=1024, most=1 << 24
    )
    max_keys: int = _limit(100, "keys per issuer", "a key set with more is a failed fetch", most=1000)
    decision_ring: int = _limit(
        1_024, "refusals per worker", "the oldest is forgotten by /v1/decisions", most=1_000_000
    )
    refusal_logs_per_second: int = _limit(200, "lines per worker", "further refusals are counted, not logged")
