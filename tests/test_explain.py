"""Why a token may, or may not: step by step, with the near miss that a human would look for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.house import API, ISS, House, config, issuer, key, token
from support.issuer import ScriptedIssuer

from bearerd import metrics
from bearerd._native.revocations import FOREVER, pack
from bearerd.decision import Pending
from bearerd.explain import explain
from bearerd.refusals import Code
from bearerd.store import entries
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.explain import Explanation
    from bearerd.service import Service

OTHER = "https://issuer.example/realms/other"
RULES = [
    {"path": "/health", "auth": "none"},
    {"path": "/public/**", "auth": "optional"},
    {"methods": ["GET"], "path": "/orders/**", "scopes": ["read"]},
    {"methods": ["DELETE"], "path": "/orders/**", "roles": ["admin"]},
]


def made(tmp_path: Path, **tables: Any) -> Service:
    fresh = tables.pop("fresh", True)
    offline = tables.pop("offline", False)
    return House(
        config(tmp_path, **({"resource": {"api": {"identifier": API, "rule": RULES}}} | tables)),
        tmp_path,
        fresh=fresh,
        offline=offline,
    ).service


async def why(
    service: Service, credential: str | None, method: str = "GET", path: str | None = "/orders/1"
) -> Explanation:
    return await explain(service, None if credential is None else credential.encode(), "api", method, path)


def at(found: Explanation, name: str) -> tuple[bool | None, str]:
    (step,) = [step for step in found.steps if step.name == name]
    return step.ok, step.detail


def said(found: Explanation) -> str:
    return orjson.dumps(found.as_dict()).decode()


async def test_an_allow_is_told_from_the_resource_to_the_decision(tmp_path: Path) -> None:
    found = await why(made(tmp_path), token())
    assert found.decision.allowed
    assert [(step.name, step.ok) for step in found.steps] == [
        (name, True)
        for name in (
            "resource", "rule", "credential", "format", "algorithm", "issuer", "claims", "key", "signature", "revocation",
            "accepted issuer", "audience", "lifetime", "proof of possession", "view of the revocations", "scopes",
            "requirements", "decision",
        )
    ]  # fmt: skip
    assert at(found, "rule")[1] == "rule 2: GET /orders/**, auth required"
    assert at(found, "issuer")[1] == f"test: {ISS}"
    assert "'k1'" in at(found, "key")[1]
    told = found.as_dict()
    assert told["claims"]["sub"] == "alice"
    assert told["headers"]["X-Auth-Subject"] == "alice"


def cases() -> dict[str, tuple[str | None, str, str, str, Code, str]]:
    """Name: credential, method, path, the step that fails, the code, and a word that must be said."""
    now = int(time.time())
    return {
        "nothing sent": (None, "GET", "/orders/1", "decision", Code.MISSING_TOKEN, "no Authorization"),
        "rubbish": ("rubbish", "GET", "/orders/1", "format", Code.MALFORMED_TOKEN, ""),
        "final slash of the issuer": (token(iss=ISS + "/"), "GET", "/orders/1", "issuer", Code.UNKNOWN_ISSUER, "final slash"),
        "wrong realm": (token(iss=f"{ISS}/realms/x"), "GET", "/orders/1", "issuer", Code.UNKNOWN_ISSUER, "another realm"),
        "skew": (token(iat=now - 700, exp=now - 45), "GET", "/orders/1", "claims", Code.EXPIRED, "clock skew"),
        "early": (token(nbf=now + 60), "GET", "/orders/1", "claims", Code.NOT_YET_VALID, "clock skew"),
        "key of another": (token(number=5, header={"kid": "k5"}), "GET", "/orders/1", "key", Code.UNKNOWN_KEY, "issuer other has"),
        "forged": (token(number=5), "GET", "/orders/1", "signature", Code.BAD_SIGNATURE, ""),
        "final slash of the audience": (
            token(aud="https://API.example/"), "GET", "/orders/1", "audience", Code.WRONG_AUDIENCE, "case"
        ),
        "proof": (token(cnf={}), "GET", "/orders/1", "proof of possession", Code.PROOF_REQUIRED, "cnf"),
        "permissions": (
            token(scope=..., permissions=["read"]), "GET", "/orders/1", "scopes", Code.INSUFFICIENT_SCOPE, "has permissions"
        ),
        "role": (token(), "DELETE", "/orders/1", "requirements", Code.FORBIDDEN, "roles admin"),
        "no rule": (token(), "GET", "/elsewhere", "rule", Code.FORBIDDEN, "no rule matches"),
        "near miss of a rule": (token(), "GET", "/health/", "rule", Code.FORBIDDEN, ""),
        "ambiguous": (token(), "GET", "/orders//1", "rule", Code.AMBIGUOUS_PATH, ""),
        "query": (token(), "GET", "/orders/1?access_token=x", "decision", Code.AMBIGUOUS_CREDENTIALS, ""),
    }  # fmt: skip


@pytest.mark.parametrize("name", cases())
async def test_a_refusal_names_its_step_and_the_near_miss(tmp_path: Path, name: str) -> None:
    credential, method, path, failed, code, word = cases()[name]
    other = issuer(issuer=OTHER, name="other", jwks={"keys": [key(5, "k5")]})
    found = await why(made(tmp_path, issuer=[issuer(), other]), credential, method, path)
    assert (found.decision.allowed, found.decision.code) == (False, code)
    wrong = [step.name for step in found.steps if step.ok is False]
    assert wrong == sorted({failed, "decision"}, key=wrong.index)
    assert word in said(found)
    names = [step.name for step in found.steps]
    after = found.steps[names.index(failed) + 1 : -1]
    assert failed == "rule" or all(step.ok is None for step in after)


async def test_the_token_is_not_repeated(tmp_path: Path) -> None:
    for credential in (token(), token(number=5), "eyJcanary.canary.canary"):
        assert credential not in said(await why(made(tmp_path), credential))


async def test_open_rules_look_at_nothing(tmp_path: Path) -> None:
    service = made(tmp_path, fresh=False)
    found = await why(service, "rubbish", path="/health")
    assert found.decision.allowed
    assert [step.name for step in found.steps] == ["resource", "rule", "decision"]
    found = await why(service, None, path="/public/x")
    assert (found.decision.allowed, at(found, "credential")[0]) == (True, None)


async def test_a_revocation_is_found(tmp_path: Path) -> None:
    service = made(tmp_path)
    service.view.table.apply(pack(entries.key(Kind.SUBJECT, ISS, "alice"), FOREVER, FOREVER, 1), int(time.time()))
    found = await why(service, token())
    assert at(found, "revocation")[0] is False
    assert "subject" in at(found, "revocation")[1]


async def test_a_view_that_is_too_old_is_named(tmp_path: Path) -> None:
    found = await why(made(tmp_path, fresh=False), token())
    assert (found.decision.code, at(found, "view of the revocations")[0]) == (Code.STALE_STATE, False)


async def test_a_shadow_resource_says_what_it_would_refuse(tmp_path: Path) -> None:
    shadow = {"api": {"identifier": API, "enforce": "shadow", "rule": RULES}}
    found = await why(made(tmp_path, resource=shadow), token(scope=...))
    assert found.decision.allowed
    assert at(found, "scopes")[0] is False
    assert "insufficient_scope" in at(found, "decision")[1]
    assert found.as_dict()["would_refuse"] == [{"code": "insufficient_scope", "rule": None}]


async def test_an_unknown_resource_names_the_known_ones(tmp_path: Path) -> None:
    found = await explain(made(tmp_path), b"x", "apl", "GET", "/")
    assert found.decision.code is Code.UNKNOWN_RESOURCE
    assert "configured: api" in said(found)


async def test_offline_it_says_that_revocations_were_not_looked_at(tmp_path: Path) -> None:
    found = await why(made(tmp_path, store={}, offline=True), token())
    assert found.decision.allowed
    assert at(found, "revocation")[0] is None


async def test_keys_that_are_lacking_are_fetched(tmp_path: Path) -> None:
    async with ScriptedIssuer() as remote:
        table = issuer(issuer=remote.issuer, jwks=None, jwks_uri=f"{remote.url}/jwks", insecure_issuer=True)
        service = made(tmp_path, issuer=[table], store={}, offline=True)
        await service.start()
        assert (await why(service, remote.token(aud=API, scope="read"))).decision.allowed
        await service.close()


async def test_keys_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    service = made(tmp_path, issuer=[issuer(jwks=None, jwks_uri="http://127.0.0.1:1/", insecure_issuer=True)])
    found = await why(service, token())  # nobody resolves: it ends all the same
    assert found.decision.code is Code.OVERLOADED

    async def refuse(pending: Pending) -> Any:
        from bearerd.refusals import Refusal

        return Refusal(Code.ISSUER_UNAVAILABLE, "away")

    service.flights.wait = refuse  # type: ignore[method-assign]
    found = await why(service, token())
    assert (found.decision.code, at(found, "key")) == (Code.ISSUER_UNAVAILABLE, (False, "issuer_unavailable: away"))


async def test_explaining_leaves_no_trace(tmp_path: Path) -> None:
    service = made(tmp_path)
    await why(service, token())
    await why(service, "rubbish")
    assert (service.cache.entries, len(service.recorder.ring)) == (0, 0)
    found = metrics.gather([service.metrics.buffer])
    assert not any(values[0] for series, values in found.items() if series[0] == "bearerd_decisions_total")


HOSTS = {
    "api": {"identifier": API, "gateway": "nginx", "hosts": ["api.test", "one.test"], "paths": ["/orders/**"]},
    "shop": {"identifier": "https://shop.test", "gateway": "nginx", "hosts": ["one.test"], "paths": ["/shop/**"]},
}


@pytest.mark.parametrize(
    ("host", "path", "code", "detail"),
    [
        ("One.TEST.:443", "/orders/1", None, "'One.TEST.:443' is resource api's"),
        ("one.test", "/shop/1", Code.WRONG_AUDIENCE, "'one.test' is resource shop's"),
        ("one.test", "/else", Code.UNKNOWN_RESOURCE, "unknown_resource: no resource has that host and path"),
        ("one.test", None, Code.UNKNOWN_RESOURCE, "unknown_resource: no resource has that host and path"),
        ("one.test", "/orders/../shop/1", Code.AMBIGUOUS_PATH, "ambiguous_path: resources share the host"),
        ("one.test, api.test", "/orders/1", Code.BAD_REQUEST, "bad_request: that is not a host"),
        ("\udc80", "/orders/1", Code.BAD_REQUEST, "bad_request: that is not a host"),
    ],
)
async def test_without_a_resource_the_host_chooses_one(
    tmp_path: Path, host: str, path: str | None, code: Code | None, detail: str
) -> None:
    found = await explain(made(tmp_path, resource=HOSTS), token().encode(), None, "GET", path, host)
    assert found.decision.code is code
    ok, said_so = at(found, "host")
    assert said_so.startswith(detail)
    assert ok == (code in (None, Code.WRONG_AUDIENCE))
    if not ok:
        assert found.steps[0].hints == ("configured: api.test, one.test",)
        assert not found.decision.allowed


async def test_what_a_token_may_call_is_told(tmp_path: Path) -> None:
    table = {"identifier": API, "kind": "mcp", "rule": [{"tool": "get_*"}, {"tool": "drop", "scopes": ["admin"]}]}
    service = made(tmp_path, resource={"api": table})
    for mcp, name, code in (
        ("tools/call", "get_x", None),
        ("tools/call", "drop", "insufficient_scope"),
        ("tools/call", "put", "forbidden"),
        ("tools/list", None, None),
        ("GET", None, None),
    ):
        found = await explain(service, token().encode(), "api", None, None, None, mcp, name)
        assert found.decision.code == code, (mcp, name)
    assert at(found, "rule") == (True, "none needed")
