#!/usr/bin/env python3
"""The main job, for real: Valkey, an issuer, bearerd, a sample upstream behind nginx, Envoy, Traefik and Caddy; then a tour.
A second act (guard.py): an MCP server, an agent that calls its tools, and a human who is asked first.

Each step prints the curl line that does the same, the answer, and what the upstream received.  With DEMO_ONCE=1 it ends
after the tour, with exit code 0 only if every answer was the expected one; otherwise all keeps running until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import guard
import screen
from ask import Answer, request, token
from screen import BOLD, PLAIN, RED
from stage import GATEWAYS, NotStarted, Stage, environment

FOLDER = Path(".demo")


@dataclass(frozen=True)
class Step:
    """One call of the tour and what must come of it."""

    say: str
    path: str
    expect: int
    token: str | None = None  # the name of a token's file
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    challenge: str | None = None  # must be contained in WWW-Authenticate
    upstream: dict[str, str] = field(default_factory=dict)  # header values that the upstream must have seen


TOUR = (
    Step(
        "No token: refused, with the challenge of RFC 6750 and where to get one (RFC 9728)",
        "/orders/7",
        401,
        challenge="resource_metadata=",
    ),
    Step("An open path, named in the configuration", "/health", 200),
    Step(
        "A token with orders:read",
        "/orders/7",
        200,
        "reader",
        upstream={"x-auth-subject": "reader", "x-auth-scopes": "api orders:read"},
    ),
    Step("The same, with a forged identity header", "/orders/7", 0, "reader", headers={"X-Auth-Subject": "root"}),
    Step(
        "Writing takes another scope, and the challenge names it",
        "/orders/7",
        403,
        "reader",
        "DELETE",
        challenge="orders:write",
    ),
    Step("A token that has it", "/orders/7", 200, "writer", "DELETE", upstream={"x-auth-subject": "writer"}),
    Step("A path that can be read in two ways", "/orders/..%2fadmin", 0, "writer"),
    Step("A path that no rule opens", "/admin", 403, "writer"),
    Step("A token addressed to somebody else", "/orders/7", 401, "elsewhere", challenge="invalid_token"),
    Step("One bit of the signature changed", "/orders/7", 401, "tampered", challenge="invalid_token"),
)
AFTER_REVOCATION = (
    Step("The same good token as before, now revoked", "/orders/7", 401, "reader", challenge="invalid_token"),
    Step("Another subject's token still passes", "/orders/7", 200, "writer"),
)
# Where the gateways differ: Envoy shows a forged header to bearerd, which refuses; the others overwrite it and pass.
# Envoy and Traefik refuse an encoded slash themselves, with 400; nginx, Caddy and HAProxy ask bearerd, which refuses with 403.
BY_GATEWAY = {
    "nginx": {"X-Auth-Subject": 200, "..%2f": 403},
    "envoy": {"X-Auth-Subject": 403, "..%2f": 400},
    "traefik": {"X-Auth-Subject": 200, "..%2f": 400},
    "caddy": {"X-Auth-Subject": 200, "..%2f": 403},
    "haproxy": {"X-Auth-Subject": 200, "..%2f": 403},
}


class Tour:
    """Walks the steps through one gateway and counts what was not as expected."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.wrong = 0

    def walk(self, gateway: str, steps: tuple[Step, ...]) -> None:
        """Take each step."""
        for step in steps:
            self.take(gateway, step)

    def take(self, gateway: str, step: Step) -> None:
        """Make one call, print it, judge it."""
        screen.announce(step.say, self.curl(gateway, step))
        answer = self.call(gateway, step)
        expected = step.expect or next(
            status for mark, status in BY_GATEWAY[gateway].items() if mark in step.path or mark in step.headers
        )
        faults = list(faults_of(step, answer, expected))
        for name in ("www-authenticate", "x-auth-request-id"):
            if name in answer.headers:
                print(f"  {name}: {answer.headers[name]}")
        saw = answer.upstream_saw()
        if saw is not None:
            identity = ", ".join(f"{name}: {value}" for name, value in saw.items() if name.startswith("x-auth-"))
            print(
                f"  upstream saw: {identity or 'no identity header'}; token {'PASSED ON' if 'authorization' in saw else 'not passed on'}"
            )
        screen.verdict(answer.status, faults)
        self.wrong += bool(faults)

    def curl(self, gateway: str, step: Step) -> str:
        """The line that makes the same call."""
        parts = ["curl -i --path-as-is"]
        if step.method != "GET":
            parts.append(f"-X {step.method}")
        if step.token:
            parts.append(f'-H "Authorization: Bearer $(cat {FOLDER}/{step.token}.jwt)"')
        parts += [f"-H '{name}: {value}'" for name, value in step.headers.items()]
        return " ".join([*parts, self.stage.url(gateway, step.path)])

    def call(self, gateway: str, step: Step) -> Answer:
        """Make the call."""
        headers = dict(step.headers)
        if step.token:
            headers["Authorization"] = "Bearer " + (FOLDER / f"{step.token}.jwt").read_text()
        return request(self.stage.ports[gateway], step.method, step.path, headers)


def faults_of(step: Step, answer: Answer, expected: int) -> list[str]:
    """What differs from the expectation."""
    faults = []
    if answer.status != expected:
        faults.append(f"status {answer.status}, expected {expected}")
    if step.challenge and step.challenge not in answer.headers.get("www-authenticate", ""):
        faults.append(f"no {step.challenge!r} in the challenge")
    saw = answer.upstream_saw()
    if expected == 200 and saw is None:
        faults.append("the upstream was not reached")
    if expected != 200 and saw is not None:
        faults.append("the upstream was reached")
    for name, value in step.upstream.items():
        if (saw or {}).get(name) != value:
            faults.append(f"the upstream saw {name}: {(saw or {}).get(name)!r}, expected {value!r}")
    if (saw or {}).get("x-auth-subject") == "root":
        faults.append("a forged identity reached the upstream")
    return faults


def keep(name: str, token: str) -> None:
    """Put a token into its file, for the curl lines."""
    screen.keep(FOLDER / f"{name}.jwt", token)


def tampered(token: str) -> str:
    """The token with one bit of its signature changed."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def revoke(stage: Stage, config: Path) -> None:
    """Revoke the reader's token, as an operator would."""
    line = f"bearerd revoke --config {config} < {FOLDER}/reader.jwt"
    screen.announce("Revoke that token, now", line)
    with (FOLDER / "reader.jwt").open() as token:
        subprocess.run(
            [sys.executable, "-m", "bearerd", "revoke", "--config", str(config)],
            stdin=token,
            check=True,
            env=environment(),
        )


def tour(stage: Stage, gateway: str) -> int:
    """Start bearerd and one gateway, walk the tour; the number of wrong answers."""
    config = stage.copy(gateway) / "bearerd.toml"
    print(f"\n{BOLD}== {gateway} + bearerd, in front of the sample upstream{PLAIN}   ({config})", flush=True)
    stage.start_bearerd(config)
    stage.start_gateway(gateway)
    audience = stage.url(gateway, "/")
    keep("reader", token(stage.ports["issuer"], "reader", audience, "api orders:read"))
    keep("writer", token(stage.ports["issuer"], "writer", audience, "api orders:read orders:write"))
    keep("elsewhere", token(stage.ports["issuer"], "elsewhere", "https://elsewhere.example/", "api orders:read"))
    keep("tampered", tampered((FOLDER / "reader.jwt").read_text()))
    walk = Tour(stage)
    walk.walk(gateway, TOUR)
    revoke(stage, config)
    walk.walk(gateway, AFTER_REVOCATION)
    return walk.wrong


def main() -> int:
    """The demo."""
    once = os.environ.get("DEMO_ONCE") == "1"
    with contextlib.ExitStack() as opened:
        stage = opened.enter_context(Stage.on_free_ports(FOLDER.absolute(), prefer_usual=True))
        print("== starting: issuer, sample upstream", flush=True)
        stage.start_issuer()
        stage.start_upstream()
        wrong = 0
        for gateway in ("haproxy", "caddy", "traefik", "envoy"):
            if GATEWAYS[gateway].found() is None:
                print(f"{gateway} is not installed: skipped")
                continue
            wrong += tour(stage, gateway)
            stage.stop(gateway)
            stage.stop("bearerd")
        wrong += tour(stage, "nginx")
        act = opened.enter_context(guard.Act.on_free_ports(FOLDER / "guard", stage.ports["issuer"]))
        wrong += act.play()
        print(
            f"\n{BOLD}{'Every answer was the expected one.' if not wrong else f'{RED}{wrong} answers were not as expected.'}{PLAIN}"
        )
        if not once:
            wait(stage, act)
    return int(bool(wrong))


def wait(stage: Stage, act: guard.Act) -> None:
    """Keep all running until Ctrl-C."""
    print(
        f"\nStill running: nginx {stage.url('nginx')}, the MCP server {act.url}, metrics {stage.url('probes', '/metrics')}, logs in {FOLDER}/.  Ctrl-C ends it.",
        flush=True,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotStarted as problem:
        sys.exit(f"demo: {problem}")
