"""Cross-checks of ``origins``: whose pages a browser may let speak to an MCP server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bearerd.config.model import Resource
    from bearerd.config.problems import Problems

ANY: Final = "*"
# As browsers write it (RFC 6454 section 6.2), of other schemes, too: desktop programs are pages of app://, tauri:// and so on.
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT: Final = {"https": "443", "http": "80"}


def check_origins(resources: Mapping[str, Resource | None], problems: Problems) -> None:
    """Of every resource that lists some."""
    for name, resource in resources.items():
        if resource is None or not resource.origins:
            continue
        place = f"resource.{name}.origins"
        if resource.kind != "mcp":
            remedy = 'set kind = "mcp", or remove it: of other resources no Origin is looked at'
            problems.add(place, 'beside kind = "http"', remedy, given=(f"resource.{name}.kind",))
        if ANY in resource.origins and len(resource.origins) > 1:
            problems.add(place, '"*" beside others', "let it stand alone, or remove it")
        for origin in resource.origins:
            if origin != ANY and (wrong := _wrong(origin)):
                problems.add(place, *wrong)


def _wrong(origin: str) -> tuple[str, str] | None:
    """What keeps a text from being an Origin that some browser sends, and the remedy."""
    if origin == "null":
        remedy = "remove it: every page in a sandbox is null, an attacker's, too"
        return '"null" is nobody\'s origin', remedy
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        lower = origin.lower().rstrip("/")
        remedy = 'write it as browsers do, like "https://inspector.example": scheme, host and port, in lower case'
        return f'"{origin}" is not an origin', f'write "{lower}"' if _ORIGIN.fullmatch(lower) else remedy
    scheme, host, port = found.groups()
    if port is not None and port == _DEFAULT.get(scheme):
        return f'"{origin}" never matches: browsers leave out the default port', f'write "{scheme}://{host}"'
    return None


def warnings(key: str, resource: Resource) -> Iterator[str]:
    """What the operator takes upon himself."""
    if ANY in resource.origins:
        yield f"{key}.origins: every web page may have its visitors' browsers speak to this server, by whatever name it has"
