#!/usr/bin/env python3
"""``make load``: the demo's issuer and bearerd under gateways and API servers; an HTML report in loadtests/reports/.

Exit code 1 if a single answer was not the right one.  LOAD_SECONDS (60), LOAD_USERS (40).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples" / "demo"))

from ask import token  # noqa: E402
from stage import Stage, environment  # noqa: E402

LIVING, SHORT, FOREIGN, TO_REVOKE = 400, 40, 20, 40


def population(port: int, audience: str) -> list[dict[str, Any]]:
    """Mint everybody: good ones, ones that expire during the run, ones for somebody else, ones that will be revoked."""
    scope = "api orders:read"
    members = [{"token": token(port, f"good-{n}", audience, scope), "kind": "good"} for n in range(LIVING)]
    foreign = [token(port, f"foreign-{n}", "https://elsewhere.example/", scope) for n in range(FOREIGN)]
    members[10:10] = [{"token": one, "kind": "for another audience", "good_until": 0.0} for one in foreign]
    doomed = [
        {"token": token(port, f"doomed-{n}", audience, scope), "kind": "revoked mid-run"} for n in range(TO_REVOKE)
    ]
    members[5:5] = doomed
    for number in range(SHORT):
        short = token(port, f"short-{number}", audience, scope, lifetime="15")
        members.insert(
            20 + number * 3, {"token": short, "kind": "expiring mid-run", "good_until": time.time() + 15 + 5}
        )
    return members


def main() -> int:
    """Start, load, report."""
    seconds, users = int(os.environ.get("LOAD_SECONDS", "60")), os.environ.get("LOAD_USERS", "40")
    reports = HERE / "reports"
    reports.mkdir(exist_ok=True)
    report = reports / "load.html"
    with tempfile.TemporaryDirectory() as name, Stage.on_free_ports(Path(name)) as stage:
        config = stage.folder / "bearerd.toml"
        config.write_text(stage.moved((HERE / "bearerd.toml").read_text()))
        secret = stage.folder / "caller.secret"
        secret.touch(mode=0o600)
        secret.write_text("a secret of the load test, thirty-two bytes or more")
        stage.start_issuer()
        stage.start_bearerd(config)
        setup = {
            "bearerd": stage.url("bearerd"),
            "issuer": stage.url("issuer"),
            "issuer_port": stage.ports["issuer"],
            "admin_port": stage.ports["admin"],
            "admin_token": (stage.folder / ".bearerd" / "admin.token").read_text().strip(),
            "audience": stage.url("nginx", "/"),
            "caller_secret": secret.read_text(),
            "seconds": seconds,
            "population": population(stage.ports["issuer"], stage.url("nginx", "/")),
        }
        command = [sys.executable, "-m", "locust", "-f", str(HERE / "users.py"), "--headless", "--only-summary"]
        command += ["-u", users, "-r", users, "-t", f"{seconds}s", "--html", str(report), "--stop-timeout", "5"]
        paths = os.pathsep.join([str(HERE), str(HERE.parent / "examples" / "demo")])
        file = stage.folder / "load.json"
        file.write_text(json.dumps(setup))
        env = {**environment(), "BEARERD_LOAD": str(file), "PYTHONPATH": paths}
        code = subprocess.run(command, env=env, check=False).returncode
    print(f"report: {report}")
    return code


if __name__ == "__main__":
    sys.exit(main())
