"""data_dir: one holder at a time, and no file believed for its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bearerd.serve import folder
from bearerd.serve.errors import NotStarted
from bearerd.serve.folder import ADDRESSES, LOCK, TOKEN, Held, read_addresses, read_token


def test_it_is_made_private_and_held_once(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    held = Held(home)
    assert home.stat().st_mode & 0o777 == 0o700
    with pytest.raises(NotStarted, match=rf"in use by another bearerd \(process {os.getpid()}\)"):
        Held(home)
    held.release()
    Held(home).release()


def test_a_lock_that_is_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotStarted, match="data_dir"):
        Held(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotStarted, match=r"set server\.data_dir"):
        Held(tmp_path / "file" / "below")


def test_the_token_is_drawn_once_and_kept(tmp_path: Path) -> None:
    held = Held(tmp_path)
    token = held.admin_token()
    assert held.admin_token() == token == read_token(tmp_path / TOKEN)
    assert (tmp_path / TOKEN).stat().st_mode & 0o777 == 0o600
    held.release()
    held = Held(tmp_path)
    assert held.admin_token() == token
    held.release()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o777])
def test_a_token_that_others_could_read_or_write_is_replaced(tmp_path: Path, mode: int) -> None:
    held = Held(tmp_path)
    planted = "p" * 43
    (tmp_path / TOKEN).write_text(planted)
    (tmp_path / TOKEN).chmod(mode)
    with pytest.raises(ValueError, match="owner alone"):
        read_token(tmp_path / TOKEN)
    assert held.admin_token() != planted
    assert (tmp_path / TOKEN).stat().st_mode & 0o777 == 0o600
    held.release()


def test_a_token_behind_a_link_is_replaced_and_the_link_s_target_left_alone(tmp_path: Path) -> None:
    held = Held(tmp_path / "home")
    target = tmp_path / "target"
    target.write_text("t" * 43)
    target.chmod(0o600)
    (tmp_path / "home" / TOKEN).symlink_to(target)
    assert held.admin_token() != "t" * 43
    assert target.read_text() == "t" * 43
    assert not (tmp_path / "home" / TOKEN).is_symlink()
    held.release()


def test_another_user_s_token_is_not_believed_by_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(tmp_path)
    token = held.admin_token()
    monkeypatch.setattr(folder.os, "geteuid", lambda: 4242)
    assert held.admin_token() != token  # in a folder that others may write to, they may plant one
    held.release()


def test_only_root_may_read_another_user_s_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(tmp_path)
    token = held.admin_token()
    owner = os.geteuid()
    monkeypatch.setattr(folder.os, "geteuid", lambda: owner + 1)
    with pytest.raises(ValueError, match="another user"):
        read_token(tmp_path / TOKEN)
    monkeypatch.setattr(folder.os, "geteuid", lambda: 0)
    assert read_token(tmp_path / TOKEN) == token
    held.release()


@pytest.mark.parametrize("content", ["", "short", "\n\n", "x" * 70_000, "é" * 40])
def test_what_is_no_token_is_replaced(tmp_path: Path, content: str) -> None:
    held = Held(tmp_path)
    (tmp_path / TOKEN).write_text(content)
    (tmp_path / TOKEN).chmod(0o600)
    with pytest.raises(ValueError):
        read_token(tmp_path / TOKEN)
    assert len(held.admin_token()) >= 43
    held.release()


def test_a_pipe_in_the_token_s_place_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / TOKEN, 0o600)
    with pytest.raises(ValueError, match="owner alone"):
        read_token(tmp_path / TOKEN)


def test_addresses_are_told_while_it_is_held(tmp_path: Path) -> None:
    assert read_addresses(tmp_path) == {}
    held = Held(tmp_path)
    held.tell_addresses({"admin": "127.0.0.1:1"})
    assert read_addresses(tmp_path) == {"admin": "127.0.0.1:1"}
    (tmp_path / ADDRESSES).chmod(0o666)
    assert read_addresses(tmp_path) == {}  # anybody could have written them
    held.tell_addresses({"admin": "127.0.0.1:2"})
    held.release()
    assert read_addresses(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(tmp_path)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.Path, "replace", full)
    with pytest.raises(NotStarted, match="No space left on device"):
        held.admin_token()
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK]
    held.release()


def test_a_full_disk_is_told_with_its_remedy_and_holds_up_nobody_who_need_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.os, "pwrite", full)
    held = Held(tmp_path)
    monkeypatch.setattr(folder.os, "fdopen", full)
    with pytest.raises(NotStarted, match=r"admin\.token: No space left on device \(make room"):
        held.admin_token()
    held.release()
