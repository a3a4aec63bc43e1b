"""From a seed to a run's plan: what the store is made of, the load, and what goes wrong when.  Nothing here does anything."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

from faults.world import Topology

TOPOLOGIES = (
    (0.25, Topology("single, memory")),
    (0.17, Topology("single, fsync", "fsync")),
    (0.27, Topology("pair, memory", "memory", replica=True)),
    (0.18, Topology("pair, replicas=1", "replicas=1", replica=True)),
    (0.13, Topology("sentinel, memory", "memory", replica=True, sentinel=True)),
)
STORE = {"crash": 2, "hang": 1, "flush": 2, "dump": 2, "restore": 3, "fill": 1, "trim": 1, "disconnect": 1}
PAIR = {"failover": 3, "split": 5}
SENTINEL = {"topple": 6}
SEALED = {"forge": 3}
NODE = {"cut": 3, "mute": 2, "refuse": 1, "delay": 2, "sever": 1, "stop": 3, "kill": 4}


@dataclass(frozen=True)
class Deed:
    """One fault, ``at`` seconds after the beginning."""

    at: float
    what: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """One run.  ``load`` is the seed of what is asked and written, which depends also on how the run goes."""

    seed: int
    topology: Topology
    seconds: float  # with faults
    deeds: tuple[Deed, ...]
    tokens: int
    writes: float  # a second, over all workers
    questions: float  # a second, to each worker
    resets: int
    load: int


def plan(seed: int, *, seconds: float | None = None) -> Plan:
    """The same plan for the same seed."""
    rng = random.Random(seed)
    topology = rng.choices([one for _, one in TOPOLOGIES], [weight for weight, _ in TOPOLOGIES])[0]
    drawn = {"nodes": rng.choice([2, 3, 3, 4]), "sealed": rng.random() < 0.3, "most": rng.choice([20_000] * 7 + [70])}
    topology = replace(topology, **drawn)
    length = seconds or rng.uniform(7, 13)
    kinds = {**STORE, **NODE, **(SEALED if topology.sealed else {})}
    if topology.sentinel:  # of the rest, what does not make the sentinel act while something else is done to the store
        kinds = {
            name: weight for name, weight in kinds.items() if name not in ("crash", "restore", "hang", "dump")
        } | SENTINEL
    elif topology.replica:
        kinds |= PAIR
    names = "abcd"[: topology.nodes]
    deeds = []
    for _ in range(rng.randint(2, 9)):
        what = rng.choices(list(kinds), list(kinds.values()))[0]
        deeds.append(Deed(round(rng.uniform(0.3, length - 1), 3), what, _args(rng, what, names)))
    if any(deed.what == "restore" for deed in deeds):
        deeds.append(Deed(round(rng.uniform(0.1, length / 2), 3), "dump"))
    return Plan(
        seed=seed,
        topology=topology,
        seconds=length,
        deeds=tuple(sorted(deeds, key=lambda deed: deed.at)),
        tokens=rng.choice([30, 150, 400]),
        writes=rng.choice([2.0, 8.0, 25.0]),
        questions=rng.choice([30.0, 80.0]),
        resets=rng.choice([0, 0, 0, 0, 1]),
        load=rng.getrandbits(32),
    )


def _args(rng: random.Random, what: str, names: str) -> dict[str, Any]:
    short, long = round(rng.uniform(0.05, 1.0), 3), round(rng.uniform(0.2, 4.0), 3)
    if what in NODE:
        node = {"node": rng.choice(names)}
        more: dict[str, dict[str, Any]] = {
            "sever": {},
            "delay": {"seconds": long, "jitter": rng.choice([0.02, 0.2, 0.5])},
            "kill": {"seconds": short, "release": rng.random() < 0.7, "elsewhere": rng.random() < 0.4},
        }
        return node | more.get(what, {"seconds": long})
    own: dict[str, dict[str, Any]] = {
        "flush": {}, "dump": {}, "trim": {}, "disconnect": {},
        "forge": {"number": rng.randrange(1000)},
        "topple": {"seconds": short, "dies": rng.random() < 0.5},
        "restore": {"number": rng.randrange(4), "seconds": short},
        "crash": {"seconds": short},
        "failover": {"lag": rng.choice([0.0, short]), "seconds": long},
        "split": {
            "lag": rng.choice([0.0, short]), "seconds": long,
            "left": tuple(name for name in names if rng.random() < 0.5), "cut": rng.random() < 0.7,
        },
    }  # fmt: skip
    return own.get(what, {"seconds": long})
