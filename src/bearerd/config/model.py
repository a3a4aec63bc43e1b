"""The shape of the configuration (contracts, section 2).  Every default is safe; an unknown key is an error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from bearerd.config.guard import ApiKeys as ApiKeys
from bearerd.config.guard import Approvals as Approvals
from bearerd.config.guard import Audit as Audit
from bearerd.config.guard import Budget
from bearerd.config.guard import Pattern as Pattern
from bearerd.config.guard import Rate as Rate
from bearerd.config.guard import Sensitive as Sensitive
from bearerd.config.table import Flag, Name, Names, Share
from bearerd.config.table import Table as Table
from bearerd.config.units import Duration, Span
from bearerd.limits import Limits
from bearerd.mcp.reviewed import Review

if TYPE_CHECKING:
    from collections.abc import Iterable

Gateway = Literal["nginx", "forwarded", "envoy", "grpc"]
ByHost = Literal["nginx", "forwarded"]  # the dialects that say which host is meant


class UnixListener(Table):
    """A unix socket, for ``listen``."""

    path: str
    mode: str = "0660"
    group: str | None = None
    gateway: ByHost | None = None  # in which ``/auth`` is asked there; None: it is not


class TcpListener(Table):
    """An address, for ``listen``, where there is more to say than the address."""

    address: str
    gateway: ByHost | None = None


def _kind_of_listener(entry: Any) -> str:
    """One model's faults for one entry: all three at once would say nothing."""
    if isinstance(entry, UnixListener | TcpListener):
        return "tcp" if isinstance(entry, TcpListener) else "unix"
    if isinstance(entry, dict):
        return "tcp" if "address" in entry else "unix"
    return "text"


Listener = Annotated[
    Annotated[str, Tag("text")] | Annotated[UnixListener, Tag("unix")] | Annotated[TcpListener, Tag("tcp")],
    Discriminator(_kind_of_listener),
]


def name_of(entry: str | UnixListener | TcpListener) -> str:
    """An entry of ``listen`` as the running service calls it, but for ports that the kernel chooses."""
    return f"unix:{entry.path}" if isinstance(entry, UnixListener) else address_of(entry)


def address_of(entry: str | UnixListener | TcpListener) -> str:
    """The TCP address of an entry of ``listen``; empty: a unix socket."""
    return entry if isinstance(entry, str) else entry.address if isinstance(entry, TcpListener) else ""


class Tls(Table):
    """``[server.tls]``: how the TCP addresses of ``listen`` are spoken to."""

    certificate_file: Path  # PEM: the server's own, then the intermediates
    key_file: Path  # PEM, not encrypted
    client_ca_file: Path | None = None  # whoever connects must show a certificate of one of these authorities
    min_version: Literal["1.2", "1.3"] = "1.2"


def _folder(given: Any) -> Any:
    """An empty text would be the file's own folder: mostly it is a variable that nobody has set."""
    if given == "":
        raise ValueError('names no folder; the one of this file is "."')
    return given


Folder = Annotated[Path, BeforeValidator(_folder)]


class Server(Table):
    """``[server]``"""

    listen: tuple[Listener, ...] = ("127.0.0.1:9180",)
    admin: str = "127.0.0.1:9181"
    probes: str = "127.0.0.1:9182"
    grpc: str | UnixListener | None = None  # Envoy's gRPC ext_authz; only TCP, and ``check_grpc`` says why
    profile: Literal["production", "development"] = "production"
    workers: int = Field(default=0, ge=0, le=256, strict=True)  # 0: the smaller of CPU affinity and cgroup quota
    data_dir: Folder | None = None  # production: /var/lib/bearerd; development: .bearerd beside the file
    reveal_reason: Flag = False
    drain_timeout: Duration = 20.0
    log_allows: Share = 0.0  # the share of allows that get a decision line
    hash_subjects: Flag = False  # log a keyed digest instead of sub
    tls: Tls | None = None  # None: plain HTTP

    @property
    def asked_at(self) -> list[tuple[str, str]]:
        """The TCP addresses of gateways' listeners, each behind its key."""
        places = [(f"server.listen[{number}]", entry) for number, entry in enumerate(self.listen)]
        places += [("server.grpc", self.grpc)] if self.grpc is not None else []
        return [(key, address) for key, entry in places if (address := address_of(entry))]


class Store(Table):
    """``[store]``"""

    url: str | None = None  # None: an embedded Valkey under data_dir
    url_file: Path | None = None  # holds the url, where it carries a password; ``load`` puts its content into ``url``
    ca_file: Path | None = None  # of rediss: these authorities instead of the system's
    fleet: Name | None = None
    fleet_key_file: Path | None = None
    snapshot_key_file: Path | None = None  # seals what is kept in data_dir; None: the fleet key, where there is one
    embedded: Flag = False  # allow an embedded store although a listener is not loopback or unix
    max_staleness: Annotated[Duration, Field(ge=1.0)] = 30.0  # heartbeats come twice a second at the most
    available_for: Duration = 3600.0
    enforce_timeout: Annotated[Duration, Field(ge=0.1, le=300.0)] = 2.0  # whoever revokes waits for an answer
    revocation_retention: Annotated[Duration, Field(ge=60.0)] = 26 * 3600.0
    durability: str | None = None  # "memory" | "fsync" | "replicas=N"; None: fsync where the server can, else memory


class Trust(Table):
    """``[trust]``: who may speak as a gateway."""

    peers: tuple[str, ...] = ("127.0.0.0/8", "::1/128", "unix")


class Identity(Table):
    """``[identity]``: who signs what upstreams are told."""

    issuer: str  # bearerd's own name: ``iss``, and where upstreams look for keys
    key_files: tuple[Path, ...] = Field(min_length=1)  # PEM or JWK Set; the first key signs, all are published
    lifetime: Annotated[Duration, Field(ge=10.0, le=600.0)] = 60.0


class Signing(Identity):
    """The same with what the files held when they were read: a worker that starts later signs with no other key."""

    keys: tuple[str, ...] = Field(min_length=1, repr=False)  # PEM; the first is private


class Issuer(Table):
    """``[[issuer]]``"""

    issuer: str  # exact, as in ``iss``
    name: Name = ""  # the label in metrics and logs; ``Config`` makes it from the host where it is not given
    jwks_uri: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_file: Path | None = None
    secret_file: Path | None = None  # for HS algorithms only
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    max_lifetime: Annotated[Duration, Field(ge=1.0)] = 25 * 3600.0
    leeway: Span = 30.0
    cutoff_slack: Span = 2.0
    key_set_max_stale: Duration = 72 * 3600.0
    key_set_refresh: Duration = 300.0  # the longest time between fetches; Cache-Control may shorten it
    unknown_kid_cooldown: Duration = 30.0
    scope_claims: tuple[str, ...] = ("scope", "scp")
    role_claims: tuple[str, ...] = ("roles", "realm_access.roles")
    typ: Literal["optional", "required"] = "optional"
    rfc9068: Flag = False  # demand the claims of RFC 9068 section 2.2
    ca_file: Path | None = None
    proxy: str | None = None
    connect_to: str | None = None  # host:port: reach the issuer there, under its own name (split horizon)
    fetch_header_file: Path | None = None  # "Name: value" lines sent with each fetch
    insecure_issuer: Flag = False  # http; development profile only


class Caller(Table):
    """``[[caller]]``: who may introspect or revoke."""

    name: Name
    secret_file: Path
    resources: tuple[Name, ...] = Field(min_length=1)
    may: tuple[Literal["introspect", "revoke"], ...] = Field(min_length=1)


WITHOUT_METHODS: Final = "any method but CONNECT"
"""What a rule takes that names none."""


class Rule(Table):
    """``[[resource.NAME.rule]]``: selectors, then requirements."""

    methods: tuple[str, ...] | None = None
    path: str | None = None
    tool: Names | None = None  # of kind mcp: one of these four, names or globs
    resource: Names | None = None
    prompt: Names | None = None
    mcp: Names | None = None  # methods that name no item
    preflight: Flag = False
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    claims: dict[str, str | int | float | bool] = Field(default_factory=dict)
    confirm: Flag | Literal["other"] | None = None  # None: as the reviewed list of tools has it
    when: str | None = None  # CEL (``mcp.condition``)
    arguments_schema: dict[str, Any] | None = Field(default=None, alias="schema")  # JSON Schema 2020-12
    schema_file: Path | None = None  # the same; ``load`` puts its content into ``schema``
    sensitive: Sensitive | None = None  # adds to the resource's
    rate: Budget | None = None
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


SIGNED: str = "X-Auth-Identity"
"""The header of the signed identity.  It is an identity header wherever those are spoken of, whatever a resource sends."""


MCP_LIFETIME: str = "90m"
"""The longest lifetime of a token for an MCP server, unless it says otherwise: an hour, and Entra's 60 to 90 minutes."""


class Resource(Table):
    """``[resource.NAME]``"""

    kind: Literal["http", "mcp"] = "http"
    identifier: str | None = None
    audience: str | tuple[str, ...] | None = None
    issuers: tuple[str, ...] | None = None  # None: all
    scopes: tuple[str, ...] = ()
    scope_implies: dict[str, Names] = Field(default_factory=dict)  # who has the one has the others, too
    origins: tuple[str, ...] = ()  # mcp: whose pages may ask, beside the identifier's own
    title: str | None = None  # what the metadata tells people
    documentation: str | None = None
    authorization_server_metadata: str | None = None  # mcp: of this issuer, for clients that look for it here
    max_lifetime: Annotated[Duration, Field(ge=1.0)] | None = None
    mcp_headers: Literal["checked"] | None = None  # the server compares Mcp-* with the body
    mcp_body: Literal["required", "unread"] = "required"  # at Envoy: by what an operation is decided
    upstream: str | None = None  # where ``/mcp/NAME`` passes on to; None: it is not answered
    tools_file: Path | None = None  # a reviewed answer to tools/list
    gateway: Gateway | tuple[Gateway, ...] | None = None
    hosts: tuple[str, ...] = ()  # whom ``/auth`` chooses it for; without them only its name does
    paths: tuple[str, ...] = ()  # of these hosts, patterns as in rules; empty: any path
    staleness: Literal["strict", "available"] = "strict"
    cacheable_for: Duration | None = None  # None: no gateway may keep an answer
    enforce: Literal[True, "shadow"] = True
    login_redirect: str | None = None
    login_return_parameter: str | None = None
    credentials: tuple[Literal["jwt", "apikey"], ...] = ("jwt",)  # what may be shown as a bearer token
    client_headers: tuple[str, ...] = ()
    identity: dict[str, str] = Field(default_factory=lambda: dict(IDENTITY))
    forward_identity: Literal["headers", "jwt", "both"] = "headers"
    identity_audience: str | None = None  # of the jwt; None: the identifier
    sensitive: Sensitive | None = None  # what is looked for in arguments, under every rule
    audit: Share | Literal["all", "refusals", "none"] | None = None
    rule: tuple[Rule, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_lived(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("kind") == "mcp":
            return {"max_lifetime": MCP_LIFETIME} | given
        return given

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        """The dialects that may ask about this resource."""
        if self.gateway is None:
            return ()
        return (self.gateway,) if isinstance(self.gateway, str) else self.gateway

    @property
    def signed(self) -> bool:
        """Whether the upstream is told in a signed token who asks."""
        return self.forward_identity != "headers"

    @property
    def audiences(self) -> tuple[str, ...]:
        """What a token may be addressed to, as configured and without twins: ``audience``, else ``identifier``."""
        if self.audience is None:
            return () if self.identifier is None else (self.identifier,)
        return (self.audience,) if isinstance(self.audience, str) else self.audience


class Config(Table):
    """The whole file."""

    server: Server = Field(default_factory=Server)
    store: Store = Field(default_factory=Store)
    trust: Trust = Field(default_factory=Trust)
    limits: Limits = Field(default_factory=Limits)
    identity: Signing | None = None  # None: identity goes in plain headers only
    apikeys: ApiKeys = Field(default_factory=ApiKeys)
    audit: Audit = Field(default_factory=Audit)
    issuer: tuple[Issuer, ...] = ()
    caller: tuple[Caller, ...] = ()
    sensitive: tuple[Pattern, ...] = ()
    approvals: Approvals | None = None
    resource: dict[Name, Resource] = Field(default_factory=dict)
    reviewed: dict[Name, Review] = Field(default_factory=dict)  # what each ``tools_file`` held; no table of the file

    @field_validator("issuer", mode="after")
    @classmethod
    def _named(cls, issuers: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
        return tuple(with_names(issuers))

    def with_store(self, url: str) -> Config:
        """The same with a store at this url: the embedded one, which is elsewhere each time that it is started."""
        return self.model_copy(update={"store": self.store.model_copy(update={"url": url})})


def with_names(issuers: Iterable[Issuer]) -> list[Issuer]:
    """Every issuer with a name: its own, else its host, else host and path, else either with a number."""
    issuers = list(issuers)
    taken = {issuer.name for issuer in issuers if issuer.name}
    named = []
    for issuer in issuers:
        if not issuer.name:
            name = next(candidate for candidate in _labels(issuer.issuer) if candidate not in taken)
            taken.add(name)
            issuer = issuer.model_copy(update={"name": name})
        named.append(issuer)
    return named


def _labels(url: str) -> Iterable[str]:
    """Labels for an issuer, the nicest first, without end."""
    rest = (url.partition("://")[2] or url).rpartition("@")[
        2
    ]  # not urlsplit: it raises for some texts, and those are to be told by ``load``
    host, whole = _label(rest.partition("/")[0]), _label(rest)
    yield host
    yield whole
    yield from (f"{whole[:58]}-{number}" for number in range(2, 10_000))


def _label(text: str) -> str:
    """Text in the alphabet of ``Name``."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "issuer"
