"""A changed configuration is taken whole, or not at all; and read only once its writer is done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from support import house
from support.bearerd import RESOURCE, Bearerd, config, wait_for

from bearerd.errors import ConfigError
from bearerd.serve import reload
from bearerd.serve.supervisor import Supervisor

STRICTER = RESOURCE.replace('scopes = ["read"]', 'scopes = ["admin"]')


def written(folder: Path, text: str) -> Path:
    file = folder / "bearerd.toml"
    new = folder / "new"
    new.write_text(text)
    new.replace(file)
    return file


def read(folder: Path, text: str) -> reload.Source:
    return reload.read(written(folder, text), {})


def test_keys_that_need_a_restart_keep_their_old_values_and_are_named(tmp_path: Path) -> None:
    started = read(tmp_path, config(workers=1))
    changed = read(tmp_path, config(workers=5, resource=STRICTER, server="reveal_reason = true"))
    found = reload.merged(started, changed, {})
    assert found.waiting == ["server.workers"]
    assert found.config.server.workers == 1
    assert found.config.server.reveal_reason is True
    assert found.config.resource["api"].rule[1].scopes == ("admin",)


def test_a_key_that_was_taken_out_keeps_its_old_value_too(tmp_path: Path) -> None:
    started = read(tmp_path, config(server='drain_timeout = "3s"'))
    found = reload.merged(started, read(tmp_path, config()), {})
    assert found.waiting == ["server.drain_timeout"]
    assert found.config.server.drain_timeout == 3.0


def test_a_secret_that_changed_behind_its_key_waits_for_a_restart_as_well(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("redis://127.0.0.1:1")
    text = config(more=f'[store]\nurl_file = "{secret}"')
    started = read(tmp_path, text)
    secret.write_text("redis://127.0.0.1:2")
    found = reload.merged(started, read(tmp_path, text), {})
    assert found.waiting == ["store.url"]
    assert found.config.store.url == "redis://127.0.0.1:1"


def test_an_audit_that_waits_for_a_restart_waits_in_workers_that_start_later_too(tmp_path: Path) -> None:
    """Who replaces a worker is given what is in use: else it would leave no record, while the others still do."""
    text = config(more='[audit]\nsink = "stdout"\nchain = "off"\nqueue = 500')
    started = read(tmp_path, text)
    found = reload.merged(started, read(tmp_path, config(more="[audit]\nshare = 0.5")), {})
    assert found.waiting == ["audit.sink", "audit.chain", "audit.queue"]
    assert found.config.audit == started.config.audit.model_copy(update={"share": 0.5})


def test_what_is_left_must_fit_together_without_the_keys_that_wait(tmp_path: Path) -> None:
    """Longer tokens beside the old retention: a revoked token would be good again before it expires."""
    longer = config(issuers=house_issuer('max_lifetime = "100h"'), more='[store]\nrevocation_retention = "101h"')
    started, changed = read(tmp_path, config()), read(tmp_path, longer)
    with pytest.raises(ConfigError) as caught:
        reload.merged(started, changed, {})
    keys = [key for key, _, _ in caught.value.problems]
    assert "store.revocation_retention" in keys
    assert "which only a restart can change" in str(caught.value)
    assert keys[0] == "file"  # told first: the file itself is right, and a log line is cut at its end


def house_issuer(more: str) -> str:
    from support.bearerd import issuer

    return issuer() + more + "\n"


def test_a_file_that_changes_while_it_is_read_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, config())
    parse = reload.load.parse

    def slow(path: Path) -> dict[str, object]:
        found = parse(path)
        file.write_text(config(workers=7))
        return found

    monkeypatch.setattr(reload.load, "parse", slow)
    with pytest.raises(ConfigError, match="it changed while it was read"):
        reload.read(file, {})


async def test_a_change_is_acted_on_only_once_the_file_keeps_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, config())
    followed = reload.File(reload.read(file, {}))
    polls = asyncio.Semaphore(0)
    waits = asyncio.Event()
    seen: list[str] = []

    async def poll(seconds: float) -> None:
        waits.set()
        await polls.acquire()

    async def changed(_: reload.Signature) -> None:
        with contextlib.suppress(ConfigError):
            followed.read({})
        seen.append(file.read_text())

    async def next_poll() -> None:
        waits.clear()
        polls.release()
        await waits.wait()

    monkeypatch.setattr(reload.asyncio, "sleep", poll)
    watching = asyncio.create_task(followed.watch(changed))
    await waits.wait()
    await next_poll()
    assert seen == []
    for size in (2, 3, 4):
        file.write_text("x" * size)
        await next_poll()
        assert seen == []  # it is still being written
    await next_poll()
    assert seen == ["xxxx"]
    await next_poll()
    assert seen == ["xxxx"]  # once
    other = tmp_path / "other"
    other.write_text("yyyy")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)  # same size, same time: another inode
    await next_poll()
    await next_poll()
    assert seen == ["xxxx", "yyyy"]
    file.unlink()
    await next_poll()
    await next_poll()
    assert seen == ["xxxx", "yyyy"]  # nothing to read: what there is goes on
    watching.cancel()


def test_what_a_reload_has_read_is_no_news_to_the_watch_though_it_was_refused(tmp_path: Path) -> None:
    file = written(tmp_path, config())
    followed = reload.File(reload.read(file, {}))
    assert not followed.is_news(reload.signature(file))
    written(tmp_path, config(workers=7))
    seen = reload.signature(file)
    assert followed.is_news(seen)
    assert followed.read({}).config.server.workers == 7
    assert not followed.is_news(seen)
    written(tmp_path, "this is no configuration")
    assert not followed.is_news(seen)  # what was seen is gone: it has to keep still first
    seen = reload.signature(file)
    assert followed.is_news(seen)
    with pytest.raises(ConfigError):
        followed.read({})
    assert not followed.is_news(seen)
    file.unlink()
    with pytest.raises(ConfigError):
        followed.read({})
    assert not followed.is_news(None)
    written(tmp_path, config())
    assert followed.is_news(reload.signature(file))


def test_what_changes_while_a_reload_reads_it_is_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, config())
    followed = reload.File(reload.read(file, {}))
    parse = reload.load.parse

    def slow(path: Path) -> dict[str, object]:
        found = parse(path)
        written(tmp_path, config(workers=7))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(reload.load, "parse", slow)
        with pytest.raises(ConfigError, match="it changed while it was read"):
            followed.read({})
    assert followed.is_news(reload.signature(file))
    followed.read({})
    assert not followed.is_news(reload.signature(file))


async def test_the_watch_leaves_alone_what_was_read_while_it_waited_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(read(tmp_path, config()), {})
    file, taken = tmp_path / "bearerd.toml", list[str]()

    async def take() -> None:
        followed = supervisor._file.read({})
        taken.append(str(followed.config.server.workers))
        await asyncio.sleep(0)

    monkeypatch.setattr(supervisor, "_take_file", take)
    written(tmp_path, config(workers=7))
    await asyncio.gather(supervisor._reload(), supervisor._changed(reload.signature(file)))
    assert taken == ["7"]
    seen = reload.signature(written(tmp_path, config(workers=8)))
    under_way = asyncio.create_task(supervisor._reload())
    await asyncio.sleep(0)
    later = reload.signature(written(tmp_path, config(workers=9)))
    await asyncio.gather(under_way, supervisor._changed(seen))
    assert taken == ["7", "8"]  # what was seen is no more, and what is now has not kept still yet
    await supervisor._changed(later)
    assert taken == ["7", "8", "9"]


def generation(bearerd: Bearerd) -> int:
    (worker,) = bearerd.api("GET", "/v1/health").json()["workers"]
    return int(worker["health"]["config_generation"])


def test_a_reload_that_was_asked_for_is_done_once_and_a_refused_one_told_once(tmp_path: Path) -> None:
    quiet = 3 * reload.POLL_SECONDS + 1  # two looks of the watch, and a beat of the worker's
    refused = "the configuration is not taken into use; the old one stays"
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        before = generation(bearerd)
        bearerd.write(config(workers=1, resource=STRICTER))
        assert bearerd.api("POST", "/v1/reload").status == 200
        time.sleep(quiet)
        assert len(bearerd.events("configuration reloaded")) == 1
        assert generation(bearerd) == before + 1
        bearerd.write("this is no configuration")
        assert bearerd.api("POST", "/v1/reload").status == 409
        time.sleep(quiet)
        assert len(bearerd.events(refused)) == 1
        bearerd.write(config(workers=1))
        assert len(bearerd.told("configuration reloaded", 2)) == 2
        assert bearerd.api("POST", "/v1/reload").status == 200  # asked for: done, though nothing has changed
        assert len(bearerd.told("configuration reloaded", 3)) == 3


def test_sighup_takes_a_good_file_into_use_in_every_worker(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=2)) as bearerd:
        pids = bearerd.pids()
        assert bearerd.decide(token=house.token()).status == 200
        bearerd.write(config(workers=2, resource=STRICTER))
        bearerd.send(signal.SIGHUP)
        wait_for(lambda: bearerd.events("configuration reloaded"))
        for _ in range(16):  # connections go to either worker
            assert bearerd.decide(token=house.token()).status == 403
        assert bearerd.decide(token=house.token(scope="admin")).status == 200
        assert bearerd.pids() == pids
        assert bearerd.metric("bearerd_config_last_reload_successful") == 1


def test_a_changed_file_is_taken_into_use_by_itself(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        bearerd.write(config(workers=1, resource=STRICTER))
        wait_for(lambda: bearerd.decide(token=house.token()).status == 403)


def test_a_bad_file_is_reported_and_the_old_configuration_stays(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=2)) as bearerd:
        assert bearerd.metric("bearerd_config_last_reload_successful") == 1
        bearerd.write(config(workers=2, resource=STRICTER) + "\nunknown_key = 1\n")
        bearerd.send(signal.SIGHUP)
        (event, *_) = wait_for(lambda: bearerd.events("the configuration is not taken into use; the old one stays"))
        assert "unknown_key" in event["problem"]
        for _ in range(8):
            assert bearerd.decide(token=house.token()).status == 200
        assert bearerd.metric("bearerd_config_last_reload_successful") == 0
        ready = bearerd.probe("/readyz")
        assert (ready.status, ready.json()["components"]["configuration"]) == (200, "not_reloaded")
        assert "unknown_key" not in ready.body.decode()
        assert "unknown_key" in bearerd.api("GET", "/v1/health").json()["reload_problem"]
        bearerd.write(config(workers=2))
        wait_for(lambda: bearerd.metric("bearerd_config_last_reload_successful") == 1)
        assert bearerd.probe("/readyz").json()["components"]["configuration"] == "ok"


def test_a_worker_that_starts_after_a_bad_file_was_written_gets_what_is_in_use(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        bearerd.write(config(workers=1, resource=STRICTER))
        wait_for(lambda: bearerd.decide(token=house.token()).status == 403)
        bearerd.file.write_text("this is no configuration")
        (pid,) = bearerd.pids().values()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: bearerd.pids().get(0) not in (None, pid) and bearerd.ready())
        assert bearerd.decide(token=house.token()).status == 403
        assert bearerd.decide(token=house.token(scope="admin")).status == 200


def test_what_a_worker_refuses_is_undone_in_all(tmp_path: Path) -> None:
    """Only a worker notices that a key for logged subjects cannot be kept; none may be left with the new rules."""
    with Bearerd(tmp_path, config(workers=2)) as bearerd:
        (bearerd.data_dir / "subject.key").mkdir()
        bearerd.write(config(workers=2, resource=STRICTER, server="hash_subjects = true"))
        problem = bearerd.api("POST", "/v1/reload")
        assert problem.status == 409
        assert "server.hash_subjects" in problem.json()["problem"]
        for _ in range(16):
            assert bearerd.decide(token=house.token()).status == 200
        assert bearerd.metric("bearerd_config_last_reload_successful") == 0


def test_keys_that_need_a_restart_are_named_by_a_running_bearerd(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as bearerd:
        bearerd.write(config(workers=3, resource=STRICTER))
        answer = bearerd.api("POST", "/v1/reload")
        assert answer.json() == {"reloaded": True, "problem": None, "restart_needed_for": ["server.workers"]}
        assert "restart_needed" in bearerd.probe("/readyz").json()["warnings"]
        assert bearerd.decide(token=house.token()).status == 403
        assert len(bearerd.pids()) == 1
