"""Cross-checks of resources of kind ``mcp``: what selects, where an operation is read, and what that place can tell.

A header knows the name of what is called and not its arguments.  So a rule that needs these is no rule for a resource that
may be asked about by headers alone: whoever made the body not arrive would be judged by less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.config import files
from bearerd.config.problems import dotted
from bearerd.mcp import condition, globs, reviewed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bearerd.config.model import Resource, Rule
    from bearerd.config.problems import Problems
    from bearerd.mcp.reviewed import Review

NEEDS_ARGUMENTS: Final[dict[str, Callable[[Rule], bool]]] = {
    "confirm": lambda rule: bool(rule.confirm),
    "when": lambda rule: rule.when is not None and condition.reads_arguments(rule.when),
    "schema": lambda rule: rule.arguments_schema is not None and rule.schema_file is None,
    "schema_file": lambda rule: rule.schema_file is not None,
    "sensitive": lambda rule: rule.sensitive is not None and bool(rule.sensitive.block),
}
"""The keys of a rule that ask for the arguments of a call, and whether one does."""

_OF_MCP: Final = ("mcp_headers", "mcp_body", "tools_file", "upstream")
_BODILESS: Final = ("nginx", "forwarded")
_BY_CHOICE: Final = ("envoy", "grpc")


def check_mcp(resources: Mapping[str, Resource | None], problems: Problems) -> dict[str, Review]:
    """Each resource by itself.  Returns what the reviewed lists of tools hold, by resource."""
    found: dict[str, Review] = {}
    for name, resource in resources.items():
        if resource is None:
            continue
        key = dotted("resource", [name])
        if resource.kind != "mcp":
            _check_other(key, resource, problems)
            continue
        for number, rule in enumerate(resource.rule):
            _check_rule(f"{key}.rule[{number}]", rule, problems)
        _check_places(key, resource, problems)
        tools = _tools(key, resource, problems)
        if tools is not None:
            found[name] = tools
        _check_headers(key, resource, {} if tools is None else tools.tools, problems)
    return found


def by_headers(resource: Resource) -> tuple[str, ...]:
    """The gateways that may ask about operations without showing a body."""
    unread = resource.mcp_body == "unread"
    return tuple(gate for gate in resource.gateways if gate in _BODILESS or (unread and gate in _BY_CHOICE))


def needs_arguments(rule: Rule) -> list[str]:
    """The keys of a rule by which it depends on what a tool is called with."""
    return [field for field, needs in NEEDS_ARGUMENTS.items() if needs(rule)]


def selectors(rule: Rule) -> list[str]:
    """Those of ``tool``, ``resource``, ``prompt`` and ``mcp`` that a rule has."""
    return [kind for kind in globs.KINDS if getattr(rule, kind) is not None]


def _check_other(key: str, resource: Resource, problems: Problems) -> None:
    """Kind ``http``."""
    remedy = 'add kind = "mcp" to the resource, or remove it'
    for field in _OF_MCP:
        if getattr(resource, field) != type(resource).model_fields[field].default:
            problems.add(f"{key}.{field}", 'stands only with kind = "mcp"', remedy, given=(f"{key}.kind",))
    for number, rule in enumerate(resource.rule):
        for field in (*selectors(rule), *(["confirm"] if rule.confirm is not None else [])):
            place = f"{key}.rule[{number}].{field}"
            problems.add(place, 'stands only in rules of kind = "mcp"', remedy, given=(f"{key}.kind",))


def _check_rule(key: str, rule: Rule, problems: Problems) -> None:
    for field in ("methods", "path"):
        if getattr(rule, field) is not None:
            remedy = "select by tool, resource, prompt or mcp: an MCP server has one path, and takes POST"
            problems.add(f"{key}.{field}", 'does not stand in rules of kind = "mcp"', remedy)
    given = selectors(rule)
    if len(given) + rule.preflight != 1:
        wrong = " and ".join([*given, *(["preflight"] if rule.preflight else [])])
        wrong = f"{wrong} together" if wrong else "nothing is selected"
        remedy = 'exactly one of tool, resource, prompt, mcp (or preflight = true): tool = "*" is any tool'
        problems.add(key, wrong, remedy, given=tuple(f"{key}.{kind}" for kind in globs.KINDS))
    for kind in given:
        _check_patterns(f"{key}.{kind}", kind, getattr(rule, kind), problems)
    if rule.auth != "required":
        remedy = "remove it: a client must send its token with every request to an MCP server"
        problems.add(f"{key}.auth", f'"{rule.auth}" in a rule of kind = "mcp"', remedy)
    if rule.confirm is not None and given != ["tool"]:
        problems.add(f"{key}.confirm", "stands only beside tool", "remove it: only tools do something", given=(key,))


def _check_patterns(key: str, kind: str, patterns: tuple[str, ...], problems: Problems) -> None:
    if not patterns:
        problems.add(key, "must not be empty: the rule would never match", 'name some, or write "*" for any')
    for pattern in patterns:
        wrong = globs.wrong(kind, pattern)
        if wrong is not None:
            problems.add(key, *wrong)


def _check_places(key: str, resource: Resource, problems: Problems) -> None:
    if resource.mcp_body == "unread" and not set(resource.gateways) & set(_BY_CHOICE):
        remedy = 'remove it: only "envoy" and "grpc" can show a body at all'
        problems.add(f"{key}.mcp_body", "has no effect here", remedy, given=(f"{key}.gateway",))
    if resource.cacheable_for is not None and resource.rule:
        remedy = "remove it, or the rules: no gateway's key holds which tool is called"
        problems.add(f"{key}.cacheable_for", 'stands beside rules of kind = "mcp"', remedy)


def _tools(key: str, resource: Resource, problems: Problems) -> Review | None:
    """The reviewed list; None where there is none, or it cannot be used."""
    if resource.tools_file is None:
        return None
    place = f"{key}.tools_file"
    if all(rule.tool is None for rule in resource.rule):
        problems.add(place, "no rule selects tools", 'add [[rule]] tool = "*", or remove it')
    if files.trouble(resource.tools_file) is not None:  # told already
        return None
    try:
        return reviewed.read(files.read(resource.tools_file, reviewed.MOST_BYTES))
    except (OSError, ValueError) as error:
        problems.add(place, f"{resource.tools_file}: {error}", "save what the server answers to tools/list")
        return None


def _check_headers(key: str, resource: Resource, tools: Mapping[str, bool], problems: Problems) -> None:
    """What can be asked about without a body."""
    asks = by_headers(resource)
    if not asks:
        return
    who = " and ".join(f'"{gateway}"' for gateway in asks)
    undecided = {name for name, destructive in tools.items() if destructive}
    for number, rule in enumerate(resource.rule):
        place = f"{key}.rule[{number}]"
        given = selectors(rule)
        if given and resource.mcp_headers is None:
            problems.add(
                f"{place}.{given[0]}",
                f"gateway = {who} shows no body, and headers are believed only where the server compares them with it",
                'set mcp_headers = "checked" if it does (the specification demands it since 2026-07-28), or ask by "envoy"',
                given=(f"{key}.gateway", f"{key}.mcp_headers", f"{place}.{given[0]}"),
            )
        for field in needs_arguments(rule):
            remedy = f'ask by "envoy" or "grpc" with mcp_body = "required" only, or remove {field}'
            problems.add(f"{place}.{field}", f"needs the arguments, which gateway = {who} does not show", remedy)
        decided = {name for name in undecided if globs.any_of(rule.tool or (), name)}
        _check_destructive(place, rule, decided, who, problems)
        undecided -= set() if rule.enforce == "shadow" else decided


def _check_destructive(place: str, rule: Rule, tools: set[str], who: str, problems: Problems) -> None:
    if tools and rule.confirm is None:
        problems.add(
            f"{place}.tool",
            f'"{min(tools)}" is destructive by tools_file and so to be confirmed, which needs arguments that gateway = {who} '
            "does not show",
            'ask by "envoy" or "grpc" only, or say confirm = false',
        )
