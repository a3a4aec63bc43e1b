"""Key sets are fresh before a token needs them; strangers cause one fetch a cool-down; what is broken stays its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from support import jose
from support.issuer import JWKS, OPENID, Answer, Gate, Hang, Names, ScriptedIssuer, until
from support.keepers import Fleet, Worker, configured, running, table

from bearerd._native import clock
from bearerd.decision import Pending
from bearerd.errors import IssuerFault
from bearerd.issuers import disk, keeper, refresh
from bearerd.issuers.keyset import Origin
from bearerd.issuers.remote import Remote
from bearerd.jws.keys import Key
from bearerd.refusals import Code, Refusal

COOLDOWN = 600.0  # no test waits for its end


def code(found: Any) -> Code | None:
    return found.code if isinstance(found, Refusal) else None


async def test_the_first_token_waits_for_the_keys_and_the_next_for_nobody() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server))
        assert isinstance(worker.select(server.issuer), Pending)
        assert isinstance(await worker.resolve(server.issuer), Key)
        assert isinstance(worker.select(server.issuer), Key)
        assert (server.count(OPENID), server.count(JWKS)) == (1, 1)


async def test_a_thousand_waiting_tokens_cause_one_fetch() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server))
        found = await asyncio.gather(*(worker.resolve(server.issuer) for _ in range(1000)))
        assert all(isinstance(key, Key) for key in found)
        assert server.count() == 1


async def test_a_token_that_goes_away_leaves_the_fetch_running_for_the_others() -> None:
    async with ScriptedIssuer() as server:
        gate = Gate(Answer(server.jwks()))
        server.on(JWKS, gate)
        worker = Worker(table(server))
        first, second = (asyncio.create_task(worker.resolve(server.issuer)) for _ in range(2))
        await gate.entered.wait()
        first.cancel()
        gate.open.set()
        assert isinstance(await second, Key)
        assert server.count() == 1


async def test_an_unknown_kid_is_fetched_once_a_cool_down_whatever_strangers_send() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, unknown_kid_cooldown=COOLDOWN))
        await worker.resolve(server.issuer)
        found = await asyncio.gather(*(worker.resolve(server.issuer, f"made up {number}") for number in range(200)))
        assert {code(refusal) for refusal in found} == {Code.UNKNOWN_KEY}
        assert server.count() == 2
        assert code(worker.select(server.issuer, "one more")) is Code.UNKNOWN_KEY  # at once
        assert worker.witness.unknown > 0


async def test_a_rotated_key_is_found_by_its_first_token() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, unknown_kid_cooldown=COOLDOWN))
        await worker.resolve(server.issuer)
        server.rotate("second")
        found = await asyncio.gather(*(worker.resolve(server.issuer, "second") for _ in range(50)))
        assert all(isinstance(key, Key) for key in found)
        assert isinstance(worker.select(server.issuer, "first"), Key)
        assert server.count() == 2


async def test_a_token_of_a_new_key_waits_for_the_refresh_that_is_under_way_and_then_asks_for_itself() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server))
        gate = Gate(Answer(server.jwks()))  # as it was when the refresh began
        server.on(JWKS, gate)
        background = asyncio.create_task(worker.refresher.want(server.issuer, None))
        await gate.entered.wait()
        server.rotate("second")
        waiting = asyncio.create_task(worker.resolve(server.issuer, "second"))
        await asyncio.sleep(0)
        gate.open.set()
        await background
        # resolve asked before there were any keys, so it may need the flow's second round.
        await waiting
        assert isinstance(await worker.resolve(server.issuer, "second"), Key)
        assert server.count() == 2


async def test_a_cool_down_that_has_passed_allows_one_more_fetch() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, unknown_kid_cooldown=0.01))
        await worker.resolve(server.issuer)
        await worker.resolve(server.issuer, "made up")
        await until(lambda: isinstance(worker.select(server.issuer, "made up"), Pending))
        await worker.resolve(server.issuer, "made up")
        assert server.count() == 3


async def test_a_failed_fetch_for_a_kid_starts_the_cool_down_too() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, unknown_kid_cooldown=COOLDOWN))
        await worker.resolve(server.issuer)
        server.always(JWKS, Answer(status=500))
        for _ in range(3):
            assert code(await worker.resolve(server.issuer, "made up")) is Code.UNKNOWN_KEY
        assert isinstance(worker.select(server.issuer), Key)
        assert worker.witness.reasons == ["http_status"]


async def test_while_an_issuer_is_away_tokens_are_refused_at_once_between_attempts() -> None:
    async with ScriptedIssuer() as server:
        server.always(OPENID, Answer(status=500))
        server.always("/.well-known/oauth-authorization-server", Answer(status=500))
        worker = Worker(table(server))
        refusal = await worker.resolve(server.issuer)
        assert isinstance(refusal, Refusal)
        assert refusal.code is Code.ISSUER_UNAVAILABLE
        assert refusal.retry_after is not None
        assert code(worker.select(server.issuer)) is Code.ISSUER_UNAVAILABLE
        assert server.count(OPENID) == 1


async def test_discovery_that_fails_at_the_start_recovers_by_itself() -> None:
    async with ScriptedIssuer() as server:
        server.on(OPENID, *[Answer(status=503)] * 3)
        server.on("/.well-known/oauth-authorization-server", *[Answer(status=503)] * 3)
        worker = Worker(table(server, key_set_refresh=0.05))
        async with running(worker):
            await until(lambda: isinstance(worker.select(server.issuer), Key))
        assert worker.witness.reasons == ["http_status"] * 3


async def test_the_background_refreshes_before_the_keys_expire() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, key_set_refresh=0.2))
        async with running(worker):
            await until(lambda: worker.only().key_set)
            server.rotate("second", overlap=False)
            await until(lambda: isinstance(worker.select(server.issuer, "second"), Key))
        assert server.count(OPENID) == 1  # metadata is believed for longer


async def test_a_key_that_a_fetch_shows_removed_stops_verifying_with_it() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, unknown_kid_cooldown=COOLDOWN))
        await worker.resolve(server.issuer)
        generation = worker.only().generation
        server.rotate("second", overlap=False)
        await worker.resolve(server.issuer, "second")
        assert code(worker.select(server.issuer, "first")) is Code.UNKNOWN_KEY
        assert worker.only().generation == generation + 1


async def test_an_unchanged_set_is_confirmed_by_its_entity_tag() -> None:
    async with ScriptedIssuer() as server:
        server.etag = '"v1"'
        worker = Worker(table(server, key_set_refresh=0.05))
        async with running(worker):
            await until(lambda: server.count() >= 3)
        generation = worker.only().generation
        assert generation == 1
        assert [seen.headers.get("if-none-match") for seen in server.seen if seen.target == JWKS][:3] == [
            None,
            '"v1"',
            '"v1"',
        ]
        key_set = worker.only().key_set
        assert key_set is not None
        assert key_set.validators.etag == '"v1"'


async def test_cache_control_shortens_the_time_to_the_next_fetch() -> None:
    async with ScriptedIssuer() as server:
        server.jwks_headers = {"Cache-Control": "max-age=20"}
        worker = Worker(table(server))
        await worker.resolve(server.issuer)
        key_set = worker.only().key_set
        assert key_set is not None
        assert key_set.expires_at - key_set.fetched_at == pytest.approx(20)


@pytest.mark.parametrize(
    "bad",
    [
        Answer({"keys": []}),
        Answer(b"{"),
        Answer(b"[" * 10_000),
        Answer(b" " * 300_000),
        Answer({"keys": [jose.jwk("P-256", kid="first", d=jose.b64(bytes(32)))]}),
        Answer({"keys": [jose.jwk("P-256", kid="first"), jose.jwk("P-256", 1, kid="first")]}),
        Answer({"keys": [jose.jwk("oct", kid="first")]}),
        Answer(status=404),
        Answer({"keys": []}, length=500),
    ],
    ids=["empty", "torn", "deep", "huge", "private", "double", "secret", "gone", "truncated"],
)
async def test_a_bad_answer_leaves_the_last_good_keys_in_use(bad: Answer) -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, unknown_kid_cooldown=COOLDOWN))
        await worker.resolve(server.issuer)
        generation = worker.only().generation
        server.always(JWKS, bad)
        await worker.resolve(server.issuer, "second")
        assert len(worker.witness.reasons) == 1
        assert isinstance(worker.select(server.issuer), Key)
        assert worker.only().generation == generation


async def test_one_broken_issuer_holds_up_no_other() -> None:
    broken, good = ScriptedIssuer(), ScriptedIssuer()
    async with broken, good:
        broken.always(OPENID, Hang())
        worker = Worker(table(broken), table(good))
        async with running(worker):
            await until(lambda: isinstance(worker.select(good.issuer), Key))
            assert isinstance(worker.select(broken.issuer), Pending)


async def test_keys_that_have_moved_are_found_again_without_waiting_for_the_metadata_to_age() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, unknown_kid_cooldown=0.01))
        await worker.resolve(server.issuer)
        server.always(JWKS, Answer(status=410))
        server.always(OPENID, Answer(server.metadata() | {"jwks_uri": f"{server.url}/moved"}))
        server.rotate("second")
        server.always("/moved", Answer(server.jwks()))
        assert isinstance(await worker.resolve(server.issuer, "second"), Key)


async def test_a_jwks_uri_of_the_configuration_needs_no_metadata() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, jwks_uri=f"{server.url}/own"))
        server.always("/own", Answer(server.jwks()))
        assert isinstance(await worker.resolve(server.issuer), Key)
        assert server.count(OPENID) == 0


async def test_keys_on_a_private_host_that_only_metadata_names_are_not_fetched() -> None:
    async with ScriptedIssuer(identifier="http://auth.test") as server:
        names = Names(auth_test="127.0.0.1", inner_test="127.0.0.1")
        settings = {"connect_to": f"127.0.0.1:{server.port}"}
        server.always(OPENID, Answer({"issuer": server.issuer, "jwks_uri": f"http://inner.test:{server.port}/jwks"}))
        worker = Worker(table(server, **settings), resolver=names)
        assert code(await worker.resolve(server.issuer)) is Code.ISSUER_UNAVAILABLE
        assert worker.witness.reasons == ["private_address"]
        assert server.count() == 0


async def test_an_unexpected_error_is_a_fault_like_any_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server))
        monkeypatch.setattr(keeper.Remote, "fetch", lambda *_: 1 / 0)
        assert code(await worker.resolve(server.issuer)) is Code.ISSUER_UNAVAILABLE
        assert worker.witness.reasons == ["internal"]
        assert "key_set_refresh_failed" in caplog.text


async def test_failures_of_one_kind_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bearerd.issuers")
    async with ScriptedIssuer() as server:
        server.on(OPENID, *[Answer({"issuer": "https://evil.test"})] * 3)
        worker = Worker(table(server, key_set_refresh=0.05))
        async with running(worker):
            await until(lambda: worker.only().key_set)
        events = [record.getMessage() for record in caplog.records]
        assert events.count("key_set_fetch_failed") == 1
        assert events[-1] == "key_set_loaded"
        assert len(worker.witness.reasons) == 3


async def test_closing_lets_nobody_wait() -> None:
    async with ScriptedIssuer() as server:
        gate = Gate(Hang())
        server.on(OPENID, gate)
        worker = Worker(table(server))
        waiting = asyncio.create_task(worker.refresher.want(server.issuer, None))
        await gate.entered.wait()
        await worker.refresher.close()
        await waiting
        worker.only().retry_boot = 0.0
        await worker.refresher.want(server.issuer, None)
        assert server.count(OPENID) == 1  # nothing is begun anew


async def test_wanting_an_issuer_that_is_not_configured_is_nothing() -> None:
    await Worker().refresher.want("https://evil.test", "a")


@pytest.mark.parametrize(("keys", "longest"), [(True, 60.0), (False, 15.0)])
async def test_attempts_become_rarer_and_not_too_rare(keys: bool, longest: float) -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server))
        if keys:
            await worker.resolve(server.issuer)
        subject, issuer = worker.refresher._keepers[server.issuer], worker.only()
        delays = []
        for _ in range(20):
            before = clock.boot()
            subject._failed(IssuerFault("timeout", ""))
            delays.append(issuer.retry_boot - before)
        assert delays[0] < 1.5
        assert 0.7 * longest < delays[-1] < 1.3 * longest


async def test_an_entity_tag_is_sent_only_to_where_it_came_from() -> None:
    async with ScriptedIssuer() as server:
        server.etag = '"v1"'
        worker = Worker(table(server))
        await worker.resolve(server.issuer)
        config = worker.only().config.model_copy(update={"jwks_uri": f"{server.url}/other"})
        server.always("/other", Answer(server.jwks()))
        await Remote(config, worker.only().limits).fetch(worker.only().key_set)
        assert "if-none-match" not in server.seen[-1].headers


# Keys that have moved


def moves(server: ScriptedIssuer) -> None:
    """The keys are elsewhere from now on, with a new one among them; what was there before stays there."""
    server.always(JWKS, Answer(server.jwks()))
    server.rotate("second")
    server.always("/new", Answer(server.jwks()))
    server.always(OPENID, Answer(server.metadata() | {"jwks_uri": f"{server.url}/new"}))


async def test_an_unknown_kid_is_looked_for_where_the_metadata_say_that_the_keys_are_now() -> None:
    """An issuer that moves its keys may leave the old ones where they were: no fetch fails there."""
    async with ScriptedIssuer() as server:
        worker = Worker(table(server))
        await worker.resolve(server.issuer)
        moves(server)
        assert isinstance(await worker.resolve(server.issuer, "second"), Key)
        assert isinstance(worker.select(server.issuer), Key)
        assert (server.count(OPENID), server.count(JWKS), server.count("/new")) == (2, 2, 1)


@pytest.mark.parametrize("uri", ["{url}/gone", "http://10.0.0.1/jwks"])
async def test_a_place_that_gives_no_keys_takes_none_away(uri: str) -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server, unknown_kid_cooldown=COOLDOWN))
        await worker.resolve(server.issuer)
        server.always(OPENID, Answer(server.metadata() | {"jwks_uri": uri.format(url=server.url)}))
        assert code(await worker.resolve(server.issuer, "second")) is Code.UNKNOWN_KEY
        assert isinstance(worker.select(server.issuer), Key)
        assert not worker.witness.reasons
        for _ in range(3):  # once a cool-down, and no more than that
            assert code(await worker.resolve(server.issuer, "third")) is Code.UNKNOWN_KEY
        assert (server.count(OPENID), server.count(JWKS)) == (2, 2)


async def test_who_learns_of_moved_keys_by_a_peer_does_not_ask_at_the_old_place_again() -> None:
    """It would publish the old keys as the newest, and take the new one from everybody."""
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        first, second = (Worker(table(server), fleet=fleet) for _ in range(2))
        await second.resolve(server.issuer)  # believes the old place
        await first.resolve(server.issuer)
        first.refresher._keepers[server.issuer]._source._discovered = f"{server.url}{JWKS}"
        moves(server)
        assert isinstance(await first.resolve(server.issuer, "second"), Key)
        peer = second.refresher._keepers[server.issuer]
        await peer.follow()
        assert isinstance(second.select(server.issuer, "second"), Key)
        await peer._fetch()
        assert isinstance(second.select(server.issuer, "second"), Key)
        assert fleet.documents and all(kept.jwks_uri == f"{server.url}/new" for kept in fleet.documents.values())


# Key files


async def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    server = ScriptedIssuer()
    path.write_bytes(jose.json.dumps(server.jwks()).encode())
    worker = Worker({"issuer": "https://auth.test", "jwks_file": path, "key_set_refresh": 0.05})
    assert isinstance(worker.select("https://auth.test"), Key)
    async with running(worker):
        path.write_bytes(b"torn")
        await until(lambda: worker.witness.reasons)
        assert isinstance(worker.select("https://auth.test"), Key)
        server.rotate("second", overlap=False)
        path.write_bytes(jose.json.dumps(server.jwks()).encode())
        await until(lambda: isinstance(worker.select("https://auth.test", "second"), Key))
        assert not isinstance(worker.select("https://auth.test"), Key)


async def test_a_token_of_an_unknown_kid_looks_into_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    server = ScriptedIssuer()
    path.write_bytes(jose.json.dumps(server.jwks()).encode())
    worker = Worker({"issuer": "https://auth.test", "jwks_file": path})
    server.rotate("second")
    path.write_bytes(jose.json.dumps(server.jwks()).encode())
    assert isinstance(await worker.resolve("https://auth.test", "second"), Key)


@pytest.mark.parametrize("kind", ["fifo", "folder", "writable by all"])
async def test_what_takes_a_key_files_place_is_a_fault_and_holds_nobody_up(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "jwks.json", tmp_path / "other"
    server = ScriptedIssuer()
    path.write_bytes(jose.json.dumps(server.jwks()).encode())
    worker = Worker({"issuer": "https://auth.test", "jwks_file": path, "key_set_refresh": 0.05})
    server.rotate("second", overlap=False)
    if kind == "fifo":
        os.mkfifo(other)
    elif kind == "folder":
        other.mkdir()
    else:
        other.write_bytes(jose.json.dumps(server.jwks()).encode())
        other.chmod(0o666)
    path.unlink()
    other.rename(path)
    writer = None
    try:
        async with running(worker):
            try:
                async with asyncio.timeout(20):
                    await until(lambda: worker.witness.reasons)
                    assert code(await worker.resolve("https://auth.test", "second")) is Code.UNKNOWN_KEY
                assert set(worker.witness.reasons) == {"local_file"}
                assert isinstance(worker.select("https://auth.test"), Key)
            finally:  # lets go whoever waits in a FIFO
                with contextlib.suppress(OSError):
                    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            path.rename(other)
            path.write_bytes(jose.json.dumps(server.jwks()).encode())
            await until(lambda: isinstance(worker.select("https://auth.test", "second"), Key))
            assert not isinstance(worker.select("https://auth.test"), Key)
    finally:
        if writer is not None:
            os.close(writer)


async def test_inline_keys_need_no_loop() -> None:
    server = ScriptedIssuer()
    worker = Worker({"issuer": "https://auth.test", "jwks": server.jwks()})
    async with running(worker):
        await asyncio.sleep(0.1)
        assert isinstance(worker.select("https://auth.test"), Key)
    assert len(worker.witness.hashes) == 1


# The disk


async def test_a_restart_serves_the_last_good_keys_while_issuer_and_store_are_away(tmp_path: Path) -> None:
    fleet = Fleet()
    async with ScriptedIssuer() as server:
        await Worker(table(server), data_dir=tmp_path, fleet=fleet).resolve(server.issuer)
    fleet.down = True
    worker = Worker(table(server), data_dir=tmp_path, fleet=fleet)
    await worker.refresher.load()
    assert isinstance(worker.select(server.issuer), Key)
    assert worker.only().status(worker.only().now()).origin == Origin.DISK


async def test_keys_from_the_disk_are_confirmed_in_the_background(tmp_path: Path) -> None:
    async with ScriptedIssuer() as server:
        server.etag = '"v1"'
        await Worker(table(server, key_set_refresh=0.05), data_dir=tmp_path).resolve(server.issuer)
        worker = Worker(table(server, key_set_refresh=0.05), data_dir=tmp_path)
        async with running(worker):
            await until(lambda: worker.only().key_set and worker.only().key_set.origin == Origin.NETWORK)


async def test_keys_on_disk_are_not_confirmed_by_an_entity_tag_that_lies_beside_them(tmp_path: Path) -> None:
    async with ScriptedIssuer() as server:
        server.etag = '"v1"'
        await Worker(table(server, key_set_refresh=0.05), data_dir=tmp_path).resolve(server.issuer)
        (path,) = (tmp_path / "keysets").iterdir()
        path.write_bytes(path.read_bytes().replace(b"first", b"other"))  # rotten, or another's
        worker = Worker(table(server, key_set_refresh=0.05), data_dir=tmp_path)
        await worker.refresher.load()
        assert isinstance(worker.select(server.issuer, "other"), Key)
        async with running(worker):
            await until(lambda: worker.only().key_set and worker.only().key_set.origin == Origin.NETWORK)
        assert isinstance(worker.select(server.issuer, "first"), Key)
        assert not isinstance(worker.select(server.issuer, "other"), Key)


async def test_keys_on_disk_that_are_too_old_are_not_served_from(tmp_path: Path) -> None:
    async with ScriptedIssuer() as server:
        await Worker(table(server), data_dir=tmp_path).resolve(server.issuer)
    worker = Worker(table(server, key_set_max_stale=0.01), data_dir=tmp_path)
    await asyncio.sleep(0.02)
    await worker.refresher.load()
    assert code(await worker.resolve(server.issuer)) is Code.ISSUER_UNAVAILABLE


async def test_an_unusable_file_on_disk_is_named_and_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ScriptedIssuer() as server:
        await Worker(table(server), data_dir=tmp_path).resolve(server.issuer)
        disk.path_of(tmp_path, server.issuer).write_bytes(b"{")
        worker = Worker(table(server), data_dir=tmp_path)
        await worker.refresher.load()
        assert isinstance(worker.select(server.issuer), Pending)
        assert "saved_key_set_unusable" in caplog.text
        assert isinstance(await worker.resolve(server.issuer), Key)


async def test_keys_that_an_issuer_had_on_the_network_are_not_loaded_once_it_has_a_file(tmp_path: Path) -> None:
    async with ScriptedIssuer() as server:
        await Worker(table(server), data_dir=tmp_path).resolve(server.issuer)
        worker = Worker(table(server, jwks_file=tmp_path / "missing.json"), data_dir=tmp_path)
        await worker.refresher.load()
        assert worker.only().key_set is None


async def test_a_full_disk_is_no_reason_to_refuse_tokens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "keysets").write_text("in the way")
    async with ScriptedIssuer() as server:
        worker = Worker(table(server), data_dir=tmp_path)
        assert isinstance(await worker.resolve(server.issuer), Key)
        assert "key_set_not_saved" in caplog.text


# Reload


async def test_a_reload_leaves_unchanged_issuers_alone_and_starts_new_ones() -> None:
    first, second = ScriptedIssuer(), ScriptedIssuer()
    async with first, second:
        worker = Worker(table(first))
        async with running(worker):
            await until(lambda: worker.only().key_set)
            old = worker.only()
            worker.issuers = worker.issuers.reloaded(configured(table(first), table(second)))
            worker.refresher.replace(worker.issuers)
            assert worker.issuers.find(first.issuer) is old
            assert isinstance(await worker.resolve(second.issuer), Key)
            worker.issuers = worker.issuers.reloaded(configured(table(second)))
            worker.refresher.replace(worker.issuers)
            assert isinstance(worker.select(second.issuer), Key)
            await worker.refresher.want(first.issuer, "gone")  # nobody keeps it any more
        assert first.count() == 1


async def test_a_reload_ends_what_the_old_configuration_was_waiting_for() -> None:
    async with ScriptedIssuer() as server:
        gate = Gate(Hang())
        server.on(OPENID, gate)
        worker = Worker(table(server))
        waiting = asyncio.create_task(worker.refresher.want(server.issuer, None))
        await gate.entered.wait()
        worker.issuers = worker.issuers.reloaded(configured(table(server, jwks_uri=f"{server.url}{JWKS}")))
        worker.refresher.replace(worker.issuers)
        await waiting
        assert isinstance(await worker.resolve(server.issuer), Key)


def failing_once(real: Any) -> Any:
    """The same, but for the first call."""
    calls: list[int] = []

    def call(*given: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError
        return real(*given)

    return call


async def test_a_fault_in_an_attempts_last_words_is_told_to_whoever_waits_and_the_next_one_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server))
        (one,) = worker.refresher._keepers.values()
        monkeypatch.setattr(one, "_due_in", failing_once(one._due_in))
        with pytest.raises(MemoryError):
            await asyncio.wait_for(worker.refresher.want(server.issuer, "another"), 5.0)
        assert isinstance(await worker.resolve(server.issuer), Key)


async def test_a_keeper_that_a_fault_has_ended_is_begun_again_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refresh, "FOLLOW", 0.01)
    async with ScriptedIssuer() as server:
        worker = Worker(table(server))
        (one,) = worker.refresher._keepers.values()
        monkeypatch.setattr(one, "load", failing_once(one.load))
        async with running(worker):
            await until(lambda: worker.only().key_set is not None)
    assert [record.message for record in caplog.records].count("key_set_keeper_failed") == 1


async def test_tokens_may_wait_again_after_the_refresher_was_begun_again() -> None:
    async with ScriptedIssuer() as server:
        worker = Worker(table(server))
        async with running(worker):
            await until(lambda: worker.only().key_set is not None)
        server.rotate("second")
        (one,) = worker.refresher._keepers.values()
        async with running(worker):
            await until(lambda: not one._closed)
            assert isinstance(await worker.resolve(server.issuer, "second"), Key)
