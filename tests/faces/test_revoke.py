"""``POST /revoke`` (RFC 7009): 200 only where nobody will accept the token any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.house import API, ISS, House, config, issuer, token
from support.issuer import ScriptedIssuer
from support.valkey import running

from bearerd import metrics
from bearerd.errors import StoreFull
from bearerd.store.entries import Kind
from bearerd.store.revocations import Written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.valkey import Valkey

CALLERS = ({"name": "svc"}, {"name": "reader", "may": ["introspect"]}, {"name": "other", "resources": ["other"]})
RESOURCES = {"api": {"identifier": API, "gateway": "forwarded"}, "other": {"identifier": "https://other.example"}}


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


def made(tmp_path: Path, url: str | None = None, **tables: Any) -> House:
    store = {"store": {"url": url, "fleet": tmp_path.name.replace("_", "-").lower()[-40:].strip("-")}} if url else {}
    return House(
        config(tmp_path, callers=CALLERS, resource=RESOURCES, **store, **tables),
        tmp_path,
        store_is_ours=True,
        fresh=not url,
    )


class FakeWriter:
    """A writer that answers as told."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []

    def in_force(self, kind: Kind, issuer: str, value: str) -> int:
        return 0

    async def revoke(self, *what: Any, **more: Any) -> Any:
        self.asked.append((*what, more))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def count(house: House, result: str) -> float:
    return metrics.gather([house.service.metrics.buffer])[("bearerd_revocation_requests_total", result)][0]


async def test_a_revoked_token_is_refused_everywhere_at_once(tmp_path: Path, valkey: Valkey) -> None:
    given, kept = token(jti="gone"), token(jti="kept")
    async with made(tmp_path, valkey.url) as house:
        await house.service.start()
        assert await house.service.ready(20)
        assert (await house.auth(given)).status == (await house.auth(kept)).status == 200
        reply = await house.post("/revoke", token=given)
        assert reply.status == 200
        assert reply["X-Revocation"] in ("enforced", "stored")  # the fleet's longest lease may not be known yet
        assert reply.body == b""
        refused = await house.auth(given)
        assert house.why(refused) == "revoked"
        assert (await house.auth(kept)).status == 200
        assert (await house.post("/introspect", token=given)).json() == {"active": False}
        # Again: it is so already, and the store does not grow.
        before = valkey.call("DBSIZE"), len(house.service.view.table)
        assert (await house.post("/revoke", token=given))["X-Revocation"] == "stored"
        assert (valkey.call("DBSIZE"), len(house.service.view.table)) == before


async def test_a_token_without_jti_is_revoked_by_what_was_signed(tmp_path: Path, valkey: Valkey) -> None:
    given, kept = token(jti=..., sub="one"), token(jti=..., sub="two")
    async with made(tmp_path, valkey.url) as house:
        await house.service.start()
        assert await house.service.ready(20)
        assert (await house.post("/revoke", token=given))["X-Revocation"] != "none"
        assert (await house.auth(given)).status == 401
        assert (await house.auth(kept)).status == 200


@pytest.mark.parametrize(
    ("user", "changes"),
    [
        ("svc", {"aud": "https://other.example"}),
        ("other", {}),
        ("svc", {"exp": int(time.time()) - 300, "iat": int(time.time()) - 600}),
        ("svc", {"iss": "https://nobody.example"}),
        ("svc", {"number": 1}),
        ("svc", {"at_hash": "an ID token"}),
    ],
    ids=["another's", "another caller's", "expired", "unknown issuer", "forged", "ID token"],
)
async def test_what_needs_no_revocation_is_200_none(tmp_path: Path, user: str, changes: dict[str, Any]) -> None:
    async with made(tmp_path) as house:
        writer = FakeWriter(None)
        house.service.writer = writer  # type: ignore[assignment]
        reply = await house.post("/revoke", user=user, token=token(**changes), token_type_hint="refresh_token")
        assert (reply.status, reply["X-Revocation"], reply.body) == (200, "none", b"")
        assert not writer.asked
        assert count(house, "none") == 1


@pytest.mark.parametrize("acknowledged", ["enforced", "stored"])
async def test_the_answer_names_what_is_certain(tmp_path: Path, acknowledged: Any) -> None:
    async with made(tmp_path) as house:
        writer = FakeWriter(Written(7, acknowledged, "fsync"))
        house.service.writer = writer  # type: ignore[assignment]
        exp = int(time.time()) + 500
        reply = await house.post("/revoke", token=token(jti="j7", exp=exp))
        assert (reply.status, reply["X-Revocation"]) == (200, acknowledged)
        assert writer.asked == [(Kind.TOKEN, ISS, "j7", {"until": exp + 30.0})]
        assert count(house, acknowledged) == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [(Written(7, None, "memory", ("durability fsync",), 1), 503), (StoreFull("full"), 507)],
)
async def test_what_is_not_certain_is_no_200(tmp_path: Path, answer: Any, status: int) -> None:
    async with made(tmp_path) as house:
        house.service.writer = FakeWriter(answer)  # type: ignore[assignment]
        reply = await house.post("/revoke", token=token())
        assert (reply.status, reply.json()["error"]) == (status, "temporarily_unavailable")
        assert not reply.all("X-Revocation")
        assert bool(reply.all("Retry-After")) == (status == 503)


async def test_a_store_that_is_away_is_503(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        reply = await house.post("/revoke", token=token())
        assert (reply.status, house.why(reply), reply["Retry-After"]) == (503, "stale_state", "1")


async def test_a_store_that_goes_away_is_503(tmp_path: Path) -> None:
    with running(tmp_path / "own") as server:
        async with made(tmp_path, server.url) as house:
            await house.service.start()
            assert await house.service.ready(20)
            while house.service.writer is None:
                await house.service.ready(0)
            server.kill()
            reply = await house.post("/revoke", token=token())
            assert (reply.status, house.why(reply)) == (503, "stale_state")


async def test_a_token_whose_keys_are_away_is_503_never_200(tmp_path: Path) -> None:
    nowhere = issuer(jwks=None, jwks_uri="http://127.0.0.1:1/jwks", insecure_issuer=True)
    async with made(tmp_path, issuer=[nowhere]) as house:
        await house.service.start()
        house.service.writer = FakeWriter(None)  # type: ignore[assignment]
        reply = await house.post("/revoke", token=token())
        assert (reply.status, house.why(reply)) == (503, "issuer_unavailable")


async def test_a_token_that_is_not_valid_yet_is_503_for_it_will_be(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        house.service.writer = FakeWriter(None)  # type: ignore[assignment]
        reply = await house.post("/revoke", token=token(nbf=int(time.time()) + 3600))
        assert (reply.status, house.why(reply), reply["Retry-After"]) == (503, "not_yet_valid", "1")
        assert not reply.all("X-Revocation")
        assert not reply.all("WWW-Authenticate")


async def test_an_unknown_kid_is_none_only_after_the_issuer_was_asked_about_it(tmp_path: Path) -> None:
    async with ScriptedIssuer() as remote:
        table = issuer(issuer=remote.issuer, jwks=None, jwks_uri=f"{remote.url}/jwks", insecure_issuer=True)
        table["algorithms"] = ["RS256", "ES256", "EdDSA"]
        async with made(tmp_path, issuer=[table]) as house:
            house.service.writer = FakeWriter(Written(1, "enforced", "memory"))  # type: ignore[assignment]
            await house.service.start()
            assert (await house.auth(remote.token(aud=API))).status == 200
            unknown = [remote.token(aud=API, header={"kid": f"new-{number}"}) for number in range(2)]
            first = await house.post("/revoke", token=unknown[0])
            assert (first.status, first["X-Revocation"]) == (200, "none")
            second = await house.post("/revoke", token=unknown[1])
            assert (second.status, second["Retry-After"]) == (503, "5")


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"user": "reader"}, 403), ({"secret": "wrong"}, 401), ({"user": None}, 401), ({"token": ""}, 400)],
)
async def test_only_callers_that_may(tmp_path: Path, fields: dict[str, Any], status: int) -> None:
    async with made(tmp_path) as house:
        writer = FakeWriter(None)
        house.service.writer = writer  # type: ignore[assignment]
        assert (await house.post("/revoke", **({"token": token()} | fields))).status == status
        assert not writer.asked


async def test_only_post(tmp_path: Path) -> None:
    async with made(tmp_path) as house:
        reply = await house.ask("/revoke", method="DELETE")
        assert (reply.status, reply["Allow"]) == (405, "POST")
