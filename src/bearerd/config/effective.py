"""What a configuration amounts to: its text with secrets masked, what it leaves open, and what a change of it needs."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel

from bearerd.config import (
    addresses,
    check_apikeys,
    check_approvals,
    check_audit,
    check_cacheable,
    check_discovery,
    check_grpc,
    check_hosts,
    check_identity,
    check_login,
    check_origins,
    check_tls,
    files,
    store_url,
)
from bearerd.config.model import WITHOUT_METHODS, Rule, UnixListener
from bearerd.config.problems import dotted
from bearerd.config.problems import key as quoted
from bearerd.config.units import is_duration, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bearerd.config.model import Config, Issuer, Resource

MASK: Final = "***"
_ON_ONE_LINE: Final = frozenset(
    {"identity", "claims", "jwks", "scope_implies", "schema", "sensitive", "rate", "approvers"}
)
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 section 6

RELOADABLE: Final = frozenset(
    {"server.reveal_reason", "server.log_allows", "server.hash_subjects", "server.tls", "audit.share"}
)
"""Of ``server``, ``store``, ``limits`` and ``audit``, all that a reload can change: the rest shapes sockets, connections and tables
that live as long as the process.  Issuers, callers, resources, identity and trust are always reloadable."""


class Opening(NamedTuple):
    """One way to an upstream without a token."""

    key: str  # dotted
    methods: str  # their names, or which in words
    path: str  # the pattern, or "any path"
    why: str

    def __str__(self) -> str:
        return f"{self.key}: {self.methods} {self.path}: {self.why}"


def effective(config: Config) -> dict[str, Any]:
    """Every table with its defaults, as plain JSON-able values; secrets masked, durations as written in a file."""
    tree = {key: value for key, value in _plain(config).items() if value != []}
    tree.get("identity", {}).pop("keys", None)  # what stands in the files
    tree.pop("reviewed", None)  # likewise
    for resource in tree["resource"].values():
        if resource["kind"] != "mcp":
            resource.pop("mcp_body")  # it would be refused
        for rule in resource.get("rule", ()):
            if "schema_file" in rule:
                rule.pop("schema", None)  # what stands in the file
    store = tree["store"]
    if "url_file" in store:
        store.pop("url", None)
    elif "url" in store:
        store["url"] = store_url.masked(store["url"])
    for issuer in tree.get("issuer", ()):
        if "proxy" in issuer:
            issuer["proxy"] = _masked_url(issuer["proxy"])
        if "jwks" in issuer:
            issuer["jwks"] = _masked_keys(issuer["jwks"])
    return tree


def _plain(model: BaseModel) -> dict[str, Any]:
    brief = isinstance(model, Rule)  # of a rule only what was said: a preflight rule may not even repeat a default
    found: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if value is None or (brief and value == field.get_default(call_default_factory=True)):
            continue  # TOML has no null: absent
        found[field.alias or name] = spelled(value) if is_duration(name, value) else _plain_value(value)
    return found


def _plain_value(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value)
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain_value(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _masked_url(url: str) -> str:
    """A URL without its password and query; both may hold secrets."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    netloc = f"{name}{colon}{MASK if colon else ''}{at}{host}"
    return parts._replace(netloc=netloc, query=MASK if parts.query else "").geturl()


def _masked_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: MASK if key in _PRIVATE_MEMBERS else _masked_keys(item) for key, item in value.items()}
    return [_masked_keys(item) for item in value] if isinstance(value, list) else value


def as_toml(tree: dict[str, Any]) -> str:
    """Such a tree as TOML: what ``bearerd check`` prints, and what ``load`` reads back."""
    return "\n".join(_lines(tree, "")).lstrip("\n") + "\n"


def _lines(table: dict[str, Any], name: str) -> Iterator[str]:
    """First the plain keys, then the tables: a key after a table's head would belong to it."""
    inner = {key: value for key, value in table.items() if _is_table(key, value) or (key, name) == ("identity", "")}
    yield from (f"{quoted(key)} = {_toml(value)}" for key, value in table.items() if key not in inner)
    for key, value in inner.items():
        path = f"{name}.{quoted(key)}" if name else quoted(key)
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(value, list) or not entry or not all(isinstance(item, dict) for item in entry.values()):
                yield f"\n[[{path}]]" if isinstance(value, list) else f"\n[{path}]"
            yield from _lines(entry, path)


def _is_table(key: str, value: Any) -> bool:
    """Whether a value gets a head of its own; the small tables (identity, claims, a JWK Set) stay on one line."""
    if isinstance(value, list):
        return key in ("issuer", "caller", "sensitive", "rule") and bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) and key not in _ON_ONE_LINE


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{quoted(key)} = {_toml(item)}" for key, item in value.items()) + " }" if value else "{}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def open_paths(config: Config) -> list[Opening]:
    """Every rule, and every resource, that lets a request through without a token."""
    found: list[Opening] = []
    for name, resource in config.resource.items():
        key = dotted("resource", [name])
        if resource.enforce == "shadow":
            found.append(
                Opening(key, "any method", "any path", "the resource is in shadow: nothing is refused to a gateway")
            )
        found += _open_rules(key, resource)
    return found


def _open_rules(key: str, resource: Resource) -> Iterator[Opening]:
    for number, rule in enumerate(resource.rule):
        if rule.enforce == "shadow":
            continue  # it decides nothing, so it opens nothing
        place, path = f"{key}.rule[{number}]", rule.path or "any path"
        if rule.preflight:
            yield Opening(place, "OPTIONS", path, "CORS preflight")
        elif rule.auth != "required":
            why = "no token is looked at" if rule.auth == "none" else "a request without Authorization is anonymous"
            yield Opening(place, " ".join(rule.methods or (WITHOUT_METHODS,)), path, why)


def clock_hold(config: Config) -> float:
    """Seconds for which a wall clock that was set back is not believed: whatever it revived would have expired by then."""
    return config.store.revocation_retention + max((issuer.leeway for issuer in config.issuer), default=0.0)


def reloadable(before: Config, after: Config) -> Config:
    """The new configuration as far as a running process can take it (``effective.RELOADABLE``)."""
    names = [key.partition(".")[2] for key in RELOADABLE if key.startswith("server.")]
    server = before.server.model_copy(update={name: getattr(after.server, name) for name in names})
    audit = before.audit.model_copy(update={"share": after.audit.share})
    return after.model_copy(update={"server": server, "store": before.store, "limits": before.limits, "audit": audit})


def needs_restart(old: Config, new: Config) -> list[str]:
    """The dotted keys that differ and take effect only with a restart."""
    return [
        f"{section}.{field}"
        for section in ("server", "store", "limits", "audit")
        for field in type(getattr(old, section)).model_fields
        if f"{section}.{field}" not in RELOADABLE
        and getattr(getattr(old, section), field) != getattr(getattr(new, section), field)
    ] + check_approvals.needs_restart(old, new)


def warnings(config: Config, path: Path | None = None) -> list[str]:
    """What is allowed and yet worth a second look: one line each, with its dotted key first; no secrets.

    ``path``: the file that it was read from.
    """
    return [
        *_warn_of_own_file(path),
        *_warn_of_server(config),
        *_warn_of_store(config),
        *check_identity.warnings(config),
        *check_apikeys.warnings(config),
        *check_audit.warnings(config),
        *_warn_of_issuers(config),
        *check_approvals.warnings(config),
        *_warn_of_resources(config),
    ]


def _warn_of_own_file(path: Path | None) -> Iterator[str]:
    if path is not None and files.world_writable(path):
        yield f"file: every local user may write {path}, and so say whose tokens are good: chmod o-w {path}"


def _warn_of_server(config: Config) -> Iterator[str]:
    server = config.server
    if server.profile == "development":
        yield "server.profile: development: http issuers are allowed; never serve real users with it"
    if server.reveal_reason:
        yield "server.reveal_reason: clients learn why they are refused, which helps whoever is guessing"
    for number, entry in enumerate(server.listen):
        if isinstance(entry, UnixListener) and int(entry.mode, 8) & 0o002:
            yield f"server.listen[{number}].mode: every local user may speak as a gateway"
    yield from check_hosts.warnings(config)
    for number, peer in enumerate(config.trust.peers):
        if peer != "unix" and ipaddress.ip_network(peer).prefixlen == 0:
            yield f"trust.peers[{number}]: whoever reaches the port may speak as a gateway"
    yield from check_tls.warnings(server)
    yield from check_grpc.warnings(config)


def _warn_of_store(config: Config) -> Iterator[str]:
    url, key_file, production = config.store.url, config.store.fleet_key_file, config.server.profile == "production"
    if url is not None and _in_the_clear(url):
        yield "store.url: redis:// is not encrypted: its password and the revocations cross the network in the clear"
    if url is not None and key_file is None and production:
        yield "store.fleet_key_file: without it, whoever can write the store owns the fleet"
    if url is not None and key_file is None and config.store.snapshot_key_file is None and production:
        yield "store.snapshot_key_file: without it, whoever can write data_dir can lift revocations, and bring keys"
    for name in ("fleet_key_file", "snapshot_key_file", "url_file"):
        yield from _warn_of_file(f"store.{name}", getattr(config.store, name))


def _in_the_clear(url: str) -> bool:
    found = store_url.parse(url)
    return not found.tls and not all(_loopback(host) for host, _ in found.hosts)


def _warn_of_issuers(config: Config) -> Iterator[str]:
    if not config.issuer and not check_apikeys.taken(config.resource):
        yield "issuer: none: every token is refused"
    for number, issuer in enumerate(config.issuer):
        key = f"issuer[{number}]"
        if issuer.insecure_issuer:
            yield f"{key}.insecure_issuer: whoever is on the path to {issuer.issuer} chooses its keys"
        if issuer.leeway > 300:
            yield f"{key}.leeway: {spelled(issuer.leeway)}: expired tokens stay good for that long"
        yield from _warn_of_secrets(key, issuer)
    for number, caller in enumerate(config.caller):
        yield from _warn_of_file(f"caller[{number}].secret_file", caller.secret_file)


def _warn_of_secrets(key: str, issuer: Issuer) -> Iterator[str]:
    for field in ("secret_file", "fetch_header_file"):
        yield from _warn_of_file(f"{key}.{field}", getattr(issuer, field))


def _warn_of_file(key: str, path: Path | None) -> Iterator[str]:
    if path is not None and files.world_readable(path):
        yield f"{key}: every local user may read {path}"


def _warn_of_resources(config: Config) -> Iterator[str]:
    if not config.resource:
        yield "resource: none: every question is answered unknown_resource"
    for name, resource in config.resource.items():
        if resource.enforce == "shadow":
            yield f"resource.{name}.enforce: shadow: nothing is refused to a gateway"
        for check in (check_login, check_discovery, check_origins):
            yield from check.warnings(f"resource.{name}", resource)
        hidden = [header for header in resource.identity if not header.lower().startswith("x-auth-")]
        if "envoy" in resource.gateways and hidden:
            yield (
                f"resource.{name}.identity: {', '.join(hidden)}: add to Envoy's allowed_headers what does not begin with "
                "x-auth-, or bearerd does not see that a client sent it, and cannot refuse it"
            )
    yield from check_cacheable.warnings(config.resource)


def _loopback(host: str) -> bool:
    try:
        return addresses.Address(host, 0).loopback
    except ValueError:
        return False
