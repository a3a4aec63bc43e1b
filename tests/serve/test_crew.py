"""What the supervisor does about its workers, with channels that a test speaks for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from support import house
from support.bearerd import config as text

from bearerd.config import load
from bearerd.config.model import Audit
from bearerd.serve import crew as module
from bearerd.serve import desk, hiring, watchdog
from bearerd.serve.channel import ChannelClosed, NotDone
from bearerd.serve.crew import MOST_FAULTS, Crew
from bearerd.serve.hiring import Terms
from bearerd.serve.listeners import Listeners
from bearerd.serve.member import Member, Phase, Share
from bearerd.serve.page import Pages


class Process:
    """A process that only notes what was done to it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def kill(self) -> None:
        self.returncode = -9

    def poll(self) -> int | None:
        return self.returncode


class Channel:
    """Answers as a test says: a value, an exception to raise, or a function of the fields."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def tell(self, what: str, **fields: Any) -> bool:
        self.told.append((what, fields))
        return True

    async def ask(self, what: str, patience: float, **fields: Any) -> Any:
        self.asked.append((what, fields))
        answer = self.answers.get(what)
        if callable(answer):
            answer = answer(fields)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def configuration(tmp_path: Any, **more: Any) -> Any:
    file = tmp_path / "bearerd.toml"
    file.write_text(text(**more))
    return load.load(file, {})


@pytest.fixture
async def crew(tmp_path: Any) -> Crew:
    async def gone(member: Member) -> None:
        pass

    terms = Terms(configuration(tmp_path), tmp_path, store_is_ours=True)
    return Crew(2, Listeners([[], []], [], []), Pages(), terms, gone)


def join(crew: Crew, slot: int, channel: Channel | None = None, **state: Any) -> tuple[Member, Any, Any]:
    process: Any = Process(1000 + len(crew.members))
    spoken: Any = channel or Channel()
    open_ = frozenset({slot})
    member = Member(slot, len(crew.members) + 1, process, crew._pages.new(4096), spoken, phase=Phase.UP, open=open_)
    member.ordered = True
    for name, value in state.items():
        setattr(member, name, value)
    crew.members.append(member)
    return member, process, spoken


READY = {"ready": True, "tried": True, "fresh": True, "store_up": True, "stale": False, "issuers": []}
UNREADY = {**READY, "ready": False, "tried": False}


def beat(crew: Crew, member: Member, health: dict[str, Any]) -> None:
    """A worker's word, when it has done what it was told."""
    crew._told(member, "beat", {"health": health, "open": sorted(member.share.slots)})


# ---- reload


async def test_a_reload_that_one_worker_refuses_is_undone_in_all(crew: Crew, tmp_path: Any) -> None:
    old, new = crew.terms.config, configuration(tmp_path, resource="")
    refusal = NotDone("ConfigError", "caller[0].secret_file: is empty")

    def refuse(fields: dict[str, Any]) -> Any:
        return refusal if not fields["config"]["resource"] else None

    _, _, willing = join(crew, 0)
    _, process, unwilling = join(crew, 1, Channel(reload=refuse))
    with pytest.raises(NotDone, match="is empty"):
        await crew.reload(new)
    assert crew.terms.config == old
    for channel in (willing, unwilling):
        given = [sorted(fields["config"]["resource"]) for what, fields in channel.asked if what == "reload"]
        assert given == [[], ["api"]]  # the new one, and the old one back
    assert process.returncode is None


@pytest.mark.parametrize("fault", [NotDone("KeyError", "KeyError"), TimeoutError()])
async def test_a_worker_that_fails_at_a_reload_is_replaced_by_one_with_the_new_configuration(
    crew: Crew, tmp_path: Any, fault: Exception
) -> None:
    new = configuration(tmp_path, resource="")
    join(crew, 0)
    _, process, _ = join(crew, 1, Channel(reload=fault))
    await crew.reload(new)
    assert process.returncode == -9
    assert crew.terms.config == new


@pytest.mark.parametrize("fault", [NotDone("KeyError", "KeyError"), TypeError("no JSON")])
async def test_what_no_worker_can_take_is_undone_though_it_was_never_called_a_bad_configuration(
    crew: Crew, tmp_path: Any, fault: Exception
) -> None:
    """Their successors could not take it either: killing them for it would leave nobody."""
    old, new = crew.terms.config, configuration(tmp_path, resource="")

    def fail(fields: dict[str, Any]) -> Any:
        return None if fields["config"]["resource"] else fault

    joined = [join(crew, slot, Channel(reload=fail)) for slot in (0, 1)]
    with pytest.raises(NotDone, match=f"no worker can take it, the log says more: {type(fault).__name__}|KeyError"):
        await crew.reload(new)
    assert crew.terms.config == old
    for _, process, channel in joined:
        assert [sorted(fields["config"]["resource"]) for _, fields in channel.asked] == [[], ["api"]]
        assert process.returncode is None


async def test_a_worker_that_can_take_neither_the_new_configuration_nor_the_old_one_back_is_replaced(
    crew: Crew, tmp_path: Any
) -> None:
    old, new = crew.terms.config, configuration(tmp_path, resource="")
    _, process, _ = join(crew, 0, Channel(reload=NotDone("KeyError", "KeyError")))
    with pytest.raises(NotDone):
        await crew.reload(new)
    assert process.returncode == -9
    assert crew.terms.config == old


async def test_a_worker_that_was_not_told_yet_what_to_start_with_is_told_the_new_configuration_and_nothing_else(
    crew: Crew, tmp_path: Any
) -> None:
    new = configuration(tmp_path, resource="[resource.api]\nidentifier = 'https://api.example'\nscopes = ['new']\n")
    member, process, channel = join(crew, 0, Channel(start={}), phase=Phase.STARTING, ordered=False)
    await crew.reload(new)
    assert not channel.asked
    await crew._start(member)
    assert [what for what, _ in channel.asked] == ["start"]
    assert channel.asked[0][1]["config"] == hiring.dump(new)
    assert process.returncode is None
    await crew.reload(crew.terms.config)
    assert [what for what, _ in channel.asked] == ["start", "reload"]


async def test_where_the_embedded_store_is_now_is_told_to_whoever_starts_and_whoever_serves(crew: Crew) -> None:
    _, _, serving = join(crew, 0)
    _, _, begun = join(crew, 1, phase=Phase.STARTING)  # by where it was before
    hired, _, new = join(crew, 1, Channel(start={}), phase=Phase.STARTING, ordered=False)
    await crew.store_moved("unix:///run/other.sock")
    assert serving.asked == begun.asked == [("store", {"url": "unix:///run/other.sock"})]
    assert not new.asked
    await crew._start(hired)
    ((_, orders),) = new.asked
    assert (orders["config"]["store"]["url"], orders["store_is_ours"]) == ("unix:///run/other.sock", False)


async def test_where_the_embedded_store_is_outlasts_a_reload_that_is_undone(crew: Crew, tmp_path: Any) -> None:
    async def moved() -> None:
        await crew.store_moved("unix:///run/other.sock")

    moves: list[asyncio.Task[None]] = []

    def refuse(fields: dict[str, Any]) -> Any:
        moves.append(asyncio.create_task(moved()))
        return NotDone("ConfigError", "no") if not fields["config"]["resource"] else None

    join(crew, 0, Channel(reload=refuse))
    with pytest.raises(NotDone):
        await crew.reload(configuration(tmp_path, resource=""))
    await asyncio.gather(*moves)
    hired, _, new = join(crew, 1, Channel(start={}), phase=Phase.STARTING, ordered=False)
    await crew._start(hired)
    ((_, orders),) = new.asked
    assert orders["config"]["store"]["url"] == "unix:///run/other.sock"
    assert list(orders["config"]["resource"]) == ["api"]


async def test_a_worker_that_dies_during_a_reload_does_not_undo_it(crew: Crew, tmp_path: Any) -> None:
    new = configuration(tmp_path, resource="")
    join(crew, 0, Channel(reload=ChannelClosed()))
    await crew.reload(new)
    assert crew.terms.config == new


# ---- asking


async def test_a_ready_worker_is_asked_first_and_another_where_it_is_gone(crew: Crew) -> None:
    join(crew, 0, Channel(keys="unready"), health=UNREADY)
    _, _, ready = join(crew, 1, Channel(keys="ready"), health=READY)
    assert await crew.ask_any("keys", 1) == "ready"
    ready.answers["keys"] = ChannelClosed()
    assert await crew.ask_any("keys", 1) == "unready"
    crew.members.clear()
    with pytest.raises(ChannelClosed):
        await crew.ask_any("keys", 1)


async def test_all_are_asked_and_those_that_fail_are_left_out(crew: Crew) -> None:
    join(crew, 0, Channel(decision=None))
    join(crew, 1, Channel(decision=TimeoutError()))
    join(crew, 1, Channel(decision={"code": "expired"}), phase=Phase.LEAVING)
    join(crew, 1, Channel(decision="never asked"), phase=Phase.STARTING)
    assert await crew.ask_all("decision", 1) == [None, {"code": "expired"}]


# ---- the watchdog


async def test_a_silent_worker_loses_its_slot_first_and_its_life_later(crew: Crew) -> None:
    stuck, process, _ = join(crew, 0, settled=True, health=READY)
    helper, _, _ = join(crew, 1, settled=True, health=READY)
    crew.assign()
    assert (stuck.share.slots, helper.share.slots) == ({0}, {1})
    for tick in range(1, watchdog.KILL_TICKS + 1):
        watchdog.look(crew)
        beat(crew, helper, READY)
        assert stuck.suspected == (tick >= watchdog.SUSPECT_TICKS)
        assert helper.share.slots == ({0, 1} if tick >= watchdog.SUSPECT_TICKS else {1})
        assert process.returncode == (-9 if tick >= watchdog.KILL_TICKS else None)
        assert not (stuck.suspected and stuck.ready)


async def test_a_worker_that_speaks_again_gets_its_slot_back(crew: Crew) -> None:
    slow, process, channel = join(crew, 0, settled=True, health=READY)
    helper, _, _ = join(crew, 1, settled=True, health=READY)
    crew.assign()
    for _ in range(watchdog.SUSPECT_TICKS):
        watchdog.look(crew)
        beat(crew, helper, READY)
    assert helper.share.slots == {0, 1}
    channel.told.clear()
    beat(crew, slow, READY)
    assert (slow.share.slots, helper.share.slots) == ({0}, {1})
    assert channel.told == [("serve", {"slots": [0], "unix": True})]
    assert process.returncode is None


async def test_a_worker_that_is_starting_is_given_longer(crew: Crew) -> None:
    _, process, _ = join(crew, 0, phase=Phase.STARTING)
    for _ in range(watchdog.START_TICKS - 1):
        watchdog.look(crew)
    assert process.returncode is None
    watchdog.look(crew)
    assert process.returncode == -9


async def test_where_nobody_can_decide_all_serve_in_the_end_for_the_sake_of_open_rules(crew: Crew) -> None:
    workers = [join(crew, slot, health=UNREADY)[0] for slot in range(2)]
    for tick in range(1, watchdog.SETTLE_TICKS + 1):
        watchdog.look(crew)
        for worker in workers:
            beat(crew, worker, UNREADY)
        late = tick >= watchdog.SETTLE_TICKS
        assert [worker.share.slots for worker in workers] == ([{0}, {1}] if late else [set(), set()])
    assert not desk.readiness(desk_of(crew))[0]


async def test_an_unready_worker_leaves_its_slot_to_a_sibling_that_can_decide_however_long_it_takes(crew: Crew) -> None:
    late, _, _ = join(crew, 0, health=UNREADY)
    helper, _, _ = join(crew, 1, settled=True, health=READY)
    crew.assign()
    for _ in range(watchdog.SETTLE_TICKS * 2):
        watchdog.look(crew)
        beat(crew, late, UNREADY)
        beat(crew, helper, READY)
        assert (late.share, helper.share.slots) == (Share(), {0, 1})
    watchdog.look(crew)
    beat(crew, helper, UNREADY)  # now nobody can
    watchdog.look(crew)
    assert late.share.slots == {0}


async def test_a_worker_that_knows_why_it_has_no_keys_serves_though_it_is_not_ready(crew: Crew) -> None:
    worker, _, channel = join(crew, 0, health=UNREADY)
    beat(crew, worker, {**UNREADY, "tried": True})
    assert channel.told == [("serve", {"slots": [0, 1], "unix": True})]
    assert not worker.ready
    assert not desk.readiness(desk_of(crew))[0]


# ---- the start


async def test_nobody_accepts_before_it_can_decide(crew: Crew) -> None:
    first, _, channel = join(crew, 0, open=frozenset())
    second, _, other = join(crew, 1, open=frozenset())
    for _ in range(5):
        beat(crew, first, UNREADY)
        beat(crew, second, UNREADY)
        crew.assign()
    assert (channel.told, other.told) == ([], [])
    beat(crew, first, READY)
    assert channel.told == [("serve", {"slots": [0, 1], "unix": True})]  # the sibling's too, until it can decide itself
    assert other.told == []
    beat(crew, second, READY)
    assert other.told == [("serve", {"slots": [1], "unix": True})]
    assert channel.told[1:] == [("serve", {"slots": [0], "unix": True})]


async def test_readiness_is_told_once_every_slot_is_served_by_a_worker_that_decides(crew: Crew) -> None:
    at = desk_of(crew)
    first, _, _ = join(crew, 0, open=frozenset())
    late, _, _ = join(crew, 1, open=frozenset())
    beat(crew, late, UNREADY)
    crew._told(first, "beat", {"health": READY, "open": []})
    assert not desk.readiness(at)[0]  # it decides, and was told whom to serve just now
    crew._told(first, "beat", {"health": READY, "open": [0]})
    ready, document = desk.readiness(at)
    assert (ready, document["components"]["workers"]) == (False, "starting")
    beat(crew, first, READY)
    assert first.open == {0, 1}
    assert desk.readiness(at)[0]


async def test_once_begun_a_slot_that_changes_hands_makes_nobody_unready(crew: Crew) -> None:
    at = desk_of(crew)
    workers = [join(crew, slot, open=frozenset())[0] for slot in range(2)]
    for worker in (*workers, *workers):
        beat(crew, worker, READY)
    assert crew.begun
    workers[1].phase = Phase.LEAVING
    await crew._gone(workers[1])
    assert (workers[0].open, workers[0].share.slots) == ({0}, {0, 1})  # it has yet to say that it serves both
    assert desk.readiness(at)[0]


async def test_a_successor_on_trial_never_settles_by_waiting(crew: Crew) -> None:
    trial, _, _ = join(crew, 0, health=UNREADY, trial=True)
    for _ in range(watchdog.SETTLE_TICKS * 2):
        watchdog.look(crew)
        beat(crew, trial, UNREADY)
    assert not trial.settled


# ---- replacing


async def test_a_successor_that_does_not_become_ready_leaves_the_old_worker_in_place(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 0.01)
    old, _, _ = join(crew, 0, settled=True, health=READY)
    hired: list[Any] = []

    async def hire(slot: int, *, trial: bool = False) -> Member:
        member, process, _ = join(crew, slot, trial=trial, health=UNREADY)
        hired.append(process)
        return member

    monkeypatch.setattr(crew, "hire", hire)
    assert await crew.roll() is False
    assert hired[0].returncode == -9
    assert (old.phase, old.leaving) == (Phase.UP, False)


async def test_a_worker_that_dies_while_its_successor_starts_gets_no_second_one(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _, _ = join(crew, 0, settled=True, health=READY)
    hired: list[Member] = []

    async def hire(slot: int, *, trial: bool = False) -> Member:
        member, _, _ = join(crew, slot, trial=trial)
        hired.append(member)
        return member

    monkeypatch.setattr(crew, "hire", hire)
    replacing = asyncio.create_task(crew.replace(old))
    await asyncio.sleep(0)
    old.process.kill()
    await crew._gone(old)
    await asyncio.sleep(0.05)
    (successor,) = hired
    assert not successor.trial  # it is the slot's worker now, ready or not
    beat(crew, successor, READY)
    assert await replacing
    assert len(hired) == 1
    assert successor.share.slots == {0, 1}


async def test_two_rolling_restarts_at_once_are_one(crew: Crew) -> None:
    async with crew._rolling:
        assert await crew.roll() is False


async def test_a_slot_whose_workers_keep_dying_is_tried_again_ever_more_slowly(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    hired = asyncio.Queue[Member]()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def hire(slot: int, *, trial: bool = False) -> Member:
        member, _, _ = join(crew, slot)
        hired.put_nowait(member)
        return member

    monkeypatch.setattr(crew, "hire", hire)
    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    member, _, _ = join(crew, 0)
    for _ in range(8):
        member.process.kill()
        await crew._gone(member)
        member = await hired.get()
    assert pauses == [0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 30.0]
    member.ticks = module.PROVEN_TICKS
    member.process.kill()
    await crew._gone(member)
    await hired.get()
    assert pauses[-1] == 0.0


async def test_a_configuration_that_no_worker_can_start_with_is_hopeless_at_the_start_only(crew: Crew) -> None:
    refused = Channel(start=NotDone("ConfigError", "caller[0].secret_file: is empty"))
    other, _, _ = join(crew, 1, settled=True)
    member, process, _ = join(crew, 0, refused, phase=Phase.STARTING)
    await crew._start(member)
    assert (process.returncode, crew.hopeless.done()) == (-9, False)
    crew.members.remove(other)
    await crew._start(member)
    assert crew.hopeless.result() == "caller[0].secret_file: is empty"


async def test_a_fault_that_keeps_every_worker_from_starting_is_not_tried_for_ever(crew: Crew) -> None:
    failing = Channel(start=NotDone("RuntimeError", "RuntimeError"))
    member, _, _ = join(crew, 0, failing, phase=Phase.STARTING)
    for _ in range(MOST_FAULTS * crew.slots - 1):
        await crew._start(member)
    assert not crew.hopeless.done()
    await crew._start(member)
    assert crew.hopeless.result().startswith("no worker can start: RuntimeError ")


async def test_a_fault_of_successors_ends_nobody_who_has_begun(crew: Crew) -> None:
    member, _, _ = join(crew, 0, Channel(start=NotDone("RuntimeError", "RuntimeError")), phase=Phase.STARTING)
    crew.begun = True
    for _ in range(2 * MOST_FAULTS * crew.slots):
        await crew._start(member)
    assert not crew.hopeless.done()


# ---- readiness


def desk_of(crew: Crew, *, begun: bool | None = None, **state: Any) -> desk.Desk:
    nothing: Any = None
    crew.begun = crew.begun if begun is None else begun
    made = desk.Desk(crew, crew._pages, crew.terms.config, nothing, nothing)
    for name, value in state.items():
        setattr(made, name, value)
    return made


def issuer(name: str, **state: Any) -> dict[str, Any]:
    return {"name": name, "loaded": True, "usable": True, "failing": None} | state


async def test_one_ready_worker_is_enough_and_the_others_faults_are_shown(crew: Crew) -> None:
    join(crew, 0, health=READY)
    join(crew, 1, health={**UNREADY, "fresh": False, "store_up": False})
    ready, document = desk.readiness(desk_of(crew, begun=True))
    assert ready
    assert document["components"]["store"] == "stale_state"


async def test_one_issuer_s_outage_is_shown_and_makes_nobody_unready(crew: Crew) -> None:
    issuers = [issuer("good"), issuer("down", failing="connect"), issuer("new", loaded=False, usable=False)]
    issuers += [issuer("old", usable=False), issuer("odd", failing="Basic c2VjcmV0"), issuer("unknown to us")]
    names = ("good", "down", "new", "old", "odd", "unheard")
    listed = [SimpleNamespace(name=name, insecure_issuer=False) for name in names]
    known = SimpleNamespace(issuer=listed, resource={}, audit=Audit())
    join(crew, 0, health={**READY, "issuers": issuers})
    join(crew, 1, health={**READY, "issuers": [issuer("good"), issuer("down")]})
    ready, document = desk.readiness(desk_of(crew, begun=True, config=known))
    assert ready
    assert document["components"]["issuers"] == {
        "good": "ok",
        "down": "connect",
        "new": "never_loaded",
        "old": "too_old",
        "odd": "failing",  # names of faults that we know, and no words of anybody's
        "unheard": "unknown",
    }


async def test_without_a_ready_worker_nobody_should_ask(crew: Crew) -> None:
    assert desk.readiness(desk_of(crew, begun=True)) == (
        False,
        {
            "ready": False,
            "components": {
                "workers": "none_ready",
                "store": "unknown",
                "resources": {"api": "unknown"},
                "configuration": "ok",
                "issuers": {"test": "unknown"},
            },
        },
    )
    join(crew, 0, health=READY, suspected=True)
    assert not desk.readiness(desk_of(crew, begun=True))[0]  # its last word may be long ago
    join(crew, 0, health=READY, open=frozenset())
    assert not desk.readiness(desk_of(crew, begun=True))[0]  # it can decide, and nobody reaches it yet
    join(crew, 0, health=READY, phase=Phase.LEAVING)
    assert not desk.readiness(desk_of(crew, begun=True))[0]
    join(crew, 1, health=READY)
    ready, document = desk.readiness(desk_of(crew, begun=True))
    assert (ready, document["components"]["workers"]) == (True, "fewer_than_configured")
    ready, document = desk.readiness(desk_of(crew, begun=True, draining=True))
    assert (ready, document["components"]["workers"]) == (False, "draining")


async def test_each_resource_is_shown_as_its_worst_worker_serves_it(crew: Crew) -> None:
    names = ("good", "late", "none", "unheard")
    known = SimpleNamespace(issuer=[], resource=dict.fromkeys(names), audit=Audit())
    join(crew, 0, health={**READY, "serving": {"good": "fresh", "late": "stale", "none": "refused"}})
    join(crew, 1, health={**READY, "serving": {"good": "fresh", "late": "fresh", "none": "stale", "unheard": "odd"}})
    ready, document = desk.readiness(desk_of(crew, begun=True, config=known))
    assert ready
    assert document["components"]["resources"] == {
        "good": "ok",
        "late": "serving_stale",
        "none": "stale_state",
        "unheard": "unknown",
    }


async def test_an_audit_sink_that_takes_nothing_is_named_with_what_is_refused_for_it_and_makes_nobody_unready(
    crew: Crew,
) -> None:
    names = ("kept", "other", "old")
    known = SimpleNamespace(issuer=[], resource=dict.fromkeys(names), audit=Audit(sink=("file", "otlp")))
    serving = {"kept": "fresh", "other": "fresh", "old": "refused"}
    down = {"file": 1_800_000_001.5, "a name of nobody's": 1.0}
    join(crew, 0, health={**READY, "serving": serving, "audit": {"down": down, "refused": ["kept", "old"]}})
    join(crew, 1, health={**READY, "serving": serving, "audit": {"down": {"file": 1_800_000_000.0}, "refused": []}})
    join(crew, 1, health={**READY, "serving": serving, "audit": None})
    ready, document = desk.readiness(desk_of(crew, begun=True, config=known))
    assert ready
    assert document["warnings"] == ["audit_sink_down:file"]
    assert document["since"] == {"audit_sink_down:file": "2027-01-15T08:00:00.000Z"}
    assert document["components"]["resources"] == {"kept": "audit_down", "other": "ok", "old": "audit_down"}


async def test_what_became_of_a_snapshot_is_named_without_words(crew: Crew) -> None:
    snapshots: list[Any] = [
        {"in_use": True, "refused": None, "failing": False},
        {"in_use": False, "refused": "forged", "failing": True},
        {"in_use": False, "refused": "Basic c2VjcmV0", "failing": False},
        None,
    ]
    for number, told in enumerate(snapshots):
        join(crew, number % 2, health={**READY, "snapshot": told})
    _, document = desk.readiness(desk_of(crew, begun=True))
    assert document["warnings"] == ["snapshot_in_use", "snapshot_not_written", "snapshot_refused:forged"]


async def test_what_is_warned_of_is_named_without_words(crew: Crew, tmp_path: Any) -> None:
    join(crew, 0, health={**READY, "stale": True})
    join(crew, 1, health=READY)
    table = '[[issuer]]\nissuer = "http://127.0.0.1:1"\nname = "dev"\ninsecure_issuer = true\nalgorithms = ["ES256"]\n'
    config = configuration(tmp_path, issuers=table)
    ready, document = desk.readiness(desk_of(crew, begun=True, config=config, restart_for=["server.workers"]))
    assert ready
    assert document["warnings"] == ["insecure_issuer:dev", "restart_needed", "serving_stale"]
    assert house.ISS not in str(document)
