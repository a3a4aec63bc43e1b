"""Cross-checks of what a rule asks of a call beside scopes: ``when``, ``schema``, ``sensitive`` and ``rate``.

Everything is compiled here once, so that a typing error is told with its place at load, and never met by a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bearerd.config import budget, check_mcp, files
from bearerd.config.problems import dotted, meant
from bearerd.mcp import condition, detectors, extra, schema
from bearerd.mcp.vocabulary import BadSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bearerd.config.model import Pattern, Resource, Rule, Sensitive
    from bearerd.config.problems import Problems
    from bearerd.mcp.condition import Kind

MOST_PATTERNS: Final = 64
_SCHEMA: Final = ("arguments_schema", "schema_file")


def check_limits(
    resources: Mapping[str, Resource | None], patterns: Sequence[Pattern | None], problems: Problems
) -> None:
    """Of every resource and rule."""
    known = _check_patterns(patterns, problems)
    for name, resource in resources.items():
        if resource is None:
            continue
        key, kind = dotted("resource", [name]), kind_of(resource)
        _check_sensitive(key, resource.sensitive, kind, known, problems)
        _check_blocked(key, resource, problems)
        for number, rule in enumerate(resource.rule):
            place = f"{key}.rule[{number}]"
            _check_when(place, rule, kind, problems)
            _check_schema(place, rule, kind, problems)
            _check_sensitive(place, rule.sensitive, kind, known, problems)
            _check_rate(place, rule, problems)


def kind_of(resource: Resource) -> Kind:
    """What its conditions may speak of."""
    return resource.kind


def with_schema(rule: Rule, key: str, problems: Problems) -> Rule:
    """The rule with what its ``schema_file`` holds."""
    path = rule.schema_file
    if path is None or files.trouble(path) is not None:  # told already
        return rule
    if rule.arguments_schema is not None:
        problems.add(f"{key}.schema_file", "stands beside schema", "keep one of them")
        return rule
    try:
        read = schema.parsed(files.read(path, schema.MOST_BYTES))
    except BadSchema as error:
        problems.add(f"{key}.schema_file", f"{path}: {error}", error.remedy)
        return rule
    except (OSError, ValueError) as error:
        problems.add(f"{key}.schema_file", f"{path}: {error}", "name a file that holds one JSON Schema")
        return rule
    return rule.model_copy(update={"arguments_schema": read})


# ---- within ----


def _check_when(key: str, rule: Rule, kind: Kind, problems: Problems) -> None:
    if rule.when is None:
        return
    try:
        condition.compiled(rule.when, kind)
    except condition.BadCondition as error:
        problems.add(f"{key}.when", str(error), error.remedy)
    except extra.Missing as error:
        problems.add(f"{key}.when", str(error), extra.INSTALL)


def _check_schema(key: str, rule: Rule, kind: Kind, problems: Problems) -> None:
    if all(getattr(rule, field) is None for field in _SCHEMA):
        return
    place = f"{key}.{'schema' if rule.schema_file is None else 'schema_file'}"
    if kind != "mcp" or (rule.tool is None and rule.prompt is None):
        problems.add(
            place,
            "stands only in rules of an MCP resource that select by tool or prompt",
            'add tool = "NAME" and kind = "mcp", or remove it: nothing else has arguments',
            given=(f"{key}.tool", f"{key}.prompt"),
        )
    if rule.arguments_schema is None:
        return  # the file could not be read, which was told
    try:
        schema.of(rule.arguments_schema)
    except BadSchema as error:
        problems.add(place, f"{error.place}: {error}", error.remedy)
    except extra.Missing as error:
        problems.add(place, str(error), extra.INSTALL)


def _check_rate(key: str, rule: Rule, problems: Problems) -> None:
    if rule.rate is None:
        return
    try:
        budget.limit(rule.rate.limit)
    except ValueError as error:
        remedy = 'write it like "30/m": so many in a second (s), minute (m), hour (h) or day (d)'
        problems.add(f"{key}.rate", str(error), remedy)
    if rule.rate.unreachable == "local" and not rule.rate.exact:
        remedy = "remove it: only exact asks the store each time, and anything else is local without it anyway"
        problems.add(f"{key}.rate.unreachable", "has no effect without exact = true", remedy)
    if rule.enforce == "shadow":
        remedy = "remove it until the rule is enforced: a rule that does not decide spends nothing, so it would count nothing"
        problems.add(f"{key}.rate", 'stands beside enforce = "shadow"', remedy, given=(f"{key}.enforce",))


def _check_patterns(patterns: Sequence[Pattern | None], problems: Problems) -> list[str]:
    """The names that ``sensitive`` may use."""
    known = [*detectors.BUILT_IN]
    for number, pattern in enumerate(patterns):
        if pattern is None:
            continue
        key = f"sensitive[{number}]"
        if pattern.name in known:
            what = "is built in" if pattern.name in detectors.BUILT_IN else "is there already"
            problems.add(f"{key}.name", f'"{pattern.name}" {what}', "choose another name")
        known.append(pattern.name)
        try:
            detectors.Detector(pattern.name, pattern.pattern)
        except detectors.BadPattern as error:
            problems.add(f"{key}.pattern", str(error), "see https://github.com/google/re2/wiki/Syntax")
        except extra.Missing as error:
            problems.add(f"{key}.pattern", str(error), extra.INSTALL)
    if len(patterns) > MOST_PATTERNS:
        problems.add("sensitive", f"{len(patterns)} patterns", f"at most {MOST_PATTERNS}: make one of several by |")
    return known


def _check_sensitive(key: str, told: Sensitive | None, kind: Kind, known: Iterable[str], problems: Problems) -> None:
    if told is None:
        return
    place = f"{key}.sensitive"
    if kind != "mcp":
        problems.add(
            place, "stands only on MCP resources", 'add kind = "mcp", or remove it: nothing else has arguments'
        )
    seen: dict[str, str] = {}
    for action in ("flag", "redact", "block"):
        for name in getattr(told, action):
            if name not in known:
                problems.add(
                    f"{place}.{action}", f'there is no pattern "{name}"', meant(name, known, all_of="there are")
                )
            elif seen.setdefault(name, action) != action:
                remedy = "name it once: what is blocked is redacted, too, and what is redacted is told"
                problems.add(f"{place}.{action}", f'"{name}" stands in {seen[name]}, too', remedy)
    if seen:
        _check_installed(place, problems)
    if told.names is not None and not all(any(map(str.isalnum, name)) for name in told.names):
        problems.add(f"{place}.names", "a name without letters and digits", "name arguments like password")


def _check_blocked(key: str, resource: Resource, problems: Problems) -> None:
    """What a rule blocks is ``check_mcp``'s to tell."""
    asks = check_mcp.by_headers(resource) if resource.kind == "mcp" else ()
    if asks and resource.sensitive is not None and resource.sensitive.block:
        who = " and ".join(f'"{gateway}"' for gateway in asks)
        remedy = 'ask by "envoy" or "grpc" with mcp_body = "required" only, or remove block'
        wrong = f"needs the arguments, which gateway = {who} does not show"
        problems.add(f"{key}.sensitive.block", wrong, remedy, given=(f"{key}.gateway",))


def _check_installed(place: str, problems: Problems) -> None:
    try:
        _: Any = extra.need("re2")
    except extra.Missing as error:
        problems.add(place, str(error), extra.INSTALL)
