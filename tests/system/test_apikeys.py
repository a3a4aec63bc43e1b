"""API keys through a real bearerd: two workers, its own store, its command line."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from support import house
from support.bearerd import Answer, Bearerd, config, request, run, wait_for
from support.canaries import Canaries

from bearerd.apikeys import form
from bearerd.store.entries import API_KEYS

RESOURCES = f"""
[store]
max_staleness = "3s"

[[caller]]
name = "svc"
secret_file = "caller-secret"
resources = ["api"]
may = ["introspect", "revoke"]

[[caller]]
name = "other"
secret_file = "caller-secret"
resources = ["other"]
may = ["introspect", "revoke"]

[resource.api]
identifier = "{house.API}"
credentials = ["jwt", "apikey"]
gateway = "forwarded"

[[resource.api.rule]]
path = "/orders/**"
scopes = ["read"]

[[resource.api.rule]]
path = "/admin/**"
roles = ["admin"]

[resource.other]
identifier = "https://other.example/"
credentials = ["apikey"]
gateway = "forwarded"

[resource.tokens]
audience = "{house.API}"
gateway = "forwarded"
"""


@pytest.fixture(scope="module")
def bearerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    folder = tmp_path_factory.mktemp("apikeys")
    (folder / "caller-secret").write_text(house.SECRET)
    with Bearerd(folder, config(workers=2, resource=RESOURCES)) as running:
        yield running


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture(scope="module", autouse=True)
def nothing_leaks(bearerd: Bearerd, canaries: Canaries) -> Iterator[None]:
    """Whatever was done: no key is in a log line, or in anything that is kept."""
    yield
    assert canaries.leaks(bearerd.log.read_bytes()) == []
    for file in bearerd.data_dir.rglob("*"):
        if file.is_file() and file.name != "admin.token":
            assert canaries.leaks(file.read_bytes()) == [], file


def apikey(bearerd: Bearerd, *arguments: str) -> subprocess.CompletedProcess[str]:
    name, *rest = arguments
    return run("apikey", name, "--config", str(bearerd.file), *rest)


@pytest.fixture
def made(bearerd: Bearerd, canaries: Canaries) -> dict[str, Any]:
    return make(bearerd, canaries)


def make(bearerd: Bearerd, canaries: Canaries, **more: Any) -> dict[str, Any]:
    body = {"owner": "ci", "name": "deploys", "scopes": ["read"], "resources": ["api"], **more}
    answer = bearerd.api("POST", "/v1/apikeys", body)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json()
    watch(canaries, found["key"])
    return found


def watch(canaries: Canaries, key: str) -> None:
    canaries.watch("API key", key.rpartition("_")[2])


def decide(bearerd: Bearerd, key: str, name: str = "api", path: str = "/orders/1") -> Answer:
    headers = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": path, "Authorization": f"Bearer {key}"}
    return request(bearerd.address, "GET", f"/auth/{name}", headers)


def everywhere(bearerd: Bearerd, key: str, **more: Any) -> set[int]:
    """The statuses of many connections: both workers are among those who answer."""
    return {decide(bearerd, key, **more).status for _ in range(12)}


def why(bearerd: Bearerd, answer: Answer) -> str:
    return str(bearerd.api("GET", f"/v1/decisions/{answer.headers['x-auth-request-id']}").json()["code"])


def post(bearerd: Bearerd, path: str, token: str, caller: str = "svc") -> Answer:
    user = base64.b64encode(f"{caller}:{house.SECRET}".encode()).decode()
    headers = {"Authorization": f"Basic {user}", "Content-Type": "application/x-www-form-urlencoded"}
    return request(bearerd.address, "POST", path, headers, urlencode({"token": token}).encode())


def test_a_key_is_shown_once_alone_on_standard_output_and_works(bearerd: Bearerd, canaries: Canaries) -> None:
    done = apikey(bearerd, "create", "--owner", "nightly", "-r", "api", "-s", "read write", "--expires-in", "30d")
    assert done.returncode == 0, done.stderr
    key = done.stdout.removesuffix("\n")
    watch(canaries, key)
    assert canaries.leaks(done.stderr) == []
    key_id = form.id_of(key.encode())
    allowed = decide(bearerd, key)
    assert allowed.status == 200
    told = {name: allowed.headers[f"x-auth-{name}"] for name in ("subject", "issuer", "client", "scopes")}
    assert told == {"subject": "nightly", "issuer": API_KEYS, "client": key_id, "scopes": "read write"}
    for shown in (
        apikey(bearerd, "list"),
        apikey(bearerd, "show", key_id, "-o", "json"),
        apikey(bearerd, "show", key_id),
    ):
        assert key_id in shown.stdout
        assert canaries.leaks(shown.stdout + shown.stderr) == []


def test_its_scopes_roles_and_resources_are_all_that_it_may(bearerd: Bearerd, canaries: Canaries) -> None:
    plain, admin = make(bearerd, canaries)["key"], make(bearerd, canaries, roles=["admin"], scopes=[])["key"]
    assert decide(bearerd, plain, path="/admin/x").status == 403
    assert decide(bearerd, admin, path="/admin/x").status == 200
    refused = decide(bearerd, admin)
    assert (refused.status, why(bearerd, refused)) == (403, "insufficient_scope")
    elsewhere = decide(bearerd, plain, "other")
    assert (elsewhere.status, why(bearerd, elsewhere)) == (401, "wrong_audience")


def test_where_no_keys_are_taken_a_good_one_is_refused_as_a_bad_one_is(bearerd: Bearerd, made: dict[str, Any]) -> None:
    good, bad = decide(bearerd, made["key"], "tokens"), decide(bearerd, form.new(form.new_id()).decode(), "tokens")
    assert why(bearerd, good) == why(bearerd, bad) == "malformed_token"
    assert (good.status, good.headers["www-authenticate"]) == (bad.status, bad.headers["www-authenticate"])
    token = decide(bearerd, house.token(aud="https://other.example/"), "other")
    assert (token.status, why(bearerd, token)) == (401, "malformed_token")


def test_a_known_key_is_answered_in_the_lane_and_from_the_cache(bearerd: Bearerd, made: dict[str, Any]) -> None:
    assert everywhere(bearerd, made["key"]) == {200}
    looked_up = bearerd.metric("bearerd_apikey_lookups_total", result="found")
    hits = bearerd.metric("bearerd_token_cache_hits_total")
    assert everywhere(bearerd, made["key"]) == {200}
    assert bearerd.metric("bearerd_token_cache_hits_total") >= hits
    wait_for(lambda: bearerd.metric("bearerd_apikeys_active") >= 1)
    assert bearerd.metric("bearerd_apikey_lookups_total", result="found") >= looked_up


@pytest.mark.parametrize("change", ["checksum", "secret", "id", "cut", "longer", "case"])
def test_no_other_key_works(bearerd: Bearerd, made: dict[str, Any], change: str) -> None:
    key = made["key"]
    body = key[:-6]
    other = {
        "checksum": body + ("000000" if not key.endswith("000000") else "000001"),
        "secret": (wrong := body[:-1] + ("a" if body[-1] != "a" else "b")) + form.checksum(wrong.encode()).decode(),
        "id": (wrong := f"brd_{form.new_id()}_{body.rpartition('_')[2]}") + form.checksum(wrong.encode()).decode(),
        "cut": key[:-1],
        "longer": key + "0",
        "case": "BRD_" + key[4:],
    }[change]
    for _ in range(4):
        answer = decide(bearerd, other)
        assert answer.status == 401
        assert why(bearerd, answer) == ("unknown_key" if change in ("secret", "id") else "malformed_token")


def test_a_key_in_the_query_is_refused(bearerd: Bearerd, made: dict[str, Any]) -> None:
    answer = decide(bearerd, made["key"], path=f"/orders/1?access_token={made['key']}")
    assert (answer.status, why(bearerd, answer)) == (401, "ambiguous_credentials")


def test_a_revoked_key_is_refused_by_every_worker_that_had_it_in_its_cache(
    bearerd: Bearerd, made: dict[str, Any]
) -> None:
    assert everywhere(bearerd, made["key"]) == {200}
    done = apikey(bearerd, "revoke", made["id"])
    assert (done.returncode, "enforced, durability" in done.stdout) == (0, True), done.stderr
    assert everywhere(bearerd, made["key"]) == {401}
    assert bearerd.api("GET", f"/v1/apikeys/{made['id']}").json()["state"] == "revoked"
    rotated = apikey(bearerd, "rotate", made["id"])
    assert (rotated.returncode, rotated.stdout) == (1, "")
    lifted = bearerd.cli("revoke", "--lift", "--kind", "token", "--issuer", API_KEYS, "--value", made["id"])
    assert lifted.returncode == 0, lifted.stderr
    assert everywhere(bearerd, made["key"]) == {401}  # for good: the record says so


def test_who_has_the_key_may_revoke_it_and_whoever_answers_for_the_resource(
    bearerd: Bearerd, canaries: Canaries
) -> None:
    for revoke in (
        lambda key: bearerd.cli("revoke", given=key).returncode == 0,
        lambda key: post(bearerd, "/revoke", key).headers["x-revocation"] == "enforced",
    ):
        made = make(bearerd, canaries)
        assert everywhere(bearerd, made["key"]) == {200}
        assert revoke(made["key"])
        assert everywhere(bearerd, made["key"]) == {401}
        assert bearerd.api("GET", f"/v1/apikeys/{made['id']}").json()["state"] == "revoked"


def test_all_keys_of_an_owner_are_revoked_together_and_stay_so_through_a_rotation(
    bearerd: Bearerd, canaries: Canaries
) -> None:
    mallory = make(bearerd, canaries, owner="mallory")
    assert bearerd.cli("revoke", "--kind", "subject", "--issuer", API_KEYS, "--value", "mallory").returncode == 0
    entry = json.loads(bearerd.cli("revoke", "--list", "-o", "json").stdout)["revocations"][-1]
    assert entry["expires"] is None  # keys live for longer than the retention
    rotated = bearerd.api("POST", f"/v1/apikeys/{mallory['id']}/rotate", {}).json()
    watch(canaries, rotated["key"])
    assert everywhere(bearerd, mallory["key"]) == everywhere(bearerd, rotated["key"]) == {401}


def test_both_secrets_work_during_the_overlap_and_then_the_new_one_alone(
    bearerd: Bearerd, made: dict[str, Any], canaries: Canaries
) -> None:
    assert everywhere(bearerd, made["key"]) == {200}
    done = apikey(bearerd, "rotate", made["id"], "--overlap", "3s")
    assert done.returncode == 0, done.stderr
    new = done.stdout.strip()
    watch(canaries, new)
    assert form.id_of(new.encode()) == made["id"]
    assert new != made["key"]
    wait_for(lambda: everywhere(bearerd, made["key"]) == {401})
    assert everywhere(bearerd, new) == {200}


def test_a_secret_that_leaked_ends_with_the_rotation_everywhere(
    bearerd: Bearerd, made: dict[str, Any], canaries: Canaries
) -> None:
    assert everywhere(bearerd, made["key"]) == {200}
    done = bearerd.api("POST", f"/v1/apikeys/{made['id']}/rotate", {"overlap": 0})
    assert (done.status, done.json()["acknowledged"]) == (201, "enforced")
    watch(canaries, done.json()["key"])
    assert everywhere(bearerd, made["key"]) == {401}
    wait_for(lambda: everywhere(bearerd, done.json()["key"]) == {200})
    again = bearerd.api("POST", f"/v1/apikeys/{made['id']}/rotate", {"overlap": 60}).json()
    third = bearerd.api("POST", f"/v1/apikeys/{made['id']}/rotate", {"overlap": 60}).json()
    for key in (again["key"], third["key"]):
        watch(canaries, key)
    assert everywhere(bearerd, done.json()["key"]) == {401}
    assert [secret["number"] for secret in third["secrets"]] == [3, 4]


def test_introspection_tells_those_whose_resource_it_is(bearerd: Bearerd, made: dict[str, Any]) -> None:
    told = post(bearerd, "/introspect", made["key"]).json()
    assert {name: told[name] for name in ("active", "iss", "sub", "client_id", "scope", "token_type", "exp")} == {
        "active": True,
        "iss": API_KEYS,
        "sub": "ci",
        "client_id": made["id"],
        "scope": "read",
        "token_type": "Bearer",
        "exp": made["expires"],
    }
    for key, caller in ((made["key"], "other"), (form.new(made["id"]).decode(), "svc")):
        assert post(bearerd, "/introspect", key, caller).json() == {"active": False}
    assert post(bearerd, "/revoke", made["key"], "other").headers["x-revocation"] == "none"
    assert decide(bearerd, made["key"]).status == 200


def test_explain_tells_the_steps_of_a_key(bearerd: Bearerd, made: dict[str, Any], canaries: Canaries) -> None:
    told = bearerd.cli("explain", "-r", "api", "-X", "GET", "--path", "/orders/1", given=made["key"])
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"id {made['id']}, secret 1" in told.stdout
    assert canaries.leaks(told.stdout + told.stderr) == []
    offline = bearerd.cli("explain", "--offline", "-r", "api", "-X", "GET", "--path", "/orders/1", given=made["key"])
    assert offline.returncode == 1
    assert "stale_state" in offline.stdout


@pytest.mark.parametrize(
    "change",
    [
        {"resources": ["tokens"]},
        {"resources": ["nowhere"]},
        {"resources": []},
        {"scopes": ["read write"]},
        {"owner": ""},
        {"owner": "a\u202eb"},
        {"expires_in": 400 * 86400},
        {"expires_in": 0},
        {"key": "brd_mine"},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(bearerd: Bearerd, change: dict[str, Any]) -> None:
    body = {"owner": "ci", "resources": ["api"], **change}
    assert bearerd.api("POST", "/v1/apikeys", body).status == 400


def test_the_admin_token_is_needed_and_a_key_is_never_an_argument(bearerd: Bearerd, made: dict[str, Any]) -> None:
    address = bearerd.addresses()["admin"]
    assert request(address, "GET", "/v1/apikeys").status == 401
    assert request(address, "GET", "/v1/apikeys", {"Authorization": f"Bearer {made['key']}"}).status == 401
    for command in ("show", "revoke", "rotate"):
        refused = apikey(bearerd, command, made["key"])
        assert (refused.returncode, refused.stdout) == (2, "")
        assert made["key"] not in refused.stderr
    assert bearerd.api("GET", f"/v1/apikeys/{form.new_id()}").status == 404
