"""Cross-checks of resources and their rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bearerd._native import rules as native
from bearerd.config import audience, check_claims
from bearerd.config.headers import check_headers
from bearerd.config.problems import meant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bearerd.config.model import Issuer, Resource, Rule
    from bearerd.config.problems import Problems

_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3, scope-token
_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 9.1
_REQUIREMENTS: Final = ("scopes", "roles", "claims", "when", "arguments_schema", "schema_file", "sensitive", "rate")
_SPOKEN: Final = {"arguments_schema": "schema"}
_COMMON_METHODS: Final = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"])
# RFC 3986: an absolute URI in its own characters; it stands between quotes in challenges.
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+")


def check_resources(
    resources: Mapping[str, Resource | None], issuers: Sequence[Issuer | None], problems: Problems
) -> None:
    """Each resource by itself, then against the others."""
    for name, resource in resources.items():
        if resource is None:
            continue
        key = f"resource.{name}"
        _check_identifier(key, resource, problems)
        _check_issuers(key, resource, issuers, problems)
        _check_gateways(key, resource, problems)
        _check_scopes(f"{key}.scopes", resource.scopes, problems)
        for scope, implied in resource.scope_implies.items():
            _check_scopes(f"{key}.scope_implies", (scope, *implied), problems)
        check_headers(key, resource, problems)
        for number, rule in enumerate(resource.rule):
            _check_rule(f"{key}.rule[{number}]", rule, problems)
    _check_audiences(resources, problems)


def _check_identifier(key: str, resource: Resource, problems: Problems) -> None:
    given = (f"{key}.identifier", f"{key}.audience")
    if not resource.audiences:
        problems.add(
            key,
            "identifier or audience is required",
            'set identifier = "https://…": without one, tokens meant for anybody would be accepted',
            given=given,
        )
    for value in resource.audiences if resource.audience is not None else ():
        if not value or re.search(r"[\x00-\x1f\x7f]", value):
            problems.add(f"{key}.audience", "an audience is empty or has a control character", "write it as in aud")
    if resource.identifier is not None:
        wrong = _not_an_identifier(resource.identifier)
        if wrong:
            problems.add(f"{key}.identifier", wrong, 'write it like "https://api.example.com" (RFC 8707 section 2)')


def _not_an_identifier(identifier: str) -> str:
    """What keeps a text from being a resource identifier: an absolute URI without fragment (RFC 8707, RFC 9728)."""
    if "#" in identifier:
        return "must not have a fragment"
    if not _ABSOLUTE.fullmatch(identifier):
        return f'"{identifier}" is not an absolute url'
    try:
        parts = urlsplit(identifier)
        usable = parts.scheme not in ("http", "https") or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        usable = False
    if not usable:
        return f'"{identifier}" has no usable host'
    return "must not hold user or password" if "@" in parts.netloc else ""


def _check_issuers(key: str, resource: Resource, issuers: Sequence[Issuer | None], problems: Problems) -> None:
    known = {name for issuer in issuers if issuer is not None for name in (issuer.issuer, issuer.name) if name}
    whole = None not in issuers
    if resource.issuers == ():
        problems.add(f"{key}.issuers", "must not be empty", "name the issuers, or leave it out for all of them")
    for name in resource.issuers or ():
        if name not in known and whole:
            shown = [
                text for text in known if "@" not in text
            ]  # such a URL is refused, but holds a password until then
            remedy = meant(name, shown, all_of="the issuers are") if shown else "add [[issuer]]"
            problems.add(f"{key}.issuers", f'there is no issuer "{name}"', remedy)
    accepted = len(issuers) if resource.issuers is None else len(set(resource.issuers))
    accepted = (accepted if "jwt" in resource.credentials else 0) + ("apikey" in resource.credentials)
    sources = {
        source.rpartition(":")[2] if source.startswith(("csv:", "json:")) else source
        for source in resource.identity.values()
    }
    if accepted > 1 and "iss" not in sources and resource.forward_identity != "jwt":  # which names it by itself
        problems.add(
            f"{key}.identity",
            f"{accepted} issuers are accepted{' (API keys are one)' * ('apikey' in resource.credentials)}, but no header says which one spoke",
            'add "X-Auth-Issuer" = "iss", or accept one issuer: else one could mint the other\'s "alice"',
            given=(f"{key}.identity", f"{key}.issuers", "issuer"),
        )


def _check_gateways(key: str, resource: Resource, problems: Problems) -> None:
    place = f"{key}.gateway"
    if {"nginx", "forwarded"} <= set(resource.gateways):
        problems.add(
            place,
            "nginx and forwarded together",
            "name one: the headers of the other would then come from the client, unfiltered",
        )
    if len(set(resource.gateways)) < len(resource.gateways):
        problems.add(place, "a gateway is named twice", "name each once")


def _check_scopes(key: str, scopes: Sequence[str], problems: Problems) -> None:
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            problems.add(key, f'"{scope}" is not one scope', "one item a scope, without spaces, quotes and backslashes")


def _check_rule(key: str, rule: Rule, problems: Problems) -> None:
    _check_selectors(key, rule, problems)
    _check_scopes(f"{key}.scopes", rule.scopes, problems)
    if "" in rule.roles:
        problems.add(f"{key}.roles", "an empty role", "remove it")
    check_claims.check_claims(f"{key}.claims", rule.claims, problems)
    asked = [field for field in _REQUIREMENTS if getattr(rule, field)]
    asked = [_SPOKEN.get(field, field) for field in asked]
    if rule.preflight:
        others = [*asked, *(["methods"] if rule.methods is not None else [])]
        others += [field for field in ("auth", "enforce") if field in rule.model_fields_set]
        if others:
            problems.add(
                f"{key}.preflight",
                f"{', '.join(others)} beside preflight",
                "a preflight rule may have only path beside it",
                given=(f"{key}.preflight",),
            )
    elif asked and rule.auth != "required":
        problems.add(
            f"{key}.auth",
            f'{", ".join(asked)} with auth = "{rule.auth}"',
            "an open rule cannot ask for anything: remove the requirement, or auth",
            given=(f"{key}.auth",),
        )


def _check_selectors(key: str, rule: Rule, problems: Problems) -> None:
    place = f"{key}.methods"
    if rule.methods == ():
        problems.add(place, "must not be empty: the rule would never match", "name methods, or leave it out for any")
    for method in rule.methods or ():
        if not _METHOD.fullmatch(method):
            problems.add(place, f'"{method}" is not a method', 'name methods like "GET"')
        elif method not in _COMMON_METHODS and method.upper() in _COMMON_METHODS:
            problems.add(place, f'"{method}" never matches: methods are case-sensitive', f'write "{method.upper()}"')
    if rule.path is not None:
        try:
            native.Rules([(None, rule.path, False)])
        except native.BadPattern as error:
            remedy = "* stands for one or more characters of one segment, ** for the whole rest and only at the end"
            problems.add(f"{key}.path", f'"{rule.path}": {error}', remedy)


def _check_audiences(resources: Mapping[str, Resource | None], problems: Problems) -> None:
    """Contracts, section 2, Audience: two resources must not overlap through a twin."""
    seen: list[tuple[str, Resource]] = []
    for name, resource in resources.items():
        if resource is None:
            continue
        for other, earlier in seen:
            pair = audience.confused(resource.audiences, earlier.audiences)
            if pair is not None:
                field = "identifier" if resource.audience is None else "audience"
                problems.add(
                    f"resource.{name}.{field}",
                    f'"{pair[0]}" and "{pair[1]}" of resource.{other} differ only by a final slash',
                    "spell both the same to share tokens, or give one of them a path of its own",
                )
        seen.append((name, resource))
