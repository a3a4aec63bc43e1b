"""The checker: pure functions over a recorded history (``faults.history``).  Its properties are those of docs/protocol_model.py.

    P1        no allow for a question asked after an ``enforced`` acknowledgement
    P1-by     no allow after the time (``enforced_by``) that a 202 names
    P1-lift   no ``revoked`` for a question asked after a lift was acknowledged ``enforced``
    P2        no acknowledged revocation is lost at the durability that the acknowledgement names
    P2b       none is lost that a living worker, or the store, knew when all faults were healed
    P3, P5    no acknowledged lift, no acknowledged reset is lost; an opposite change made after it is ordered after it
    P4        a view never claims to be younger than it is: whatever was acknowledged before that time is in it
    P4-stale  no allow from a view that is older than ``max_staleness`` by its own word
    P6        after settling all views and the store agree, decisions follow from them, everybody serves, nothing moves on;
              and nobody ever holds an entry that nobody wrote

Of an ``available`` resource only P4 is asked: how old its views may be is another promise.
An answer is judged by what its question could know (numbers), never by comparing clocks of two machines; the times of P4 are one
machine's boot clock.  "-after-loss": a fault between the write and the answer took away more than the durability covers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from faults.history import of
from faults.reference import EVERY_KEY, Entry, covers, entry, essence, revoked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from faults.history import Event

NEVER = 1 << 60  # as a number: it has not happened
CLOSE = 2.0  # seconds before its expiry in which an entry is judged no more


class Violation(NamedTuple):
    """A property that does not hold, and where it shows."""

    property: str
    text: str
    events: tuple[int, ...]  # numbers in the history


@dataclass
class Op:
    """One revocation, lift or reset, from its invocation to its end."""

    number: int
    do: str
    key: str
    node: str
    invoked: int
    ended: int = NEVER  # when its caller knew: until then, and for ever if it failed, it may take effect
    sure: bool = False  # failed, and nothing was written
    acknowledged: str | None = None
    level: str = "memory"
    boot: float = 0.0
    enforced_by: int | None = None
    members: list[Entry] = field(default_factory=list)  # what was, or may have been, written
    stale: bool = False  # its worker was led to a server whose content does not count

    @property
    def lifts(self) -> bool:
        return self.do != "revoke"

    def undone_by(self, other: Op) -> bool:
        """Whether the other one is a lift of this key or of all."""
        return other.lifts and not other.sure and other.key in (self.key, EVERY_KEY)


class Run:
    """A history, indexed."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.world = events[0]
        self.tokens = {event["token"]: event for event in of(events, "token")}
        self.losses = [event for event in of(events, "fault") if event.get("loses")]
        self.ops = self._ops()

    def _ops(self) -> dict[int, Op]:
        ops: dict[int, Op] = {}
        routes: dict[str, int | None] = {}
        primary: int | None = None
        under_way: set[int] = set()
        for event in self.events:
            kind = event["e"]
            if kind == "route":
                routes[event["node"]] = event["server"]
            elif kind == "primary":
                primary = event["server"]
            elif kind == "invoke":
                ops[event["op"]] = Op(event["op"], event["do"], event["key"], event["node"], event["n"])
                under_way.add(event["op"])
            elif kind in ("done", "failed"):
                _finish(ops[event["op"]], event)
            if kind in ("route", "primary", "invoke"):
                for number in under_way:
                    where = routes.get(ops[number].node, primary)
                    ops[number].stale |= primary is None or where != primary
            if kind in ("done", "failed"):
                under_way.discard(event["op"])
        return ops

    @cached_property
    def lifts(self) -> list[Op]:
        return [op for op in self.ops.values() if op.lifts and not op.sure]

    @cached_property
    def by_key(self) -> dict[str, list[Op]]:
        found: dict[str, list[Op]] = {}
        for op in self.ops.values():
            found.setdefault(op.key, []).append(op)
        return found

    @cached_property
    def settled(self) -> int:
        """From which event on all views and the store must agree."""
        return next((event["n"] for event in self.events if event["e"] == "store" and event["phase"] == "end"), NEVER)

    @cached_property
    def final(self) -> frozenset[Entry]:
        """What the store holds at the end."""
        return frozenset(map(entry, self.events[self.settled]["entries"])) if self.settled < NEVER else frozenset()

    def against(self, op: Op) -> list[Op]:
        """What may undo or redo this operation: of the same key or of all, and of the other sort."""
        same = self.by_key.get(op.key, []) if op.key != EVERY_KEY else list(self.ops.values())
        every = self.by_key.get(EVERY_KEY, []) if op.key != EVERY_KEY else []
        return [other for other in [*same, *every] if other.lifts != op.lifts and not other.sure]

    def contested(self, op: Op, until: int) -> bool:
        """Whether an opposite operation may have taken effect after this one and before event ``until``."""
        return any(other.invoked < until and not other.ended < op.invoked for other in self.against(op))

    def lost(self, op: Op, until: int, *, level: str | None = None) -> bool:
        """Whether a fault before event ``until`` may have taken it away, at this level (None: at any)."""
        return op.stale or any(
            op.invoked < event["n"] < until and (level is None or level in event["loses"]) for event in self.losses
        )

    def answers(self) -> Iterator[tuple[Event, int]]:
        """Each answer with the number of its question."""
        asked: dict[int, int] = {}
        for event in self.events:
            if event["e"] == "ask":
                asked[event["id"]] = event["n"]
            elif event["e"] == "answer":
                yield event, asked[event["id"]]


def _finish(op: Op, event: Event) -> None:
    if event["e"] == "failed":
        op.sure = event["sure"]
        op.members = [entry(text) for text in event["members"]]
        return
    op.ended = event["n"]
    op.acknowledged, op.level = event["acknowledged"], event["durability"]
    op.enforced_by, op.boot = event["enforced_by"], event["boot"]
    op.members = [entry(event["member"])]


def check(events: list[Event]) -> list[Violation]:
    """Every violation in a history, the first of each property and operation only."""
    run = Run(events)
    found: dict[tuple[str, str], Violation] = {}
    for violation, about in (*_decisions(run), *_views(run), *_made_up(run), *_order(run), *_end(run)):
        found.setdefault((violation.property, about), violation)
    return list(found.values())


Found = tuple[Violation, str]


# ---- while it runs


def _decisions(run: Run) -> Iterator[Found]:
    """P1, P1-by, P1-lift, P4-stale, and P4 of what an allow reveals."""
    by_token: dict[str, list[Op]] = {}
    for name, token in run.tokens.items():
        by_token[name] = [op for key in (*token["keys"], EVERY_KEY) for op in run.by_key.get(key, [])]
    for answer, asked in run.answers():
        ops = by_token[answer["token"]]
        if answer["allowed"]:
            age = answer["age"]
            if answer["resource"] == "api" and (age is None or age > run.world["lease"]):
                text = f"{answer['node']} allows {answer['token']} by a view of {age} s"
                yield Violation("P4-stale", text, (asked, answer["n"])), answer["node"]
            for op in ops:
                if not op.lifts:
                    yield from _allowed(run, op, answer, asked)
        elif answer["code"] == "revoked" and answer["age"] is not None and answer["age"] <= run.world["lease"]:
            yield from _still_revoked(run, ops, answer, asked)


def _allowed(run: Run, op: Op, answer: Event, asked: int) -> Iterator[Found]:
    if op.acknowledged is None and op.enforced_by is None:
        return
    cut = op.members[0]
    token = run.tokens[answer["token"]]
    if token["iat"] > cut.cutoff or not cut.live(answer["wall"] + CLOSE) or run.contested(op, answer["n"]):
        return
    after = "-after-loss" if run.lost(op, answer["n"]) else ""
    what = f"{answer['node']} allows {answer['token']}, revoked by op {op.number}"
    where = (op.invoked, op.ended, asked, answer["n"])
    strict = answer["resource"] == "api"
    if strict and op.acknowledged == "enforced" and asked > op.ended:
        yield Violation("P1" + after, f"{what} and acknowledged as enforced", where), f"{op.number}"
    if strict and op.enforced_by is not None and answer["wall"] > op.enforced_by and not after:
        text = f"{what}, {answer['wall'] - op.enforced_by:.3f} s after the time that was named"
        yield Violation("P1-by", text, where), f"{op.number}"
    if op.acknowledged and not after and answer["age"] is not None and op.boot < answer["boot"] - answer["age"]:
        text = f"{what}, stored {answer['boot'] - op.boot:.3f} s before, by a view of {answer['age']:.3f} s"
        yield Violation("P4", text, where), f"{op.number}"


def _still_revoked(run: Run, ops: list[Op], answer: Event, asked: int) -> Iterator[Found]:
    """Refused as revoked, although each revocation of it was lifted, and that is in force everywhere."""
    where = (asked, answer["n"])
    lifts = []
    for op in ops:
        if op.lifts or op.sure or op.invoked > answer["n"]:
            continue
        lift = next((lift for lift in run.lifts if _lifted(run, op, lift, answer, asked)), None)
        if lift is None:
            return
        lifts.append(lift)
    name, text = "P1-lift", f"{answer['node']} refuses {answer['token']} as revoked: "
    if not lifts:
        text += "it never was"
    else:
        text += f"all that revoked it was lifted by op {', '.join(str(lift.number) for lift in lifts)}"
        if asked > run.settled:
            name = "P5" if all(lift.do == "reset" for lift in lifts) else "P3"
    yield Violation(name, text, (*where, *(lift.ended for lift in lifts))), answer["token"]


def _lifted(run: Run, op: Op, lift: Op, answer: Event, asked: int) -> bool:
    """Whether this revocation was over before that lift began, and the answer must know of the lift."""
    if not (op.undone_by(lift) and op.ended < lift.invoked and lift.ended < asked):
        return False
    if asked > run.settled:
        return lift.members[0] in run.final
    return lift.acknowledged == "enforced" and not run.lost(lift, answer["n"])


def _views(run: Run) -> Iterator[Found]:
    """P4 of whole views."""
    stored = [op for op in run.ops.values() if op.acknowledged is not None]
    for view in of(run.events, "view"):
        if view["age"] is None:
            continue
        held = {entry(text) for text in view["entries"]}
        by_key: dict[str, list[Entry]] = {}
        for one in held:
            by_key.setdefault(one.key, []).append(one)
        for op in stored:
            member = op.members[0]
            if op.boot >= view["boot"] - view["age"] or member in held or not member.live(view["wall"] + CLOSE):
                continue
            if any(covers(one, member) for one in by_key.get(op.key, [])) or run.lost(op, view["n"]):
                continue
            text = f"{view['node']} claims an age of {view['age']:.3f} s and lacks op {op.number} ({op.do}), stored"
            text += f" {view['boot'] - op.boot:.3f} s before"
            yield Violation("P4", text, (op.invoked, op.ended, view["n"])), f"{op.number}"


def _made_up(run: Run) -> Iterator[Found]:
    """Nobody holds what nobody wrote."""
    written = {member for op in run.ops.values() for member in op.members}
    # Of a writer that was killed nobody knows what it wrote in the end: some entry of that key and sort.
    unknown = {(op.key, op.lifts) for op in run.ops.values() if not op.members and not op.sure}
    for event in of(run.events, "view", "store"):
        for one in map(entry, event["entries"]):
            if one not in written and (one.key, one.lifts) not in unknown:
                yield Violation("P6", f"{one} was never written", (event["n"],)), str(one)


def _order(run: Run) -> Iterator[Found]:
    """Of two opposite changes one after the other, the later one has the later ``at``."""
    for op in run.ops.values():
        if op.acknowledged is None and op.ended == NEVER:
            continue
        for later in run.against(op):
            if later.ended == NEVER or not op.ended < later.invoked:
                continue
            if not op.members[0].at < later.members[0].at:
                name = {"revoke": "P2", "lift": "P3", "reset": "P5"}[later.do]
                text = (
                    f"op {later.number} ({later.do}) was made after op {op.number} ({op.do}) and is ordered before it"
                )
                yield Violation(name, text, (op.invoked, op.ended, later.invoked, later.ended)), f"{later.number}"


# ---- at the end


def _end(run: Run) -> Iterator[Found]:
    for event in of(run.events, "unsettled"):
        yield Violation("P6", event["why"], (event["n"],)), "unsettled"
    if run.settled == NEVER:
        return
    store = run.events[run.settled]
    held = sorted(run.final)
    yield from _lost(run, store, held)
    yield from _agreement(run, store, held)


def _lost(run: Run, store: Event, held: list[Entry]) -> Iterator[Found]:
    """P2, P2b, P3, P5: what was acknowledged, or known when all was healed, is there or makes no difference."""
    whose = {member: op for op in run.ops.values() for member in op.members}
    must: dict[Entry, tuple[str, tuple[int, ...]]] = {}
    for event in of(run.events, "view", "store"):
        if event["phase"] == "heal":
            for text in event["entries"]:
                must[entry(text)] = ("b", (event["n"],))
    for op in run.ops.values():
        if op.acknowledged is not None and not run.lost(op, store["n"], level=op.level):
            must[op.members[0]] = ("", (op.invoked, op.ended))
    by_key: dict[str, list[Entry]] = {}
    for one in held:
        by_key.setdefault(one.key, []).append(one)
    for member, (how, where) in must.items():
        if not member.live(store["wall"] + CLOSE) or any(covers(one, member) for one in by_key.get(member.key, [])):
            continue
        name = ("P5" if member.key == EVERY_KEY else "P3") if member.lifts else "P2" + how
        op = whose.get(member)
        text = f"{member} of op {op.number if op else '?'} is lost"
        yield Violation(name, text, (*where, store["n"])), str(member)


def _agreement(run: Run, store: Event, held: list[Entry]) -> Iterator[Found]:
    """P6: views, store and decisions at the end."""
    now = store["wall"] + CLOSE
    right = essence(held, now)
    for view in of(run.events, "view"):
        if view["phase"] != "end":
            continue
        theirs = essence((entry(text) for text in view["entries"]), now)
        if theirs != right:
            text = (
                f"{view['node']} lacks {len(right - theirs)} entries and has {len(theirs - right)} more than the store"
            )
            yield Violation("P6", text, (view["n"], store["n"])), view["node"]
        elif view["position"] != store["position"]:
            text = f"{view['node']} is at {view['position']}, the store at {store['position']}"
            yield Violation("P6", text, (view["n"], store["n"])), view["node"]
    alive = [one for one in held if one.live(store["wall"] + CLOSE)]
    relevant = {one.key for one in alive}
    for answer, asked in run.answers():
        if asked < store["n"]:
            continue
        token = run.tokens[answer["token"]]
        if token["exp"] <= answer["wall"] + CLOSE or answer["code"] == "stale_state":
            continue
        keys = [key for key in token["keys"] if key in relevant]
        expected = None if not keys or not revoked(alive, keys, token["iat"], answer["wall"]) else "revoked"
        if answer["code"] != expected or answer["allowed"] != (expected is None):
            text = f"{answer['node']} says {answer['code'] or 'allow'} of {answer['token']}; by the store it is {expected or 'allow'}"
            yield Violation("P6", text, (asked, answer["n"])), f"{answer['node']} {answer['token']}"


def told(violations: Iterable[Violation], events: list[Event]) -> str:
    """Violations with the events where they show."""
    lines = []
    for violation in violations:
        lines.append(f"{violation.property}: {violation.text}")
        for number in violation.events:
            if number < len(events):
                event = {name: value for name, value in events[number].items() if name != "entries"}
                lines.append(f"    {event}")
    return "\n".join(lines)
