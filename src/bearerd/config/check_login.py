"""Where browsers are sent to sign in: a fixed place, and a way back that nobody but the operator chooses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from bearerd._native import path, rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bearerd.config.model import Resource, Server
    from bearerd.config.problems import Problems

LONGEST_URL: Final = 1024  # characters: it stands in a header that gateways read into little room

_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+")  # RFC 3986, in its own characters
_PARAMETER: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_EXAMPLE: Final = 'write it like "https://login.example.com/start"'


def check_login(resources: Mapping[str, Resource | None], server: Server, problems: Problems) -> None:
    """``login_redirect`` and ``login_return_parameter`` of each resource."""
    for name, resource in resources.items():
        if resource is None:
            continue
        key = f"resource.{name}"
        if resource.login_redirect is not None:
            _check_place(f"{key}.login_redirect", resource, server, problems)
        if resource.login_return_parameter is not None:
            _check_parameter(f"{key}.login_return_parameter", resource, problems)


def _check_place(key: str, resource: Resource, server: Server, problems: Problems) -> None:
    url = resource.login_redirect or ""
    wrong, remedy = _not_a_place(url), _EXAMPLE
    if not wrong and url.startswith("http:") and server.profile == "production":
        wrong, remedy = "http in production", "use https: whoever is on the path would choose where people sign in"
    if wrong:
        problems.add(key, wrong, remedy)
    if not (resource.identifier or "").startswith(("http://", "https://")):
        remedy = 'set identifier = "https://…": the way back is made from it, never from Host'
        problems.add(key, "without an identifier that is a url", remedy)
    if not resource.gateways:
        problems.add(key, "without a gateway", "set gateway: only through one does a browser get the answer")


def _not_a_place(url: str) -> str:
    """What keeps a text from being a place to sign in."""
    if len(url) > LONGEST_URL:
        return f"longer than {LONGEST_URL} characters"
    if "#" in url:
        return "must not have a fragment"
    if not _URL.fullmatch(url):
        return "not an absolute https url"  # not repeated: it may hold a password, or a line end
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return "has no usable host"
    return "must not hold user or password" if "@" in parts.netloc else ""


def _check_parameter(key: str, resource: Resource, problems: Problems) -> None:
    name = resource.login_return_parameter or ""
    if resource.login_redirect is None:
        problems.add(key, "without login_redirect", "set login_redirect, or remove it")
        return
    if not _PARAMETER.fullmatch(name):
        problems.add(
            key, f'"{name}" is not a parameter name', '1 to 64 letters, digits, ".", "_", "~" and "-", such as "rd"'
        )
    _, _, query = resource.login_redirect.partition("?")
    if name in (given for given, _ in parse_qsl(query, keep_blank_values=True)):
        problems.add(key, f'login_redirect has "{name}" already', "name another parameter, or take it out of the url")


def warnings(key: str, resource: Resource) -> Iterator[str]:
    """A place that only those reach who have signed in: browsers would go in circles, unless the gateway opens it."""
    place, home = urlsplit(resource.login_redirect or ""), urlsplit(resource.identifier or "")
    if resource.login_redirect is None or (place.scheme, place.netloc) != (home.scheme, home.netloc):
        return
    enforced = [rule for rule in resource.rule if rule.enforce is True]
    matcher = rules.Rules([(rule.methods, rule.path, rule.preflight) for rule in enforced])
    found = matcher.match(b"GET", path.normalise((place.path or "/").encode()) or b"", False)
    if found < 0 or enforced[found].auth == "required":
        yield f'{key}.login_redirect: leads back to the resource, where no rule with auth = "none" opens {place.path or "/"}'
