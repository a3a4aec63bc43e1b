"""No secret comes out: not in an answer, a log line, a metric, a file, the store, or the arguments of a process.

Canaries are sent through every way in, well-formed and not; a debugging log is on, and inside fail, with the secret in the
exception's words, the functions that hold one.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner
from support import house
from support.bearerd import run, wait_for
from support.canaries import Canaries
from support.spill import MARKER, Scene

from bearerd.audit.recorder import FAULTS_PER_SECOND
from bearerd.cli import cli


def went_through(scene: Scene, *statuses: int, failed: str = "") -> None:
    """Else the silence would prove nothing: it was answered in all these ways, and a function failed with it in its words."""
    assert {str(status).encode() for status in statuses} - {answer[9:12] for _, answer in scene.answers} == set()

    def told() -> bool:
        places = [" ".join(event.get("places", ())) for event in scene.bearerd.events() if "exception" in event]
        return any(failed in place and "sitecustomize.py" in place for place in places)

    # No more than some faults a second are told of: what was sent to make something fail is sent again, with a pause.
    for name, listener, data in (*scene.provoking, *scene.provoking):
        if told():
            break
        scene.send(name, listener, data)
        time.sleep(1 / FAULTS_PER_SECOND)
    assert told(), f"nothing that failed in {failed!r} was told of"
    scene.provoking.clear()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene(tmp_path_factory.mktemp("spill"), Canaries()).running() as scene:
        yield scene


def field(name: str, value: str | bytes) -> bytes:
    return name.encode() + b": " + (value.encode() if isinstance(value, str) else value) + b"\r\n"


def bearer(value: str | bytes) -> bytes:
    return field("Authorization", b"Bearer " + (value.encode() if isinstance(value, str) else value))


def basic(user: str, password: str) -> bytes:
    return field("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


# Where a secret may stand in a head.  Each gets a fresh canary.
HEADS: dict[str, Callable[[str], bytes]] = {
    "short and opaque": bearer,
    "as a malformed JWT": lambda c: bearer(f"{c}.{c}.{c}"),
    "in a JWT's header": lambda c: bearer(f"eyJ{c}.e30.AAAA"),
    "with a NUL": lambda c: bearer(f"{c}\0{c}"),
    "with a bare CR": lambda c: bearer(f"{c}\r{c}"),
    "with a bare LF": lambda c: bearer(f"{c}\n{c}"),
    "with a DEL": lambda c: bearer(f"{c}\x7f{c}"),
    "with bytes that are no text": lambda c: bearer(c.encode() + b"\x80\xff" + c.encode()),
    "with a space and more": lambda c: bearer(f"{c} {c}"),
    "after a tab": lambda c: field("Authorization", f"Bearer\t{c}"),
    "after two spaces": lambda c: field("Authorization", f"Bearer  {c}"),
    "percent-encoded": lambda c: bearer("".join(f"%{ord(sign):02x}" for sign in c)),
    "in base64": lambda c: bearer(base64.b64encode(c.encode())),
    "longer than a token may be": lambda c: bearer(c + "a" * 9_000 + c),
    "longer than a field may be": lambda c: bearer(c + "a" * 40_000 + c),
    "in a head that is too long": lambda c: bearer(c) + b"".join(field(f"X-{n}", "a" * 30_000) for n in range(3)),
    "in a head of too many fields": lambda c: bearer(c) + b"".join(field(f"X-{n}", c) for n in range(120)),
    "folded": lambda c: b"Authorization: Bearer\r\n " + c.encode() + b"\r\n",
    "before a bad field": lambda c: bearer(c) + b"no colon here " + c.encode() + b"\r\n",
    "in a field without a name": lambda c: b": " + c.encode() + b"\r\n",
    "in a field's name": lambda c: field(c, "x"),
    "in a bad field's name": lambda c: field(f"X\x01{c}", c),
    "as another scheme": lambda c: field("Authorization", f"Negotiate {c}"),
    "as a scheme": lambda c: field("Authorization", c),
    "as DPoP": lambda c: field("Authorization", f"DPoP {c}") + field("DPoP", c),
    "as Basic": lambda c: basic("svc", c),
    "as Basic of an unknown caller": lambda c: basic("who", c),
    "as bad Basic": lambda c: field("Authorization", f"Basic {c}!"),
    "twice": lambda c: bearer(c) + bearer(c),
    "after a comma": lambda c: bearer(f"x, Bearer {c}"),
    "for a proxy": lambda c: field("Proxy-Authorization", f"Bearer {c}"),
    "as a cookie": lambda c: field("Cookie", f"session={c}"),
    "in the original query": lambda c: field("X-Forwarded-Uri", f"/x?access_token={c}"),
    "in nginx's original query": lambda c: field("X-Original-URI", f"/x?access_token={c}"),
    "in the original path": lambda c: field("X-Forwarded-Uri", f"/{c}/../{c}"),
    "in an unambiguous path": lambda c: field("X-Forwarded-Uri", f"/{c}") + bearer("x"),
    "in an open path": lambda c: field("X-Forwarded-Uri", f"/open?{c}"),
    "as a method": lambda c: field("X-Forwarded-Method", c) + field("X-Original-Method", c),
    "as a host": lambda c: field("X-Forwarded-Host", c) + field("X-Original-Host", c),
    "in a spoofed identity": lambda c: field("X-Auth-Subject", c),
    "as a traceparent": lambda c: field("Traceparent", f"00-{c}"),
    "as a request id": lambda c: field("X-Request-Id", c) + field("X-Auth-Request-Id", c),
    "as an address": lambda c: field("X-Forwarded-For", c) + field("Forwarded", f"for={c}"),
    "as a length": lambda c: field("Content-Length", c),
    "as a coding": lambda c: field("Transfer-Encoding", c),
    "as an encoding": lambda c: field("Content-Encoding", c) + field("Content-Length", "0"),
    "as an expectation": lambda c: field("Expect", c),
    "as an upgrade": lambda c: field("Upgrade", c),
    "where functions fail": lambda c: bearer(MARKER + c),
    "as Basic where functions fail": lambda c: basic("svc", MARKER + c),
}  # fmt: skip
LINES: dict[str, Callable[[str], bytes]] = {
    "as the resource": lambda c: f"GET /auth/{c} HTTP/1.1".encode(),
    "as Envoy's resource": lambda c: f"GET /ext_authz/{c}/x HTTP/1.1".encode(),
    "in Envoy's path": lambda c: f"GET /ext_authz/api/{c}?access_token={c} HTTP/1.1".encode(),
    "in the query": lambda c: f"GET /auth/api?access_token={c} HTTP/1.1".encode(),
    "as the path": lambda c: f"GET /{c} HTTP/1.1".encode(),
    "as a metadata path": lambda c: f"GET /.well-known/oauth-protected-resource/{c} HTTP/1.1".encode(),
    "as the method": lambda c: f"{c.upper()} /auth/api HTTP/1.1".encode(),
    "as a bad method": lambda c: f"{c}\x01 /auth/api HTTP/1.1".encode(),
    "as the version": lambda c: f"GET /auth/api HTTP/{c}".encode(),
    "in an absolute target": lambda c: f"GET http://u:{c}@h/auth/api HTTP/1.1".encode(),
    "with a NUL in the target": lambda c: f"GET /auth/api\0{c} HTTP/1.1".encode(),
    "as a decision's id": lambda c: f"GET /v1/decisions/{c} HTTP/1.1".encode(),
    "as a page": lambda c: f"GET /v1/revocations?after={c} HTTP/1.1".encode(),
    "as a line": lambda c: c.encode(),
}
PUBLIC = ("/auth/api", "/auth/web", "/auth/shadow", "/auth/nobody", "/ext_authz/api/x", "/introspect", "/revoke", "/x")
TARGETS = {
    "public": (*PUBLIC, "/.well-known/oauth-protected-resource"),
    "admin": ("/v1/health", "/v1/keys", "/v1/revocations", "/v1/decisions/0", "/x"),
    "probes": ("/readyz", "/metrics", "/x"),
}
HOST = b"Host: 127.0.0.1\r\nConnection: close\r\n"
ASKED = field("X-Forwarded-Method", "GET") + field("X-Original-Method", "GET")


def test_secrets_in_heads(scene: Scene) -> None:
    for name, make in HEADS.items():
        for listener, targets in TARGETS.items():
            for target in targets:
                canary = scene.canaries.new(f"{name}, {listener} {target}")
                head = f"GET {target} HTTP/1.1\r\n".encode() + HOST + ASKED + make(canary)
                scene.send(name, listener, head + b"\r\n")
    went_through(scene, 200, 400, 401, 403, 404, 405, 417, 431, 503, failed="_subject")
    codes = {"internal_error", "malformed_token", "too_large", "ambiguous_credentials", "unknown_resource"}
    wait_for(lambda: codes <= {event.get("code") for event in scene.bearerd.events("decision")})
    assert scene.leaks() == []


def test_secrets_in_request_lines(scene: Scene) -> None:
    for name, make in LINES.items():
        for listener in TARGETS:
            canary = scene.canaries.new(f"{name}, {listener}")
            admin = bearer(scene.token) if listener == "admin" else b""
            scene.send(name, listener, make(canary) + b"\r\n" + HOST + admin + ASKED + b"\r\n")
    went_through(scene, 400, 403, 404)
    assert scene.leaks() == []


def form(c: str) -> dict[str, bytes]:
    """Bodies that a caller of /introspect or /revoke may send, with a secret somewhere."""
    good = {"client_id": "svc", "client_secret": "SECRET"}
    return {
        "an unknown token": urlencode(good | {"token": c}).encode(),
        "a token that fails inside": urlencode(good | {"token": MARKER + c}).encode(),
        "a body that fails inside": urlencode({"token": c, "x": MARKER}).encode(),
        "a wrong secret": urlencode({"client_id": "svc", "client_secret": c, "token": "x"}).encode(),
        "a secret that fails inside": urlencode({"client_id": "svc", "client_secret": MARKER + c}).encode(),
        "the secret alone": f"client_secret={c}".encode(),
        "a field twice": f"token={c}&token={c}".encode(),
        "a bad percent": f"token={c}%zz{c}".encode(),
        "no text": b"token=" + c.encode() + b"\xff\x00",
        "a hint": urlencode(good | {"token": "x", "token_type_hint": c}).encode(),
        "a field's name": urlencode(good | {c: "x"}).encode(),
        "another form": json.dumps({"token": c}).encode(),
        "too long": (f"token={c}" + "a" * 70_000).encode(),
    }


def test_secrets_in_bodies(scene: Scene) -> None:
    right = scene.secrets["caller secret"].encode()
    for target in ("/introspect", "/revoke", "/auth/api"):
        for name in form(""):
            canary = scene.canaries.new(f"{name}, {target}")
            body = form(canary)[name].replace(b"SECRET", right)
            for more in (
                field("Content-Type", "application/x-www-form-urlencoded"),
                field("Content-Type", f"text/{canary}; charset={canary}"),
                field("Content-Type", "application/x-www-form-urlencoded") + basic("svc", right.decode()),
                field("Content-Type", "application/x-www-form-urlencoded") + basic("svc", MARKER + canary),
            ):
                head = f"POST {target} HTTP/1.1\r\n".encode() + HOST + more + field("Content-Length", str(len(body)))
                scene.send(name, "public", head + b"\r\n" + body)
        canary = scene.canaries.new(f"chunks, {target}")
        chunked = f"POST {target} HTTP/1.1\r\n".encode() + HOST + field("Transfer-Encoding", "chunked") + b"\r\n"
        scene.send("chunks", "public", chunked + canary.encode() + b"\r\n")
        scene.send("cut", "public", chunked + b"ff\r\ntoken=" + canary.encode(), cut=True)
    went_through(scene, 400, 401, 503, failed="authenticate")
    assert scene.leaks() == []


def test_good_tokens_and_the_secrets_of_callers_in_use(scene: Scene) -> None:
    right = scene.secrets["caller secret"]
    for name in ("asked with", "introspected", "revoked"):
        token = scene.token_for(f"good token, {name}")
        for target in PUBLIC:
            asked = ASKED + field("X-Forwarded-Uri", "/x") + field("X-Original-URI", "/x")
            scene.send(name, "public", f"GET {target} HTTP/1.1\r\n".encode() + HOST + asked + bearer(token) + b"\r\n")
        body = urlencode({"token": token, "client_id": "svc", "client_secret": right}).encode()
        kind = field("Content-Type", "application/x-www-form-urlencoded") + field("Content-Length", str(len(body)))
        target = "/revoke" if name == "revoked" else "/introspect"
        scene.send(name, "public", f"POST {target} HTTP/1.1\r\n".encode() + HOST + kind + b"\r\n" + body)
    statuses = {answer[9:12] for place, answer in scene.answers if place == "public: introspected"}
    assert b"200" in statuses  # else nothing was shown
    assert scene.leaks() == []


def test_secrets_through_the_admin_api(scene: Scene) -> None:
    good = scene.token_for("good token through the admin API")
    bodies: dict[str, Callable[[str], object]] = {
        "explained": lambda c: {"resource": "api", "token": c, "method": "GET", "path": f"/{c}?access_token={c}"},
        "explained though it fails": lambda c: {"resource": "api", "token": MARKER + c},
        "explained of another resource": lambda c: {"resource": "x", "token": c},
        "a good one explained": lambda c: {"resource": "api", "token": good, "method": "GET", "path": "/x"},
        "with a wrong member": lambda c: {"resource": "api", "token": c, "what": c},
        "of a wrong type": lambda c: {"resource": "api", "token": [c]},
        "revoked": lambda c: {"token": c},
        "a good one revoked": lambda c: {"token": good, "ack": "stored"},
        "a session revoked": lambda c: {"kind": "session", "issuer": house.ISS, "value": c, "before": c},
        "no object": lambda c: [c],
        "too long": lambda c: {"resource": "api", "token": c + "a" * 70_000},
    }
    for name, make in bodies.items():
        for target in ("/v1/explain", "/v1/revocations", "/v1/revocations/reset"):
            body = json.dumps(make(scene.canaries.new(f"{name}, {target}"))).encode()
            kind = field("Content-Type", "application/json") + field("Content-Length", str(len(body)))
            for token in (scene.token, scene.token[:-1] + "."):
                head = f"POST {target} HTTP/1.1\r\n".encode() + HOST + bearer(token) + kind
                scene.send(name, "admin", head + b"\r\n" + body)
        cut = json.dumps(make(scene.canaries.new(f"{name}, cut"))).encode()[:-1]
        kind = field("Content-Type", "application/json") + field("Content-Length", str(len(cut)))
        for line in (kind, kind.replace(b"json", b"jwt")):
            scene.send(
                name, "admin", b"POST /v1/explain HTTP/1.1\r\n" + HOST + bearer(scene.token) + line + b"\r\n" + cut
            )
    assert any(b'"allowed": true' in answer or b'"allowed":true' in answer for _, answer in scene.answers)
    went_through(scene, 200, 201, 400, 401, 413, 415, 500, failed="explain")
    assert scene.leaks() == []


def test_secrets_through_the_command_line(scene: Scene) -> None:
    good, canary = scene.token_for("good token through the command line"), scene.canaries.new("token on stdin")
    explain, offline, revoke = ("explain", "-r", "api"), ("explain", "-r", "api", "--offline", "-X", "GET"), ("revoke",)
    for arguments in (explain, offline, revoke):
        scene.cli(*arguments, "-o", "json", given=good)
        for token in (good, canary, f"{canary}.{canary}.{canary}", f"{canary}\0 {canary}", MARKER + canary):
            scene.cli(*arguments, given=token)
    assert scene.cli("check") == 0
    assert scene.cli("check", "-o", "json") == 0
    scene.cli("health")
    scene.cli("revoke", "--list")
    assert scene.leaks() == []


# What may become of a key on its way here.
SPOILT: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "with another checksum": lambda key: key[:-6] + "000000",
    "cut": lambda key: key[:40],
    "in upper case": str.upper,
    "percent-encoded": lambda key: key.replace("_", "%5f"),
    "with more behind it": lambda key: key + "." + key,
    "where functions fail": lambda key: MARKER + key,
}


def test_secrets_of_api_keys(scene: Scene) -> None:
    key = scene.api_key("API key")
    for name, spoil in SPOILT.items():
        for target in ("/auth/api", "/auth/web", "/ext_authz/api/x", f"/auth/api?access_token={spoil(key)}"):
            line = f"GET {target} HTTP/1.1\r\n".encode()
            scene.send(f"API key {name}", "public", line + HOST + ASKED + bearer(spoil(key)) + b"\r\n")
        form = urlencode({"token": spoil(key), "client_id": "svc", "client_secret": scene.secrets["caller secret"]})
        head = field("Content-Type", "application/x-www-form-urlencoded") + field("Content-Length", str(len(form)))
        for path in ("/introspect", "/revoke") if name != "as it is" else ("/introspect",):
            scene.send(
                f"API key {name}",
                "public",
                f"POST {path} HTTP/1.1\r\n".encode() + HOST + head + b"\r\n" + form.encode(),
            )
        scene.cli("explain", "-r", "api", given=spoil(key))
        scene.cli("explain", "-r", "api", "-o", "json", given=spoil(key))
    assert any(
        answer.startswith(b"HTTP/1.1 200") for name, answer in scene.answers if name == "public: API key as it is"
    )
    assert scene.cli("revoke", given=key) == 0
    assert scene.leaks() == []


def test_secrets_of_issuers_and_proxies_that_repeat_them(scene: Scene) -> None:
    names = {"echoing", "failing", "proxied", "tunnelled", "unreached"}
    wait_for(lambda: names <= {event["issuer"] for event in scene.bearerd.events("key_set_fetch_failed")})
    wait_for(lambda: any("leaked" in str(event) for event in scene.bearerd.events("key_set_loaded")))
    for name in ("leaky", "echoing", "failing", "proxied", "tunnelled", "unreached"):
        token = house.token(iss=f"{'https' if name == 'tunnelled' else 'http'}://{name}.example")
        scene.send(name, "public", b"GET /auth/api HTTP/1.1\r\n" + HOST + ASKED + bearer(token) + b"\r\n")
    assert scene.leaks() == []


def test_the_stores_password_when_it_is_refused_and_when_the_store_is_gone(scene: Scene) -> None:
    def problem() -> str:
        return str(scene.bearerd.api("GET", "/v1/health").json()["workers"][0]["health"]["store_problem"])

    scene.store.call("ACL", "SETUSER", "bearerd", "resetpass", ">another")
    scene.store.call("CLIENT", "KILL", "USER", "bearerd")
    wait_for(lambda: "refused the login" in problem())
    assert scene.leaks() == []
    password = scene.secrets["store password"]
    scene.store.call("ACL", "SETUSER", "bearerd", f">{password}")
    wait_for(lambda: problem() == "None")
    scene.store.kill()
    wait_for(lambda: "unreachable" in problem())
    scene.store.start("--rename-command", "AUTH", "NOTHING")  # now it quotes what it does not understand
    wait_for(lambda: "refused the login" in problem())
    scene.store.kill()
    scene.store.start()
    scene.store.call("ACL", "SETUSER", "bearerd", "on", f">{password}", "~*", "&*", "+@all")
    wait_for(lambda: problem() == "None")
    assert scene.leaks() == []


BAD = {
    "a store's url": '[store]\nurl = "redis://u:{c}@h:port"\nfleet = "f"',
    "a store's url with a raw password": '[store]\nurl = "redis://u:a/{c}@h"\nfleet = "f"',
    "a store's url without quotes": "[store]\nurl = redis://u:{c}@h",
    "a store's url of another type": '[store]\nurl = ["redis://u:{c}@h"]',
    "a store's url of another scheme": '[store]\nurl = "https://u:{c}@h"\nfleet = "f"',
    "a store's options": '[store]\nurl = "redis://h?password={c}"\nfleet = "f"',
    "a sentinel's password": '[store]\nurl = "redis+sentinel://h?sentinel_password={c}"\nfleet = "f"',
    "a secret where a file belongs": '[[issuer]]\nissuer = "https://a.example"\nalgorithms = ["HS256"]\nsecret = "{c}"',
    "a proxy": '[[issuer]]\nissuer = "https://a.example"\nproxy = "ftp://u:{c}@h"',
    "an issuer with a password": '[[issuer]]\nissuer = "https://u:{c}@a.example"',
    "a jwks_uri with a password": '[[issuer]]\nissuer = "https://a.example"\njwks_uri = "https://u:{c}@a.example"',
    "a private key": '[[issuer]]\nissuer = "https://a.example"\njwks = {{ keys = [{{ kty = "EC", d = "{c}" }}] }}',
    "a private key alone": '[[issuer]]\nissuer = "https://a.example"\njwks = {{ kty = "EC", d = "{c}" }}',
    "a shared secret among the keys": '[[issuer]]\nissuer = "https://a.example"\n'
    'jwks = {{ keys = [{{ kty = "oct", k = "{c}", alg = "HS256" }}] }}',
    "a caller's secret": '[[caller]]\nname = "c"\nsecret = "{c}"\nresources = ["api"]\nmay = ["revoke"]',
    "an unfinished line": 'x = "{c}',
    "a url file": '[store]\nurl_file = "secret"\nfleet = "f"',
    "a fleet key": '[store]\nurl = "redis://h"\nfleet = "f"\nfleet_key_file = "secret"',
    "a fetch header": '[[issuer]]\nissuer = "https://a.example"\nfetch_header_file = "secret"',
    "a certificate": '[[issuer]]\nissuer = "https://a.example"\nca_file = "secret"',
}

# A start says of a file what ``check`` says: tried where it is no TOML, no configuration, and where another file is no good.
SERVED = (
    "an unfinished line",
    "a store's url without quotes",
    "a store's url with a raw password",
    "a private key",
    "a certificate",
)


@pytest.mark.parametrize("name", BAD)
def test_what_is_said_of_a_bad_configuration_repeats_no_secret(tmp_path: Path, name: str) -> None:
    canaries = Canaries()
    canary = canaries.new(name)
    (tmp_path / "secret").write_text(f"{canary}\n")
    (tmp_path / "c.toml").write_text(BAD[name].format(c=canary))
    for form in ("table", "json"):
        shown = CliRunner().invoke(cli, ["check", "--config", str(tmp_path / "c.toml"), "-o", form])
        assert shown.exit_code == 1
        assert canaries.leaks(shown.output) == []
    if name not in SERVED:
        return
    ended = run("serve", "--config", str(tmp_path / "c.toml"))
    assert ended.returncode == 2
    assert canaries.leaks(ended.stdout + ended.stderr) == []


@pytest.mark.parametrize("variable", ["BEARERD_STORE__URL", "BEARERD_STORE__PASSWORD", "BEARERD_SECRET__X"])
def test_what_is_said_of_a_bad_environment_repeats_no_secret(tmp_path: Path, variable: str) -> None:
    canaries = Canaries()
    canary = canaries.new(variable)
    (tmp_path / "c.toml").write_text("")
    ended = run("check", "--config", str(tmp_path / "c.toml"), **{variable: f"redis://u:{canary}@h:port"})
    assert ended.returncode == 1
    assert variable in ended.stdout + ended.stderr
    assert canaries.leaks(ended.stdout + ended.stderr) == []
