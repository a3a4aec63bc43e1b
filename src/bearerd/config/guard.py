"""The tables of what stands beside a decision: API keys, audit records, patterns in arguments, budgets, approvals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bearerd.config.table import Flag, Name, Share, Table
from bearerd.config.units import Duration


class ApiKeys(Table):
    """``[apikeys]``: how API keys are kept, where a resource takes them (``credentials``)."""

    pepper_file: Path | None = None  # None: derived from the fleet key; in development one is kept in data_dir
    lifetime: Annotated[Duration, Field(ge=1.0)] = 90 * 86400.0  # of a key for which nothing else was said
    max_lifetime: Annotated[Duration, Field(ge=1.0)] = 366 * 86400.0


Sink = Literal["none", "stdout", "file", "store", "otlp"]


class Audit(Table):
    """``[audit]``: where a record of each decision goes, and what becomes of a decision whose record finds no room."""

    sink: Sink | tuple[Sink, ...] = "none"
    file: Path | None = None  # of the sink "file": every process of a machine appends to it
    rotate_bytes: int = Field(default=100 << 20, ge=1 << 16, le=1 << 40, strict=True)
    rotate_keep: int = Field(default=0, ge=0, le=100_000, strict=True)  # files beside the newest; 0: all
    chain: Literal["hmac", "off"] = "hmac"
    key_file: Path | None = None  # of the chain; required unless it is off
    segment_records: int = Field(default=10_000, ge=1, le=1_000_000, strict=True)
    segment_time: Annotated[Duration, Field(ge=1.0, le=3600.0)] = 60.0  # whatever comes first seals
    on_full: Literal["block", "refuse", "drop-and-count"] = "block"
    wait: Annotated[Duration, Field(ge=0.1, le=60.0)] = 5.0  # for how long a decision is held up; then it is refused
    queue: int = Field(default=10_000, ge=100, le=10_000_000, strict=True)  # records per worker
    sync: Literal["always", "interval"] = "interval"
    interval: Annotated[Duration, Field(ge=0.01, le=60.0)] = 1.0
    share: Share = 0.0  # of the allows of resources that do not say
    max_arguments: int = Field(default=8192, ge=0, le=1 << 20, strict=True)  # bytes of them in a record
    stream_length: int = Field(default=100_000, ge=1000, le=100_000_000, strict=True)  # of the sink "store"
    otlp_endpoint: str | None = None  # of the sink "otlp"; None: as OTEL_EXPORTER_OTLP_ENDPOINT says

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Those that are on."""
        given = (self.sink,) if isinstance(self.sink, str) else self.sink
        return tuple(sink for sink in dict.fromkeys(given) if sink != "none")


class Pattern(Table):
    """``[[sensitive]]``: a pattern of one's own, beside those that are built in."""

    name: Name
    pattern: str  # of RE2


class Sensitive(Table):
    """``sensitive`` of a resource or a rule: what is done where a pattern is found in the arguments."""

    flag: tuple[Name, ...] = ()  # told by name
    redact: tuple[Name, ...] = ()  # told, and kept out of the audit record
    block: tuple[Name, ...] = ()  # refused, and kept out of the audit record
    names: tuple[str, ...] | None = None  # arguments whose values are never told; None: ``mcp.redact.NAMES``


class Rate(Table):
    """``rate`` of a rule; ``"30/m"`` alone is its limit."""

    limit: str  # "30/m": so many in a second (s), minute (m), hour (h) or day (d)
    burst: int | None = Field(default=None, ge=1, le=1_000_000, strict=True)  # None: as many as the limit names
    exact: Flag = False  # one count for the fleet, asked each time
    unreachable: Literal["refuse", "local"] = "refuse"  # exact, and the store does not answer


def _limit_alone(given: Any) -> Any:
    return {"limit": given} if isinstance(given, str) else given


Budget = Annotated[Rate, BeforeValidator(_limit_alone)]
"""``rate``: a table, or the limit alone."""


class Approvers(Table):
    """``[approvals] approvers``: of those who can sign in, who may decide."""

    roles: tuple[str, ...] = ()  # any one; none: no role is needed
    claims: dict[str, str | int | float | bool] = Field(default_factory=dict)  # of the ID token: all


class Approvals(Table):
    """``[approvals]``: how humans confirm what rules with ``confirm`` refuse until then."""

    ttl: Annotated[Duration, Field(ge=30.0, le=86400.0)] = 600.0  # from the first refusal to the latest use
    listen: str | None = None  # of the page; None: there is none
    url: str | None = None  # the page's origin, as browsers reach it
    issuer: str | None = None  # where approvers sign in (OpenID Connect)
    client_id: str | None = None
    client_secret_file: Path | None = None  # None: a public client, by PKCE alone
    ca_file: Path | None = None  # of the issuer: these authorities instead of the system's
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    approvers: Approvers | None = None
    role_claims: tuple[str, ...] = ("roles", "realm_access.roles", "groups")
    login_max_age: Annotated[Duration, Field(ge=30.0, le=3600.0)] = 300.0  # for so long a sign-in decides
    same_person_claims: tuple[str, ...] = ("sub",)  # by which an approver is told from the asker
    attempt_header: str = "X-Auth-Attempt"  # by which a gateway names its own retry
    cli: Flag = False  # ``bearerd approvals``
    webhook: str | None = None
    webhook_secret_file: Path | None = None
