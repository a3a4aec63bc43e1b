"""Cross-checks of ``upstream``: the MCP server that ``/mcp/NAME`` passes on to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.config.model import Resource
    from bearerd.config.problems import Problems

_REMEDY = 'write it like "http://127.0.0.1:9000/mcp": the whole URL of the server\'s endpoint'


def check_upstreams(resources: Mapping[str, Resource | None], problems: Problems) -> None:
    """Each resource by itself."""
    for name, resource in resources.items():
        if resource is None or resource.upstream is None:
            continue
        wrong = _wrong(resource.upstream)
        if wrong:
            problems.add(f"resource.{name}.upstream", wrong, _REMEDY)
        elif resource.upstream == resource.identifier:
            remedy = "the identifier is where clients ask, the upstream is where the server itself listens"
            problems.add(f"resource.{name}.upstream", "is the identifier: requests would come back to bearerd", remedy)


def web_parts(url: str) -> SplitResult | None:
    """The parts of an http or https URL in visible ASCII; None: it is none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable and url.isascii() and url.isprintable() and " " not in url else None


def _wrong(url: str) -> str:
    parts = web_parts(url)
    if parts is None:
        return f'"{url}" is not an http or https url' if "@" not in url else "is not an http or https url"
    if "@" in parts.netloc:
        return "must not hold user or password"
    return "must not have a fragment" if "#" in url else ""
