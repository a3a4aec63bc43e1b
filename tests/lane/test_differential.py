"""Two paths, one answer: what the lane says, counts and writes down is what aiohttp and the faces would, to the byte."""

from __future__ import annotations

import pytest
from support.lanes import DIALECTS, TABLES, Pair, question, tokens

from bearerd.store.entries import Kind

TOKENS = tokens()


def revoke(pair: Pair) -> None:
    pair.revoke(Kind.TOKEN, "revoked")
    pair.revoke(Kind.SUBJECT, "mallory", before=4_000_000_000)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("table", TABLES)
async def test_every_token_is_answered_alike_the_first_time_and_again(tmp_path, table: str, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        revoke(pair)
        for credential in (None, *TOKENS.values()):
            for _ in range(3):
                await pair.ask(question(dialect, table, credential))
        assert pair.native >= 3 * len(TOKENS)


URIS = (
    "/", "/a/b", "/a/b?c=d", "/a/b/", "/A/b", "/public/x", "/maybe/x", "/b", "/b/", "/roles/1", "/roles/", "/claims",
    "/case/1", "/Case/1", "/Case/1/", "/a/../b", "/a/%2e%2e/b", "/a//b", "/a/%2fb", "/a;x/b", "/a/b%00", "/a\\b",
    "/public/../b", "/a/b?access_token=x", "/public/x?access_token=x", "/a/b?x=1&access%5Ftoken=y", "/a/b?Access_Token=x",
    "*", "a", "//a/b", "/%61/b", "/a/%zz", "/a/" + "x" * 3000,
)  # fmt: skip
METHODS = ("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD")
STRANGE = (
    "get",
    "Delete",
    "M-SEARCH",
    "QUERY",
    "CONNECT",
    "X" * 16,
    "X" * 17,
    "X" * 32,
    "X" * 33,
    "",
    "G T",
    "G\u00e9T",
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("table", ["bare", "ruled", "methods", "shadowed", "shade", "headers"])
async def test_every_path_and_method_is_answered_alike(tmp_path, table: str, dialect: str) -> None:
    async with Pair(tmp_path) as pair:
        for credential in (None, TOKENS["good"], TOKENS["rich"], TOKENS["bad signature"]):
            for uri in URIS:
                for _ in range(2):
                    await pair.ask(question(dialect, table, credential, "GET", uri))
            for method in METHODS if dialect == "envoy" else (*METHODS, *STRANGE):
                for uri in ("/a/b", "/public/x", "/other"):
                    for _ in range(2):
                        await pair.ask(question(dialect, table, credential, method, uri))
        assert pair.native > 100
