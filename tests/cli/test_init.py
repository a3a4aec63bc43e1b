"""``bearerd init``: what it prints, writes, and does not overwrite."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.bearerd import run

from bearerd.starter.gateways import GATEWAYS


@pytest.mark.parametrize("name", GATEWAYS)
def test_every_file_is_printed_under_a_line_with_its_name(name: str) -> None:
    shown = run("init", name)
    assert shown.returncode == 0, shown.stderr
    heads = [line for line in shown.stdout.splitlines() if line.startswith("# ====")]
    assert heads == [f"# ==== {file} ====" for file in ("bearerd.toml", *GATEWAYS[name].files)]
    assert GATEWAYS[name].run in shown.stderr


def test_with_an_issuer_of_production_it_is_said_where_bearerd_keeps_its_files() -> None:
    assert "server.data_dir" in run("init", "nginx", "--issuer", "https://auth.example.com").stderr
    assert "server.data_dir" not in run("init", "nginx").stderr


def test_an_unknown_gateway_is_2_and_names_the_known_ones() -> None:
    ended = run("init", "apache")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ", ".join(GATEWAYS) in ended.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [("--issuer", "auth.example.com"), ("--upstream", "https://x"), ("--listen", "0.0.0.0:9180"), ("--public", "x:80")],
)
def test_a_value_that_cannot_be_is_2_and_named(option: str, value: str) -> None:
    ended = run("init", "nginx", option, value)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert option in ended.stderr
    assert value in ended.stderr


def test_two_at_one_address_are_2_and_named() -> None:
    ended = run("init", "nginx", "--public", "127.0.0.1:9181")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "the gateway and bearerd's admin would both be at 127.0.0.1:9181" in ended.stderr


@pytest.mark.parametrize(("public", "reached"), [("0.0.0.0:8088", "127.0.0.1:8088"), ("[::]:8088", "[::1]:8088")])
def test_a_gateway_that_listens_everywhere_is_called_where_it_answers(public: str, reached: str) -> None:
    shown = run("init", "nginx", "--public", public)
    assert f"listen {public};" in shown.stdout
    assert f'identifier = "http://{reached}/"' in shown.stdout
    assert f"http://{reached}/orders/7" in shown.stderr


def test_what_check_would_refuse_is_not_handed_out() -> None:
    ended = run("init", "nginx", "--issuer", "https://auth.example.com", "--identifier", "http://[::1]/#x")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_files_are_written_and_never_overwritten_unasked(tmp_path: Path) -> None:
    made = tmp_path / "new" / "folder"
    assert run("init", "envoy", "--out", str(made)).returncode == 0
    assert sorted(path.name for path in made.iterdir()) == ["bearerd.toml", "envoy.yaml"]
    (made / "envoy.yaml").write_text("mine")
    (made / "bearerd.toml").unlink()
    ended = run("init", "envoy", "--out", str(made))
    assert ended.returncode == 2
    assert "envoy.yaml" in ended.stderr
    assert [path.name for path in made.iterdir()] == ["envoy.yaml"]  # nor was half of it written
    assert (made / "envoy.yaml").read_text() == "mine"
    assert run("init", "envoy", "--out", str(made), "--force").returncode == 0
    assert (made / "envoy.yaml").read_text() != "mine"


def test_what_is_written_passes_check(tmp_path: Path) -> None:
    wished = ("--issuer", "https://auth.example.com/", "--identifier", "https://api.example.com/")
    assert run("init", "caddy", *wished, "--out", str(tmp_path)).returncode == 0
    assert run("check", "--config", str(tmp_path / "bearerd.toml")).returncode == 0
