"""Runs the corpus against every gateway, as its example has it and as ``weak.py`` spoils it, and writes down what came of it.

``python -m gateways.record`` (``make tricks``) writes ``tricks.json`` beside this file, from which docs/gateway-tricks.md is made.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from stage import GATEWAYS, Stage

from bearerd.tricks import GROUPS, TRICKS, Target, Trick
from gateways.gauntlet import Gauntlet, Result
from gateways.naive import NaiveGateway, Verifier
from gateways.weak import WEAKNESSES, Weakness

RECORD = Path(__file__).with_name("tricks.json")
PLAIN = (Trick("plain/open", "No trick."), Trick("plain/secret", "No trick.", target="{secret}"))
SECRET, GOOD = "/tasks/7", "eyJhbGciOiJub3RoaW5nIn0.dGhlIGdvb2Qgb25l.for-the-naive"
WHO = {
    "nobody": Target(secret=SECRET, open="/open/x"),
    "alice": Target(
        secret=SECRET, open="/orders/7", token=GOOD, holder={"X-Auth-Subject": "alice"}, forbidden="DELETE"
    ),
}


@contextlib.contextmanager
def spoiled(weakness: Weakness, folder: Path) -> Iterator[tuple[Gauntlet, int]]:
    """A gateway with a weakness, the careless verifier and the upstream that takes notes."""
    verifier = Verifier(SECRET, "DELETE", GOOD)
    verifier.careless, verifier.fails = weakness.careless, weakness.fails
    with Stage.on_free_ports(folder) as stage, Gauntlet(stage.ports["upstream"], weakness.believes) as gauntlet:
        gauntlet.do(verifier.start(stage.ports["bearerd"]))
        if weakness.gateway == "naive":
            port = stage.ports["nginx"]
            gateway = NaiveGateway(verifier, stage.ports["upstream"])
            gauntlet.do(gateway.start(port))
            yield gauntlet, port
            gauntlet.do(gateway.close())
        else:
            stage.changes |= dict(weakness.edits)
            stage.start_gateway(weakness.gateway)
            yield gauntlet, stage.ports[weakness.gateway]
        gauntlet.do(verifier.close())


def bitten(weakness: Weakness, tricks: Sequence[Trick], folder: Path) -> list[str]:
    """The names of those tricks that succeed there, and by themselves: a hole that is there without any trick is none of theirs."""
    with spoiled(weakness, folder) as (gauntlet, port):
        plain = {(one.as_whom, one.verdict.outcome) for one in gauntlet.run(port, PLAIN, WHO)}
        results = gauntlet.run(port, tricks, WHO)
    found = {
        one.trick.name
        for one in results
        if one.verdict.outcome.hole and (one.as_whom, one.verdict.outcome) not in plain
    }
    return [trick.name for trick in tricks if trick.name in found]


def counted(results: Sequence[Result]) -> dict[str, int]:
    """How often each outcome came."""
    return dict(sorted(Counter(str(result.verdict.outcome) for result in results).items()))


def main(only: Sequence[str]) -> int:
    """Exit 1 where a trick got through an example.  Of the spoiled configurations ``only`` these are run again, if any are named."""
    from gateways.test_tricks import on_course

    holes: list[str] = []
    kept: dict[str, dict[str, dict[str, int]]] = {}
    with tempfile.TemporaryDirectory() as place:
        for name in GATEWAYS:
            with on_course(name, Path(place, name)) as course:
                results = {group: course.run(group) for group in GROUPS}
            kept[name] = {group: counted(found) for group, found in results.items()}
            holes += [str(one) for found in results.values() for one in found if one.verdict.outcome.hole]
        before = json.loads(RECORD.read_text())["bites"] if only else {}
        bites: dict[str, list[str]] = {
            trick.name: [name for name in before.get(trick.name, ()) if name not in only] for trick in TRICKS
        }
        for weakness in [one for one in WEAKNESSES if not only or one.name in only]:
            names = bitten(weakness, TRICKS, Path(place, weakness.name))
            print(f"{weakness.name}: {len(names)} of {len(TRICKS)}", flush=True)
            for trick in names:
                bites[trick].append(weakness.name)
    RECORD.write_text(json.dumps({"kept": kept, "bites": bites}, indent=1) + "\n")
    print("\n".join(holes) or "nothing got through an example")
    return bool(holes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
