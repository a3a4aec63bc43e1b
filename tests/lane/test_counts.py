"""What metrics and logs say of the memory of tokens: once for each request, however often it is looked up on the way."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

from support.house import API, ISS, House, config, issuer, key, token
from support.lanes import question
from support.line import Line

from bearerd import metrics
from bearerd._native.revocations import FOREVER, pack
from bearerd.decision import Pending
from bearerd.issuers import keyset
from bearerd.issuers.keyset import Origin, Validators
from bearerd.refusals import Code
from bearerd.store import entries

if TYPE_CHECKING:
    from pathlib import Path

RATED = {"identifier": API, "gateway": "nginx", "rule": [{"path": "/**", "rate": "1000/s"}]}
PLAIN = {"identifier": API, "gateway": "nginx"}


def counts(house: House) -> tuple[float, float, float]:
    """Hits, misses, and tokens refused from memory."""
    house.clerk._count()
    house.service.sample()
    found = metrics.gather([house.service.metrics.buffer])
    names = (metrics.HITS, metrics.MISSES, "bearerd_refused_token_hits_total")
    hits, misses, refused = (found[name,][0] for name in names)
    return hits, misses, refused


async def answers(line: Line, count: int) -> list[bytes]:
    async with asyncio.timeout(10):
        while bytes(line.sent).count(b"HTTP/1.1 ") < count:
            await asyncio.sleep(0.001)
    return [part[:3] for part in bytes(line.sent).split(b"HTTP/1.1 ")[1:]]


def last(house: House) -> dict[str, Any]:
    (said,) = house.service.recorder.ring.last(1)
    return said


async def test_a_token_under_a_rate_is_counted_once_a_request(tmp_path: Path) -> None:
    made = config(tmp_path, resource={"rated": RATED})
    async with House(made, tmp_path, lane=True) as house:
        line = Line(house.clerk.connection())
        good = question("nginx", "rated", token())
        for number in range(20):
            line.feed(good)
            assert (await answers(line, number + 1))[-1] == b"200"
        assert counts(house) == (19, 1, 0)
        line.hang_up()


async def test_a_remembered_bad_token_is_counted_once_though_it_stands_back_for_known_ones(tmp_path: Path) -> None:
    async with House(config(tmp_path, resource={"api": PLAIN}), tmp_path, lane=True) as house:
        one, other = Line(house.clerk.connection()), Line(house.clerk.connection())
        good, bad = question("nginx", "api", token()), question("nginx", "api", token(number=1))
        one.feed(good)
        other.feed(bad)
        await answers(one, 1)
        await answers(other, 1)
        before = counts(house)
        for number in range(50):
            one.feed(good)
            other.feed(bad)
            await answers(other, number + 2)
        await answers(one, 51)
        assert [now - then for now, then in zip(counts(house), before, strict=True)] == [50, 50, 50]
        one.hang_up()
        other.hang_up()


async def test_one_that_waits_for_its_key_is_counted_once(tmp_path: Path) -> None:
    remote = issuer(jwks=None)
    async with House(config(tmp_path, issuer=[remote], resource={"api": PLAIN}), tmp_path, lane=True) as house:
        (known,) = house.service.current.issuers

        async def resolve(_: Pending) -> None:
            await asyncio.sleep(0.01)
            validators = Validators(None, None, known.now().wall, 1e12)
            known.adopt(
                keyset.read({"keys": [key()]}, Origin.NETWORK, validators, ["ES256"], known.limits), known.now()
            )

        house.service.flights._resolve = resolve
        line = Line(house.clerk.connection())
        line.feed(question("nginx", "api", token()))
        assert await answers(line, 1) == [b"200"]
        assert counts(house) == (0, 1, 0)
        line.hang_up()


async def test_a_revoked_tokens_refusal_says_whose_it_was_and_lends_nobody_its_identity(tmp_path: Path) -> None:
    tables = {"api": PLAIN, "shade": PLAIN | {"enforce": "shadow"}}
    async with House(config(tmp_path, resource=tables), tmp_path, lane=True) as house:
        line = Line(house.clerk.connection())
        text = token(jti=secrets.token_hex(4))
        line.feed(question("nginx", "api", text))
        assert await answers(line, 1) == [b"200"]
        house.service.view.table.apply(pack(entries.key(entries.Kind.SUBJECT, ISS, "alice"), FOREVER, FOREVER, 1), 0)
        line.feed(question("nginx", "api", text))
        assert (await answers(line, 2))[-1] == b"401"
        said = last(house)
        assert said["code"] == Code.REVOKED
        assert (said["sub"], said["client"], said["kid"]) == ("alice", "app", "k1")
        line.feed(question("nginx", "shade", text))
        assert (await answers(line, 3))[-1] == b"200"
        assert b"alice" not in bytes(line.sent).split(b"HTTP/1.1 ")[3]
        line.hang_up()
