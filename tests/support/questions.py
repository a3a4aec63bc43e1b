"""What is asked of lane and aiohttp: the paths, methods and fields that matter, and requests drawn from all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.heads import SEEDS
from support.lanes import DIALECTS, TABLES, question, tokens

from bearerd._native import head
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from random import Random

    from support.lanes import Pair

TOKENS = tokens()
URIS = (
    "/", "/a/b", "/a/b?c=d", "/a/b/", "/A/b", "/public/x", "/maybe/x", "/b", "/b/", "/roles/1", "/roles/", "/claims",
    "/case/1", "/Case/1", "/Case/1/", "/a/../b", "/a/%2e%2e/b", "/a//b", "/a/%2fb", "/a;x/b", "/a/b%00", "/a\\b",
    "/public/../b", "/a/b?access_token=x", "/public/x?access_token=x", "/a/b?x=1&access%5Ftoken=y", "/a/b?Access_Token=x",
    "*", "a", "//a/b", "/%61/b", "/a/%zz", "/a/" + "x" * 3000,
)  # fmt: skip
METHODS = ("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD")
HOSTS = (
    "{}", "{}:443", "{}.", "{}.:80", "{}:", "nowhere.test", "x.{}", "{}x", "", ".", ":80", "{},{}", "{}, {}", "{} {}",
    "a@{}", "{}@a", "{}:x", "{}:123456", "http://{}", "{}/", "\u00e4.test", "[::1]", "[::1", "*.test", "a" * 300, "{}\t",
)  # fmt: skip
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

ACCEPTS = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "application/json, text/plain, */*",
    "text/plain",
    "text/html;q=2",
    "",
    "text/html;a=\u00e9",
    "text/html," * 1000,
)

FIELDS = [
    ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),
    ("traceparent", "00-x"),
    ("X-Original-Host", "a.example:80"),
    ("X-Forwarded-Host", "a, b"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Proto", "http"),
    ("x-original-uri", "/b"),
    ("X-Forwarded-Method", "POST"),
    ("Origin", "https://a.example"),
    ("Access-Control-Request-Method", "GET"),
    ("X-Auth-Subject", "root"),
    ("x_auth_subject", "root"),
    ("X-Auth-Hint", "x"),
    ("X-Tier", "gold"),
    ("Content-Length", "0"),
    ("Connection", "keep-alive"),
    ("Cookie", "c" * 500),
    ("Accept", ACCEPTS[0]),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
]


def revoke(pair: Pair) -> None:
    pair.revoke(Kind.TOKEN, "revoked")
    pair.revoke(Kind.SUBJECT, "mallory", before=4_000_000_000)


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def ended(data: bytes) -> bytes:
    """The same, and an end to a head that has none: only then does the lane say what aiohttp may have said before."""
    rest = data
    while isinstance(whole := head.read(rest), head.Whole):
        rest = rest[whole.size :]
    return data if whole is None or not rest else data + b"\r\n\r\n"


def mix(random: Random) -> bytes:
    """A request of any kind: the lane's, aiohttp's, or one that both refuse."""
    kinds = [
        lambda: question(
            random.choice(DIALECTS),
            random.choice(list(TABLES)),
            random.choice([None, *TOKENS.values()]),
            random.choice(METHODS[:-1]),
            random.choice([uri for uri in URIS if uri.startswith("/")]),
        ),
        lambda: question(random.choice(DIALECTS), "bare", TOKENS["good"]),
        lambda: question(random.choice(DIALECTS), "bare", TOKENS["good"], "GET", "/", *random.sample(FIELDS, 2)),
        lambda: question("nginx", "nowhere", TOKENS["good"]),
        lambda: question(
            random.choice(DIALECTS), random.choice(list(TABLES)), TOKENS["rich"], uri="/a/b", host=random.choice(HOSTS)
        ),
        lambda: b"GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: a\r\n\r\n",
        lambda: b"POST /auth/bare HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        lambda: random.choice(SEEDS),
    ]
    return random.choices(kinds, weights=(8, 8, 8, 1, 2, 1, 1, 1))[0]()
