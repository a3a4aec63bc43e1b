"""Commands that need no running bearerd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support import house
from support.bearerd import RESOURCE, config, environment, run

from bearerd.cli import COMMANDS, health


@pytest.fixture
def file(tmp_path: Path) -> str:
    written = tmp_path / "bearerd.toml"
    written.write_text(config())
    return str(written)


# ---- usage


def test_every_command_has_help_and_a_line_in_the_list() -> None:
    listed = run("--help")
    assert listed.returncode == 0
    for name in COMMANDS:
        assert f"  {name}" in listed.stdout
        shown = run(name, "--help")
        assert (shown.returncode, "Usage: bearerd " + name in shown.stdout) == (0, True), shown.stderr


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["serve"], ["check", "--konfig", "x"], ["explain", "--config", "x"], ["revoke"], ["-o", "json"]],
)
def test_wrong_usage_is_2_on_standard_error_without_a_traceback(arguments: list[str]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert ended.stderr


def test_no_command_takes_a_token_or_secret_as_an_argument() -> None:
    for name in COMMANDS:
        shown = run(name, "--help").stdout
        for option in ("--token ", "--token=", "--secret", "--password"):
            assert option not in shown


@pytest.mark.parametrize("credential", [house.token(), "brd_0123456789ab_" + "A" * 49])
def test_a_token_that_was_given_as_an_argument_is_not_repeated(credential: str) -> None:
    """It was seen by then; the log of whatever ran the command need not have it, too."""
    for arguments in (
        ["explain", "--config", "x", "-r", "api", credential],
        [credential],
        ["revoke", "--kind", credential],
    ):
        ended = run(*arguments)
        assert ended.returncode == 2
        assert ended.stderr
        assert credential not in ended.stderr + ended.stdout


def test_the_version_is_the_package_s() -> None:
    import bearerd

    assert bearerd.__version__ in run("--version").stdout


@pytest.mark.parametrize(("path", "code"), [("/open", 0), ("/closed", 1)])
def test_a_reader_that_has_read_enough_changes_no_answer(file: str, path: str, code: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        command = [sys.executable, "-m", "bearerd", "explain", "-c", file, "-r", "api", "--path", path, "--no-token"]
        ended = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, check=False, env=environment())
    assert (ended.returncode, b"Traceback" in ended.stderr) == (code, False)


def test_records_are_shown_as_they_come(tmp_path: Path) -> None:
    written = tmp_path / "audit.jsonl"
    written.write_text('{"decision":"deny","resource":"first"}\n')
    command = [sys.executable, "-m", "bearerd", "audit", "tail", "--follow", "-o", "json", str(written)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as following:
        assert following.stdout is not None
        try:
            assert json.loads(following.stdout.readline())["resource"] == "first"
            with written.open("a") as more:
                more.write('{"decision":"deny","resource":"second"}\n')
            assert json.loads(following.stdout.readline())["resource"] == "second"
        finally:
            following.kill()


def test_who_follows_for_nobody_ends(tmp_path: Path) -> None:
    written = tmp_path / "audit.jsonl"
    written.write_text('{"decision":"deny"}\n')
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        command = [sys.executable, "-m", "bearerd", "audit", "tail", "--follow", str(written)]
        ended = subprocess.run(command, stdout=nobody, check=False, env=environment(), timeout=60)
    assert ended.returncode == 0


def test_what_cannot_be_written_is_told_in_words(file: str) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "bearerd", "check", "-c", file]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, env=environment())
    assert (ended.returncode, ended.stderr) == (2, b"bearerd: standard output: No space left on device\n")


def test_a_time_that_is_no_number_is_usage() -> None:
    for seconds in ("nan", "0", "-1"):
        ended = run("health", "--timeout", seconds)
        assert (ended.returncode, "--timeout" in ended.stderr) == (2, True)


# ---- check


def test_a_valid_configuration_is_printed_as_one(file: str, tmp_path: Path) -> None:
    checked = run("check", "--config", file)
    assert checked.returncode == 0
    assert "# open without a token:" in checked.stdout
    assert f'data_dir = "{tmp_path / ".bearerd"}"' in checked.stdout  # where it is by default, too
    assert "resource.api.rule[0]  any method but CONNECT  /open" in checked.stdout
    assert "# warning: server.profile: development" in checked.stdout
    assert tomllib.loads(checked.stdout)["server"]["workers"] == 2  # what it prints is a configuration
    as_json = json.loads(run("check", "--config", file, "-o", "json").stdout)
    assert as_json["valid"] is True
    assert as_json["open_paths"][0]["path"] == "/open"
    assert as_json["effective"]["server"]["workers"] == 2


def test_secrets_are_masked_and_the_environment_is_looked_at(tmp_path: Path) -> None:
    written = tmp_path / "bearerd.toml"
    written.write_text(config(more='[store]\nurl = "redis://user:hunter2@127.0.0.1:1"'))
    checked = run("check", "--config", str(written), BEARERD_SERVER__WORKERS="9")
    assert checked.returncode == 0
    assert "hunter2" not in checked.stdout + checked.stderr
    assert "workers = 9" in checked.stdout


def test_a_file_that_every_local_user_may_write_is_warned_of(file: str) -> None:
    told = f"# warning: file: every local user may write {file}"
    Path(file).chmod(0o644)
    assert told not in run("check", "--config", file).stdout
    Path(file).chmod(0o666)
    assert told in run("check", "--config", file).stdout


def test_every_problem_is_told_at_once_with_exit_code_1(tmp_path: Path) -> None:
    written = tmp_path / "bearerd.toml"
    written.write_text(config(server="worker = 1") + '\n[resource.other]\ngateway = "nginx"\n')
    checked = run("check", "--config", str(written))
    assert (checked.returncode, checked.stdout) == (1, "")
    assert "server.worker" in checked.stderr
    assert "resource.other" in checked.stderr
    problems = json.loads(run("check", "--config", str(written), "-o", "json").stdout)["problems"]
    assert {"server.worker"} < {problem["key"] for problem in problems}


def test_a_file_that_cannot_be_read_was_not_judged(tmp_path: Path) -> None:
    missing = run("check", "--config", str(tmp_path / "missing.toml"), "-o", "json")
    assert (missing.returncode, json.loads(missing.stdout)["valid"]) == (2, False)


def test_serve_tells_every_problem_too_and_does_not_start(tmp_path: Path) -> None:
    written = tmp_path / "bearerd.toml"
    written.write_text(config(server="worker = 1"))
    ended = run("serve", "--config", str(written))
    assert ended.returncode == 2
    assert "server.worker" in ended.stderr
    assert "Traceback" not in ended.stderr


# ---- explain, by the file alone


def explain(file: str, token: str, *more: str) -> subprocess.CompletedProcess[str]:
    asked = ("--resource", "api", "--method", "GET", "--path", "/orders/1")
    return run("explain", "--config", file, "--offline", *asked, *more, given=token)


def test_a_good_token_is_allowed_and_its_headers_are_shown(file: str) -> None:
    told = explain(file, house.token())
    assert told.returncode == 0, told.stderr
    assert "allowed" in told.stdout
    assert "X-Auth-Subject" in told.stdout
    assert "FILE alone" in told.stdout
    assert json.loads(explain(file, f"Bearer {house.token()}\n", "-o", "json").stdout)["allowed"] is True


def test_a_bad_token_is_refused_with_the_step_that_stopped_it(file: str) -> None:
    told = explain(file, house.token(aud="https://elsewhere.example"), "-o", "json")
    assert told.returncode == 1
    assert json.loads(told.stdout)["code"] == "wrong_audience"
    shown = explain(file, house.token(aud="https://api.example.evil/"))
    assert "refused: wrong_audience, HTTP 401" in shown.stdout
    assert "NO  audience" in shown.stdout


def test_a_hint_that_several_steps_give_is_said_once(file: str) -> None:
    told = explain(file, house.token(exp=1_000_000_000, iat=999_999_000))
    assert "NO  claims" in told.stdout
    assert told.stdout.count("hint: expired") == 1


def test_a_question_that_lacks_its_request_says_how_to_name_it(file: str) -> None:
    told = run("explain", "--config", file, "--offline", "--resource", "api", given=house.token())
    assert (told.returncode, "untrusted_peer" in told.stdout) == (1, True)
    assert "name it with --path" in told.stdout
    assert "name it with --path" not in explain(file, house.token()).stdout


def test_a_path_alone_is_asked_for_with_get(file: str) -> None:
    told = run("explain", "--config", file, "--offline", "-r", "api", "--path", "/orders/1", given=house.token())
    assert told.returncode == 0, told.stdout


def test_a_request_without_a_token_can_be_explained(file: str) -> None:
    told = explain(file, "", "--no-token", "-o", "json")
    assert (told.returncode, json.loads(told.stdout)["code"]) == (1, "missing_token")


def test_a_token_comes_from_a_file_as_well(file: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(house.token())
    assert explain(file, "", "--token-file", str(tmp_path / "token")).returncode == 0
    missing = explain(file, "", "--token-file", str(tmp_path / "none"))
    assert (missing.returncode, "No such file" in missing.stderr) == (2, True)


@pytest.mark.parametrize("given", ["", " \n", "Bearer \n"])
def test_no_token_on_standard_input_says_so(file: str, given: str) -> None:
    told = explain(file, given)
    assert (told.returncode, told.stderr) == (2, "bearerd: no token on standard input\n")


def test_what_a_token_says_cannot_speak_to_the_terminal(file: str) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e"
    told = explain(file, house.token(sub=hostile, aud=hostile))
    for character in "\x1b\x07\u202e":
        assert character not in told.stdout + told.stderr
        assert character not in explain(file, house.token(sub=hostile), "-o", "json").stdout


def test_without_a_running_bearerd_the_file_judges_and_says_so(file: str) -> None:
    told = run(
        "explain", "--config", file, "--resource", "api", "--path", "/orders/1", "-X", "GET", given=house.token()
    )
    assert told.returncode == 0
    assert "no revocation is known" in told.stderr


# ---- nobody there


@pytest.mark.parametrize(
    "arguments",
    [
        ["revoke", "--kind", "subject", "--issuer", house.ISS, "--value", "alice"],
        ["revoke", "--list"],
        ["explain", "--request", "0" * 32],
        ["health"],
    ],
)
def test_a_bearerd_that_does_not_run_is_unreachable(file: str, arguments: list[str]) -> None:
    ended = run(arguments[0], "--config", file, *arguments[1:])
    assert ended.returncode == 2
    assert ended.stderr.startswith("bearerd: ")
    assert "Traceback" not in ended.stderr


def test_a_request_id_that_cannot_be_one_is_usage(file: str) -> None:
    ended = run("explain", "--config", file, "--request", "zz")
    assert (ended.returncode, "32 hexadecimal digits" in ended.stderr) == (2, True)


def test_health_shows_each_resource_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    health._show(
        {"ready": True, "components": {"store": "ok", "resources": {"api": "stale_state"}, "issuers": {"a": "ok"}}}
    )
    assert capsys.readouterr().out.split() == [
        "ready",
        "yes",
        "store",
        "ok",
        "resource",
        "api",
        "stale_state",
        "issuer",
        "a",
        "ok",
    ]


def test_health_shows_each_warning_and_since_when(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"warnings": ["clock_set_back", "audit_sink_down:file"], "since": {"audit_sink_down:file": "2027"}}
    health._show({"ready": True, "components": {}} | known)
    told = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert told[1:] == [["warning", "clock_set_back"], ["warning", "audit_sink_down:file since 2027"]]


def test_health_finds_the_address_without_a_file() -> None:
    ended = run("health", BEARERD_SERVER__PROBES="127.0.0.1:1")
    assert (ended.returncode, ended.stderr) == (2, "bearerd: nobody listens on 127.0.0.1:1: is bearerd running?\n")


@pytest.mark.parametrize("text", ["not toml", "server = 1", '[server]\nprobes = "nowhere"'])
def test_a_file_that_names_no_place_is_told_in_words(tmp_path: Path, text: str) -> None:
    written = tmp_path / "bearerd.toml"
    written.write_text(text)
    ended = run("health", "--config", str(written))
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


# ---- revoke, usage


def test_a_reset_whose_fleet_nobody_types_is_none(file: str) -> None:
    ended = run("revoke", "--config", file, "--reset")
    assert (ended.returncode, "nothing was reset" in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--kind", "subject", "--value", "alice"],
        ["--kind", "subject", "--issuer", house.ISS],
        ["--issuer", house.ISS],
        ["--value", "alice"],
        ["--reset", "--kind", "issuer"],
        ["--list", "--lift"],
        ["--kind", "nobody"],
        ["--lift", "--before", "all", "--kind", "issuer", "--issuer", "i"],
        ["--kind", "issuer", "--issuer", "i", "--before", "yesterday"],
        ["--kind", "issuer", "--issuer", "i", "--before", "2026-08-01T12:00:00"],
        ["--kind", "issuer", "--issuer", "i", "--expires-in", "5 days"],
    ],
)
def test_a_revocation_that_makes_no_sense_is_not_sent(file: str, arguments: list[str]) -> None:
    ended = run("revoke", "--config", file, *arguments)
    assert ended.returncode == 2
    assert "Usage:" in ended.stderr or "Error:" in ended.stderr
    assert "is bearerd running" not in ended.stderr


# ---- issuer


def test_the_development_issuer_mints_what_its_key_set_verifies(tmp_path: Path) -> None:
    folder = str(tmp_path / "issuer")
    minted = run("issuer", "mint", "--data-dir", folder, "-a", house.API, "--scope", "read", "--claim", 'roles=["x"]')
    assert minted.returncode == 0, minted.stderr
    assert "made new keys" in minted.stderr  # no issuer that runs publishes them
    token = minted.stdout.strip()
    from bearerd.issuers.development import DevelopmentIssuer

    issuer = DevelopmentIssuer(tmp_path / "issuer", "http://127.0.0.1:9190")
    jwks = issuer.jwks()
    (tmp_path / "jwks.json").write_text(json.dumps(jwks))
    table = (
        '[[issuer]]\nissuer = "http://127.0.0.1:9190"\nname = "dev"\ninsecure_issuer = true\njwks_file = "jwks.json"\n'
    )
    (tmp_path / "bearerd.toml").write_text(config(issuers=table, resource=RESOURCE))
    told = explain(str(tmp_path / "bearerd.toml"), token, "-o", "json")
    assert told.returncode == 0, told.stdout + told.stderr
    assert json.loads(told.stdout)["claims"]["roles"] == ["x"]
    again = run("issuer", "mint", "--data-dir", folder, "-a", house.API, "--lifetime", "-600")
    assert again.stderr == ""
    expired = again.stdout.strip()
    assert json.loads(explain(str(tmp_path / "bearerd.toml"), expired, "-o", "json").stdout)["code"] == "expired"


@pytest.mark.parametrize(
    "arguments",
    [["mint"], ["mint", "-a", "x", "--alg", "none"], ["mint", "-a", "x", "--claim", "bad"], ["serve", "--listen", "x"]],
)
def test_a_wrong_question_to_the_issuer_is_usage(tmp_path: Path, arguments: list[str]) -> None:
    ended = run("issuer", arguments[0], "--data-dir", str(tmp_path / "i"), *arguments[1:])
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_the_development_issuer_listens_on_loopback_only(tmp_path: Path) -> None:
    ended = run("issuer", "serve", "--data-dir", str(tmp_path / "i"), "--listen", "0.0.0.0:0")
    assert ended.returncode == 2
    assert "loopback only" in ended.stderr
