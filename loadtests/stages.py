"""Where the time of a new token goes: each step of a miss by itself, over the same tokens, beside the whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from statistics import median
from typing import Any, Final

import orjson
from credentials import ISSUER, LIFETIME, Issuer
from figures import table

from bearerd._native import claims, jws
from bearerd.jws import header
from bearerd.jws.keys import Key
from bearerd.service import Service
from bearerd.verify import terms
from bearerd.verify.verified import Verified

SIGNATURE: Final = "the signature of that, with bearerd's own wrapping"
BETWEEN: Final = "what is between them, and what they cost more when each finds the processor as another left it"
INTRODUCTION: Final = """
### What a new RS256 token costs

Microseconds of CPU a token, medians. Each step ran by itself over the same tokens, on what the step before made of them.
"""


def timed(each: Callable[..., object], given: Sequence[tuple[Any, ...]]) -> float:
    """Microseconds of CPU for one."""
    start = time.thread_time_ns()
    for one in given:
        each(*one)
    return (time.thread_time_ns() - start) / 1e3 / len(given)


def steps(running: Service, tokens: Sequence[bytes]) -> Iterator[tuple[str, float]]:
    """Each step's name and cost; the last is the whole."""
    verifier, now = running.current.verifier, running.time.now()
    limits, issuer = running.current.config.limits, running.current.issuers.find(ISSUER)
    assert issuer is not None
    depth = (limits.max_json_depth, limits.max_json_members)
    yield "segments, base64url, duplicate members", timed(jws.split, [(token, *depth) for token in tokens])
    parts = [jws.split(token, *depth) for token in tokens]
    yield (
        "header and claims from JSON",
        timed(lambda part: (header.known(part.header), orjson.loads(part.payload)), [(part,) for part in parts]),
    )
    judge = terms.of(issuer.config)
    heads, said = header.known(parts[0].header), [orjson.loads(part.payload) for part in parts]
    yield (
        "types, shapes and times of the claims",
        timed(judge.fault, [(one, heads.members, now.latest) for one in said]),
    )
    signed = [(part.signing_input,) for part in parts]
    yield "the token's name: SHA-256, which is what is signed, too", timed(lambda text: sha256(text).digest(), signed)
    key = issuer.select(heads.alg, heads.kid, now)
    assert isinstance(key, Key)
    digests = [(sha256(part.signing_input).digest(), part.signature) for part in parts]
    yield SIGNATURE, timed(key.check(heads.alg), digests)
    yield (
        "what the policy reads",
        timed(
            lambda one: (claims.client(one), judge.scopes(one), judge.roles(one), claims.audience(one)),
            [(one,) for one in said],
        ),
    )
    found = [verifier.examine(token, now) for token in tokens]
    good = [one for one in found if isinstance(one, Verified)]
    yield "the keys that may revoke it (SHA-256 each)", timed(lambda one: one.probes(), [(one,) for one in good])
    kept = [
        (
            token,
            issuer.index,
            one.key_generation,
            1,
            one.issued_second,
            one.expires_at,
            now.boot + LIFETIME,
            one.probes(),
            one,
        )
        for token, one in zip(tokens, good, strict=True)
    ]
    yield (
        "its record, and a place in the cache",
        timed(lambda token, *given: running.cache.put(token, given[-1].encode(), *given[:-1]), kept),
    )
    running.cache.clear()
    yield "", timed(lambda token: verifier.verify_now(token, running.time.now()), [(token,) for token in tokens])


def measured(issuer: Issuer, running: Service, rounds: int, size: int) -> str:
    """The section of the report."""
    by: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, cost in steps(running, [token.encode() for token in issuer.tokens(size)]):
            by.setdefault(name, []).append(cost)
    costs = {name: median(each) for name, each in by.items()}
    whole = costs.pop("")
    lines = [[name, f"{cost:.1f}", f"{cost / whole:.0%}"] for name, cost in costs.items()]
    lines.append([BETWEEN, f"{whole - sum(costs.values()):.1f}", f"{1 - sum(costs.values()) / whole:.0%}"])
    lines.append(["**the whole**", f"**{whole:.1f}**", ""])
    return INTRODUCTION + "\n" + table(["step", "µs", "share"], lines)
