"""nginx keeps what bearerd allows, where a resource says so: who is asked again, who is not, and what no key confuses."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ask import Answer, request, token
from stage import EXAMPLES, GATEWAYS, Stage, environment, free_port

from gateways.conftest import ONE_WORKER, said

pytestmark = pytest.mark.timeout(300)

FILE = (EXAMPLES / "nginx" / "nginx-caching.conf").read_text()
API = 'gateway = "nginx"\n'
KEY = '"replace-me-with-a-secret\\napi\\n$request_method\\n$request_uri\\n$host\\n$http_origin\\n$http_access_control_request_method\\n$http_authorization"'
AGE = 2  # seconds, of the resource "short"
OTHERS = f"""
[resource.short]
identifier = "http://127.0.0.1:8080/"
gateway = "nginx"
cacheable_for = "{AGE}s"

[resource.never]
identifier = "http://127.0.0.1:8080/"
gateway = "nginx"

[resource.other]
identifier = "http://other.example/"
gateway = "nginx"
cacheable_for = "30s"
"""


@dataclass
class Nginx:
    """One nginx before the bearerd that all of them ask."""

    stage: Stage
    port: int
    config: Path
    folder: Path
    second: int = 0  # the port of a second server in it

    def token(self, client: str = "alice", scope: str = "api orders:read") -> str:
        return token(self.stage.ports["issuer"], client, self.stage.url("nginx", "/"), scope)

    def ask(self, path: str, bearer: str | None, method: str = "GET", port: int = 0, **headers: str) -> Answer:
        fields = headers | ({} if bearer is None else {"Authorization": f"Bearer {bearer}"})
        return request(port or self.port, method, path, fields)

    def decisions(self) -> int:
        """How many bearerd has taken."""
        with urllib.request.urlopen(self.stage.url("probes", "/metrics")) as answer:
            text = answer.read().decode()
        return int(sum(map(float, re.findall(r"^bearerd_decisions_total\{.*\} (\S+)$", text, re.MULTILINE))))

    def asked(self, ask: Callable[[], object]) -> int:
        """How many of them came of this."""
        before = self.decisions()
        ask()
        return self.decisions() - before


@pytest.fixture(scope="module")
def bearerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Path]]:
    with Stage.on_free_ports(tmp_path_factory.mktemp("caching")) as stage:
        stage.changes |= ONE_WORKER
        stage.start_issuer()
        stage.start_upstream()
        config = stage.copy("nginx") / "bearerd.toml"
        text = config.read_text()
        assert API in text
        config.write_text(text.replace(API, f'{API}cacheable_for = "30s"\n') + stage.moved(OTHERS))
        stage.start_bearerd(config)
        yield stage, config


@pytest.fixture
def nginx(bearerd: tuple[Stage, Path], tmp_path: Path) -> Iterator[Callable[..., Nginx]]:
    """Starts one for a resource, with its file changed."""
    stage, config = bearerd
    started: list[str] = []

    def start(resource: str = "api", changes: dict[str, str] | None = None, *, twice: str = "") -> Nginx:
        folder = tmp_path / f"nginx{len(started)}"
        folder.mkdir()
        port, second = free_port(), free_port()
        text = FILE
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        if twice:  # the same server for another resource, on a port of its own
            begin, end = text.index("    server {\n"), text.rindex("}")
            again = text[begin:end].replace("127.0.0.1:8080", f"127.0.0.1:{second}")
            text = (
                text[:end] + again.replace("/auth/api", f"/auth/{twice}").replace("\\napi\\n", f"\\n{twice}\\n") + "}\n"
            )
        text = text.replace("/auth/api", f"/auth/{resource}").replace("\\napi\\n", f"\\n{resource}\\n")
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        (folder / "nginx-caching.conf").write_text(stage.moved(text))
        gateway, name = GATEWAYS["nginx"], folder.name
        binary = gateway.found()
        assert binary is not None
        arguments = ["-p", ".", "-c", "nginx-caching.conf", "-e", "stderr"]
        stage.start(name, [binary, *arguments], port=port, cwd=folder)
        started.append(name)
        return Nginx(stage, port, config, folder, second)

    yield start
    for name in started:
        stage.stop(name)


def revoke(config: Path, bearer: str) -> None:
    command = [sys.executable, "-m", "bearerd", "revoke", "--config", str(config)]
    subprocess.run(command, input=bearer, text=True, capture_output=True, check=True, env=environment())


def test_the_file_is_the_example_and_the_marked_lines_more() -> None:
    plain = (EXAMPLES / "nginx" / "nginx.conf").read_text()
    without = re.sub(r"\n *# -- caching\n.*?# -- end of caching\n(?=\n|        \})", "", FILE, flags=re.DOTALL)
    assert without.splitlines()[3:] == plain.splitlines()[2:]
    assert KEY in FILE


# ---- what is kept


def test_a_second_request_is_answered_without_bearerd_and_with_the_same_identity(nginx: Callable[..., Nginx]) -> None:
    made = nginx()
    alice, bob = made.token("alice"), made.token("bob")
    for bearer in (alice, bob):
        assert made.asked(lambda bearer=bearer: made.ask("/orders/7", bearer)) == 1
    for bearer, subject in ((alice, "alice"), (bob, "bob")) * 3:
        before = made.decisions()
        seen = made.ask("/orders/7", bearer).upstream_saw()
        assert made.decisions() == before
        assert seen is not None
        assert (seen["x-auth-subject"], seen["x-auth-scopes"]) == (subject, "api orders:read")
        assert "authorization" not in seen


def test_what_lies_on_disk_is_for_nginx_alone(nginx: Callable[..., Nginx]) -> None:
    made = nginx()
    assert made.ask("/orders/7", made.token()).status == 200
    files = [path for path in (made.folder / "cache").rglob("*") if path.is_file()]
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o077 == 0


def test_refusals_are_never_kept(nginx: Callable[..., Nginx]) -> None:
    made = nginx(changes={"proxy_cache           bearerd;": "proxy_cache bearerd; proxy_cache_valid any 1m;"})
    good = made.token()
    for path, bearer, method, status in (
        ("/orders/7", None, "GET", 401),
        ("/orders/7", good[:-4] + "AAAA", "GET", 401),
        ("/orders/7", good, "DELETE", 403),
        ("/admin", good, "GET", 403),
        ("/orders/..%2f7", good, "GET", 403),
    ):
        for _ in range(2):
            before = made.decisions()
            assert made.ask(path, bearer, method).status == status
            assert made.decisions() == before + 1


def test_an_open_path_is_asked_about_each_time(nginx: Callable[..., Nginx]) -> None:
    made = nginx(changes={"proxy_cache           bearerd;": "proxy_cache bearerd; proxy_cache_valid any 1m;"})
    assert made.asked(lambda: [made.ask("/health", None) for _ in range(3)]) == 3


def test_nothing_is_kept_of_a_resource_that_does_not_say_so(nginx: Callable[..., Nginx]) -> None:
    """Not even by an nginx that was told to keep whatever it may."""
    made = nginx("never", {"proxy_cache           bearerd;": "proxy_cache bearerd; proxy_cache_valid any 1m;"})
    good = made.token()
    assert made.asked(lambda: [made.ask("/orders/7", good) for _ in range(3)]) == 3


# ---- until when


def test_a_revoked_token_is_refused_when_the_stated_age_is_over(nginx: Callable[..., Nginx]) -> None:
    made = nginx("short")
    for _ in range(2):
        bearer = made.token()
        time.sleep(1.02 - time.time() % 1)  # nginx counts whole seconds: so early in one it keeps an answer longest
        assert made.ask("/orders/7", bearer).status == 200
        given = time.monotonic()  # or before
        revoke(made.config, bearer)
        time.sleep(max(0.0, given + AGE - time.monotonic()))
        for _ in range(2):
            assert made.ask("/orders/7", bearer).status == 401


def test_until_then_it_is_allowed_and_bearerd_does_not_know(nginx: Callable[..., Nginx]) -> None:
    """The price, as docs/guarantees.md states it."""
    made = nginx()
    bearer = made.token()
    assert made.ask("/orders/7", bearer).status == 200
    revoke(made.config, bearer)
    assert made.asked(lambda: made.ask("/orders/7", bearer)) == 0
    assert made.ask("/orders/7", bearer).status == 200
    assert made.ask("/orders/8", bearer).status == 401  # what was not asked yet is not kept


# ---- the key

GET = ("GET", "/orders/7", "x")


@pytest.mark.parametrize(
    ("part", "question", "status"),
    [
        ("$request_method", ("DELETE", "/orders/7", "x"), 403),
        ("$request_uri", ("GET", "/admin", "x"), 403),
        ("$request_uri", ("GET", "/ORDERS/7", "x"), 403),
        ("$request_uri", ("GET", "/orders/7?access_token=x", "x"), 401),
        ("$request_uri", ("GET", "/orders/%2e%2e/admin", "x"), 403),
    ],
)
def test_another_method_or_target_never_gets_this_one_s_verdict(
    nginx: Callable[..., Nginx], part: str, question: tuple[str, str, str], status: int
) -> None:
    """And would, if the key lacked it."""
    found = []
    for made in (nginx(), nginx(changes={part + "\\n": "\\n"})):
        good = made.token()
        method, path, host = question
        assert made.ask("/orders/7", good, Host="x").status == 200
        found.append(made.ask(path, good, method, Host=host).status)
    assert found == [status, 200]


def test_another_host_is_asked_about(nginx: Callable[..., Nginx]) -> None:
    for changes, asked in (({}, 1), ({"$host\\n": "\\n"}, 0)):
        made = nginx(changes=changes)
        good = made.token()
        assert made.ask("/orders/7", good, Host="a.example").status == 200
        assert made.asked(lambda: made.ask("/orders/7", good, Host="b.example")) == asked  # noqa: B023
        # Not another: nginx tells bearerd, too, in lower case.
        assert made.asked(lambda: made.ask("/orders/7", good, Host="A.example")) == 0  # noqa: B023


@pytest.mark.parametrize("part", ["", "api"])
def test_another_resource_never_gets_this_one_s_verdict(nginx: Callable[..., Nginx], part: str) -> None:
    """Two servers with one cache; with a key that does not name the resource, the token of the one opens the other."""
    made = nginx(changes={"\\napi\\n": "\\n"} if part else {}, twice="other")
    good = made.token()
    assert made.ask("/orders/7", good, Host="x").status == 200
    assert made.ask("/orders/7", good, port=made.second, Host="x").status == (200 if part else 401)


@pytest.mark.parametrize("key", [KEY, KEY.replace("\\n$http_authorization", "")], ids=["whole", "without the token"])
def test_another_token_never_gets_this_one_s_verdict(nginx: Callable[..., Nginx], key: str) -> None:
    """Not even where the key forgot the token: Vary says what the answer depends on."""
    made = nginx(changes={KEY: key})
    good, other = made.token("alice"), made.token("bob")
    for _ in range(2):
        answer = made.ask("/orders/7", good)
        assert (answer.upstream_saw() or {})["x-auth-subject"] == "alice"
        assert made.ask("/orders/7", None).status == 401
        assert made.ask("/orders/7", good[:-4] + "AAAA").status == 401
        assert made.ask("/orders/7", good.swapcase()).status == 401
        assert made.ask("/orders/7", good[:-1]).status == 401
        answer = made.ask("/orders/7", other)
        assert (answer.upstream_saw() or {})["x-auth-subject"] == "bob"


@pytest.mark.parametrize(
    ("lines", "statuses"),
    [
        (("Authorization: Bearer {}", "Authorization: Bearer {}"), {400}),
        (("Authorization: Basic YTpi", "Authorization: Bearer {}"), {400}),
        (("Authorization: Bearer {}, Bearer {}",), {401}),
        (("Authorization: Bearer {} x",), {401}),
        (("Authorization: Bearer  {}",), {401}),
        (("Authorization: Bearer\t{}",), {401}),
        (("Authorization: Bearer", " {}"), {400}),
        (("Authorization:\x00Bearer {}",), {400}),
        (("Authorization_: Bearer {}",), {401}),
        (("X-Original-Authorization: Bearer {}",), {401}),
        (("Authorization : Bearer {}",), {400, 401}),
    ],
)
def test_another_spelling_of_the_credential_is_no_hit(
    nginx: Callable[..., Nginx], lines: tuple[str, ...], statuses: set[int]
) -> None:
    made = nginx()
    good = made.token()
    assert made.ask("/orders/7", good, Host="x").status == 200
    answer = said(made.port, "/orders/7", *(line.format(good, good) for line in lines))
    assert int(answer.split(b" ", 2)[1]) in statuses
    assert b'"body_bytes"' not in answer


def test_what_surrounds_the_credential_is_not_part_of_it(nginx: Callable[..., Nginx]) -> None:
    """Spaces around a field's value are nobody's (RFC 9110 section 5.5); a scheme in another case is asked about."""
    made = nginx()
    good = made.token()
    for line in (f"Authorization:   Bearer {good}  ", f"authorization: Bearer {good}", f"AUTHORIZATION: bearer {good}"):
        assert b'"alice"' in said(made.port, "/orders/7", line)


def test_what_a_client_says_of_its_request_reaches_no_other_verdict(nginx: Callable[..., Nginx]) -> None:
    made = nginx()
    good = made.token()
    lies = {"X-Original-URI": "/orders/7", "X-Original-Method": "GET", "X-Original-Host": "x", "X-Auth-Subject": "root"}
    assert made.ask("/orders/7", good, Host="x", **lies).status == 200
    assert made.ask("/admin", good, Host="x", **lies).status == 403
    assert made.ask("/orders/7", good, "DELETE", Host="x", **lies).status == 403
    assert made.ask("/orders/7", None, Host="x", **lies).status == 401
    assert (made.ask("/orders/7", good, Host="x", **lies).upstream_saw() or {})["x-auth-subject"] == "alice"


@pytest.mark.parametrize(
    "fields",
    [
        {"Range": "bytes=0-0"},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"},
        {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If-Match": '"x"'},
        {"Cache-Control": "only-if-cached"},
        {"Cache-Control": "no-cache", "Pragma": "no-cache"},
    ],
    ids=str,
)
def test_no_conditional_request_changes_a_verdict(nginx: Callable[..., Nginx], fields: dict[str, str]) -> None:
    made = nginx()
    good = made.token()
    for _ in range(2):
        assert made.ask("/orders/7", good, **fields).status == 200
        assert made.ask("/orders/7", None, **fields).status == 401
        assert made.ask("/admin", good, **fields).status == 403
