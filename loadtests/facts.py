"""What the figures were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cores import Cores
from peers import node
from place import Absent, program
from stage import GATEWAYS


def machine(cores: Cores) -> Iterator[tuple[str, str]]:
    """Name and value."""
    yield "processor", f"{processor()}, {os.cpu_count()} cores ({len(os.sched_getaffinity(0))} for us)"
    yield "kernel", f"{platform.system()} {platform.release()}"
    yield "pinned", f"servers to core {cores.server}, load to core {cores.client}"
    yield "load before the run", f"{os.getloadavg()[0]:.2f}"
    yield "Python", f"{platform.python_version()}; " + ", ".join(packages("uvloop", "aiohttp", "PyJWT", "cryptography"))
    found = (nginx(), envoy(), traefik(), caddy(), haproxy(), node_version(), compiler())
    programs = [version for version in found if version]
    yield "programs", ", ".join(programs)


def processor() -> str:
    """The model's name."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def packages(*names: str) -> Iterator[str]:
    """Installed packages and their versions."""
    for name in names:
        try:
            yield f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue


def said(binary: str | None, *options: str) -> str:
    """What a program says of its version."""
    if binary is None:
        return ""
    run = subprocess.run([binary, *options], capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def nginx() -> str | None:
    """nginx."""
    found = re.search(r"nginx/([\d.]+)", said(GATEWAYS["nginx"].found(), "-v"))
    return f"nginx {found[1]}" if found else None


def envoy() -> str | None:
    """Envoy."""
    found = re.search(r"/(\d+\.\d+\.\d+)/", said(program("envoy"), "--version"))
    return f"Envoy {found[1]}" if found else None


def node_version() -> str | None:
    """Node, and the packages from the lock file."""
    try:
        version = said(node.binary(), "--version").strip()
    except Absent:
        return None
    return f"Node {version.lstrip('v')} ({', '.join(node.packages())})"


def traefik() -> str | None:
    """Traefik."""
    found = re.search(r"^Version:\s*v?(\S+)", said(GATEWAYS["traefik"].found(), "version"), re.MULTILINE)
    return f"Traefik {found[1]}" if found else None


def caddy() -> str | None:
    """Caddy."""
    found = re.match(r"v?(\d\S*)", said(GATEWAYS["caddy"].found(), "version"))
    return f"Caddy {found[1]}" if found else None


def haproxy() -> str | None:
    """HAProxy."""
    found = re.search(r"version (\S+)", said(GATEWAYS["haproxy"].found(), "-v"))
    return f"HAProxy {found[1]}" if found else None


def compiler() -> str | None:
    """The C compiler of the floor."""
    return next(iter(said(os.environ.get("CC", "cc"), "--version").splitlines()), None)
