"""Cross-checks of what chooses a resource at ``/auth``: hosts, paths, and the listeners that are asked so.

At most one resource may be meant by a host and a path: which of two it is would depend on their order in the file, and on how
the upstream reads what it is sent.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final, get_args

from bearerd._native import hosts as native
from bearerd._native import rules
from bearerd.config.model import ByHost
from bearerd.config.overlap import overlap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bearerd.config.model import Config, Resource, Server
    from bearerd.config.problems import Problems

DIALECTS: Final[tuple[str, ...]] = get_args(ByHost)
_LABELS: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_PORT: Final = re.compile(r":[0-9]*$")
_LIKE: Final = 'write it like "api.example.com"'
_MOST: Final = 253  # characters of a name, without its final dot


def check_hosts(resources: Mapping[str, Resource | None], server: Server, problems: Problems) -> None:
    """Each resource by itself, then against the others."""
    spoken = {dialect for _, dialect in _spoken(server)}
    owners: dict[str, list[tuple[str, Resource]]] = {}
    for name, resource in resources.items():
        if resource is None:
            continue
        key = f"resource.{name}"
        _check_paths(key, resource, problems)
        if not resource.hosts:
            continue
        _check_texts(f"{key}.hosts", resource.hosts, problems)
        _check_dialect(key, resource, spoken, problems)
        for host in dict.fromkeys(resource.hosts):
            for other, earlier in owners.setdefault(host, []):
                _check_pair(host, (key, resource), (f"resource.{other}", earlier), problems)
            owners[host].append((name, resource))


def warnings(config: Config) -> Iterator[str]:
    """Listeners that are asked about nobody."""
    asked = {dialect for resource in config.resource.values() if resource.hosts for dialect in resource.gateways}
    for number, dialect in _spoken(config.server):
        if dialect not in asked:
            yield (
                f'server.listen[{number}].gateway: no resource with gateway = "{dialect}" has hosts: whatever is asked at '
                "/auth there is unknown_resource"
            )


def _spoken(server: Server) -> Iterator[tuple[int, str]]:
    """Entries of ``listen`` that fix a dialect."""
    for number, entry in enumerate(server.listen):
        if not isinstance(entry, str) and entry.gateway is not None:
            yield number, entry.gateway


def _check_dialect(key: str, resource: Resource, spoken: set[str], problems: Problems) -> None:
    """That somebody can ask."""
    asks = [gateway for gateway in resource.gateways if gateway in DIALECTS]
    if not asks:
        problems.add(
            f"{key}.hosts",
            "none of the resource's gateways asks by host",
            'add gateway = "nginx" or "forwarded", or remove it: Envoy names the resource itself',
            given=(f"{key}.gateway",),
        )
    elif spoken.isdisjoint(asks):
        problems.add(
            f"{key}.hosts",
            f'no entry of server.listen has gateway = "{asks[0]}": nobody can ask for these hosts',
            f'listen = [{{ address = "127.0.0.1:9180", gateway = "{asks[0]}" }}]',
            given=("server.listen", f"{key}.gateway"),
        )


def _check_paths(key: str, resource: Resource, problems: Problems) -> None:
    if resource.paths and not resource.hosts:
        problems.add(f"{key}.paths", "has no effect without hosts", "name the hosts", given=(f"{key}.hosts",))
    for pattern in resource.paths:
        try:
            rules.Rules([(None, pattern, False)])
        except rules.BadPattern as error:
            remedy = 'as in rules: "/v1/**" is /v1/ and all below, "/v1" itself stands beside it'
            problems.add(f"{key}.paths", f'"{pattern}": {error}', remedy)


def _check_texts(key: str, texts: Sequence[str], problems: Problems) -> None:
    for text in texts:
        wrong = _not_a_host(text)
        if wrong is not None:
            problems.add(key, *wrong)
    if len(set(texts)) < len(texts):
        problems.add(key, "a host is named twice", "name each once")


def _not_a_host(text: str) -> tuple[str, str] | None:
    """What keeps a text from being a host as it is compared, and the remedy."""
    if "@" in text:  # it may hold a password
        return "a host has no user and password", _LIKE
    if "/" in text:
        return f'"{text}" is not a host alone', 'without scheme and path; a path stands in paths = ["/v1/**"]'
    if not text.isascii():
        return f'"{text}" is not in A-labels', "write it as it stands in Host: xn--…"
    if "*" in text:
        return f'"{text}": hosts are compared whole, and have no wildcards', "name each host"
    if text != text.lower():
        return f'"{text}" is not in lower case', f'write "{text.lower()}": it stands for any case'
    if text.startswith("[") or text.count(":") > 1:
        return _not_an_ipv6_address(text)
    if _PORT.search(text):
        return f'"{text}" has a port', f'write "{_PORT.sub("", text)}": it stands for any port'
    if len(text) > 1 and text.endswith("."):
        return f'"{text}" has a final dot', f'write "{text[:-1]}": it stands for both'
    if not _LABELS.fullmatch(text) or len(text) > _MOST:
        return f'"{text}" is not a host', _LIKE
    return _not_an_ipv4_address(text)


def _not_an_ipv6_address(text: str) -> tuple[str, str] | None:
    inner = text.removeprefix("[").partition("]")[0].partition("%")[0]
    try:
        address = f"[{ipaddress.IPv6Address(inner)}]"
    except ValueError:
        return f'"{text}" is not an IPv6 address', 'write it like "[2001:db8::1]"'
    if text != address or native.normal(text.encode()) != text.encode():
        return f'"{text}" is not how gateways write the address', f'write "{address}", without zone and port'
    return None


def _not_an_ipv4_address(text: str) -> tuple[str, str] | None:
    """Browsers take whatever ends in a number for an address, in many spellings."""
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", text.rpartition(".")[2]):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            return f'"{text}" is not an IPv4 address', 'write it like "192.0.2.1"'
    return None


def _check_pair(host: str, own: tuple[str, Resource], earlier: tuple[str, Resource], problems: Problems) -> None:
    """Two resources that have one host."""
    (key, resource), (other, before) = own, earlier
    if not (resource.paths and before.paths):
        problems.add(
            f"{key}.hosts",
            f'"{host}" is one of {other}, too',
            "a host is one resource's, or each that has it has paths that no other has",
            given=(f"{key}.paths", f"{other}.paths"),
        )
        return
    met = next(((one, two) for one in resource.paths for two in before.paths if overlap(one, two)), None)
    if met is not None:
        problems.add(
            f"{key}.paths",
            f'on {host} a path can belong to "{met[0]}" and to "{met[1]}" of {other}',
            "name paths that differ by more than case, a final slash, and dots or spaces at a segment's end",
        )
