"""The shape of the configuration (contracts, section 2).  Every default is safe; an unknown key is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bearerd.config.units import Duration
from bearerd.limits import Limits

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Gateway = Literal["nginx", "forwarded", "envoy"]


class Table(BaseModel):
    """One table of the file: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UnixListener(Table):
    """A unix socket, for ``listen``."""

    path: str
    mode: str = "0660"
    group: str | None = None


class Server(Table):
    """``[server]``"""

    listen: tuple[str | UnixListener, ...] = ("127.0.0.1:9180",)
    admin: str = "127.0.0.1:9181"
    probes: str = "127.0.0.1:9182"
    profile: Literal["production", "development"] = "production"
    workers: int = Field(default=0, ge=0, le=256)  # 0: the smaller of CPU affinity and cgroup quota
    data_dir: Path | None = None  # production: /var/lib/bearerd; development: .bearerd beside the file
    reveal_reason: bool = False
    drain_timeout: Duration = 20.0
    log_allows: float = Field(default=0.0, ge=0.0, le=1.0)  # the share of allows that get a decision line
    hash_subjects: bool = False  # log a keyed digest instead of sub


class Store(Table):
    """``[store]``"""

    url: str | None = None  # None: an embedded Valkey under data_dir
    fleet: Name | None = None
    fleet_key_file: Path | None = None
    embedded: bool = False  # allow an embedded store although a listener is not loopback or unix
    max_staleness: Duration = 30.0
    available_for: Duration = 3600.0
    enforce_timeout: Duration = 2.0
    revocation_retention: Duration = 26 * 3600.0
    durability: str | None = None  # "memory" | "fsync" | "replicas=N"; None: fsync where the server can, else memory


class Trust(Table):
    """``[trust]``: who may speak as a gateway."""

    peers: tuple[str, ...] = ("127.0.0.0/8", "::1/128", "unix")


class Issuer(Table):
    """``[[issuer]]``"""

    issuer: str  # exact, as in ``iss``
    name: Name | None = None  # the label in metrics and logs; default: made from the host
    jwks_uri: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_file: Path | None = None
    secret_file: Path | None = None  # for HS algorithms only
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    max_lifetime: Duration = 25 * 3600.0
    leeway: Duration = 30.0
    cutoff_slack: Duration = 2.0
    key_set_max_stale: Duration = 72 * 3600.0
    key_set_refresh: Duration = 300.0  # the longest time between fetches; Cache-Control may shorten it
    unknown_kid_cooldown: Duration = 30.0
    scope_claims: tuple[str, ...] = ("scope", "scp")
    role_claims: tuple[str, ...] = ("roles", "realm_access.roles")
    typ: Literal["optional", "required"] = "optional"
    rfc9068: bool = False  # demand the claims of RFC 9068 section 2.2
    ca_file: Path | None = None
    proxy: str | None = None
    connect_to: str | None = None  # host:port: reach the issuer there, under its own name (split horizon)
    fetch_header_file: Path | None = None  # "Name: value" lines sent with each fetch
    insecure_issuer: bool = False  # http; development profile only


class Caller(Table):
    """``[[caller]]``: who may introspect or revoke."""

    name: Name
    secret_file: Path
    resources: tuple[Name, ...] = Field(min_length=1)
    may: tuple[Literal["introspect", "revoke"], ...] = Field(min_length=1)


class Rule(Table):
    """``[[resource.NAME.rule]]``: selectors, then requirements."""

    methods: tuple[str, ...] | None = None
    path: str | None = None
    preflight: bool = False
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    claims: dict[str, str | int | float | bool] = Field(default_factory=dict)
    auth: Literal["required", "optional", "none"] = "required"
    enforce: Literal[True, "shadow"] = True


IDENTITY: dict[str, str] = {
    "X-Auth-Subject": "sub",
    "X-Auth-Issuer": "iss",
    "X-Auth-Client": "client",
    "X-Auth-Scopes": "scopes",
    "X-Auth-Roles": "roles",
}
"""The default identity headers.  A value is ``sub``, ``iss``, ``client``, ``scopes``, ``roles`` or a claim path;
``json:PATH`` sends the claim as JSON, ``csv:PATH`` a list joined with commas (the default for lists)."""


class Resource(Table):
    """``[resource.NAME]``"""

    identifier: str | None = None
    audience: str | tuple[str, ...] | None = None
    issuers: tuple[str, ...] | None = None  # None: all
    scopes: tuple[str, ...] = ()
    max_lifetime: Duration | None = None
    gateway: Gateway | tuple[Gateway, ...] | None = None
    staleness: Literal["strict", "available"] = "strict"
    enforce: Literal[True, "shadow"] = True
    client_headers: tuple[str, ...] = ()
    identity: dict[str, str] = Field(default_factory=lambda: dict(IDENTITY))
    rule: tuple[Rule, ...] = ()

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        """The dialects that may ask about this resource."""
        if self.gateway is None:
            return ()
        return (self.gateway,) if isinstance(self.gateway, str) else self.gateway


class Config(Table):
    """The whole file."""

    server: Server = Field(default_factory=Server)
    store: Store = Field(default_factory=Store)
    trust: Trust = Field(default_factory=Trust)
    limits: Limits = Field(default_factory=Limits)
    issuer: tuple[Issuer, ...] = ()
    caller: tuple[Caller, ...] = ()
    resource: dict[Name, Resource] = Field(default_factory=dict)
