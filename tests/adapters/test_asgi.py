"""The ASGI middleware: what passes, what is answered instead, and for how long its verifier runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from adapters.scene import Message, Seen, asked, file
from support.house import token

import bearerd
from bearerd.adapters.asgi import BearerdMiddleware

if TYPE_CHECKING:
    from pathlib import Path


def bearer(text: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + text.encode()


async def test_what_is_allowed_reaches_the_application_with_the_decision_and_the_identity(
    verifier: bearerd.Verifier,
) -> None:
    seen = Seen()
    app = BearerdMiddleware(seen, verifier, resource="api")
    status, _, body = await asked(app, b"/orders/1?x=%2f", bearer(token()))
    assert (status, body) == (200, b"app")
    (scope,) = seen.scopes
    assert scope["bearerd"].claims["sub"] == "alice"
    assert (b"x-auth-subject", b"alice") in scope["headers"]
    assert scope["raw_path"] == b"/orders/1"


async def test_what_is_refused_is_answered_as_the_service_would(verifier: bearerd.Verifier) -> None:
    seen = Seen()
    app = BearerdMiddleware(seen, verifier, resource="api")
    metadata = 'resource_metadata="https://api.example/.well-known/oauth-protected-resource"'
    status, headers, body = await asked(app, b"/orders/1")
    assert (status, headers["www-authenticate"]) == (401, f'Bearer realm="api", {metadata}')
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    assert orjson.loads(body)["status"] == 401
    status, headers, _ = await asked(app, b"/orders/1", bearer(token(scope="other")))
    assert (status, headers["www-authenticate"]) == (
        403,
        f'Bearer realm="api", error="insufficient_scope", scope="read", {metadata}',
    )
    status, _, body = await asked(app, b"/orders/1", bearer(token(number=1)), (b"accept", b"text/plain"))
    assert (status, body[:3]) == (401, b"401")
    for target in (b"/other", b"/orders/%2e%2e/other", b"/orders//1", b"http://elsewhere/orders/1"):
        assert (await asked(app, target, bearer(token())))[0] in (400, 403), target
    assert (await asked(app, b"/orders/1", bearer(token()), (b"x_auth-subject", b"root")))[0] == 403
    assert (await asked(app, b"/orders/1", bearer(token()), bearer(token())))[0] == 400
    assert (await asked(app, b"/orders/1", bearer(token()), raw_path=None))[0] == 403
    assert seen.scopes == []


async def test_a_head_has_the_length_of_a_body_and_none(verifier: bearerd.Verifier) -> None:
    status, headers, body = await asked(
        BearerdMiddleware(Seen(), verifier, resource="api"), b"/orders/1", method="HEAD"
    )
    assert (status, body) == (401, b"")
    assert int(headers["content-length"]) > 0


async def test_every_challenge_leads_to_metadata_that_is_answered_here(verifier: bearerd.Verifier) -> None:
    app = BearerdMiddleware(Seen(), verifier, resource="api")
    status, headers, body = await asked(app, b"/.well-known/oauth-protected-resource")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert orjson.loads(body)["resource"] == "https://api.example/"
    status, headers, _ = await asked(app, b"/.well-known/oauth-protected-resource", method="OPTIONS")
    assert (status, headers["access-control-allow-origin"]) == (204, "*")
    other = b"/.well-known/oauth-protected-resource/mcp"
    assert (await asked(app, other, (b"host", b"plain.example")))[0] == 401  # that resource is not this application


async def test_a_websocket_is_decided_when_it_is_opened(verifier: bearerd.Verifier) -> None:
    seen = Seen()
    app = BearerdMiddleware(seen, verifier, resource="api")
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    opened: dict[str, Any] = {"type": "websocket", "raw_path": b"/orders/1", "path": "/orders/1", "query_string": b""}
    await app({**opened, "headers": []}, receive, send)
    await app({**opened, "headers": [], "extensions": {"websocket.http.response": {}}}, receive, send)
    assert [message["type"] for message in sent] == [
        "websocket.close",
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert sent[1]["status"] == 401
    await app({**opened, "headers": [bearer(token())]}, receive, send)
    assert [scope["type"] for scope in seen.scopes] == ["websocket"]
    with pytest.raises(NotImplementedError):
        await app({"type": "raw"}, receive, send)


async def test_nothing_passes_while_the_verifier_does_not_run(tmp_path: Path) -> None:
    seen = Seen()
    app = BearerdMiddleware(seen, bearerd.Verifier.from_config(file(tmp_path)), resource="api")
    assert (await asked(app, b"/orders/1", bearer(token())))[0] == 503
    assert seen.scopes == []


def test_a_resource_that_nobody_configured_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="'orders', but: api, notes, plain"):
        BearerdMiddleware(Seen(), bearerd.Verifier.from_config(file(tmp_path)), resource="orders")


async def silent(*_: object) -> None:
    """An application without a lifespan that returns."""


async def raising(*_: object) -> None:
    """One that raises, as the specification has it."""
    raise NotImplementedError


async def living(scope: Message, receive: Any, send: Any) -> None:
    """One with a lifespan of its own."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


@pytest.mark.parametrize("inner", [silent, raising, living])
async def test_the_verifier_lives_as_long_as_the_application(tmp_path: Path, inner: Any) -> None:
    verifier = bearerd.Verifier.from_config(file(tmp_path))
    app = BearerdMiddleware(inner, verifier, resource="api")
    said: asyncio.Queue[Message] = asyncio.Queue()
    heard: asyncio.Queue[Message] = asyncio.Queue()
    said.put_nowait({"type": "lifespan.startup"})
    life = asyncio.create_task(app({"type": "lifespan"}, said.get, heard.put))
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    assert verifier.running
    said.put_nowait({"type": "lifespan.shutdown"})
    assert (await heard.get())["type"] == "lifespan.shutdown.complete"
    await life
    assert not verifier.running


async def test_a_verifier_that_two_applications_start_at_once_runs_until_the_last_of_them_ends(tmp_path: Path) -> None:
    verifier = bearerd.Verifier.from_config(file(tmp_path))
    lives = []
    for _ in range(2):
        app = BearerdMiddleware(Seen(), verifier, resource="api")
        said: asyncio.Queue[Message] = asyncio.Queue()
        heard: asyncio.Queue[Message] = asyncio.Queue()
        said.put_nowait({"type": "lifespan.startup"})
        lives.append((app, said, heard, asyncio.create_task(app({"type": "lifespan"}, said.get, heard.put))))
    for _, _, heard, _ in lives:
        assert (await heard.get())["type"] == "lifespan.startup.complete"
    for number, (_, said, _, life) in enumerate(lives):
        for app, *_ in lives[number:]:
            assert (await asked(app, b"/orders/1", bearer(token())))[0] == 200
        said.put_nowait({"type": "lifespan.shutdown"})
        await life
    assert not verifier.running
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("bearerd ")] == []


async def test_a_verifier_that_cannot_start_keeps_the_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = bearerd.Verifier.from_config(file(tmp_path))

    async def broken(_: object) -> None:
        raise bearerd.errors.StoreError("no store today")

    monkeypatch.setattr(bearerd.Verifier, "__aenter__", broken)
    heard: asyncio.Queue[Message] = asyncio.Queue()
    started: asyncio.Queue[Message] = asyncio.Queue()
    started.put_nowait({"type": "lifespan.startup"})
    await BearerdMiddleware(living, verifier, resource="api")({"type": "lifespan"}, started.get, heard.put)
    assert heard.get_nowait() == {"type": "lifespan.startup.failed", "message": "no store today"}


# ---- MCP servers ----

JSON = (b"content-type", b"application/json")


def call(tool: str, **more: Any) -> tuple[bytes, ...]:
    """A message, in two pieces."""
    text = orjson.dumps(
        {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": more}}
    )
    return text[:20], text[20:]


async def test_a_message_to_an_mcp_server_is_decided_by_its_body_which_the_application_reads_as_it_came(
    verifier: bearerd.Verifier,
) -> None:
    seen = Seen(reads=True)
    app = BearerdMiddleware(seen, verifier, resource="notes")
    told = {"method": "POST"}
    assert (await asked(app, b"/mcp", bearer(token()), JSON, body=call("read_note", a=1), **told))[0] == 200
    assert seen.bodies == [{"type": "http.request", "body": b"".join(call("read_note", a=1)), "more_body": False}]
    status, headers, body = await asked(app, b"/mcp", bearer(token()), JSON, body=call("delete_notes"), **told)
    assert status == 403
    assert 'error="insufficient_scope", scope="read admin"' in headers["www-authenticate"]
    good = bearer(token(scope="read admin"))
    assert (await asked(app, b"/mcp", good, JSON, body=call("delete_notes"), **told))[0] == 200
    status, headers, body = await asked(app, b"/mcp", good, JSON, body=call("drop_tables"), **told)
    assert (status, headers["content-type"]) == (403, "application/json")
    assert (orjson.loads(body)["id"], orjson.loads(body)["error"]["code"]) == (7, -32003)
    for bad in (b"{", b"[]", b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', b""):
        assert (await asked(app, b"/mcp", good, JSON, body=(bad,), **told))[0] == 400, bad
    mismatched = (b"mcp-name", b"read_note"), (b"mcp-method", b"tools/call"), (b"mcp-protocol-version", b"2026-07-28")
    status, _, body = await asked(app, b"/mcp", good, JSON, *mismatched, body=call("delete_notes"), **told)
    assert (status, orjson.loads(body)["error"]["code"]) == (400, -32020)
    assert len(seen.bodies) == 2


async def test_no_body_is_read_of_whoever_shows_no_token_and_none_that_is_too_long(verifier: bearerd.Verifier) -> None:
    seen = Seen()
    app = BearerdMiddleware(seen, verifier, resource="notes")
    assert (await asked(app, b"/mcp", JSON, method="POST"))[0] == 401
    pieces = (b"x" * 600_000,) * 3
    assert (await asked(app, b"/mcp", bearer(token()), JSON, body=pieces, method="POST"))[0] == 400
    assert seen.scopes == []


async def test_in_shadow_the_application_reads_all_of_what_is_too_long_to_be_decided_by(tmp_path: Path) -> None:
    shadow = """
[resource.shadow]
kind = "mcp"
identifier = "https://shadow.example/mcp"
enforce = "shadow"
[[resource.shadow.rule]]
tool = "read_*"
"""
    pieces = tuple(bytes([number]) * 600_000 for number in range(4))
    read = b""

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        nonlocal read
        more = True
        while more:
            message = await receive()
            read, more = read + message["body"], message["more_body"]
        await Seen()(scope, receive, send)

    async with bearerd.Verifier.from_config(file(tmp_path, shadow)) as verifier:
        app = BearerdMiddleware(reads, verifier, resource="shadow")
        assert (await asked(app, b"/mcp", bearer(token()), JSON, body=pieces, method="POST"))[0] == 200
    assert read == b"".join(pieces)


async def test_a_stream_of_an_older_version_needs_the_scopes_of_the_server(verifier: bearerd.Verifier) -> None:
    app = BearerdMiddleware(Seen(), verifier, resource="notes")
    assert (await asked(app, b"/mcp", bearer(token())))[0] == 200
    assert (await asked(app, b"/mcp", bearer(token(scope="other"))))[0] == 403
    assert (await asked(app, b"/mcp", bearer(token()), method="PATCH"))[0] == 403
