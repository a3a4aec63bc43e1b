"""Two paths, one answer: what the lane says, counts and writes down is what aiohttp and the faces would, to the byte."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import pytest
from support.heads import CASES, mutated
from support.house import issuer, key
from support.lanes import DIALECTS, PAGE, RESOURCES, TABLES, Pair, made, question
from support.line import HERE, STRANGER
from support.questions import ACCEPTS, FIELDS, METHODS, STRANGE, TOKENS, URIS, ended, mix, pieces_of, revoke

from bearerd._native.revocations import TOMBSTONE
from bearerd.store.entries import Kind


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("anew", [False, True])
async def test_every_token_is_answered_alike_the_first_time_and_again(
    tmp_path: Path, table: str, dialect: str, anew: bool
) -> None:
    async with Pair(tmp_path, anew=anew) as pair:
        revoke(pair)
        for credential in (None, *TOKENS.values()):
            for _ in range(2):  # decided, and then prepared or remembered
                await pair.ask(question(dialect, table, credential))
        assert pair.native >= 2 * len(TOKENS)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("table", ["ruled", "methods", "shadowed", "shade"])
@pytest.mark.parametrize("anew", [False, True])
async def test_every_path_and_method_is_answered_alike(tmp_path: Path, table: str, dialect: str, anew: bool) -> None:
    async with Pair(tmp_path, anew=anew) as pair:
        for credential in (None, TOKENS["rich"], TOKENS["bad signature"]):
            for uri in URIS:
                for _ in range(2):
                    await pair.ask(question(dialect, table, credential, "GET", uri))
            for method in METHODS if dialect == "envoy" else (*METHODS, *STRANGE):
                for uri in ("/a/b", "/public/x"):
                    for _ in range(2):
                        await pair.ask(question(dialect, table, credential, method, uri))
        assert pair.native > 100


NAVIGATE = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))
CLIENTS = (
    *([("Accept", value)] for value in ACCEPTS),
    [("Accept", ACCEPTS[0]), ("accept", ACCEPTS[0])],
    [*NAVIGATE],
    [*NAVIGATE, ("Accept", "application/json")],
    [*NAVIGATE, NAVIGATE[0]],
    [NAVIGATE[0], ("Sec-Fetch-Dest", "iframe"), ("Accept", ACCEPTS[0])],
    [("Sec-Fetch-Dest", "image"), ("Accept", ACCEPTS[0])],
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("table", ["bare", "login", "shade"])
async def test_every_client_is_answered_alike_in_the_form_that_it_reads(
    tmp_path: Path, table: str, dialect: str
) -> None:
    async with Pair(tmp_path) as pair:
        for credential in (None, "", TOKENS["rich"], TOKENS["bad signature"], TOKENS["not one"]):
            for fields in CLIENTS:
                for method, uri in (("GET", "/a/b?c=d"), ("HEAD", "/a/b"), ("POST", "/a/b"), ("GET", "/public/x")):
                    await pair.ask(question(dialect, table, credential, method, uri, *fields) * 2)
        assert pair.native > 100


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_browsers_are_sent_to_sign_in_alike_from_wherever_they_are(tmp_path: Path, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        for uri in URIS:
            for fields in (NAVIGATE, [("Accept", ACCEPTS[0])]):
                await pair.ask(question(dialect, "login", None, "GET", uri, *fields))
                await pair.ask([question(dialect, "login", None, "GET", uri, *fields)] * 3)


ORIGINS = (
    *([("Origin", value)] for value in (PAGE, "https://mcp.example", "https://evil.example", "null", "", PAGE.upper())),
    *([("Origin", value)] for value in (f"{PAGE}/", f"{PAGE}:443", f"{PAGE}, {PAGE}", f" {PAGE}\t", "x" * 3000)),
    [("Origin", PAGE), ("origin", PAGE)],
    [("ORIGIN", PAGE), ("Access-Control-Request-Method", "POST")],
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("table", ["mcp", "shade"])
async def test_every_origin_is_judged_alike_also_where_an_answer_without_one_stands_ready(
    tmp_path: Path, table: str, dialect: str
) -> None:
    async with Pair(tmp_path) as pair:
        for credential in (TOKENS["rich"], None, TOKENS["bad signature"]):
            await pair.ask(question(dialect, table, credential) * 2)  # decided, and prepared or remembered
            for fields in ORIGINS:
                for method, uri in (("POST", "/a/b"), ("OPTIONS", "/a/b"), ("GET", "/public/x")):
                    await pair.ask(question(dialect, table, credential, method, uri, *fields) * 2)
        assert pair.native > 100


# ---- one connection, several requests


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_request_in_two_pieces_is_answered_alike_wherever_it_is_split(tmp_path: Path, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        data = question(dialect, "ruled", "a.b.c", uri="/a/b")
        for at in range(len(data)):
            await pair.ask([data[:at], data[at:]])
        known = question(dialect, "ruled", TOKENS["good"], uri="/a/b")
        for size in (1, 2, 3, 7, 50, 200):
            await pair.ask(pieces_of(known, size))


@pytest.mark.parametrize("seed", range(6))
async def test_pipelined_requests_are_answered_alike_and_in_order(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    async with Pair(tmp_path) as pair:
        revoke(pair)
        for _ in range(40):
            data = b"".join(mix(random) for _ in range(random.randrange(1, 6)))
            await pair.ask(pieces_of(data, random.choice([len(data), len(data), 700, 97])))
        assert pair.native > 40


async def test_a_last_request_is_answered_alike_and_closes(tmp_path: Path) -> None:
    close = ("Connection", "close")
    async with Pair(tmp_path) as pair:
        for dialect in DIALECTS:
            for credential in (None, TOKENS["good"], TOKENS["bad signature"]):
                for method in ("GET", "HEAD", "POST"):
                    first = question(dialect, "scoped", credential, method)
                    last = question(dialect, "scoped", credential, method, "/a/b", close)
                    for data in ([last], [first + last], [first, last]):
                        assert b"Connection: close" in await pair.ask(data)


async def test_the_corpus_is_answered_alike(tmp_path: Path) -> None:
    async with Pair(tmp_path) as pair:
        for case in CASES:
            await pair.ask(case.data)
            await pair.ask(pieces_of(case.data, 11))
            # Behind another: aiohttp's parser remembers what it read before, one that begins at the door does not.
            await pair.ask(question("nginx", "bare") + case.data)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_field_is_answered_alike(tmp_path: Path, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        for table in ("ruled", "headers", "shade"):
            for credential in (None, TOKENS["rich"], TOKENS["bad signature"]):
                for field in FIELDS:
                    for method in ("GET", "OPTIONS"):
                        for _ in range(2):
                            await pair.ask(question(dialect, table, credential, method, "/a/b", field))
        assert pair.native > 100


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stranger_is_answered_alike(tmp_path: Path, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        for table in TABLES:
            for credential in (None, TOKENS["good"], TOKENS["bad signature"]):
                for peer in (STRANGER, HERE, STRANGER):
                    await pair.ask(question(dialect, table, credential), peer)


OTHERWISE = {name: table | {"scopes": ["admin"]} for name, table in RESOURCES.items()}


@pytest.mark.parametrize("change", ["revoked", "lifted", "rotated", "reloaded", "distrusted", "stale", "cleared"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_changes_in_between_is_answered_alike(tmp_path: Path, dialect: str, change: str) -> None:
    async with Pair(tmp_path) as pair:
        asked = [
            question(dialect, table, TOKENS[name])
            for table in ("bare", "ruled")
            for name in ("good", "rich", "bad signature")
        ]
        before = [await pair.ask(data) for _ in range(3) for data in asked]
        if change == "revoked":
            pair.revoke(Kind.SUBJECT, "alice", before=4_000_000_000)
        elif change == "lifted":
            pair.revoke(Kind.TOKEN, "t1")
            for data in asked:
                await pair.ask(data)
            pair.revoke(Kind.TOKEN, "t1", before=TOMBSTONE, at=2)
        elif change == "rotated":
            new = made(tmp_path, issuer=[issuer(jwks={"keys": [key(3, "k1")]})])
            for house in pair.houses:
                await house.service.reload(new)
        elif change == "reloaded":
            for house in pair.houses:
                await house.service.reload(made(tmp_path, resource=OTHERWISE))
        elif change == "distrusted":
            for house in pair.houses:
                await house.service.reload(made(tmp_path, trust={"peers": ["unix"]}))
        elif change == "stale":
            pair.each(lambda house: setattr(house.service.view, "_counted", -math.inf))
            pair.each(lambda house: house.service.cache.clear())
        else:
            pair.each(lambda house: house.service.cache.clear())
        after = [await pair.ask(data) for _ in range(3) for data in asked]
        assert (before == after) == (change in ("lifted", "cleared"))


# ---- chance


@pytest.mark.parametrize("seed", range(4))
async def test_changed_requests_are_answered_alike(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    async with Pair(tmp_path) as pair:
        for _ in range(120):
            data = mutated(random, b"".join(mix(random) for _ in range(random.choice((1, 1, 2)))))
            await pair.ask(ended(data))
        assert pair.native > 20
