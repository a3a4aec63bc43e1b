"""Cross-checks of issuers and callers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from bearerd.config import fetch_fields, files
from bearerd.config.problems import meant
from bearerd.config.units import spelled
from bearerd.errors import IssuerFault
from bearerd.jws import keysets
from bearerd.jws.algorithms import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from bearerd.config.model import Caller, Issuer, Server
    from bearerd.config.problems import Problems
    from bearerd.limits import Limits

_SOURCES: Final = ("jwks_uri", "jwks", "jwks_file", "secret_file")
_FETCHING: Final = ("ca_file", "proxy", "connect_to", "fetch_header_file")
_SPELLED: Final = {"issuer": "write it exactly as in the token's iss", "jwks_uri": "write it like https://host/keys"}
_LEAST_PAUSE: Final = 1.0  # seconds between two fetches
_PORT: Final = re.compile(r"[0-9]{1,5}")


def check_issuers(issuers: Sequence[Issuer | None], server: Server, limits: Limits, problems: Problems) -> None:
    """Each issuer by itself, then against the others."""
    first: dict[tuple[str, str], int] = {}
    for number, issuer in enumerate(issuers):
        if issuer is None:
            continue
        key = f"issuer[{number}]"
        _check_urls(key, issuer, server, problems)
        _check_source(key, issuer, problems)
        _check_algorithms(key, issuer, problems)
        _check_keys(key, issuer, limits, problems)
        _check_reach(key, issuer, problems)
        _check_claims_and_times(key, issuer, problems)
        for field, value in (("issuer", issuer.issuer), ("name", issuer.name)):
            if value and first.setdefault((field, value), number) != number:
                other = f"issuer[{first[field, value]}]"
                problems.add(f"{key}.{field}", f'"{value}" is already that of {other}', "each issuer stands once")


def _check_urls(key: str, issuer: Issuer, server: Server, problems: Problems) -> None:
    given = (f"{key}.insecure_issuer", "server.profile")
    if issuer.insecure_issuer and server.profile != "development":
        problems.add(
            f"{key}.insecure_issuer",
            "only in the development profile",
            "use an https issuer; whoever is on the path to an http one chooses its keys",
            given=given,
        )
    for field in ("issuer", "jwks_uri"):
        url = getattr(issuer, field)
        if url is None:
            continue
        wrong = not_a_web_url(url)
        if wrong:
            problems.add(f"{key}.{field}", wrong, _SPELLED[field])
        elif url.startswith("http:") and not issuer.insecure_issuer:
            problems.add(
                f"{key}.{field}",
                "must be an https url",
                'https, or (server.profile = "development" only) insecure_issuer = true',
                given=given,
            )


def not_a_web_url(url: str) -> str:
    """What keeps a text from being an http or https URL that metadata can be found under (RFC 8414 section 2)."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\x00-\x20\x7f]", url):
        return "not an absolute http or https url"
    if parts.username is not None or parts.password is not None:
        return "must not hold user or password"
    return "must not have a fragment" if "#" in url else ""


def _check_source(key: str, issuer: Issuer, problems: Problems) -> None:
    sources = [field for field in _SOURCES if getattr(issuer, field) is not None]
    if len(sources) > 1:
        problems.add(f"{key}.{sources[1]}", f"given beside {sources[0]}", "name one source of keys")
    if not sources and "?" in issuer.issuer:
        problems.add(f"{key}.issuer", "an issuer with a query has no place for metadata", "give jwks_uri")
    if sources and sources[0] != "jwks_uri":
        for field in _FETCHING:
            if getattr(issuer, field) is not None:
                problems.add(f"{key}.{field}", f"has no effect beside {sources[0]}: nothing is fetched", "remove it")


def _check_algorithms(key: str, issuer: Issuer, problems: Problems) -> None:
    place = f"{key}.algorithms"
    if not issuer.algorithms:
        problems.add(place, "must not be empty", 'the default is ["RS256", "ES256", "EdDSA"]')
    for name in issuer.algorithms:
        if name.lower() == "none":
            problems.add(place, '"none" is never accepted', "remove it: an unsigned token proves nothing")
        elif name not in ALGORITHMS:
            problems.add(place, f'unknown algorithm "{name}"', meant_algorithm(name))
    known = [ALGORITHMS[name] for name in issuer.algorithms if name in ALGORITHMS]
    symmetric = [row for row in known if row.symmetric]
    given = (place, f"{key}.secret_file")
    if symmetric and len(symmetric) < len(known):
        problems.add(
            place,
            "symmetric and asymmetric algorithms side by side",
            "keep one kind: else a public key could be taken for a shared secret",
        )
    elif symmetric and issuer.secret_file is None:
        problems.add(place, f"{symmetric[0].name} needs secret_file", "name the file of the shared secret", given=given)
    elif issuer.secret_file is not None and known and not symmetric:
        problems.add(place, "secret_file goes with HS algorithms only", 'set algorithms = ["HS256"]', given=given)
    elif issuer.secret_file is not None and symmetric:
        size = max(row.signature_size or 0 for row in symmetric)
        _check_secret(f"{key}.secret_file", issuer.secret_file, size, problems)


def meant_algorithm(name: str) -> str:
    """The remedy for an algorithm that is not known."""
    by_case = [known for known in ALGORITHMS if known.lower() == name.lower()]
    return f'did you mean "{by_case[0]}"?' if by_case else f"choose from {', '.join(ALGORITHMS)}"


def _check_secret(key: str, path: Path, least: int, problems: Problems) -> None:
    """RFC 7518 section 3.2: a key at least as long as the hash."""
    if files.trouble(path):
        return  # told by check_files
    try:
        size = len(files.read_secret(path))
    except (OSError, ValueError) as error:
        problems.add(key, f"{path}: {error}", "write the secret into it")
        return
    if size < least:
        problems.add(key, f"the secret has {size} bytes, fewer than {least}", f"for example: openssl rand -hex {least}")


def _check_keys(key: str, issuer: Issuer, limits: Limits, problems: Problems) -> None:
    """Keys that are here already are read here already."""
    field = "jwks" if issuer.jwks_file is None else "jwks_file"
    document: bytes | Mapping[str, Any] | None = issuer.jwks
    if issuer.jwks_file is not None:
        document = _content(f"{key}.{field}", issuer.jwks_file, limits.max_key_set_bytes, problems)
    if document is None:
        return
    try:
        found = keysets.read(document, limits)
    except IssuerFault as fault:
        problems.add(f"{key}.{field}", str(fault), 'a JWK Set has a list "keys" of public keys (RFC 7517)')
        return
    rows = [ALGORITHMS[name] for name in issuer.algorithms if name in ALGORITHMS]
    if not any(usable.allows(row) for usable in found.keys for row in rows):
        problems.add(
            f"{key}.{field}",
            f"no key goes with {', '.join(issuer.algorithms)}",
            "add the key, or its algorithm to algorithms",
            given=(f"{key}.algorithms",),
        )


def _content(key: str, path: Path, most: int, problems: Problems) -> bytes | None:
    """A file's bytes, or None with a problem (which ``load`` told where ``files.trouble`` found it)."""
    if files.trouble(path):
        return None
    try:
        return files.read(path, most)
    except (OSError, ValueError) as error:
        problems.add(key, f"{path}: {error}", "name a file that can be read")
        return None


def _check_reach(key: str, issuer: Issuer, problems: Problems) -> None:
    """How the issuer is reached."""
    if issuer.proxy is not None:
        try:
            parts = urlsplit(issuer.proxy)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            problems.add(f"{key}.proxy", "not a proxy's url", "write http://host:port")
    if issuer.connect_to is not None:
        host, _, port = issuer.connect_to.rpartition(":")
        if not host or "/" in host or "@" in host or not (_PORT.fullmatch(port) and 0 < int(port) < 65536):
            problems.add(f"{key}.connect_to", f'"{issuer.connect_to}" is not host:port', "write it like keycloak:8443")
    if (
        issuer.ca_file is not None
        and not files.trouble(issuer.ca_file)
        and not files.holds_certificates(issuer.ca_file)
    ):
        problems.add(f"{key}.ca_file", f"{issuer.ca_file} holds no certificate in PEM", "name a CA bundle")
    if issuer.fetch_header_file is not None:
        _check_header_file(f"{key}.fetch_header_file", issuer.fetch_header_file, problems)


def _check_header_file(key: str, path: Path, problems: Problems) -> None:
    """The lines are credentials: never quoted."""
    content = _content(key, path, fetch_fields.MOST_BYTES, problems) or b""
    for number, name in fetch_fields.parse(content)[1].items():
        if name is None:
            problems.add(key, f"line {number} of {path} is not a header", 'write "Name: value" in ASCII, one a line')
        else:
            problems.add(key, f"line {number} of {path} sets {name}", "remove it: bearerd sets that itself")


def _check_claims_and_times(key: str, issuer: Issuer, problems: Problems) -> None:
    for field in ("scope_claims", "role_claims"):
        if "" in getattr(issuer, field):
            problems.add(f"{key}.{field}", "an empty claim path", "name a claim, or a path such as realm_access.roles")
    for field in ("key_set_refresh", "unknown_kid_cooldown"):
        if (value := getattr(issuer, field)) < _LEAST_PAUSE:
            wrong = f"must be at least {spelled(_LEAST_PAUSE)}, not {spelled(value)}"
            problems.add(f"{key}.{field}", wrong, "the issuer would be asked for its keys without a pause")
    if issuer.key_set_max_stale < issuer.key_set_refresh:
        problems.add(
            f"{key}.key_set_max_stale",
            f"{spelled(issuer.key_set_max_stale)} is shorter than key_set_refresh = {spelled(issuer.key_set_refresh)}",
            "keys would lapse between two fetches",
            given=(f"{key}.key_set_max_stale", f"{key}.key_set_refresh"),
        )


def check_callers(callers: Sequence[Caller | None], resources: Collection[str], problems: Problems) -> None:
    """Names, secrets, and the resources that they may ask about."""
    first: dict[str, int] = {}
    for number, caller in enumerate(callers):
        if caller is None:
            continue
        key = f"caller[{number}]"
        if first.setdefault(caller.name, number) != number:
            problems.add(
                f"{key}.name", f'"{caller.name}" is already that of caller[{first[caller.name]}]', "rename one"
            )
        for name in caller.resources:
            if name not in resources:
                remedy = meant(name, resources, all_of="the resources are") if resources else "add [resource.…]"
                problems.add(f"{key}.resources", f'there is no resource "{name}"', remedy)
        _check_secret(f"{key}.secret_file", caller.secret_file, 1, problems)
