#!/usr/bin/env python3
"""What a verification costs within a Python program: bearerd, PyJWT and joserfc beside the bare signature check.

``make bench`` makes it a part of docs/bench-report.md; run by itself it prints its tables.  BENCH_ROUNDS (15 here),
BENCH_TOKENS (200) a round.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import jwt
import stages
from cores import Cores, pinned
from credentials import AUDIENCE, ISSUER, Issuer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from figures import table
from joserfc import jwk
from joserfc import jwt as joserfc_jwt
from joserfc.errors import SecurityWarning

from bearerd.config.model import Config
from bearerd.service import Service
from bearerd.verify.verified import Verified

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
BARE: Final = "signature check alone"
OURS: Final = "bearerd"
PASSES: Final = 20  # over the tokens of a round, where they are known

Work = Callable[[Sequence[str]], float]  # seconds of CPU for these tokens
INTRODUCTION: Final = """
CPU microseconds a token in one process, pinned to a core. Everybody takes part in each round, in turn, forwards and backwards,
with the same tokens; the figures are medians of the rounds. Keys are read beforehand.

- *{bare}*: `verify` of cryptography with key, hash, padding, signing input and signature made ready: nothing is decoded.
- *bearerd*: `TokenVerifier.verify_now` of a service, the clock read for each token: a miss in the cache, every check of
  signature and claims, the revocation keys, and its place in the cache.
- *PyJWT* and *joserfc* check signature, times, issuer and audience, and that `exp` and `iat` are there.
"""


@dataclass
class Way:
    """One way to verify, and what it cost in each round."""

    name: str
    run: Work
    rounds: list[float] = field(default_factory=list)  # microseconds a token

    @property
    def cost(self) -> float:
        """The median."""
        return median(self.rounds)


def timed(each: Callable[[Any], object], made_ready: Sequence[Any]) -> float:
    """CPU seconds of one call after the other."""
    start = time.thread_time_ns()
    for one in made_ready:
        each(one)
    return (time.thread_time_ns() - start) / 1e9


def bare(issuer: Issuer, algorithm: str) -> Work:
    """cryptography, and nothing else."""
    parts = {
        "RS256": (issuer.rs256, (padding.PKCS1v15(), hashes.SHA256())),
        "ES256": (issuer.es256, (ec.ECDSA(hashes.SHA256()),)),
        "EdDSA": (issuer.eddsa, ()),
    }
    private, rest = parts[algorithm]
    verify: Any = private.public_key().verify

    def ready(token: str) -> tuple[bytes, bytes]:
        signed, _, signature = token.rpartition(".")
        octets = jwt.utils.base64url_decode(signature)
        if algorithm == "ES256":
            octets = encode_dss_signature(int.from_bytes(octets[:32]), int.from_bytes(octets[32:]))
        return octets, signed.encode()

    return lambda tokens: timed(lambda one: verify(one[0], one[1], *rest), [ready(token) for token in tokens])


def with_pyjwt(issuer: Issuer, algorithm: str) -> Work:
    """PyJWT with a key that was read."""
    key = jwt.PyJWK(issuer.jwks(algorithm)["keys"][0])
    options: Any = {"require": ["exp", "iat"]}

    def each(token: str) -> object:
        return jwt.decode(token, key, algorithms=[algorithm], audience=AUDIENCE, issuer=ISSUER, options=options)

    return lambda tokens: timed(each, tokens)


def with_joserfc(issuer: Issuer, algorithm: str) -> Work:
    """joserfc with a key that was read."""
    key = jwk.import_key(issuer.jwks(algorithm)["keys"][0])
    claims = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
        iat={"essential": True},
    )
    allowed = [algorithm]
    warnings.filterwarnings("ignore", "EdDSA is deprecated", category=SecurityWarning)

    def each(token: str) -> object:
        return claims.validate(joserfc_jwt.decode(token, key, algorithms=allowed).claims)

    return lambda tokens: timed(each, tokens)


def service(issuer: Issuer, folder: Path) -> Service:
    """A service that knows the issuer's keys, follows no store, and has no other work."""
    keys = {"issuer": ISSUER, "name": "bench", "algorithms": list(ALGORITHMS), "jwks": issuer.jwks()}
    tree = {"server": {"profile": "development"}, "issuer": [keys]}
    return Service(Config.model_validate(tree), data_dir=folder, offline=True)


def with_bearerd(running: Service, passes: int, *, at_hand: bool = False) -> Work:
    """Every token for the first time (no pass before), or as one that is known; ``at_hand``: the time was read before."""
    now = running.time.now

    def work(tokens: Sequence[str]) -> float:
        octets = [token.encode() for token in tokens]
        verify = running.current.verifier.verify_now
        before, then, times = running.cache.hits, now(), max(1, passes)
        each = (lambda token: verify(token, then)) if at_hand else (lambda token: verify(token, now()))
        spent = timed(each, octets * times) / times
        if running.cache.hits - before != passes * len(tokens):
            raise SystemExit("tokens were known that should not be, or not known that should")
        return spent

    return work


def compare(ways: Sequence[Way], issuer: Issuer, algorithm: str, rounds: int, size: int) -> None:
    """All of them, each round with tokens that nobody has seen."""
    for number in range(rounds + 1):
        tokens = issuer.tokens(size, algorithm)
        for way in ways if number % 2 else reversed(ways):
            cost = way.run(tokens) / size * 1e6
            if number:  # the first one is for warming up
                way.rounds.append(cost)


def cold(issuer: Issuer, running: Service, algorithm: str, rounds: int, size: int) -> list[Way]:
    """Tokens that were never seen."""
    ways = [
        Way(BARE, bare(issuer, algorithm)),
        Way(OURS, with_bearerd(running, 0)),
        Way("PyJWT", with_pyjwt(issuer, algorithm)),
        Way("joserfc", with_joserfc(issuer, algorithm)),
    ]
    compare(ways, issuer, algorithm, rounds, size)
    return ways


def known(issuer: Issuer, running: Service, rounds: int, size: int) -> list[Way]:
    """Tokens that were seen a moment ago; PyJWT and joserfc remember none."""
    tokens, ours = issuer.tokens(size), with_bearerd(running, PASSES)
    at_hand = with_bearerd(running, PASSES, at_hand=True)
    with_bearerd(running, 0)(tokens)
    ways = [
        Way(f"{OURS}, in its cache", lambda _: ours(tokens)),
        Way(f"{OURS}, in its cache, the time read before", lambda _: at_hand(tokens)),
        Way("PyJWT", with_pyjwt(issuer, "RS256")),
        Way("joserfc", with_joserfc(issuer, "RS256")),
    ]
    compare(ways, issuer, "RS256", rounds, size)
    return ways


def check(issuer: Issuer, running: Service) -> None:
    """Who takes part must know a good token from a forged one."""
    for algorithm in ALGORITHMS:
        token, forged = issuer.token(algorithm), issuer.token(algorithm)[:-8] + "AAAAAAAA"
        peers = (bare(issuer, algorithm), with_pyjwt(issuer, algorithm), with_joserfc(issuer, algorithm))
        verify, now = running.current.verifier.verify_now, running.time.now()
        for peer in peers:
            peer([token])
            try:
                peer([forged])
            except Exception:  # noqa: BLE001 - each has its own
                continue
            raise SystemExit(f"a forged {algorithm} token was taken")
        if not isinstance(verify(token.encode(), now), Verified) or isinstance(verify(forged.encode(), now), Verified):
            raise SystemExit(f"bearerd judges {algorithm} tokens wrongly")


def rows(title: str, ways: Sequence[Way], base: Way) -> Iterator[list[str]]:
    """A line for each way."""
    for way in ways:
        low, high = min(way.rounds), max(way.rounds)
        yield [title, way.name, f"**{way.cost:.2f}**", f"{low:.2f}–{high:.2f}", f"{way.cost / base.cost:.2f}"]


def measured(cores: Cores, rounds: int = 15, size: int = 200) -> str:
    """The section of the report."""
    issuer = Issuer()
    with tempfile.TemporaryDirectory() as name, pinned(cores.server):
        running = service(issuer, Path(name))
        check(issuer, running)
        gc.collect()
        gc.freeze()
        lines = []
        for algorithm in ALGORITHMS:
            ways = cold(issuer, running, algorithm, rounds, size)
            lines += rows(algorithm, ways, ways[0])
        ways = known(issuer, running, rounds, size)
        warm = list(rows("RS256", ways, ways[0]))
        within = stages.measured(issuer, running, rounds, size)
        gc.unfreeze()
    head = ["tokens", "who verifies", "µs CPU / token", "cheapest–dearest"]
    return "\n".join(
        [
            "## In process",
            INTRODUCTION.format(bare=BARE),
            "### Tokens that were never seen\n",
            table([*head, f"÷ {BARE}"], lines),
            within,
            "### Tokens that are known\n",
            table([*head, "÷ bearerd"], warm),
        ]
    )


if __name__ == "__main__":
    print(
        measured(Cores.at_hand(), int(os.environ.get("BENCH_ROUNDS", "15")), int(os.environ.get("BENCH_TOKENS", "200")))
    )
    sys.exit(0)
