#!/usr/bin/env python3
"""Run by the Python of an empty environment: starts the installed bearerd and asks it about two tokens."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CONFIG = """
[server]
listen = ["127.0.0.1:{listen}"]
admin = "127.0.0.1:{admin}"
probes = "127.0.0.1:{probes}"
profile = "development"
workers = 1

[[issuer]]
issuer = "https://issuer.example/"
algorithms = ["EdDSA"]
jwks = {{ keys = [{{ kty = "OKP", crv = "Ed25519", kid = "k1", x = "{x}" }}] }}

[resource.api]
identifier = "https://api.example/"
gateway = "forwarded"
"""


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(key: Ed25519PrivateKey, audience: str) -> str:
    """A signed token of five minutes."""
    now = int(time.time())
    claims = {"iss": "https://issuer.example/", "aud": audience, "sub": "s", "iat": now, "exp": now + 300}
    head = b64(json.dumps({"alg": "EdDSA", "kid": "k1"}).encode()) + "." + b64(json.dumps(claims).encode())
    return f"{head}.{b64(key.sign(head.encode()))}"


def ports(count: int) -> list[int]:
    """Ports that are free now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return found


def ask(url: str, headers: dict[str, str]) -> int:
    """The status of a GET."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def start_with_examples() -> None:
    """``init`` has the examples with it, and what it prints of them passes ``check``."""
    bearerd = [sys.executable, "-m", "bearerd"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*bearerd, "init", "nginx", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(
            [*bearerd, "check", "--config", str(Path(folder) / "bearerd.toml")], check=True, stdout=subprocess.DEVNULL
        )
        if "auth_request" not in (Path(folder) / "nginx.conf").read_text():
            raise SystemExit("bearerd init nginx wrote no nginx.conf that asks bearerd")


def main() -> None:
    """Start, ask, stop."""
    from bearerd._native import clock

    if clock.HAS_TEST_HOOK:
        raise SystemExit("the installed package can have its clock shifted: a test build leaked into it")
    start_with_examples()
    key = Ed25519PrivateKey.generate()
    listen, admin, probes = ports(3)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "bearerd.toml"
        x = b64(key.public_key().public_bytes_raw())
        config.write_text(CONFIG.format(listen=listen, admin=admin, probes=probes, x=x))
        bearerd = [sys.executable, "-m", "bearerd"]
        service = subprocess.Popen([*bearerd, "serve", "--config", str(config)])
        try:
            for _ in range(200):
                if (
                    subprocess.run(
                        [*bearerd, "health", "--config", str(config)], capture_output=True, check=False
                    ).returncode
                    == 0
                ):
                    break
                time.sleep(0.1)
            url = f"http://127.0.0.1:{listen}/auth/api"
            good = ask(url, {"Authorization": "Bearer " + token(key, "https://api.example/")})
            bad = ask(url, {"Authorization": "Bearer " + token(key, "https://other.example/")})
        finally:
            service.terminate()
            ended = service.wait(30)
    if (good, bad, ended) != (200, 401, 0):
        raise SystemExit(f"good token {good}, token for another audience {bad}, exit code {ended}")
    print("answered 200 and 401, and ended with 0", flush=True)


if __name__ == "__main__":
    main()
