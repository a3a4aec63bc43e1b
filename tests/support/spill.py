"""A bearerd that is full of secrets, told of as much as possible: debugging on, allows logged, reasons revealed, faults inside.

``Scene.send`` writes raw bytes to a listener and keeps what comes back; ``Scene.leaks`` looks at everything that ever came
out: answers, logs, metrics, what the admin API tells, the data directory, the store, and the arguments of its processes.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support import house, jose
from support.bearerd import Bearerd, hooked, issuer
from support.canaries import Canaries
from support.valkey import Valkey

FAULTS = (
    "bearerd.verify.examine:Examiner.examine",
    "bearerd.verify.verifier:TokenVerifier.verify_now",
    "bearerd.callers:Callers.authenticate",
    "bearerd.faces.form:parse",
    "bearerd.request:bearer_token",
    "bearerd.explain:explain",
    "bearerd.serve.bodies:explain",
    "bearerd.issuers.headers:read",
)
MARKER = "BOOM"

CONFIG = """
[server]
profile = "development"
listen = ["127.0.0.1:0"]
admin = "127.0.0.1:0"
probes = "127.0.0.1:0"
workers = 1
log_allows = 1.0
reveal_reason = true

[store]
url_file = "store-url"
fleet = "spill"
fleet_key_file = "fleet-key"
max_staleness = "4s"

[limits]
refusal_logs_per_second = 100000
decision_ring = 20000
{issuers}

[[caller]]
name = "svc"
secret_file = "caller-secret"
resources = ["api", "web"]
may = ["introspect", "revoke"]

[resource.api]
identifier = "https://api.example/"
credentials = ["jwt", "apikey"]
gateway = ["forwarded", "envoy"]

[[resource.api.rule]]
path = "/open"
auth = "none"

[[resource.api.rule]]
path = "/**"
scopes = ["read"]

[resource.web]
identifier = "https://web.example/"
gateway = "nginx"

[resource.shadow]
audience = "shadow"
gateway = "forwarded"
enforce = "shadow"
"""


class Echo(BaseHTTPRequestHandler):
    """An issuer, and a proxy, that repeat in their errors whatever they were sent, and publish private keys."""

    private: str

    def do_GET(self) -> None:
        said = "; ".join(f"{name}: {value}" for name, value in self.headers.items())
        if self.path == "/leaky":
            key = jose.jwk("P-256", 3, kid="good", alg="ES256")
            body = json.dumps({"keys": [key, key | {"kid": "leaked", "d": self.private}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
        else:
            body = said.encode()
            self.send_response(407 if self.path.startswith("http") else 500, said)
            self.send_header("X-Echo", said)
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_CONNECT = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Scene:
    """See the module."""

    def __init__(self, folder: Path, canaries: Canaries) -> None:
        self.canaries = canaries
        self.answers: list[tuple[str, bytes]] = []
        self.printed: list[tuple[str, str]] = []
        self.provoking: list[tuple[str, str, bytes]] = []  # what was sent to make a function fail
        self._searched = {"answers": 0, "printed": 0, "log": 0}  # no secret that was made later can be in these
        self.secrets = {
            name: canaries.new(name) for name in ("store password", "caller secret", "fetch header", "proxy password")
        } | {name: canaries.new(name, 43) for name in ("fleet key", "shared secret", "private key")}
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    @contextlib.contextmanager
    def running(self) -> Iterator[Scene]:
        """With its store, its issuers and bearerd itself."""
        handler = type("Handler", (Echo,), {"private": self.secrets["private key"]})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.store = Valkey(self.folder / "store", appendonly="yes")
        try:
            self.store.start()
            password = self.secrets["store password"]
            self.store.call("ACL", "SETUSER", "bearerd", "on", f">{password}", "~*", "&*", "+@all")
            self._write(server.server_port)
            environ = hooked(TEST_DEBUG="1", TEST_FAULTS=",".join(FAULTS), PYTHONASYNCIODEBUG="1")
            self.bearerd = Bearerd(self.folder / "home", self.text, environ)
            with self.bearerd:
                self.token = self.bearerd.token()
                self.canaries.watch("admin token", self.token)
                yield self
        finally:
            server.shutdown()
            server.server_close()
            self.store.close()

    def _write(self, port: int) -> None:
        home = self.folder / "home"
        home.mkdir()
        for name, content in {
            "store-url": f"redis://bearerd:{self.secrets['store password']}@127.0.0.1:{self.store.port}",
            "fleet-key": self.secrets["fleet key"],
            "caller-secret": self.secrets["caller secret"],
            "shared-secret": self.secrets["shared secret"],
            "fetch-headers": f"X-Api-Key: {self.secrets['fetch header']}\n",
            "fetch-headers-that-fail": f"X-Api-Key: {self.secrets['fetch header']}{MARKER}\n",
        }.items():
            (home / name).write_text(content)
            (home / name).chmod(0o600)
        base = f"http://127.0.0.1:{port}"
        proxy = f'proxy = "http://user:{self.secrets["proxy password"]}@127.0.0.1:{port}"'
        nobody = proxy.replace(f":{port}", ":1")
        tables = [
            issuer(),
            _table("leaky", f'jwks_uri = "{base}/leaky"'),
            _table("echoing", f'jwks_uri = "{base}/echo"\nfetch_header_file = "fetch-headers"'),
            _table("failing", f'jwks_uri = "{base}/echo"\nfetch_header_file = "fetch-headers-that-fail"'),
            _table("proxied", proxy),
            _table("tunnelled", proxy, "https"),
            _table("unreached", nobody),
            _table("shared", 'algorithms = ["HS256"]\nsecret_file = "shared-secret"', "https"),
        ]
        self.text = CONFIG.format(issuers="".join(tables))

    # ---- what is done

    def token_for(self, name: str, **changes: Any) -> str:
        """A good token, watched."""
        made = house.token(jti=secrets.token_hex(8), **changes)
        payload, signature = made.split(".")[1:]
        self.canaries.watch(name, payload)
        self.canaries.watch(name, signature)
        return made

    def api_key(self, name: str) -> str:
        """A good API key, watched."""
        body = {"owner": "ci", "scopes": ["read"], "resources": ["api"]}
        made: str = self.bearerd.api("POST", "/v1/apikeys", body).json()["key"]
        self.canaries.watch(name, made.rpartition("_")[2])
        return made

    def send(self, name: str, listener: str, data: bytes, *, cut: bool = False) -> bytes:
        """Raw bytes on a connection of their own; whatever comes back until it closes.  ``cut``: we hang up first."""
        if MARKER.encode() in data or b"Authorization: Basic " in data:  # which may hold it in base64
            self.provoking.append((name, listener, data))
        address = self.bearerd.address if listener == "public" else self.bearerd.addresses()[listener]
        host, _, port = address.rpartition(":")
        answer = bytearray()
        with socket.create_connection((host, int(port)), timeout=30) as connection, contextlib.suppress(OSError):
            connection.sendall(data)  # it may be refused before all is sent
            if cut:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        self.answers.append((f"{listener}: {name}", bytes(answer)))
        return bytes(answer)

    def cli(self, *arguments: str, given: str = "") -> int:
        """A command; what it printed is kept."""
        done = self.bearerd.cli(*arguments, given=given)
        self.printed.append((" ".join(arguments), done.stdout + done.stderr))
        return done.returncode

    # ---- what came out

    def leaks(self) -> list[str]:
        """Every canary that is anywhere, with the place; of answers and lines those that came since this was last asked."""
        found = []
        for place, output in self._outputs():
            found += [f"{place}: {leak}" for leak in self.canaries.leaks(output)]
        return found

    def _outputs(self) -> Iterator[tuple[str, bytes | str]]:
        answers, log = self._new("answers", self.answers), self.bearerd.log.read_bytes()
        yield from answers
        yield from self._new("printed", self.printed)
        yield "log", self._new("log", log[: log.rfind(b"\n") + 1])
        for path in ("/metrics", "/readyz", "/livez"):
            yield path, self.bearerd.probe(path).body
        for path in ("/v1/health", "/v1/keys", "/v1/revocations?limit=1000"):
            yield path, self.bearerd.api("GET", path).body
        yield from self._decisions(b"".join(answer for _, answer in answers))
        for file in self.bearerd.data_dir.rglob("*"):
            if file.is_file() and file.name != "admin.token":
                yield str(file), file.read_bytes()
        yield from self._stored()
        for pid in (self.bearerd.pid, *self.bearerd.pids().values()):
            for name in ("cmdline", "comm"):
                yield f"{name} of {pid}", Path(f"/proc/{pid}/{name}").read_bytes()

    def _new(self, name: str, outputs: Any) -> Any:
        """What has not been searched."""
        start, self._searched[name] = self._searched[name], len(outputs)
        return outputs[start:]

    def _decisions(self, told: bytes) -> Iterator[tuple[str, bytes]]:
        """What the admin API tells of every refusal, looked up by the id that the client was given."""
        for number in set(re.findall(rb"(?i)x-auth-request-id: ([0-9a-f]{32})", told)):
            yield "decision", self.bearerd.api("GET", f"/v1/decisions/{number.decode()}").body

    def _stored(self) -> Iterator[tuple[str, bytes]]:
        for key in self.store.call("KEYS", "*"):
            yield f"key {key!r}", key + (self.store.call("DUMP", key) or b"")  # it may have ended meanwhile
            kind = self.store.call("TYPE", key)
            if kind == b"hash":
                yield f"hash {key!r}", b"\n".join(self.store.call("HGETALL", key))


def _table(name: str, more: str, scheme: str = "http") -> str:
    insecure = "insecure_issuer = true\n" if scheme == "http" else ""
    return f'\n[[issuer]]\nissuer = "{scheme}://{name}.example"\nname = "{name}"\n{insecure}{more}\n'
