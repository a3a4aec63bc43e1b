"""Where the time of a new token goes: each step of a miss by itself, over the same tokens, beside the whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, Final

import orjson
from credentials import ISSUER, Issuer
from figures import table

from bearerd._native import jws
from bearerd.jws import header
from bearerd.jws.keys import Key
from bearerd.service import Service
from bearerd.verify import claims, examine
from bearerd.verify.terms import Terms

SIGNATURE: Final = "the signature, with bearerd's own wrapping"
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
    terms = Terms.of(issuer.config)
    heads, said = header.known(parts[0].header), [orjson.loads(part.payload) for part in parts]
    yield (
        "types, shapes and times of the claims",
        timed(claims.check, [(one, heads.members, terms, now) for one in said]),
    )
    key = issuer.select(heads.alg, heads.kid, now)
    assert isinstance(key, Key)
    yield SIGNATURE, timed(key.verify, [(heads.alg, part.signing_input, part.signature) for part in parts])
    read = [(one, heads, key, issuer, terms, part) for one, part in zip(said, parts, strict=True)]
    yield "what the policy reads, and the token's name (SHA-256)", timed(examine._read, read)
    found = [examine._read(*one) for one in read]
    yield "the keys that may revoke it (SHA-256 each)", timed(lambda one: one.probes(), [(one,) for one in found])
    kept = [(token, one, one.probes(), now) for token, one in zip(tokens, found, strict=True)]
    yield "its record, and a place in the cache", timed(verifier._keep, kept)
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
