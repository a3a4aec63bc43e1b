"""What a resource tells clients before they have a token: spelled in one way, and warned of where it goes wrong with some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bearerd.config import check_discovery, effective, load

if TYPE_CHECKING:
    from pathlib import Path


def checked(tmp_path: Path, **resource: Any) -> list[str]:
    """The warnings about an MCP server, of a configuration without problems."""
    tree = {
        "issuer": [{"issuer": "https://auth.example.com", "name": "auth"}],
        "resource": {"mcp": {"kind": "mcp", "identifier": "https://mcp.example.com/mcp"} | resource},
    }
    return effective.warnings(load.check(tree, {}, tmp_path, "test"))


@pytest.mark.parametrize(
    ("identifier", "canonical"),
    [
        ("HTTPS://MCP.Example.com/Mcp", "https://mcp.example.com/Mcp"),
        ("https://mcp.example.com:443", "https://mcp.example.com"),
        ("http://mcp.example.com:80/", "http://mcp.example.com"),
        ("https://mcp.example.com:8443/a/", "https://mcp.example.com:8443/a/"),
        ("https://[2001:DB8::1]:443/mcp", "https://[2001:db8::1]/mcp"),
        ("https://mcp.example.com:80/mcp", "https://mcp.example.com:80/mcp"),
    ],
)
def test_there_is_one_spelling_of_an_identifier(identifier: str, canonical: str) -> None:
    assert check_discovery.canonical(identifier) == canonical
    assert check_discovery.canonical(canonical) == canonical


def test_a_plain_server_is_warned_of_nothing(tmp_path: Path) -> None:
    told = {"title": "Notes", "documentation": "https://docs.example.com/#mcp", "authorization_server_metadata": "auth"}
    origins = [
        "https://a.example",
        "http://localhost:6274",
        "vscode-webview://x",
        "tauri://localhost",
        "https://[::1]:1",
    ]
    assert not any("resource.mcp" in line for line in checked(tmp_path, origins=origins, **told))


@pytest.mark.parametrize(
    ("resource", "warned"),
    [
        ({"identifier": "http://mcp.example.com/mcp"}, "identifier: http:"),
        ({"identifier": "https://mcp.example.com/mcp/"}, "identifier: ends with a slash"),
        ({"origins": ["*"]}, "origins: every web page"),
    ],
)
def test_what_goes_wrong_with_some_clients_is_warned_of(tmp_path: Path, resource: dict[str, Any], warned: str) -> None:
    assert any(line.startswith(f"resource.mcp.{warned}") for line in checked(tmp_path, **resource))


def test_loopback_needs_no_https(tmp_path: Path) -> None:
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000"):
        assert not any("http:" in line for line in checked(tmp_path, identifier=f"http://{host}/mcp"))
