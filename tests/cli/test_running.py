"""Commands against a running bearerd, found through --config."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import house
from support.bearerd import Bearerd, config, environment, request, wait_for

from bearerd.serve.folder import TOKEN

ASKED = ("--resource", "api", "--method", "GET", "--path", "/orders/1")
ALICE = ("--kind", "subject", "--issuer", house.ISS, "--value")


@pytest.fixture(scope="module")
def bearerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    with Bearerd(tmp_path_factory.mktemp("cli"), config(workers=2)) as running:
        yield running


def test_health_is_0_and_tells_every_component(bearerd: Bearerd) -> None:
    told = bearerd.cli("health")
    assert (told.returncode, told.stderr) == (0, "")
    rows = dict(line.split(maxsplit=1) for line in told.stdout.splitlines())
    assert (rows["ready"], rows["workers"], rows["store"]) == ("yes", "ok", "ok")
    assert json.loads(bearerd.cli("health", "-o", "json").stdout)["components"]["issuers"] == {"test": "ok"}


def test_a_file_that_is_no_toml_any_more_keeps_nobody_from_asking_and_revoking(bearerd: Bearerd) -> None:
    """What runs goes on with the old one: no health check may have it killed, for it could not start again."""
    good, token = bearerd.file.read_text(), house.token(sub="judy", jti="judy-1")
    bearerd.write(good + "\n[resource.api\n")
    try:
        wait_for(lambda: bearerd.probe("/readyz").json()["components"]["configuration"] == "not_reloaded")
        told = bearerd.cli("health")
        assert (told.returncode, told.stderr) == (0, "")
        assert "not_reloaded" in told.stdout
        assert bearerd.cli("revoke", given=token).returncode == 0
        assert bearerd.decide(token=token).status == 401
        done = bearerd.cli("revoke", *ALICE, "ivan")
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        bearerd.write(good)
        wait_for(lambda: bearerd.probe("/readyz").json()["components"]["configuration"] == "ok")


def test_a_token_on_standard_input_is_revoked_and_lifted(bearerd: Bearerd) -> None:
    token, other = house.token(sub="g", jti="g1"), house.token(sub="g", jti="g2")
    done = bearerd.cli("revoke", given=token + "\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"revoked: token {house.ISS} g1"
    assert "enforced, durability" in done.stdout
    for _ in range(8):
        assert bearerd.decide(token=token).status == 401
    assert bearerd.decide(token=other).status == 200
    assert bearerd.cli("revoke", "--lift", given=token).returncode == 0
    assert bearerd.decide(token=token).status == 200


def test_a_token_that_does_not_verify_is_not_revoked(bearerd: Bearerd) -> None:
    forged = house.token(number=7, jti="victim")
    done = bearerd.cli("revoke", given=forged)
    assert done.returncode == 1
    assert "bad_signature" in done.stderr
    assert forged.split(".")[2] not in done.stderr


def test_an_issuer_that_the_file_does_not_know_is_warned_of_and_taken_all_the_same(bearerd: Bearerd) -> None:
    done = bearerd.cli("revoke", "--kind", "subject", "--issuer", f"{house.ISS}/", "--value", "heidi")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"revoked: subject {house.ISS}/ heidi")
    assert f"is {house.ISS}/: is it misspelt? There are: {house.ISS}\n" in done.stderr
    assert bearerd.cli("revoke", *ALICE, "nobody").stderr == ""
    keys = bearerd.cli("revoke", "--kind", "subject", "--issuer", "urn:bearerd:apikey", "--value", "nobody")
    assert (keys.returncode, keys.stderr) == (0, "")


def test_a_subject_is_revoked_until_a_moment_and_lifted(bearerd: Bearerd) -> None:
    token = house.token(sub="heidi", jti="h1")
    early = bearerd.cli("revoke", *ALICE, "heidi", "--before", "2020-01-01T00:00:00Z", "--expires-in", "48h")
    assert early.returncode == 0, early.stderr
    assert bearerd.decide(token=token).status == 200
    done = bearerd.cli("revoke", *ALICE, "heidi", "-o", "json")
    assert json.loads(done.stdout)["acknowledged"] == "enforced"
    assert bearerd.decide(token=token).status == 401
    assert bearerd.cli("revoke", *ALICE, "heidi", "--lift").stdout.startswith(f"lifted: subject {house.ISS} heidi")
    assert bearerd.decide(token=token).status == 200


def test_a_revocation_that_would_be_shorter_than_the_tokens_is_refused(bearerd: Bearerd) -> None:
    done = bearerd.cli("revoke", *ALICE, "ivan", "--expires-in", "1s")
    assert done.returncode == 1
    assert "expires_in" in done.stderr


def test_revocations_are_listed(bearerd: Bearerd) -> None:
    bearerd.cli("revoke", "--kind", "session", "--issuer", house.ISS, "--value", "s")
    listed = bearerd.cli("revoke", "--list")
    assert listed.stdout.splitlines()[0].split() == ["SEQUENCE", "KEY", "ISSUED", "UNTIL", "EXPIRES", "AT"]
    entries = json.loads(bearerd.cli("revoke", "--list", "-o", "json").stdout)["revocations"]
    assert len(listed.stdout.splitlines()) == 1 + len(entries)
    assert entries[-1]["before"] == "all"


def test_a_reset_wants_the_fleet_s_name_typed(bearerd: Bearerd) -> None:
    token = house.token(sub="judy", jti="j1")
    assert bearerd.cli("revoke", *ALICE, "judy").returncode == 0
    wrong = bearerd.cli("revoke", "--reset", given="production\n")
    assert (wrong.returncode, "this is fleet default" in wrong.stderr) == (1, True)
    assert bearerd.decide(token=token).status == 401
    assert bearerd.cli("revoke", "--reset", given="default\n").returncode == 0
    assert bearerd.decide(token=token).status == 200


def test_explain_asks_the_running_bearerd_which_knows_revocations(bearerd: Bearerd) -> None:
    token = house.token(sub="karl", jti="k1")
    good = bearerd.cli("explain", *ASKED, given=token)
    assert good.returncode == 0, good.stderr
    assert "judged by the running bearerd" in good.stdout
    bearerd.cli("revoke", *ALICE, "karl")
    revoked = bearerd.cli("explain", *ASKED, given=token)
    assert revoked.returncode == 1
    assert "revoked" in revoked.stdout
    assert bearerd.cli("explain", "--offline", *ASKED, given=token).returncode == 0


def test_a_refusal_is_told_by_its_request_id(bearerd: Bearerd) -> None:
    refused = bearerd.decide(token=house.token(scope="other"))
    told = bearerd.cli("explain", "--request", refused.headers["x-auth-request-id"])
    assert told.returncode == 0, told.stderr
    assert "insufficient_scope" in told.stdout
    unknown = bearerd.cli("explain", "--request", "0" * 32)
    assert (unknown.returncode, "not among the last refusals" in unknown.stderr) == (1, True)
    assert bearerd.cli("explain", "--request", "../health").returncode == 2


def test_a_broken_file_keeps_nobody_from_revoking(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as running:
        running.write(config(workers=1, resource="[resource.BAD]\n"))
        assert running.cli("check").returncode == 1
        assert running.cli("revoke", *ALICE, "alice").returncode == 0
        assert running.decide(token=house.token()).status == 401
        assert running.cli("health").returncode == 0


def test_a_token_file_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    with Bearerd(tmp_path, config(workers=1)) as running:
        file = running.data_dir / TOKEN
        kept = file.read_text()
        file.chmod(0o644)
        told = running.cli("revoke", "--list")
        assert (told.returncode, "is not used" in told.stderr) == (2, True)
        file.unlink()
        file.touch(0o600)
        file.write_text("x" * 43)
        told = running.cli("revoke", "--list")
        assert (told.returncode, "does not know the token" in told.stderr) == (2, True)
        file.unlink()
        assert "has bearerd run with this configuration" in running.cli("revoke", "--list").stderr
        file.touch(0o600)
        file.write_text(kept)
        assert running.cli("revoke", "--list").returncode == 0


def test_health_is_1_while_no_worker_is_ready(tmp_path: Path) -> None:
    table = (
        f'[[issuer]]\nissuer = "{house.ISS}"\nname = "gone"\njwks_uri = "http://127.0.0.1:1/"\ninsecure_issuer = true\n'
    )
    starting = Bearerd(tmp_path, config(workers=1, issuers=table), until_ready=False)
    with starting as running:
        wait_for(lambda: running.api("GET", "/v1/health").json()["components"]["issuers"] == {"gone": "connect"})
        told = running.cli("health")
        assert told.returncode == 1
        assert "none_ready" in told.stdout
        assert "insecure_issuer:gone" in told.stdout


def test_the_development_issuer_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    from stage import free_port

    listen = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "bearerd", "issuer", "serve", "--listen", listen, "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as issuer:
        assert issuer.stdout is not None
        assert f"http://{listen}" in issuer.stdout.readline()
        found = request(listen, "GET", "/.well-known/openid-configuration")
        assert found.json()["issuer"] == f"http://{listen}"
        second = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
        assert (second.returncode, f"cannot listen on {listen}" in second.stderr) == (2, True)
        issuer.send_signal(signal.SIGTERM)
        assert issuer.wait(30) == 0
