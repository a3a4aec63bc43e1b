"""``Authorization/Check``: allowed, refused, late, unreadable and failed, each an answer, and only one of them an allow."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc")

from support.calls import Calls, Context, asked, bearer, header, tables
from support.house import ISS, config, issuer, token

from bearerd.decision import Now, Pending, Wait
from bearerd.faces.grpc import authorization, reply
from bearerd.faces.grpc.authorization import peer_of
from bearerd.flow import Flow
from bearerd.refusals import Code, Refusal
from bearerd.verify.verified import Verified
from bearerd.verify.verifier import TokenVerifier

OVERWRITE = 2  # HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD


@pytest.mark.parametrize("raw", [True, False])
async def test_an_allow_sets_each_identity_header_over_the_clients(tmp_path: Path, raw: bool) -> None:
    async with Calls(tmp_path) as calls:
        found = await calls.ask(asked(bearer(), raw=raw))
        assert found.status.code == 0
        told = {option.header.key: option.header.value for option in found.ok_response.headers}
        assert told == {
            "x-auth-subject": "alice",
            "x-auth-issuer": "https://issuer.example",
            "x-auth-client": "app",
            "x-auth-scopes": "read write",
            "x-auth-roles": "",
        }
        assert {option.append_action for option in found.ok_response.headers} == {OVERWRITE}
        assert not found.ok_response.headers_to_remove
        assert not found.ok_response.query_parameters_to_set


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "why"),
    [
        ("GET", "/health", 200, 0, None),
        ("HEAD", "/orders/1?x=y", 200, 0, None),
        ("POST", "/orders/1", 403, 7, "insufficient_scope"),
        ("PUT", "/orders/1", 403, 7, "forbidden"),
        ("OPTIONS", "/orders/1", 403, 7, "forbidden"),
        ("GET", "/", 403, 7, "forbidden"),
        ("GET", "", 403, 7, "ambiguous_path"),
        ("GET", "/orders/%2e%2e/health", 403, 7, "ambiguous_path"),
        ("GET", "//health", 403, 7, "ambiguous_path"),
        ("GET", "/orders/1?access_token=x", 400, 3, "ambiguous_credentials"),
        ("GET", b"/orders/\xff", 403, 7, "ambiguous_path"),
        ("G T", "/orders/1", 400, 3, "bad_request"),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
async def test_method_and_path_are_those_of_the_request(
    tmp_path: Path, method: str, path: str | bytes, status: int, code: int, why: str | None, raw: bool
) -> None:
    async with Calls(tmp_path) as calls:
        found = await calls.ask(asked(bearer(), method=method, path=path, raw=raw))
        assert found.status.code == code
        if why is None:
            assert found.HasField("ok_response")
        else:
            assert (found.denied_response.status.code, calls.why(found)) == (status, why)


@pytest.mark.parametrize("raw", [True, False])
async def test_two_credentials_are_refused_and_joined_by_a_comma_too(tmp_path: Path, raw: bool) -> None:
    async with Calls(tmp_path) as calls:
        found = await calls.ask(asked(bearer(), bearer(), raw=raw))
        assert (found.denied_response.status.code, calls.why(found)) == (400, "ambiguous_credentials")


async def test_a_credential_among_both_kinds_of_headers_is_two(tmp_path: Path) -> None:
    async with Calls(tmp_path) as calls:
        both = asked(bearer())
        both.attributes.request.http.headers["authorization"] = f"Bearer {token()}"
        assert calls.why(await calls.ask(both)) == "ambiguous_credentials"


@pytest.mark.parametrize("name", ["x-auth-subject", "x_auth_subject", "x.auth.subject", "x~auth~roles", "x-auth-any"])
@pytest.mark.parametrize("raw", [True, False])
async def test_identity_that_a_client_sends_is_refused(tmp_path: Path, name: str, raw: bool) -> None:
    async with Calls(tmp_path) as calls:
        for path in ("/orders/1", "/health"):
            found = await calls.ask(asked(bearer(), (name, "root"), path=path, raw=raw))
            assert (found.denied_response.status.code, calls.why(found)) == (403, "forbidden")


async def test_a_shadow_resource_has_what_only_looks_like_identity_taken_away(tmp_path: Path) -> None:
    """It refuses nothing, so what overwriting does not reach must go; what we write ourselves must stay."""
    resource = {"identifier": "https://api.example/", "gateway": "grpc", "enforce": "shadow"}
    async with Calls(tmp_path, resource={"api": resource}) as calls:
        found = await calls.ask(asked(bearer(), ("x_auth_subject", "root"), ("x-auth-subject", "root")))
        assert list(found.ok_response.headers_to_remove) == ["x_auth_subject"]
        assert header(found, "x-auth-subject") == ""
        assert "subject" not in found.dynamic_metadata


async def test_a_browser_reads_a_page_and_is_sent_to_where_it_signs_in(tmp_path: Path) -> None:
    resource = {
        "identifier": "https://api.example/",
        "gateway": "grpc",
        "login_redirect": "https://login.example/start",
        "login_return_parameter": "back",
    }
    async with Calls(tmp_path, resource={"api": resource}) as calls:
        browser = ("accept", "text/html,*/*;q=0.8"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")
        sent = await calls.ask(asked(*browser, path="/orders/1?a=b"))
        assert (sent.status.code, sent.denied_response.status.code) == (16, 302)
        told = {option.header.key: option.header.value for option in sent.denied_response.headers}
        assert told["location"] == "https://login.example/start?back=https%3A%2F%2Fapi.example%2Forders%2F1%3Fa%3Db"
        found = await calls.ask(asked(("authorization", "Bearer a.b.c"), *browser))
        assert found.denied_response.status.code == 401
        assert found.denied_response.body.startswith("<!doctype html>")


async def test_a_refusal_has_the_answer_of_the_other_faces(tmp_path: Path) -> None:
    async with Calls(tmp_path) as calls:
        found = await calls.ask(asked())
        told = {option.header.key: option.header.value for option in found.denied_response.headers}
        request_id = told["x-auth-request-id"]
        assert (found.status.code, found.denied_response.status.code) == (16, 401)
        assert told == {
            "cache-control": "no-store",
            "content-type": "application/problem+json",
            "vary": "Accept",
            "x-content-type-options": "nosniff",
            "www-authenticate": 'Bearer realm="api", '
            'resource_metadata="https://api.example/.well-known/oauth-protected-resource"',
            "x-auth-request-id": request_id,
        }
        assert {option.append_action for option in found.denied_response.headers} == {OVERWRITE}
        assert request_id in found.denied_response.body
        assert "missing_token" not in found.denied_response.body


@pytest.mark.parametrize("name", [None, "", "other", "API", "api/", "plain"])
async def test_a_resource_without_this_gateway_is_unknown_as_one_that_is_not_there(
    tmp_path: Path, name: str | None
) -> None:
    resources = {
        "api": {"identifier": "https://api.example/", "gateway": "grpc"},
        "plain": {"identifier": "https://plain.example/", "gateway": "envoy"},
    }
    async with Calls(tmp_path, resource=resources) as calls:
        found = await calls.ask(asked(bearer(), name=name))
        assert (found.denied_response.status.code, calls.why(found)) == (403, "unknown_resource")


@pytest.mark.parametrize(
    ("peers", "who", "allowed"),
    [
        (["127.0.0.0/8"], "ipv4:127.0.0.1:4711", True),
        (["127.0.0.0/8"], "ipv4:10.0.0.1:4711", False),
        (["::1/128"], "ipv6:%5B::1%5D:4711", True),
        (["127.0.0.0/8"], "ipv6:%5B::ffff:127.0.0.1%5D:4711", True),
        (["unix"], "unix:", False),
        (["0.0.0.0/0", "::/0"], "", False),
        (["0.0.0.0/0", "::/0"], "ipv4:somewhere:1", False),
    ],
)
async def test_only_a_trusted_peer_may_say_what_is_asked(
    tmp_path: Path, peers: list[str], who: str, allowed: bool
) -> None:
    async with Calls(tmp_path, trust={"peers": peers}) as calls:
        found = await calls.ask(asked(path="/health"), Context(who=who))
        if allowed:
            assert found.HasField("ok_response")
        else:
            assert (found.denied_response.status.code, calls.why(found)) == (403, "untrusted_peer")


def test_a_peer_is_its_address() -> None:
    assert peer_of("ipv6:%5B2001:db8::1%5D:443").name == "2001:db8::1"
    assert peer_of("unix:/run/x").name == peer_of("nonsense").name == ""


@pytest.mark.parametrize("data", [b"\x00", b"\xff" * 50, b"\x0a\x7f", asked(bearer()).SerializeToString()[:-5]])
async def test_what_is_no_check_request_is_refused_and_counted(tmp_path: Path, data: bytes) -> None:
    async with Calls(tmp_path) as calls:
        found = await calls.ask(data)
        assert (found.denied_response.status.code, calls.why(found)) == (400, "bad_request")


async def test_nothing_described_is_no_allow(tmp_path: Path) -> None:
    """An empty message, and the filter for connections, which asks about no request."""
    async with Calls(tmp_path) as calls:
        assert calls.why(await calls.ask(b"")) == "unknown_resource"
        bare = asked(bearer())
        bare.attributes.request.ClearField("http")
        assert calls.why(await calls.ask(bare)) == "bad_request"


LIMITS: dict[str, Any] = {"max_headers": 16, "max_header_bytes": 8192, "max_head_bytes": 16_384}


@pytest.mark.parametrize(
    "fields",
    [
        tuple((f"x-{number}", "1") for number in range(16)),
        (("x-large", "x" * 8193),),
        tuple((f"x-{number}", "x" * 4000) for number in range(5)),
    ],
    ids=["many", "one large", "large in all"],
)
async def test_a_head_beyond_the_limits_is_refused(tmp_path: Path, fields: tuple[tuple[str, str], ...]) -> None:
    async with Calls(tmp_path, limits=LIMITS) as calls:
        within = (("x-large", "x" * 8192), *((f"x-{number}", "1") for number in range(14)))
        assert (await calls.ask(asked(bearer(), *within))).HasField("ok_response")
        found = await calls.ask(asked(bearer(), *fields))
        assert (found.denied_response.status.code, calls.why(found)) == (431, "head_too_large")


@pytest.mark.parametrize("raw", [True, False])
async def test_a_target_counts_as_a_part_of_the_head_however_it_is_told(tmp_path: Path, raw: bool) -> None:
    async with Calls(tmp_path) as calls:
        assert (await calls.ask(asked(bearer(), path=f"/orders/1?{'a' * 10_000}", raw=raw))).HasField("ok_response")
        found = await calls.ask(asked(bearer(), path=f"/orders/1?{'a' * 40_000}", raw=raw))
        assert (found.denied_response.status.code, calls.why(found)) == (431, "head_too_large")


async def test_calls_beyond_the_limit_are_overloaded_and_say_when_to_come_again(tmp_path: Path) -> None:
    async with Calls(tmp_path, limits={"max_grpc_calls": 3}) as calls:
        calls.face.under_way = 3
        found = await calls.ask(asked(bearer()))
        assert (found.status.code, found.denied_response.status.code) == (14, 503)
        assert calls.why(found) == "overloaded"
        assert header(found, "retry-after") == "1"
        assert calls.face.under_way == 3
        calls.face.under_way = 2
        assert (await calls.ask(asked(bearer()))).HasField("ok_response")


def waiting(calls: Calls) -> asyncio.Event:
    """Keys are fetched for ever from now on; what is set when somebody waits for them."""
    begun = asyncio.Event()

    async def never(_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    calls.house.service.flights._resolve = never
    return begun


REMOTE = {"issuer": [issuer(jwks=None, jwks_uri="https://issuer.example/keys")]}


async def test_whoever_waits_for_a_key_is_refused_by_the_deadline(tmp_path: Path) -> None:
    async with Calls(tmp_path, **REMOTE) as calls:
        begun = waiting(calls)
        found = await calls.ask(asked(bearer()), Context(left=0.1))
        assert begun.is_set()
        assert (found.status.code, found.denied_response.status.code) == (14, 503)
        assert calls.why(found) == "issuer_unavailable"
        assert header(found, "retry-after") == "1"
        assert calls.house.service.flights.waiting == 0


async def test_what_is_known_is_decided_however_little_time_is_left(tmp_path: Path) -> None:
    async with Calls(tmp_path) as calls:
        for left in (0.0, 0.01, None):
            assert (await calls.ask(asked(bearer()), Context(left=left))).HasField("ok_response")


async def test_a_call_that_is_cancelled_ends_without_an_answer_and_is_not_counted_on(tmp_path: Path) -> None:
    async with Calls(tmp_path, **REMOTE) as calls:
        begun = waiting(calls)
        call = asyncio.ensure_future(calls.ask(asked(bearer())))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert calls.face.under_way == calls.house.service.flights.waiting == 0


FAULTS: list[tuple[Any, str]] = [
    (Flow, "run"),
    (Flow, "_judged"),
    (reply, "allowed"),
    (authorization.question, "read"),
    (authorization.Authorization, "_current"),
    (authorization.Authorization, "_decided"),
]


@pytest.mark.parametrize(("owner", "name"), FAULTS, ids=lambda part: getattr(part, "__name__", part))
async def test_a_fault_is_internal_error_and_none_of_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the words of a fault")

    async with Calls(tmp_path) as calls:
        monkeypatch.setattr(owner, name, fails)
        found = await calls.ask(asked(bearer()))
        assert (found.status.code, found.denied_response.status.code) == (14, 503)
        assert calls.why(found) == "internal_error"
        assert "words" not in str(found)


async def test_a_fault_of_the_recorder_is_a_refusal_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Calls(tmp_path) as calls:

        def fails(*_: Any, **__: Any) -> Any:
            raise RuntimeError

        monkeypatch.setattr(calls.house.service.recorder, "record", fails)
        for request in (asked(bearer()), b"\x00", asked(path="/health")):
            found = await calls.ask(request)
            assert found.denied_response.status.code in (400, 503)


async def test_every_refusal_code_becomes_a_denied_response_with_the_status_that_is_meant(tmp_path: Path) -> None:
    from bearerd.decision import Decision
    from bearerd.faces import answer
    from bearerd.refusals import TABLE

    meant = {401: 16, 403: 7, 429: 8, 503: 14, 400: 3, 431: 3}
    for row in TABLE.values():
        decision = Decision(False, row.outcome, row.code, row.status, "api")
        found = reply.denied(answer.answer(decision, "id", "grpc"), decision, "id")
        status = 400 if row.code is Code.AMBIGUOUS_CREDENTIALS else row.status
        assert found.denied_response.status.code == status
        assert found.status.code == meant[status] != 0
        assert not found.HasField("ok_response")
        assert not found.HasField("error_response")


async def test_decisions_are_counted_under_this_face(tmp_path: Path) -> None:
    from bearerd.metrics import gather

    async with Calls(tmp_path) as calls:
        await calls.ask(asked(bearer()))
        await calls.ask(asked())
        found = gather([calls.house.service.metrics.buffer])
        assert found["bearerd_decisions_total", "api", "grpc", "allow", "none"] == (1.0,)
        assert found["bearerd_decisions_total", "api", "grpc", "challenge", "missing_token"] == (1.0,)


@pytest.mark.parametrize("change", ["the face", "trust"])
async def test_who_waits_for_a_key_while_a_reload_takes_what_it_asked_by_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    async with Calls(tmp_path) as calls:
        service, verify_now, waited = calls.house.service, TokenVerifier.verify_now, []
        after = tables(gateway="envoy") if change == "the face" else tables() | {"trust": {"peers": ["10.0.0.0/8"]}}

        def verified(self: TokenVerifier, token: bytes, at: Now) -> Verified | Refusal | Pending:
            return verify_now(self, token, at) if waited else Pending(Wait.KEY, ISS, "k9")

        async def wait(found: Pending, _: float | None) -> None:
            waited.append(found)
            await service.reload(config(tmp_path, **after))

        monkeypatch.setattr(TokenVerifier, "verify_now", verified)
        monkeypatch.setattr(service.flights, "wait", wait)
        found = await calls.ask(asked(bearer()))
        assert waited
        assert found.denied_response.status.code == 503
