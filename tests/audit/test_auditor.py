"""What is recorded of a decision, by which way it came, and what happens where there is no room."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.audits import audited, lines, records, verified
from support.house import House
from support.lanes import question, token, tokens
from support.line import lane_line, settle

from bearerd.audit import assembly
from bearerd.audit.arguments import told
from bearerd.audit.entry import MOST_ACTORS, actors
from bearerd.audit.recorder import Trail
from bearerd.audit.sinks import FileSink, files_of
from bearerd.config.guard import Sensitive
from bearerd.decision import Pending, Wait
from bearerd.flow import Flow
from bearerd.mcp.operation import Misread, Operation
from bearerd.mcp.redact import BY_NAME, TOO_DEEP
from bearerd.metrics import gather
from bearerd.policy import decide
from bearerd.policy.terms import NOTHING
from bearerd.refusals import Code, Refusal
from bearerd.request import of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bearerd.config.model import Config

TOKENS = tokens()
GOOD = question("nginx", "ruled", TOKENS["good"], "GET", "/a/b")
BAD = question("nginx", "ruled", TOKENS["bad signature"])


class Audited(House):
    """A house of which only the audit has begun."""

    def __init__(self, config: Config, tmp_path: Path) -> None:
        super().__init__(config, tmp_path, lane=True)
        service = self.service
        assert service.audit is not None
        self.audit = service.audit
        assembly.begin(service.audit, service.current.config, service.data_dir, service._loops)

    async def stall(self) -> None:
        """Its sinks take nothing more."""
        while any(feeder.waiting for feeder in self.audit._feeders):
            await asyncio.sleep(0.001)

        def refuse(_: Sequence[bytes]) -> None:
            raise OSError(28, "No space left on device")

        for feeder in self.audit._feeders:
            feeder.__dict__["spared"] = feeder._sink.write
            feeder._sink.write = refuse  # type: ignore[method-assign]

    def go_on(self) -> None:
        for feeder in self.audit._feeders:
            feeder._sink.write = feeder.__dict__["spared"]  # type: ignore[method-assign]

    async def decide(self, token: str = TOKENS["good"], resource: str = "ruled", **more: Any) -> Any:
        headers = ((b"Authorization", b"Bearer " + token.encode()),)
        request = of("GET", b"/a/b", None, headers, trusted=True, peer="10.0.0.9")._replace(**more)
        return (await Flow(self.service).run(resource, request, face="python")).decision


async def test_lane_and_flow_record_each_decision_once_and_the_chain_is_whole(tmp_path: Path) -> None:
    async with Audited(audited(tmp_path), tmp_path) as house:
        line = lane_line(house)
        for data in (GOOD, BAD, GOOD * 200, BAD * 3, question("nginx", "ruled")):
            line.feed(data)
            await settle(house)
        native = house.clerk.lane.allowed
        await house.decide()
    found = records(tmp_path)
    assert len(found) == 1 + 1 + 200 + 3 + 1 + 1
    assert native >= 199
    assert verified(tmp_path).findings == []
    assert len({record["request_id"] for record in found}) == len(found)
    first, native_one = found[0], found[100]
    (python,) = [record for record in found if record["face"] == "python"]
    assert native_one["decision"] == "allow"
    assert {
        name: value for name, value in native_one.items() if name not in ("chain", "time", "request_id", "mac")
    } == {name: value for name, value in first.items() if name not in ("chain", "time", "request_id", "mac")}
    assert (python["face"], python["subject"], python["client"], python["issuer"]) == (
        "python",
        "alice",
        "app",
        "https://issuer.example",
    )
    assert next(record["reason"] for record in found if record["decision"] != "allow") == "bad_signature"
    text = b"".join(lines(tmp_path))
    assert not any(part.encode() in text for name in ("good", "bad signature") for part in TOKENS[name].split("."))


async def test_elsewhere_refusals_are_recorded_and_a_share_of_the_allows(tmp_path: Path) -> None:
    tables = {"ruled": {"audit": 0.25}, "bare": {"audit": "none"}, "scoped": {"audit": "refusals"}}
    async with Audited(audited(tmp_path, tables), tmp_path) as house:
        line = lane_line(house)
        for name in ("ruled", "bare", "scoped"):
            line.feed(question("nginx", name, TOKENS["good"]))
            await settle(house)
            line.feed(question("nginx", name, TOKENS["good"]) * 40)
            line.feed(question("nginx", name, TOKENS["expired"]))
            await settle(house)
    found = records(tmp_path)
    counts = {
        name: [
            sum(record["decision"] == word for record in found if record["resource"] == name)
            for word in ("allow", "challenge")
        ]
        for name in ("ruled", "bare", "scoped")
    }
    assert counts == {"ruled": [10, 1], "bare": [0, 0], "scoped": [0, 1]}


async def test_a_full_ring_loses_no_record_it_hands_over(tmp_path: Path) -> None:
    async with Audited(audited(tmp_path), tmp_path) as house:
        line = lane_line(house)
        line.feed(GOOD)
        await settle(house)
        for _ in range(400):  # more than the ring has places, and the loop never gets a turn
            line.feed(GOOD * 25)
            house.clerk.lane.turned()  # but as for what reads take: it is not about that
            line.sent.clear()
        assert house.clerk.lane.allowed > 9000
        assert house.clerk.lane.ring.unaudited == 0
    assert len(records(tmp_path)) == 10_001
    assert verified(tmp_path).findings == []


@pytest.mark.parametrize("how", ["refuse", "block"])
async def test_an_allow_without_room_for_its_record_is_not_given(tmp_path: Path, how: str) -> None:
    async with Audited(audited(tmp_path, on_full=how, queue=100, wait=0.2), tmp_path) as house:
        await house.stall()
        given = [await house.decide() for _ in range(110)]
        allowed = sum(decision.allowed for decision in given)
        assert allowed == 100
        assert {decision.code for decision in given if not decision.allowed} == {"overloaded"}
        line = lane_line(house)
        line.feed(GOOD)
        while not line.sent:
            await asyncio.sleep(0.01)
        assert b" 503 " in bytes(line.sent)
        waiting = asyncio.ensure_future(house.decide())
        house.go_on()
        await asyncio.sleep(0)
        given = [await waiting, *[await house.decide() for _ in range(3)]] if how == "block" else []
    found = records(tmp_path)
    assert sum(record["decision"] == "allow" for record in found) >= allowed + sum(one.allowed for one in given)
    dropped = sum(record["records"] for record in records(tmp_path, "dropped"))
    assert dropped == 11 + (how == "refuse") + sum(
        not one.allowed for one in given
    )  # the refusals for want of room, counted
    assert verified(tmp_path).findings == []


async def test_what_is_dropped_is_counted_in_a_record_of_its_own(tmp_path: Path) -> None:
    async with Audited(audited(tmp_path, on_full="drop-and-count", queue=100), tmp_path) as house:
        await house.stall()
        assert all([(await house.decide()).allowed for _ in range(150)])
        house.go_on()
    found = len(records(tmp_path))
    (told,) = records(tmp_path, "dropped")
    assert (found, told["records"]) == (100, 50)
    assert any("50 decisions left no record" in note.what for note in verified(tmp_path).notes)


async def test_a_flood_elsewhere_takes_only_half_the_room(tmp_path: Path) -> None:
    tables = {"ruled": {"audit": "all"}, "bare": {"audit": 1.0}}
    async with Audited(audited(tmp_path, tables, queue=100, on_full="refuse"), tmp_path) as house:
        await house.stall()
        assert all([(await house.decide(resource="bare")).allowed for _ in range(200)])
        assert (await house.decide()).allowed
        house.go_on()
    assert [record["resource"] for record in records(tmp_path)] == ["bare"] * 50 + ["ruled"]


async def test_the_lane_drops_and_counts_what_finds_no_room(tmp_path: Path) -> None:
    async with Audited(audited(tmp_path, on_full="drop-and-count", queue=100), tmp_path) as house:
        line = lane_line(house)
        for data in (GOOD, BAD):
            line.feed(data)
            await settle(house)
        await house.stall()
        for _ in range(10):
            line.feed(GOOD * 30 + BAD * 10)
            await settle(house)
        house.clerk._write(last=True)
        assert house.clerk.lane.allowed >= 300
        assert [feeder.waiting for feeder in house.audit._feeders] == [100]
        house.go_on()
    dropped = sum(record["records"] for record in records(tmp_path, "dropped"))
    assert len(records(tmp_path)) + dropped == 402
    assert verified(tmp_path).findings == []


async def test_a_flood_elsewhere_by_the_lane_takes_only_half_the_room(tmp_path: Path) -> None:
    tables = {"ruled": {"audit": "all"}, "bare": {"audit": 1.0}}
    async with Audited(audited(tmp_path, tables, queue=100, on_full="refuse"), tmp_path) as house:
        line = lane_line(house)
        flood = [question("nginx", "bare", TOKENS[name]) for name in ("good", "bad signature")]
        for data in flood:
            line.feed(data)
            await settle(house)
        await house.stall()
        for _ in range(10):
            line.feed(b"".join(flood) * 15)
            await settle(house)
        house.clerk._write(last=True)
        assert (await house.decide()).allowed
        house.go_on()
    assert [record["resource"] for record in records(tmp_path)][2:] == ["bare"] * 50 + ["ruled"]


async def test_whoever_is_refused_for_want_of_room_takes_no_place_that_is_kept_for_another(tmp_path: Path) -> None:
    async with Audited(audited(tmp_path, on_full="refuse", queue=100), tmp_path) as house:
        await house.stall()
        while house.audit.room > 1:
            assert (await house.decide()).allowed
        async with house.audit.place() as refusal:  # of one whose approval is being spent meanwhile
            assert refusal is None
            assert [(await house.decide()).code for _ in range(3)] == ["overloaded"] * 3
            asked = decide.of_nobody(Refusal(Code.BAD_SIGNATURE))
            house.service.recorder.record("introspect", replace(asked, resource="ruled"), None, 0.0)
            assert [feeder.waiting for feeder in house.audit._feeders] == [99]
        assert (await house.decide()).allowed
        counted = gather([house.service.metrics.buffer])
        house.go_on()
    results = [counted["bearerd_audit_records_total", result] for result in ("refused", "dropped")]
    assert results == [(3.0,), (4.0,)]
    assert len(records(tmp_path)) == 100


async def test_whom_a_fault_has_left_asleep_wakes_with_the_next_look(tmp_path: Path) -> None:
    async with Audited(audited(tmp_path), tmp_path) as house:
        sleeper = asyncio.get_running_loop().create_future()
        house.audit._sleepers.append(sleeper)
        house.audit.look()
        assert sleeper.done()
        assert house.audit._sleepers == []


async def test_a_fault_that_costs_a_record_its_line_is_told_and_holds_nobody_up_for_ever(tmp_path: Path) -> None:
    async with Audited(audited(tmp_path, sync="always", wait="60s"), tmp_path) as house:
        assert (await house.decide()).allowed
        (feeder,) = house.audit._feeders
        put = feeder.put
        feeder.put = lambda _: (_ for _ in ()).throw(MemoryError)  # type: ignore[method-assign]
        assert not (await house.decide()).allowed
        feeder.put = put  # type: ignore[method-assign]
        assert (await asyncio.wait_for(house.decide(), 30)).allowed
    assert any("missing" in found.what or "lost" in found.what for found in verified(tmp_path).findings)


async def test_with_sync_always_no_decision_is_given_before_its_record_is_on_the_disk(tmp_path: Path) -> None:
    async with Audited(audited(tmp_path, sync="always", wait=0.3), tmp_path) as house:
        synced: list[int] = []
        broken: list[bool] = []
        sink = house.audit._feeders[0]._sink
        before = sink.sync

        def sync() -> None:
            if broken:
                raise OSError(5, "Input/output error")
            synced.append(len(lines(tmp_path)))
            before()

        sink.sync = sync  # type: ignore[method-assign]
        decision = await house.decide()
        assert decision.allowed
        assert synced[-1] == len(lines(tmp_path)) == 2
        request = of("GET", b"/a/b", trusted=True)
        assert Flow(house.service).run_now("ruled", request, face="python") == Pending(Wait.AUDIT)
        line = lane_line(house)
        line.feed(GOOD)
        while not line.sent:
            await asyncio.sleep(0.01)
        assert b" 200 " in bytes(line.sent)
        assert house.clerk.lane.allowed == 0
        assert synced[-1] == 3

        broken.append(True)
        late = await house.decide()
        assert (late.allowed, late.code) == (False, "overloaded")
        broken.clear()
    (withdrawn,) = records(tmp_path, "withdrawn")
    assert withdrawn["request_id"] == records(tmp_path)[-1]["request_id"]
    assert verified(tmp_path).findings == []


async def test_a_decision_is_counted_and_logged_as_what_was_answered_once_its_record_was_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Audited(audited(tmp_path, sync="always", wait=0.1), tmp_path) as house:
        await house.stall()
        with caplog.at_level("INFO", "bearerd.decision"):
            late = await house.decide()
        assert (late.allowed, late.code) == (False, "overloaded")
        counted = {key[1:]: value for key, value in gather([house.service.metrics.buffer]).items() if value != (0.0,)}
        house.go_on()
    decisions = {key: value for key, value in counted.items() if len(key) == 4}
    assert decisions == {("ruled", "python", "unavailable", "overloaded"): (1.0,)}
    (line,) = [vars(record)["fields"] for record in caplog.records if record.name == "bearerd.decision"]
    (withdrawn,) = records(tmp_path, "withdrawn")
    assert (line["code"], line["resource"], line["request_id"]) == ("overloaded", "ruled", withdrawn["request_id"])


async def test_a_refusal_whose_record_was_not_kept_tells_of_that_and_not_of_what_was_decided_before(
    tmp_path: Path,
) -> None:
    async with Audited(audited(tmp_path, sync="always", wait=0.1), tmp_path) as house:
        await house.stall()
        headers = ((b"Authorization", b"Bearer " + TOKENS["bad signature"].encode()),)
        request = of("GET", b"/a/b", None, headers, trusted=True, peer="10.0.0.9")
        trail = Trail()
        late = await Flow(house.service).run("ruled", request, face="python", trail=trail)
        house.go_on()
    assert late.decision.code == "overloaded"
    assert [step.detail for step in trail.steps] == ["overloaded: its audit record could not be written in time"]


async def test_a_reload_changes_what_is_audited_and_the_policy_s_version(tmp_path: Path) -> None:
    async with Audited(audited(tmp_path), tmp_path) as house:
        await house.decide()
        await house.service.reload(audited(tmp_path, {"bare": {"audit": "all"}}))
        await house.decide()
        await house.decide(resource="bare")
    first, second = records(tmp_path)
    assert (first["resource"], second["resource"]) == ("ruled", "bare")
    (told,) = records(tmp_path, "policy")
    assert first["policy"] != second["policy"] == told["policy"]


async def test_an_operation_is_recorded_with_its_arguments_redacted_and_their_digest(tmp_path: Path) -> None:
    said = {"path": "/etc", "password": "hunter2", "deep": [{"api_key": "k", "ok": 1}], "jwt": TOKENS["good"]}
    operation = Operation("tools/call", "delete_file", "body", "2026-07-28", said)
    long = operation._replace(arguments={"text": ["x y " * 25] * 200})
    async with Audited(audited(tmp_path), tmp_path) as house:
        for one in (operation, operation._replace(mode="header", arguments=None), long):
            await house.decide(operation=one)
    first, header, cut = records(tmp_path)
    assert (first["tool"], first["operation"], first["mode"]) == ("delete_file", "tools/call", "body")
    assert first["arguments"] == {
        "path": "/etc",
        "password": "[redacted]",
        "deep": [{"api_key": "[redacted]", "ok": 1}],
        "jwt": "[redacted]",
    }
    assert len(first["arguments_digest"]) == 64
    assert (header["mode"], "arguments" in header) == ("header", False)
    assert cut["arguments_truncated"] is True
    assert cut["arguments_bytes"] > 8192
    assert "arguments" not in cut


async def test_of_a_call_by_whoever_showed_no_good_token_nothing_of_the_arguments_is_told(tmp_path: Path) -> None:
    operation = Operation("tools/call", "delete_file", "body", "2026-07-28", {"path": "/etc"})
    async with Audited(audited(tmp_path), tmp_path) as house:
        await house.decide(TOKENS["bad signature"], operation=operation)
    (found,) = records(tmp_path)
    assert (found["reason"], found["tool"]) == ("bad_signature", "delete_file")
    assert not {"arguments", "arguments_digest", "arguments_bytes"} & found.keys()


def test_a_digest_holds_also_what_has_no_canonical_form() -> None:
    large = 2**53 + 1
    digests = [
        told({"a": "x" * 100, "b": number}, NOTHING, 10).fields["arguments_digest"] for number in (1, large, large + 1)
    ]
    assert [text.startswith("json:") for text in digests] == [False, True, True]
    assert len(set(digests)) == 3
    assert told({"b": large, "a": 1}, NOTHING, 10).fields == told({"a": 1, "b": large}, NOTHING, 10).fields
    assert told({"a": object()}, NOTHING, 10).fields["arguments_digest"] == "none: not canonicalisable"


def test_a_chain_of_actors_is_told_as_far_as_it_is_sane() -> None:
    act: dict[str, Any] = {"sub": "0"}
    for number in range(1, 20):
        act = {"sub": str(number), "act": act, "iss": "https://a.example", "other": "x"}
    found = actors({"act": act}, str)
    assert found is not None
    assert (len(found), found[0], found[-1]) == (
        MOST_ACTORS + 1,
        {"sub": "19", "iss": "https://a.example"},
        {"more": True},
    )
    assert actors({}, str) is None
    assert actors({"act": "x"}, str) is None


@pytest.mark.parametrize(
    "name", ["password", "userPassword", "api-key", "apikey", "accessToken", "client_secret", "Cookie", "pin"]
)
def test_what_is_called_a_secret_is_taken_out(name: str) -> None:
    said = told({name: "x", "author": "y", "pinned": "z"}, NOTHING, 1000)
    assert said.fields["arguments"] == {name: "[redacted]", "author": "y", "pinned": "z"}
    assert said.fields["sensitive"] == said.found == (BY_NAME,)


def test_where_nobody_knows_what_is_sensitive_or_all_is_too_deep_nothing_is_told() -> None:
    assert told({"path": "/etc"}, None, 1000).fields["arguments"] == "[redacted]"
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    found = told(deep, NOTHING, 10_000)
    assert (found.fields["arguments"], found.found) == ("[redacted]", (TOO_DEEP,))


async def test_a_record_lacks_what_the_rule_calls_sensitive_and_names_it_and_it_is_counted(tmp_path: Path) -> None:
    config = audited(tmp_path, {"ruled": {"audit": "all", "sensitive": Sensitive(flag=("email",))}})
    asks = {"sensitive": Sensitive(redact=("card",))}
    rules = tuple(rule.model_copy(update=asks) for rule in config.resource["ruled"].rule)
    ruled = config.resource["ruled"].model_copy(update={"rule": rules})
    config = config.model_copy(update={"resource": {**config.resource, "ruled": ruled}})
    arguments = {"note": "4111 1111 1111 1111 of bob@example.com", "author": "y"}
    async with Audited(config, tmp_path) as house:
        await house.decide(operation=Operation("tools/call", "pay", "body", None, arguments))
        await house.decide(misread=Misread(Refusal(Code.BAD_REQUEST, "not JSON"), "body", -32700))
        pages = gather([house.service.metrics.buffer])
    found, misread = records(tmp_path)
    assert found["arguments"] == {"note": "[card] of bob@example.com", "author": "y"}
    assert sorted(found["sensitive"]) == ["card", "email"]
    assert (misread["mode"], "operation" in misread) == ("body", False)
    assert pages[("bearerd_sensitive_found_total", "ruled", "card")] == (1.0,)


async def test_the_actors_and_a_hashed_subject_stand_in_the_record(tmp_path: Path) -> None:
    config = audited(tmp_path)
    server = config.server.model_copy(update={"hash_subjects": True})
    async with Audited(config.model_copy(update={"server": server}), tmp_path) as house:
        await house.decide(token(act={"sub": "agent-7"}, jti="acted"))
    (found,) = records(tmp_path)
    assert found["subject"].startswith("h:")
    assert found["actors"][0]["sub"].startswith("h:")
    assert b"agent-7" not in b"".join(lines(tmp_path))


def test_files_are_rotated_and_the_oldest_is_forgotten_with_a_word(tmp_path: Path) -> None:
    path, gone = tmp_path / "audit.jsonl", list[str]()
    sinks = [
        FileSink(path, rotate_bytes=100, keep=2, forgotten=lambda file: gone.append(file.read_text())) for _ in range(2)
    ]
    for number in range(40):  # two processes by turns
        sinks[number % 2].write([b"%030d\n" % number])
    for sink in sinks:
        sink.sync()
        sink.close()
    files = files_of(path)
    assert [file.name for file in files] == ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"]
    kept = "".join([*gone, *(file.read_text() for file in files)]).split()
    assert [int(line) for line in kept] == list(range(40))
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_torn_line_stays_apart_from_the_next_process_s(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"whole\nhalf a li")
    sink = FileSink(path, rotate_bytes=1000, keep=0, forgotten=lambda file: None)
    sink.write([b"next\n"])
    sink.close()
    assert path.read_bytes() == b"whole\nhalf a li\nnext\n"


def test_no_link_is_followed_to_another_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"symbolic|links"):
        FileSink(tmp_path / "audit.jsonl", rotate_bytes=1000, keep=0, forgotten=lambda file: None)


async def test_a_refusal_without_room_for_its_record_stands_back_no_second_time(tmp_path: Path) -> None:
    """Else it has no answer for as long as the sink is full and known tokens come to another resource."""
    tables = {"ruled": {"audit": "all"}, "bare": {"audit": "none"}}
    async with Audited(audited(tmp_path, tables, on_full="refuse", queue=100), tmp_path) as house:
        line, other = lane_line(house), lane_line(house)
        known = question("nginx", "bare", TOKENS["good"])
        for one, data in ((other, known), (line, BAD)):
            one.feed(data)
            await settle(house)
        await house.stall()
        while b" 503 " not in line.sent:  # until the lane's ring is full, too
            line.feed(BAD * 50)
            await settle(house)
        line.sent.clear()
        other.feed(known)
        line.feed(BAD)
        left = house.clerk._left
        left._for_back.spare = 0.0  # nothing is owed
        for _ in range(20):  # turns with no time between, and a known token in each
            other.feed(known)
            left._turn()
        assert left.waiting == 0
        await settle(house, until=lambda: bool(line.sent))
        assert bytes(line.sent).startswith(b"HTTP/1.1 503 ")
        house.go_on()


# ---- a token that nobody has seen


async def full(house: Audited) -> None:
    await house.stall()
    while house.audit.room > 0:
        await house.decide()


@pytest.mark.parametrize("kind", ["good", "bad"])
@pytest.mark.parametrize("how", ["refuse", "block"])
async def test_whether_there_is_room_is_asked_before_a_new_token_is_looked_at(
    tmp_path: Path, how: str, kind: str
) -> None:
    async with Audited(audited(tmp_path, queue=100, on_full=how, wait="200ms"), tmp_path) as house:
        await full(house)
        text = token(jti="new")
        line = lane_line(house)
        line.feed(question("nginx", "ruled", text if kind == "good" else text[:-6] + "AAAAAA", "GET", "/a/b"))
        async with asyncio.timeout(10):
            while not line.sent:
                await asyncio.sleep(0.01)
        house.go_on()
        assert bytes(line.sent).startswith(b"HTTP/1.1 503 ")


async def test_a_new_token_s_record_says_whose_it_was_whatever_becomes_of_it(tmp_path: Path) -> None:
    small = audited(tmp_path)
    small = small.model_copy(update={"limits": small.limits.model_copy(update={"token_cache_entries": 1})})
    async with Audited(small, tmp_path) as house:
        line = lane_line(house)
        names = [f"s{number}" for number in range(3)]
        line.feed(b"".join(question("nginx", "ruled", token(jti=name, sub=name), "GET", "/a/b") for name in names))
        await settle(house)
    assert [record["subject"] for record in records(tmp_path)] == names


async def test_a_sink_that_stands_still_holds_back_no_line_of_what_is_not_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {"ruled": {"audit": "all"}, "bare": {"audit": "none"}}
    async with Audited(audited(tmp_path, tables, queue=100, on_full="refuse"), tmp_path) as house:
        lines: list[dict[str, Any]] = []
        monkeypatch.setattr(house.service.recorder, "write", lambda record: lines.append(record.line(str)))
        await full(house)
        lines.clear()
        line = lane_line(house)
        line.feed(question("nginx", "bare", token(jti="new", sub="bob")))
        await settle(house)
        house.go_on()
    assert [one["sub"] for one in lines] == ["bob"]
