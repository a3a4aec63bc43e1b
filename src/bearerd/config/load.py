"""From a file and the environment to a ``Config``, or to all that is wrong with them at once."""

from __future__ import annotations

import copy
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bearerd.config import (
    check_apikeys,
    check_approvals,
    check_audit,
    check_cacheable,
    check_discovery,
    check_grpc,
    check_hosts,
    check_identity,
    check_issuers,
    check_limits,
    check_login,
    check_mcp,
    check_origins,
    check_resources,
    check_scopes,
    check_server,
    check_tls,
    check_upstream,
    environment,
    files,
    reserved,
    tables,
)
from bearerd.config.model import (
    ApiKeys,
    Approvals,
    Audit,
    Caller,
    Config,
    Identity,
    Issuer,
    Pattern,
    Resource,
    Rule,
    Server,
    Signing,
    Store,
    Tls,
    Trust,
    UnixListener,
    with_names,
)
from bearerd.config.problems import Problems, dotted, meant
from bearerd.errors import ConfigError, UnreadableConfig
from bearerd.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.config.model import Listener
    from bearerd.config.tables import Model
    from bearerd.mcp.reviewed import Review

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
PRODUCTION_DATA_DIR: Final = Path("/var/lib/bearerd")
DEVELOPMENT_DATA_DIR: Final = ".bearerd"
_TABLES: Final = tuple(field for field in Config.model_fields if field != "reviewed")  # which files of their own hold
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def load(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration of a file.  Raises ConfigError with all its problems.

    Relative paths in it, and in the environment, start at the file's folder; in the result all are absolute.
    """
    path = Path(path)
    return check(parse(path), environ, path.parent, str(path))


def check(tree: Mapping[str, Any], environ: Mapping[str, str], folder: Path, source: str) -> Config:
    """A parsed file as a configuration.  Raises ConfigError with all its problems; ``source`` names the file there."""
    problems = Problems()
    draft = _Draft(copy.deepcopy(dict(tree)), environ, folder.absolute(), problems)
    draft.cross_check()
    found = problems.sorted()
    if found:
        raise ConfigError(source, found)
    return draft.config()


def data_dir(config: Config, path: str | os.PathLike[str]) -> Path:
    """Where state is kept: as configured, else /var/lib/bearerd, in development ``.bearerd`` beside the file."""
    return _data_dir(config.server, Path(path).absolute().parent)


def _data_dir(server: Server, folder: Path) -> Path:
    if server.data_dir is not None:
        return server.data_dir
    return PRODUCTION_DATA_DIR if server.profile == "production" else folder / DEVELOPMENT_DATA_DIR


def parse(path: Path) -> dict[str, Any]:
    """The tables of a file as TOML gives them, unchecked.  Raises ConfigError."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        wrong = os.strerror(error.errno or 0)
        raise UnreadableConfig(str(path), [("file", wrong, "name a file that can be read")]) from None
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError(str(path), [("file", f"longer than {MAX_FILE_BYTES} bytes", "is this the right file?")])
    try:
        return tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(path), [(f"line {line}", "not UTF-8", "save the file as UTF-8")]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(str(path), [_syntax(str(error))]) from None


def _syntax(message: str) -> tuple[str, str, str]:
    """tomllib's message with the place in front."""
    match = re.fullmatch(r"(.*) \(at (line [0-9]+, column [0-9]+|end of document)\)", message, re.DOTALL)
    text, place = (match[1], match[2]) if match else (message, "file")
    return place, f"not TOML: {text[:1].lower()}{text[1:]}", "see https://toml.io"


def _named(issuers: list[Issuer | None]) -> list[Issuer | None]:
    """With the names that those without one will get: resources may refer to them."""
    named = iter(with_names(issuer for issuer in issuers if issuer is not None))
    return [issuer and next(named) for issuer in issuers]


class _Draft:
    """The tables that could be read; None in place of one that could not."""

    def __init__(self, tree: dict[str, Any], environ: Mapping[str, str], folder: Path, problems: Problems) -> None:
        self._folder = folder
        self._problems = problems
        environment.apply(tree, environ, problems)
        reserved.take_out(tree, problems)
        for key in tree:
            if key not in _TABLES:
                problems.add(key, "unknown table", meant(key, _TABLES, all_of="the tables are"))
        self.server = self._table(Server, tree.get("server", {}), "server") or Server()
        self.store = self._table(Store, tree.get("store", {}), "store") or Store()
        self.trust = self._table(Trust, tree.get("trust", {}), "trust") or Trust()
        self.limits = self._table(Limits, tree.get("limits", {}), "limits") or Limits()
        self.apikeys = self._table(ApiKeys, tree.get("apikeys", {}), "apikeys") or ApiKeys()
        self.identity = self._table(Identity, tree["identity"], "identity") if "identity" in tree else None
        self.has_identity = "identity" in tree  # be it one with a fault
        self.audit = self._table(Audit, tree.get("audit", {}), "audit") or Audit()
        self.keys: tuple[str, ...] = ()
        self.reviewed: dict[str, Review] = {}
        self.issuers = _named(self._tables(Issuer, tree, "issuer"))
        self.callers = self._tables(Caller, tree, "caller")
        self.patterns = self._tables(Pattern, tree, "sensitive")
        self.approvals = self._table(Approvals, tree["approvals"], "approvals") if "approvals" in tree else None
        self.resources = self._resources(tree)

    def cross_check(self) -> None:
        """What no table can know by itself."""
        problems = self._problems
        check_server.check_server(self.server, problems)
        check_tls.check_tls(self.server, problems)
        check_grpc.check_grpc(self.server, self.limits, self.resources, problems)
        check_server.check_store(self.store, self.server, problems)
        check_server.check_sealing_keys(self.store, _data_dir(self.server, self._folder), problems)
        check_server.check_retention(self.store, self.issuers, problems)
        check_server.check_trust(self.trust, problems)
        check_server.check_limits(self.limits, problems)
        check_issuers.check_issuers(self.issuers, self.server, self.limits, problems)
        check_issuers.check_callers(self.callers, self.resources, problems)
        check_resources.check_resources(self.resources, self.issuers, problems)
        check_hosts.check_hosts(self.resources, self.server, problems)
        check_login.check_login(self.resources, self.server, problems)
        check_discovery.check_discovery(self.resources, self.issuers, problems)
        check_origins.check_origins(self.resources, problems)
        check_cacheable.check_cacheable(self.resources, self.store, problems)
        check_scopes.check_scopes(self.resources, problems)
        check_upstream.check_upstreams(self.resources, problems)
        self.reviewed = check_mcp.check_mcp(self.resources, problems)
        check_apikeys.check_apikeys(self.apikeys, self.resources, self.store, self.server, problems)
        check_apikeys.check_place(self.apikeys, _data_dir(self.server, self._folder), problems)
        check_limits.check_limits(self.resources, self.patterns, problems)
        check_approvals.check_approvals(self.approvals, self.server, problems)
        check_approvals.check_rules(self.resources, self.approvals, problems)
        self._check_identity()
        check_audit.check_audit(self.audit, self.resources, _data_dir(self.server, self._folder), problems)
        url = check_server.check_store_url_file(self.store, problems)
        if url is not None:
            self.store = self.store.model_copy(update={"url": url})

    def _check_identity(self) -> None:
        problems = self._problems
        check_identity.check_resources(self.resources, problems, given=self.has_identity)
        if self.identity is not None:
            check_identity.check_issuer(self.identity, self.issuers, self.server, problems)
            self.keys = check_identity.check_keys(self.identity, _data_dir(self.server, self._folder), problems)

    def config(self) -> Config:
        """The whole; only after no problem was found."""
        return Config(
            server=self.server,
            store=self.store,
            trust=self.trust,
            limits=self.limits,
            apikeys=self.apikeys,
            audit=self.audit,
            identity=None if self.identity is None else Signing(**dict(self.identity), keys=self.keys),
            issuer=tuple(issuer for issuer in self.issuers if issuer is not None),
            caller=tuple(caller for caller in self.callers if caller is not None),
            sensitive=tuple(pattern for pattern in self.patterns if pattern is not None),
            approvals=self.approvals,
            resource={name: resource for name, resource in self.resources.items() if resource is not None},
            reviewed=self.reviewed,
        )

    def _table(self, model: type[Model], data: Any, key: str) -> Model | None:
        read = tables.read(model, data, key, self._problems)
        return None if read is None else self._at_home(read, key)

    def _tables(self, model: type[Model], tree: dict[str, Any], key: str) -> list[Model | None]:
        entries = tables.list_of(tree, key, key, self._problems)
        return [self._table(model, entry, f"{key}[{number}]") for number, entry in enumerate(entries)]

    def _resources(self, tree: dict[str, Any]) -> dict[str, Resource | None]:
        given = tree.get("resource", {})
        if not isinstance(given, dict):
            self._problems.add("resource", "must be a table", "write [resource.NAME]")
            return {}
        found: dict[str, Resource | None] = {}
        for name, data in given.items():
            key = dotted("resource", [name])
            if not _NAME.fullmatch(name):
                self._problems.add(
                    key, "not a resource's name", "1 to 63 of a-z, 0-9, _ and -, a letter or digit first"
                )
            found[name] = self._resource(data, key)
        return found

    def _resource(self, data: Any, key: str) -> Resource | None:
        if not isinstance(data, dict):
            return self._table(Resource, data, key)
        rules = tables.list_of(data, "rule", f"{key}.rule", self._problems)
        read = [self._rule(rule, f"{key}.rule[{number}]") for number, rule in enumerate(rules)]
        resource = self._table(Resource, {name: value for name, value in data.items() if name != "rule"}, key)
        if resource is None:
            return None
        # A rule that is no table keeps its place in the numbering; the problem it left stops the whole anyway.
        return resource.model_copy(update={"rule": tuple(rule or Rule() for rule in read)})

    def _rule(self, data: Any, key: str) -> Rule | None:
        rule = self._table(Rule, data, key)
        return None if rule is None else check_limits.with_schema(rule, key, self._problems)

    def _at_home(self, table: Model, key: str) -> Model:
        """The table with every path absolute, and every file that it names looked at."""
        update: dict[str, Any] = {}
        for field, value in table:
            if isinstance(value, Path):
                update[field] = self._folder / value
                if field.endswith("_file") and (found := files.trouble(update[field])):
                    wrong, remedy = found
                    if field == "tools_file" and not os.path.lexists(update[field]):
                        remedy = f"bearerd mcp review {key.removeprefix('resource.')} --config FILE writes it"
                    self._problems.add(f"{key}.{field}", wrong, remedy)
            elif field == "key_files":
                update[field] = tuple(self._folder / path for path in value)
            elif field == "listen" and isinstance(value, tuple):
                update[field] = tuple(self._socket(entry) for entry in value)
            elif isinstance(value, Tls):
                update[field] = self._at_home(value, f"{key}.{field}")
        return table.model_copy(update=update)

    def _socket(self, entry: Listener) -> Listener:
        if not isinstance(entry, UnixListener) or not entry.path:
            return entry
        return entry.model_copy(update={"path": str(self._folder / entry.path)})
