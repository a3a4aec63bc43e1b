"""Whatever an issuer does, the keys that are known serve on, nothing crashes, and everybody is told by name.

One bearerd with two workers keeps an issuer for each fault; all are well at first.  Then each misbehaves, in turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support import house, jose
from support.bearerd import Bearerd, config, hooked, wait_for
from support.certificates import authority
from support.issuer import JWKS, OAUTH, OPENID, Answer, Behaviour, Drip, Flood, Hang, Raw, ScriptedIssuer, redirect

DOCS = Path(__file__).parents[2] / "docs" / "keys.md"


def key(kid: str = "first", **members: Any) -> dict[str, Any]:
    return jose.jwk("P-256", 0, kid=kid, alg="ES256") | members


def answers(body: Any = b"", **more: Any) -> Callable[[ScriptedIssuer], None]:
    """The key set is answered so from now on."""
    return always(Answer(body, **more))


def always(behaviour: Behaviour, path: str = JWKS) -> Callable[[ScriptedIssuer], None]:
    return lambda issuer: issuer.always(path, behaviour)


def metadata(*, status: int = 200, **members: Any) -> Callable[[ScriptedIssuer], None]:
    """The keys are gone from where they were, and the metadata say this."""

    def begin(issuer: ScriptedIssuer) -> None:
        issuer.always(JWKS, Answer(status=404))
        for path in (OPENID, OAUTH):
            issuer.always(path, Answer(issuer.metadata() | members, status=status))

    return begin


@dataclass(frozen=True)
class Fault:
    """What an issuer does, and what it is called."""

    begin: Callable[[ScriptedIssuer], Any]
    reason: str
    before: frozenset[str] = frozenset()  # what else it may be called, as it begins


async def moved_to_another_certificate(issuer: ScriptedIssuer) -> None:
    await _moved(issuer, authority("nobody knows").server(Path(issuer.folder), "127.0.0.1"))  # type: ignore[attr-defined]


async def down(issuer: ScriptedIssuer) -> None:
    await issuer.stop()


async def _moved(issuer: ScriptedIssuer, tls: Any) -> None:
    await issuer.stop()
    issuer._server = await asyncio.start_server(issuer._connected, "127.0.0.1", issuer.port, ssl=tls)


PRIVATE = key(d="AAAA")
DEEP = b'{"keys":' + b"[" * 100_000
FAULTS = {
    "slow": Fault(always(Drip()), "timeout"),
    "hanging": Fault(always(Hang()), "timeout"),
    "status-500": Fault(answers(status=500), "http_status"),
    "status-204": Fault(answers(status=204), "http_status"),
    "truncated": Fault(answers({"keys": [key()]}, length=100_000), "protocol"),
    "cut-json": Fault(answers(json.dumps({"keys": [key()]}).encode()[:-9]), "bad_json"),
    "huge": Fault(answers(b" " * 1_000_000 + b"{}"), "too_large"),
    "endless": Fault(always(Flood()), "too_large"),
    "nested": Fault(answers(DEEP), "bad_json"),
    "doubled-member": Fault(answers(b'{"keys":[],"keys":[]}'), "bad_json"),
    "html": Fault(answers(b"<html>", content_type="text/html"), "content_type"),
    "compressed": Fault(answers(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "content_type"),
    "no-http": Fault(always(Raw(b"\x00\x01\x02 what\r\n\r\n")), "protocol"),
    "no-keys": Fault(answers({}), "bad_document"),
    "a-list": Fault(answers(b"[1]"), "bad_json"),
    "too-many-keys": Fault(answers({"keys": [key(f"k{n}") for n in range(101)]}), "bad_document"),
    "empty-set": Fault(answers({"keys": []}), "no_usable_key"),
    "duplicate-kid": Fault(answers({"keys": [key(), jose.jwk("P-256", 7, kid="first")]}), "no_usable_key"),
    "private-key": Fault(answers({"keys": [PRIVATE]}), "no_usable_key"),
    "other-algorithm": Fault(answers({"keys": [jose.jwk("P-384", 0, kid="first")]}), "no_usable_key"),
    "redirect-loop": Fault(always(redirect(JWKS)), "redirect"),
    "redirect-nowhere": Fault(always(redirect(None)), "redirect"),
    "redirect-to-a-file": Fault(always(redirect("file:///etc/passwd")), "redirect"),
    "redirect-to-a-private-address": Fault(always(redirect("http://10.0.0.1/jwks")), "private_address"),
    "redirect-to-metadata-of-a-cloud": Fault(always(redirect("http://169.254.169.254/latest")), "private_address"),
    "redirect-to-a-private-name": Fault(always(redirect("http://inside.test/jwks")), "private_address"),
    "redirect-to-loopback": Fault(always(redirect("http://[::1]:6379/")), "private_address"),
    "keys-in-a-file": Fault(metadata(jwks_uri="file:///etc/passwd"), "bad_url"),
    "keys-at-a-private-address": Fault(metadata(jwks_uri="http://192.168.0.1/jwks"), "private_address"),
    "keys-of-no-name": Fault(metadata(jwks_uri="http://nowhere.test/jwks"), "dns"),
    "another-issuer": Fault(metadata(issuer="https://other.example"), "wrong_issuer"),
    "no-metadata": Fault(metadata(status=503), "http_status"),
    "down": Fault(down, "connect"),
    "another-certificate": Fault(moved_to_another_certificate, "tls", before=frozenset({"connect"})),
}  # fmt: skip
OTHERS = ("slow-but-whole", "rotating", "flipping", "wrong-clock", "partly-private", "named", "well")
NEVER = ("never-answered",)  # from the start


class World:
    """The bearerd, its issuers, and the names that it can resolve."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.issuers: dict[str, ScriptedIssuer] = {}
        self.hosts = folder / "hosts.json"
        self.bearerd: Bearerd

    def resolve(self, **names: str | None) -> None:
        new = self.hosts.with_suffix(".new")
        new.write_text(json.dumps({name.replace("_", "."): address for name, address in names.items()}))
        new.replace(self.hosts)

    async def start(self) -> None:
        self.resolve(inside_test="10.1.2.3", nowhere_test=None, named_test="127.0.0.1")
        ca, tables = authority().write(self.folder), []
        for name in (*FAULTS, *OTHERS, *NEVER):
            tls = authority().server(self.folder, "127.0.0.1") if name == "another-certificate" else None
            issuer = self.issuers[name] = ScriptedIssuer(tls=tls)
            issuer.folder = self.folder  # type: ignore[attr-defined]
            await issuer.start()
            if name == "named":
                issuer.identifier = f"http://named.test:{issuer.port}"
            if name in NEVER:
                issuer.always(OPENID, Hang())
            secure = f'ca_file = "{ca}"' if tls else "insecure_issuer = true"
            tables.append(
                f'[[issuer]]\nissuer = "{issuer.issuer}"\nname = "{name}"\nalgorithms = ["ES256"]\n{secure}\n'
                'key_set_refresh = "2s"\nunknown_kid_cooldown = "1s"\n'
            )
        text = config(issuers="\n".join(tables), server="log_allows = 0.0")
        self.bearerd = Bearerd(self.folder, text, hooked(TEST_HOSTS_FILE=str(self.hosts)), until_ready=False)
        await asyncio.to_thread(self.bearerd.start)
        for name in (*FAULTS, *OTHERS):
            await self.until(lambda name=name: self.state(name) == "ok")
        self.pids = self.bearerd.pids()
        self.known = {name: token(issuer) for name, issuer in self.issuers.items()}
        for name in FAULTS:
            assert await self.ask(self.known[name]) == {200}
            assert not self.failures(name)
        for name, fault in FAULTS.items():  # all at once: they are waited for at the same time
            if (begun := fault.begin(self.issuers[name])) is not None:
                await begun

    async def until(self, claim: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(wait_for, claim)

    def state(self, name: str) -> str:
        """What /readyz says of an issuer."""
        return str(self.bearerd.probe("/readyz").json()["components"]["issuers"][name])

    def failures(self, name: str) -> dict[str, float]:
        """How often fetching this issuer's keys failed so far, by reason; of one scrape."""
        return self.bearerd.metric_by("bearerd_key_set_fetch_failures_total", "reason", issuer=name)

    async def ask(self, token: str) -> set[int]:
        """What connections to every worker answer."""

        def ask() -> set[int]:
            return {self.bearerd.decide(token=token).status for _ in range(8)}

        return await asyncio.to_thread(ask)

    async def whole(self) -> None:
        """Nothing has crashed, and nobody else's tokens are touched."""
        assert (await asyncio.to_thread(self.bearerd.probe, "/readyz")).status == 200
        assert await asyncio.to_thread(self.bearerd.pids) == self.pids
        assert await self.ask(token(self.issuers["well"])) == {200}
        for event in self.bearerd.events():
            assert event["event"] not in ("key_set_refresh_failed", "a slow loop failed", "an exception nobody awaited")
            assert event.get("reason") != "internal"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    world = World(tmp_path_factory.mktemp("issuers"))
    try:
        await world.start()
        yield world
    finally:
        if hasattr(world, "bearerd"):
            await asyncio.to_thread(world.bearerd.__exit__)
        for issuer in world.issuers.values():
            await issuer.stop()


pytestmark = pytest.mark.asyncio(loop_scope="module")


def token(issuer: ScriptedIssuer, **more: Any) -> str:
    return issuer.token(aud=house.API, scope="read", **more)


@pytest.mark.parametrize("name", FAULTS)
async def test_known_keys_serve_on_while_the_issuer_is(name: str, world: World) -> None:
    fault, issuer = FAULTS[name], world.issuers[name]
    await world.until(lambda: fault.reason in world.failures(name))
    await world.until(lambda: world.state(name) == fault.reason)
    beside = fault.before | {"timeout"} - {fault.reason}  # a busy machine makes any of them slow
    assert set(world.failures(name)) - beside == {fault.reason}
    assert await world.ask(world.known[name]) == {200}
    assert await world.ask(token(issuer)) == {200}  # not yet seen, by a known key
    strange = token(issuer, header={"kid": "strange"})
    # 503 where the fetch takes longer than gateways wait, and 401 once it has failed.
    assert (await asyncio.to_thread(world.bearerd.decide, "/orders/1", strange)).status in (401, 503)
    await world.until(lambda: world.bearerd.decide("/orders/1", strange).status == 401)
    told = [event for event in world.bearerd.events("key_set_fetch_failed") if event["issuer"] == name]
    assert {event["reason"] for event in told} - beside == {fault.reason}
    assert all(event["detail"] and "root:" not in event["detail"] for event in told)
    await world.whole()


async def test_an_issuer_that_is_well_again_is_believed_by_itself(world: World) -> None:
    """The last of the faults: it ends them all."""
    healed = [name for name in FAULTS if name not in ("down", "another-certificate")]
    for name in healed:
        world.issuers[name].rotate("after", overlap=True)
        for path in (JWKS, OPENID, OAUTH):
            world.issuers[name].usually(path)
    for name in healed:
        await world.until(lambda name=name: world.state(name) == "ok")
        assert await world.ask(token(world.issuers[name])) == {200}


async def test_a_slow_answer_that_is_whole_is_an_answer(world: World) -> None:
    issuer = world.issuers["slow-but-whole"]
    before = issuer.count()

    class Slowly(Answer):
        async def __call__(self, request: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(1.5)
            await super().__call__(request, reader, writer)

    issuer.always(JWKS, Slowly(issuer.jwks()))
    await world.until(lambda: issuer.count() > before + 2)
    assert not world.failures("slow-but-whole")
    assert world.state("slow-but-whole") == "ok"
    await world.whole()


async def test_a_rotation_without_overlap_passes_new_tokens_and_then_refuses_old_ones(world: World) -> None:
    issuer = world.issuers["rotating"]
    old = token(issuer)
    assert await world.ask(old) == {200}
    for number in range(3):
        issuer.rotate(f"rotated-{number}", overlap=False)
        new = token(issuer)
        await world.until(lambda new=new: world.bearerd.decide(token=new).status == 200)
        await world.until(lambda old=old: all(world.bearerd.decide(token=old).status == 401 for _ in range(8)))
        assert await world.ask(new) == {200}
        old = new
    assert not world.failures("rotating")
    await world.whole()


async def test_a_set_that_flips_at_each_fetch_passes_and_refuses_and_never_errs(world: World) -> None:
    issuer = world.issuers["flipping"]
    tokens = [token(issuer)]
    issuer.rotate("second", overlap=False)
    tokens.append(token(issuer))
    sets = [{"keys": [jose.jwk("P-256", number, kid=kid)]} for number, kid in ((0, "first"), (1, "second"))]
    seen: set[int] = set()

    async def flip(request: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Answer(sets[issuer.count() % 2])(request, reader, writer)

    issuer.always(JWKS, flip)
    before = issuer.count()
    while issuer.count() < before + 8 or seen != {200, 401}:
        for one in tokens:
            seen |= await world.ask(one)
        assert seen <= {200, 401}
    assert not world.failures("flipping")
    await world.whole()


async def test_an_issuer_with_a_wrong_clock_keeps_its_known_tokens_and_mints_useless_ones(world: World) -> None:
    issuer = world.issuers["wrong-clock"]
    known = token(issuer)
    assert await world.ask(known) == {200}
    stamps = {
        "Date": "Mon, 01 Jan 1990 00:00:00 GMT", "Expires": "0", "Age": "99999999999999999999",
        "Cache-Control": "max-age=-1", "Last-Modified": "Fri, 31 Dec 2999 23:59:59 GMT",
    }  # fmt: skip
    for _ in range(2):
        issuer.jwks_headers = stamps
        before = issuer.count()
        await world.until(lambda before=before: issuer.count() > before + 1)
        stamps = stamps | {"Date": "Fri, 31 Dec 2999 23:59:59 GMT", "Age": "-5", "Cache-Control": "max-age=" + "9" * 40}
    now = int(time.time())
    assert await world.ask(token(issuer, iat=now + 3600, exp=now + 7200)) == {401}
    assert await world.ask(token(issuer, iat=now - 7200, exp=now - 3600)) == {401}
    bearerd = world.bearerd
    await world.until(lambda: {"not_yet_valid", "expired"} <= {event["code"] for event in bearerd.events("decision")})
    assert await world.ask(known) == {200}
    assert not world.failures("wrong-clock")
    await world.whole()


def contents(folder: Path) -> bytes:
    """Of every file beneath, those that are being written included: where one is renamed meanwhile, all are read again."""
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError):
            read = b"".join(path.read_bytes() for path in folder.rglob("*") if not path.is_dir())
            assert read
            return read
    raise AssertionError(f"{folder} does not stand still")


async def test_a_private_key_among_others_is_dropped_named_and_kept_nowhere(world: World) -> None:
    issuer = world.issuers["partly-private"]
    secret = "c2VjcmV0LW9mLXRoZS1pc3N1ZXItMDEyMzQ1Njc4OWE"
    known = token(issuer)
    leaked = jose.jwk("P-256", 5, kid="leaked", d=secret)
    issuer.always(JWKS, Answer({"keys": [key(), leaked, key("x5c", d=secret, x5c=[secret])]}))
    bearerd = world.bearerd
    await world.until(lambda: any(event.get("problems") for event in bearerd.events("key_set_loaded")))
    (told,) = {str(event["problems"]) for event in bearerd.events("key_set_loaded") if event.get("problems")}
    assert "leaked" in told
    assert "private" in told
    assert await world.ask(known) == {200}
    by_leaked = jose.token("ES256", {"iss": issuer.issuer, "aud": house.API}, number=5, kid="leaked")
    assert await world.ask(by_leaked) == {401}
    assert secret.encode() not in contents(bearerd.data_dir)
    assert b"leaked" not in contents(bearerd.data_dir / "keysets")
    await world.whole()


async def test_a_configured_name_that_resolves_otherwise_is_followed_and_one_that_does_not_is_told(
    world: World,
) -> None:
    issuer = world.issuers["named"]
    known = token(issuer)
    assert await world.ask(known) == {200}
    names: dict[str, str | None] = {"inside_test": "10.1.2.3", "nowhere_test": None}
    world.resolve(named_test=None, **names)
    await world.until(lambda: world.state("named") == "dns")
    world.resolve(named_test="127.0.0.2", **names)  # nobody listens there
    await world.until(lambda: world.state("named") == "connect")
    assert await world.ask(known) == {200}
    world.resolve(named_test="127.0.0.1", **names)
    await world.until(lambda: world.state("named") == "ok")
    await world.whole()


async def test_an_issuer_that_never_answered_stops_its_own_tokens_only(world: World) -> None:
    (name,) = NEVER
    await world.until(lambda: world.state(name) == "timeout")
    strange = token(world.issuers[name])
    answer = await asyncio.to_thread(world.bearerd.decide, "/orders/1", strange)
    assert (answer.status, answer.headers["retry-after"] > "0") == (503, True)
    await world.whole()


async def test_every_reason_has_its_fault_here() -> None:
    """But for three: no issuer can make a fault of ours, a proxy's, or a local file's."""
    table = DOCS.read_text().partition("<!-- faults:")[2]
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))
    assert documented - {fault.reason for fault in FAULTS.values()} == {"internal", "proxy", "local_file"}
