"""The policy, compiled: every resource of a configuration in the form that requests are judged by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import orjson

from bearerd._native import rules as native
from bearerd._native.hosts import Hosts
from bearerd.config import audience
from bearerd.mcp import globs
from bearerd.policy import login, operations, origin, scopes, terms
from bearerd.policy.identity import Identity, claim_paths
from bearerd.policy.signed import Signatory, Upstream
from bearerd.request import API_KEY
from bearerd.store.entries import API_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bearerd.config import model
    from bearerd.mcp.condition import Condition
    from bearerd.mcp.detectors import Detector
    from bearerd.mcp.redact import Watched
    from bearerd.mcp.schema import Schema
    from bearerd.policy.operations import Guard
    from bearerd.policy.terms import Budget
    from bearerd.verify.verified import Verified

METADATA_PATH: Final = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its requirements, and of its selectors what logs and ``explain`` name."""

    index: int  # among all the resource's rules, as in the file
    methods: tuple[str, ...] | None
    path: str | None  # the pattern: ``url.template`` in logs
    preflight: bool
    auth: Literal["required", "optional", "none"]
    scopes: tuple[str, ...]  # the resource's and its own: all are needed
    roles: frozenset[str]  # any one; empty: none needed
    claims: tuple[tuple[str, str | int | float | bool], ...]  # (claim path, value): all are needed
    tool: tuple[str, ...] | None = None  # of kind mcp, one of these four: names or globs
    resource: tuple[str, ...] | None = None
    prompt: tuple[str, ...] | None = None
    mcp: tuple[str, ...] | None = None
    confirm: bool | Literal["other"] = False  # by the rule, or by the reviewed list of tools
    when: Condition | None = None
    schema: Schema | None = None  # of a tool's arguments
    rate: Budget | None = None
    sensitive: Watched = terms.NOTHING  # the resource's and its own
    meaning: str = ""  # a digest of all that the rule says, and of what: what is approved beside the call

    @property
    def open(self) -> bool:
        """Whether no credential is looked at."""
        return self.preflight or self.auth == "none"

    @property
    def settles(self) -> bool:
        """Whether an allow has to be settled first (``policy.settle``); then no answer may be given again."""
        return bool(self.confirm) or self.rate is not None

    @property
    def of_operations(self) -> bool:
        """Whether it selects what is asked of an MCP server."""
        return any(patterns is not None for patterns in (self.tool, self.resource, self.prompt, self.mcp))

    @property
    def particular(self) -> bool:
        """Whether a decision depends on more of the request than that this rule matches it: none is given again."""
        return self.when is not None or self.schema is not None or self.sensitive.blocks

    @property
    def reads_request(self) -> bool:
        """Whether its condition reads method, path or host."""
        return self.when is not None and self.when.reads_request

    @property
    def constrained(self) -> bool:
        """Whether it depends on method or path of the request, or on what it asks of an MCP server."""
        selects = self.methods is not None or self.path is not None or self.preflight or self.of_operations
        return selects or self.reads_request


@dataclass(frozen=True, slots=True)
class Described:
    """What clients are told of a resource beside what follows from its policy."""

    title: str | None
    documentation: str | None
    server: str | None  # the issuer whose own metadata stand at the resource's origin, too


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One resource.  Nothing in it changes; a reload makes new ones."""

    name: str
    kind: Literal["http", "mcp"]
    generation: int  # of the configuration that it was made from
    identifier: str | None
    audience: frozenset[str]  # twins included
    spoken_audience: str | None  # what introspection says ``aud`` is
    issuers: Mapping[str, float]  # accepted ``iss`` -> its leeway (seconds)
    scopes: tuple[str, ...]
    implied: Mapping[str, frozenset[str]]  # scope -> those of which any stands for it, too
    origins: frozenset[bytes] | None  # what an Origin may be; None: it is not looked at
    max_lifetime: float | None  # seconds
    strict: bool  # staleness
    cacheable_for: int  # seconds for which a gateway may keep an allow; 0: not at all
    shadow: bool  # nothing is refused to a trusted peer
    gateways: frozenset[str]
    metadata_url: str | None
    described: Described
    login: login.Login | None  # where a browser without a credential is sent
    identity: Identity
    rules: tuple[Rule, ...]  # all, as in the file
    enforced: tuple[
        Rule, ...
    ]  # those that decide; of kind mcp one of the file may be two, for what it lets be confirmed
    matcher: native.Rules  # over ``enforced``; of kind mcp ``guard`` is instead of it
    shadows: tuple[tuple[Rule, native.Rules], ...]  # those that do not, each with its own selectors
    guard: Guard | None  # over ``enforced``, where these select what is asked of an MCP server
    shadow_guards: tuple[Guard | None, ...]  # over ``shadows``, each by itself
    upstream: str | None  # where ``/mcp/NAME`` passes on to
    body_at: frozenset[str]  # the gateways that show what is asked in the body
    constrained: bool  # an enforced rule selects by method or path, or asks for them
    has_paths: bool  # an enforced rule selects by path, or asks for it
    credentials: frozenset[str] = frozenset({"jwt"})  # "jwt", "apikey"
    sensitive: Watched = terms.NOTHING  # looked for in arguments, also where there are no rules

    def watched(self, rule: Rule | None) -> Watched:
        """What is sensitive in arguments under one of the rules, or none."""
        return self.sensitive if rule is None else rule.sensitive

    def takes(self, credential: bytes) -> bool:
        """Whether it is of a kind that may be shown here: asked before anything is looked up or verified for it."""
        return ("apikey" if credential.startswith(API_KEY) else "jwt") in self.credentials

    def is_meant_by(self, verified: Verified) -> bool:
        """Whether that is for this resource.  A token says so by ``aud``; an API key by our own name for the resource."""
        if verified.issuer == API_KEYS:
            return self.name in verified.audience
        return not self.audience.isdisjoint(verified.audience)

    @property
    def reads_operations(self) -> bool:
        """Whether what is asked of the MCP server has to be read at all."""
        return self.guard is not None or any(self.shadow_guards)


class Policy:
    """All resources of one configuration, under its generation."""

    def __init__(self, config: model.Config, generation: int) -> None:
        """Raises ValueError or BearerdError where the identity's keys cannot be read."""
        told = config.identity
        self.generation = generation
        self.limits = config.limits
        self.signatory = None if told is None else Signatory(told, config.limits.identity_tokens)
        own = terms.detectors(config.sensitive)
        self.resources: Mapping[str, Resource] = MappingProxyType(
            {
                name: _resource(name, table, config, generation, self.signatory, own)
                for name, table in config.resource.items()
            }
        )
        self.named: tuple[Resource, ...] = tuple(self.resources.values())  # in the order of the file
        self.hosts: Final = Hosts(
            (host, table.paths or None, place)
            for place, table in enumerate(config.resource.values())
            for host in table.hosts
        )
        """Which of ``named`` a host, and a path, belong to."""

    def forget(self) -> None:
        """It is in use no more, but for the notes of what was decided by it."""
        if self.signatory is not None:
            self.signatory.forget()


def metadata_url(identifier: str | None) -> str | None:
    """Where a resource's metadata is found: the well-known path between host and path (RFC 9728 section 3.1).

    None unless the identifier is an http or https URL.
    """
    parts = urlsplit(identifier or "")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    path = "" if parts.path == "/" else parts.path
    return parts._replace(path=METADATA_PATH + path, fragment="").geturl()


def _resource(
    name: str,
    table: model.Resource,
    config: model.Config,
    generation: int,
    signatory: Signatory | None,
    own: Mapping[str, Detector],
) -> Resource:
    configured, review = table.audiences, config.reviewed.get(name)
    reviewed = None if review is None else review.tools
    rules = tuple(_rule(index, rule, name, table, own) for index, rule in enumerate(table.rule))
    told = tuple(zip(rules, table.rule, strict=True))
    enforced = tuple(
        part for rule, said in told if said.enforce != "shadow" for part in _parts(rule, reviewed, said.confirm)
    )
    shadows = tuple(rule for rule, said in told if said.enforce == "shadow")
    return Resource(
        name=name,
        kind=table.kind,
        generation=generation,
        identifier=table.identifier,
        audience=audience.accepted(configured),
        spoken_audience=table.identifier or next(iter(configured), None),
        issuers=MappingProxyType(_accepted(table, config.issuer)),
        scopes=tuple(dict.fromkeys(table.scopes)),
        implied=scopes.implied_by(table.scope_implies),
        origins=origin.allowed(table),
        max_lifetime=table.max_lifetime,
        strict=table.staleness == "strict",
        cacheable_for=int(table.cacheable_for or 0),
        shadow=table.enforce == "shadow",
        gateways=frozenset(table.gateways),
        metadata_url=metadata_url(table.identifier),
        described=Described(table.title, table.documentation, _server(table, config.issuer)),
        login=login.made(table),
        identity=_identity(name, table, signatory),
        rules=rules,
        enforced=enforced,
        matcher=_matcher(*enforced) if table.kind == "http" else _matcher(),
        shadows=tuple((rule, _matcher(rule)) for rule in shadows),
        guard=operations.guard(enforced, reviewed),
        shadow_guards=tuple(operations.guard([rule]) for rule in shadows),
        upstream=table.upstream,
        body_at=frozenset({"envoy", "grpc"} if table.mcp_body == "required" else ()),
        constrained=any(rule.constrained for rule in enforced),
        credentials=frozenset(table.credentials),
        has_paths=any(rule.path is not None or rule.reads_request for rule in enforced),
        sensitive=terms.watched(table.sensitive, own=own),
    )


def _identity(name: str, table: model.Resource, signatory: Signatory | None) -> Identity:
    if not table.signed:
        return Identity(table.identity, table.client_headers)
    audience = table.identity_audience or table.identifier
    if signatory is None or audience is None:  # ``load`` has seen to it; whoever builds a Config otherwise is told here
        raise ValueError(f"resource {name}: a signed identity needs keys and an audience")
    upstream = Upstream(signatory, name, audience, claim_paths(table.identity))
    return Identity(table.identity, table.client_headers, upstream, plain=table.forward_identity == "both")


def _rule(index: int, rule: model.Rule, name: str, table: model.Resource, own: Mapping[str, Detector]) -> Rule:
    return Rule(
        index=index,
        methods=rule.methods,
        path=rule.path,
        preflight=rule.preflight,
        auth=rule.auth,
        scopes=tuple(dict.fromkeys((*table.scopes, *rule.scopes))),
        roles=frozenset(rule.roles),
        claims=tuple(rule.claims.items()),
        tool=rule.tool,
        resource=rule.resource,
        prompt=rule.prompt,
        mcp=rule.mcp,
        confirm=rule.confirm or False,
        when=terms.condition_of(rule, table),
        schema=terms.schema_of(rule),
        rate=terms.budget_of(rule, name),
        sensitive=terms.watched(table.sensitive, rule.sensitive, own=own),
        meaning=_meaning(rule, table),
    )


def _parts(rule: Rule, reviewed: Mapping[str, bool] | None, said: bool | str | None) -> list[Rule]:
    """A rule, behind the same for those of its tools that are to be confirmed by the reviewed list.

    ``said``: what the rule says of it itself.
    """
    if rule.tool is None or reviewed is None or said is not None:
        return [rule]
    risky = tuple(name for name, destructive in reviewed.items() if destructive and globs.any_of(rule.tool, name))
    return [replace(rule, tool=risky, confirm=True), rule] if risky else [rule]


_BOUND: Final = frozenset({"kind", "identifier", "audience", "scopes", "issuers", "upstream"})


def _meaning(rule: model.Rule, table: model.Resource) -> str:
    """What a person approves beside the call: a rule, and the thing behind it.  Its place in the file is no part of it."""
    told = {"rule": rule.model_dump(mode="json"), "resource": table.model_dump(mode="json", include=set(_BOUND))}
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _matcher(*rules: Rule) -> native.Rules:
    return native.Rules([(rule.methods, rule.path, rule.preflight) for rule in rules])


def _server(table: model.Resource, issuers: Sequence[model.Issuer]) -> str | None:
    """The issuer that ``authorization_server_metadata`` names, by URL or by name."""
    named = table.authorization_server_metadata
    return next((issuer.issuer for issuer in issuers if named in (issuer.issuer, issuer.name)), None)


def _accepted(table: model.Resource, issuers: Sequence[model.Issuer]) -> dict[str, float]:
    """``iss`` and leeway of the issuers that a resource names, by URL or by name; all, where it names none.

    None of them where it takes no tokens; and where it takes API keys, us.
    """
    named = table.issuers if "jwt" in table.credentials else ()
    accepted = {
        issuer.issuer: issuer.leeway
        for issuer in issuers
        if named is None or issuer.issuer in named or issuer.name in named
    }
    return accepted | ({API_KEYS: 0.0} if "apikey" in table.credentials else {})
