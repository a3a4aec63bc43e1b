"""Cross-checks of what clients find out about a resource before they have a token (RFC 9728; MCP, authorization).

An MCP client knows the URL that it was given, and compares it with what the metadata say: so the identifier is written in the
one canonical way, and stands for the very URL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from bearerd.config.problems import meant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bearerd.config.model import Issuer, Resource
    from bearerd.config.problems import Problems

LONGEST: Final = 200  # characters of a title
_DEFAULT: Final = {"https": ":443", "http": ":80"}
_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]+")  # RFC 3986, in its own characters
_REFRESH: Final = "offline_access"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def check_discovery(
    resources: Mapping[str, Resource | None], issuers: Sequence[Issuer | None], problems: Problems
) -> None:
    """Each resource by itself, then the hosts that several share."""
    for name, resource in resources.items():
        if resource is None:
            continue
        key = f"resource.{name}"
        _check_told(key, resource, problems)
        if resource.kind == "mcp":
            _check_mcp(key, resource, issuers, problems)
        if resource.authorization_server_metadata is not None:
            _check_server(key, resource, issuers, problems)
    _check_shared(resources, issuers, problems)


def canonical(identifier: str) -> str:
    """An http or https URL with scheme and host in lower case, without default port, and all host: without slash."""
    parts = urlsplit(identifier)
    authority = parts.netloc.lower().removesuffix(_DEFAULT.get(parts.scheme, ":"))
    return urlunsplit(parts._replace(netloc=authority, path="" if parts.path == "/" else parts.path))


def _is_url(text: str | None) -> bool:
    """Whether it is one at all; that it is a good one, ``check_resources`` says."""
    try:
        parts = urlsplit(text or "")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_told(key: str, resource: Resource, problems: Problems) -> None:
    given = [field for field in ("title", "documentation") if getattr(resource, field) is not None]
    if given and not _is_url(resource.identifier):
        for field in given:
            remedy = 'set identifier = "https://…": without one there are no metadata to say it in'
            problems.add(f"{key}.{field}", "without an identifier that is a url", remedy, given=(f"{key}.identifier",))
    title = resource.title
    if title is not None and (not title.strip() or len(title) > LONGEST or not title.isprintable()):
        problems.add(f"{key}.title", "not a name", f"one line of 1 to {LONGEST} printable characters")
    page = resource.documentation
    if page is not None and not (_URL.fullmatch(page) and _is_url(page) and "@" not in urlsplit(page).netloc):
        problems.add(
            f"{key}.documentation", "not an absolute https url", 'write it like "https://docs.example.com/mcp"'
        )


def _check_mcp(key: str, resource: Resource, issuers: Sequence[Issuer | None], problems: Problems) -> None:
    place, identifier = f"{key}.identifier", resource.identifier or ""
    given = (place, f"{key}.kind")
    if not _is_url(identifier):
        remedy = 'set identifier to the URL that clients are given, like "https://mcp.example.com/mcp"'
        problems.add(place, "an MCP server needs one that is a url", remedy, given=given)
    elif identifier != canonical(identifier) and "#" not in identifier and "@" not in identifier:
        problems.add(place, f'"{identifier}" is not canonical', f'write "{canonical(identifier)}"', given=given)
    if not issuers:
        remedy = "add [[issuer]]: the metadata must name at least one authorization server (RFC 9728)"
        problems.add(key, "no issuer that clients could be sent to", remedy, given=(f"{key}.issuers", "issuer"))
    scopes = [(f"{key}.scopes", resource.scopes)]
    scopes += [(f"{key}.rule[{number}].scopes", rule.scopes) for number, rule in enumerate(resource.rule)]
    for where, among in scopes:
        if _REFRESH in among:
            remedy = "remove it: a client asks its authorization server for refresh tokens, a resource needs none"
            problems.add(where, f'"{_REFRESH}" is not an MCP server\'s to ask for', remedy)
    if resource.cacheable_for is not None and not resource.rule:  # beside rules ``check_mcp`` says so
        remedy = "remove it: what is answered depends on Origin, too, which a gateway's key need not hold"
        problems.add(f"{key}.cacheable_for", 'beside kind = "mcp"', remedy, given=(f"{key}.kind",))


def _check_server(key: str, resource: Resource, issuers: Sequence[Issuer | None], problems: Problems) -> None:
    place, named = f"{key}.authorization_server_metadata", resource.authorization_server_metadata or ""
    if resource.kind != "mcp":
        remedy = 'set kind = "mcp", or remove it: only clients of MCP 2025-03-26 look there'
        problems.add(place, 'beside kind = "http"', remedy, given=(f"{key}.kind",))
    if None in issuers:
        return
    found = _issuer(named, issuers)
    if found is None:
        known = sorted(issuer.name for issuer in issuers if issuer is not None)
        remedy = meant(named, known, all_of="the issuers are") if known else "add [[issuer]]"
        problems.add(place, f'there is no issuer "{named}"', remedy)
    elif resource.issuers is not None and not {found.issuer, found.name} & set(resource.issuers):
        remedy = "name one of its issuers: tokens of this one are refused"
        problems.add(place, f'"{named}" is none of the resource\'s issuers', remedy, given=(f"{key}.issuers",))


def _issuer(named: str, issuers: Sequence[Issuer | None]) -> Issuer | None:
    return next((issuer for issuer in issuers if issuer is not None and named in (issuer.issuer, issuer.name)), None)


def _check_shared(
    resources: Mapping[str, Resource | None], issuers: Sequence[Issuer | None], problems: Problems
) -> None:
    """One host has one root, and so one such document."""
    first: dict[str, tuple[str, Issuer]] = {}
    for name, resource in resources.items():
        if resource is None or resource.authorization_server_metadata is None or not _is_url(resource.identifier):
            continue
        issuer = _issuer(resource.authorization_server_metadata, issuers)
        if issuer is None:
            continue
        host = urlsplit(canonical(resource.identifier or "")).netloc
        other, theirs = first.setdefault(host, (name, issuer))
        if theirs is not issuer:
            wrong = f'"{issuer.name}", but resource.{other} of the same host has "{theirs.name}"'
            remedy = "name the same: clients look for one document at the root of the host"
            problems.add(f"resource.{name}.authorization_server_metadata", wrong, remedy)


def warnings(key: str, resource: Resource) -> Iterator[str]:
    """What works, and not with every client."""
    if resource.kind != "mcp":
        return
    parts = urlsplit(resource.identifier or "")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        yield f"{key}.identifier: http: clients send their tokens in the clear, and many refuse to"
    if parts.path.endswith("/"):
        yield f"{key}.identifier: ends with a slash: many clients leave it out, and then look for another document"
