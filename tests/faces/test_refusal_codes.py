"""Each refusal code, through HTTP.  A code that nothing here reaches must say what introduces it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support import jose
from support.house import API, ISS, House, config, issuer, token
from support.issuer import Hang, ScriptedIssuer

from bearerd._native.revocations import FOREVER, pack
from bearerd.flow import Flow
from bearerd.refusals import TABLE, Code
from bearerd.store import entries
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


CASES: dict[Code, Any] = {}


def reaches(code: Code) -> Callable[[Any], Any]:
    """The function asks once, and returns the answer with the code that the log has for it."""

    def keep(case: Any) -> Any:
        assert code not in CASES
        CASES[code] = case
        return case

    return keep


async def asked(tmp_path: Path, credential: str | None, *more: tuple[str, str], uri: str = "/", **tables: Any) -> Any:
    """Ask /auth with this credential."""
    async with House(config(tmp_path, **tables), tmp_path) as house:
        reply = await house.auth(credential, "GET", uri, *more)
        return reply, house.why(reply)


def rules(*rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"api": {"identifier": API, "gateway": ["forwarded", "envoy"], "rule": rule} | more}


@reaches(Code.MISSING_TOKEN)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, None)


@reaches(Code.UNSUPPORTED_SCHEME)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, None, ("Authorization", "Basic dXNlcjpwYXNz"))


@reaches(Code.AMBIGUOUS_CREDENTIALS)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(), ("Authorization", f"Bearer {token()}"))


@reaches(Code.MALFORMED_TOKEN)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, "a.b.c")


@reaches(Code.UNSUPPORTED_ALG)
async def _(tmp_path: Path) -> Any:
    now = int(time.time())
    claims = {"iss": ISS, "aud": API, "iat": now, "exp": now + 60}
    return await asked(tmp_path, jose.token("RS256", claims, kid="k1"))


@reaches(Code.BAD_SIGNATURE)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(number=1))


@reaches(Code.TOO_LARGE)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(padding="x" * 9000))


@reaches(Code.WRONG_TYPE)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(header={"typ": "dpop+jwt"}))


@reaches(Code.TOO_LONG_LIVED)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(exp=int(time.time()) + 48 * 3600))


@reaches(Code.MISSING_CLAIM)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(iat=...))


@reaches(Code.UNKNOWN_ISSUER)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(iss=ISS + "/"))


@reaches(Code.UNKNOWN_KEY)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(header={"kid": "k9"}))


@reaches(Code.EXPIRED)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(exp=int(time.time()) - 120, iat=int(time.time()) - 240))


@reaches(Code.NOT_YET_VALID)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(nbf=int(time.time()) + 300))


@reaches(Code.WRONG_AUDIENCE)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(aud="https://other.example/"))


@reaches(Code.REVOKED)
async def _(tmp_path: Path) -> Any:
    async with House(config(tmp_path), tmp_path) as house:
        assert (await house.auth(token())).status == 200
        found = entries.key(Kind.SUBJECT, ISS, "alice")
        later = int(time.time()) + 3600
        house.service.view.table.apply(pack(found, FOREVER, later, 1), int(time.time()))
        reply = await house.auth(token())
        return reply, house.why(reply)


@reaches(Code.INSUFFICIENT_SCOPE)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(), resource=rules({"path": "/**", "scopes": ["admin"]}))


@reaches(Code.FORBIDDEN)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(), uri="/b/c", resource=rules({"path": "/a/**"}))


@reaches(Code.AMBIGUOUS_PATH)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(), uri="/a/../b", resource=rules({"path": "/**"}))


@reaches(Code.UNTRUSTED_PEER)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(), trust={"peers": ["10.0.0.0/8"]}, resource=rules({"path": "/**"}))


@reaches(Code.UNKNOWN_RESOURCE)
async def _(tmp_path: Path) -> Any:
    async with House(config(tmp_path), tmp_path) as house:
        reply = await house.auth(token(), name="nothing")
        return reply, house.why(reply)


@reaches(Code.PROOF_REQUIRED)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}))


@reaches(Code.BAD_REQUEST)
async def _(tmp_path: Path) -> Any:
    return await asked(tmp_path, token(), ("X-Forwarded-Uri", "/other"))


@reaches(Code.HEAD_TOO_LARGE)
async def _(tmp_path: Path) -> Any:
    async with House(config(tmp_path), tmp_path) as house:
        reply = await house.auth(token(), "GET", "/", ("X-Long", "x" * 33_000))
        return reply, house.why(reply)


@reaches(Code.INVALID_CLIENT)
async def _(tmp_path: Path) -> Any:
    async with House(config(tmp_path, callers=({"name": "svc"},)), tmp_path) as house:
        reply = await house.post("/introspect", secret="wrong", token=token())
        return reply, house.why(reply)


@reaches(Code.OVERLOADED)
async def _(tmp_path: Path) -> Any:
    async with ScriptedIssuer() as remote:
        remote.always("/jwks", Hang())
        made = config(
            tmp_path,
            issuer=[issuer(jwks=None, jwks_uri=f"{remote.url}/jwks", insecure_issuer=True)],
            limits={"max_waiting": 1},
        )
        async with House(made, tmp_path) as house:
            await house.service.start()
            first = asyncio.create_task((await house.wire()).ask("/auth/api", ("Authorization", f"Bearer {token()}")))
            while not house.service.flights.waiting:
                await asyncio.sleep(0.01)
            reply = await house.auth(token(jti="another"))
            found = house.why(reply)
            first.cancel()
            return reply, found


@reaches(Code.STALE_STATE)
async def _(tmp_path: Path) -> Any:
    async with House(config(tmp_path), tmp_path, fresh=False) as house:
        reply = await house.auth(token())
        return reply, house.why(reply)


@reaches(Code.ISSUER_UNAVAILABLE)
async def _(tmp_path: Path) -> Any:
    nowhere = issuer(jwks=None, jwks_uri="http://127.0.0.1:1/jwks", insecure_issuer=True)
    async with House(config(tmp_path, issuer=[nowhere]), tmp_path) as house:
        await house.service.start()
        reply = await house.auth(token())
        return reply, house.why(reply)


def mcp(*rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An MCP server that is asked about by headers."""
    table = {"identifier": API, "kind": "mcp", "gateway": "forwarded", "mcp_headers": "checked", "rule": rule}
    return {"resource": {"api": table}} | more


def reviewed(**tools: bool) -> dict[str, Any]:
    return {"tools": tools, "digests": {}, "id": "1"}


async def called(tmp_path: Path, tables: dict[str, Any], *more: tuple[str, str]) -> Any:
    """A call of the tool ``drop``."""
    said = (("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "drop"), *more)
    async with House(config(tmp_path, **tables), tmp_path) as house:
        reply = await house.auth(token(), "POST", "/mcp", *said)
        return reply, house.why(reply)


@reaches(Code.REQUEST_MISMATCH)
async def _(tmp_path: Path) -> Any:
    return await called(tmp_path, mcp({"tool": "*"}), ("Mcp-Name", "drop"))


@reaches(Code.UNREVIEWED_TOOL)
async def _(tmp_path: Path) -> Any:
    return await called(tmp_path, mcp({"tool": "*"}, reviewed={"api": reviewed(read=False)}))


@reaches(Code.CONFIRMATION_REQUIRED)
async def _(tmp_path: Path) -> Any:
    return await called(tmp_path, mcp({"tool": "*"}, reviewed={"api": reviewed(drop=True)}))


@reaches(Code.INVALID_ARGUMENTS)
async def _(tmp_path: Path) -> Any:
    table = {
        "identifier": API,
        "kind": "mcp",
        "gateway": "envoy",
        "rule": [{"tool": "*", "schema": {"type": "object", "required": ["n"]}}],
    }
    async with House(config(tmp_path, resource={"api": table}), tmp_path) as house:
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "drop"}})
        said = (("Authorization", f"Bearer {token()}"), ("Content-Type", "application/json"))
        reply = await house.ask("/ext_authz/api/mcp", *said, method="POST", body=body)
        return reply, house.why(reply)


@reaches(Code.RATE_LIMITED)
async def _(tmp_path: Path) -> Any:
    async with House(config(tmp_path, resource=rules({"path": "/**", "rate": "1/h"})), tmp_path) as house:
        await house.auth(token(), "GET", "/a")
        reply = await house.auth(token(), "GET", "/a")
        return reply, house.why(reply)


@reaches(Code.INTERNAL_ERROR)
async def _(tmp_path: Path) -> Any:
    async with House(config(tmp_path), tmp_path) as house:
        real = Flow._judged
        try:
            Flow._judged = lambda *args, **more: 1 // 0  # type: ignore[method-assign, assignment]
            reply = await house.auth(token())
        finally:
            Flow._judged = real  # type: ignore[method-assign]
        return reply, house.why(reply)


@pytest.mark.parametrize("code", list(Code))
async def test_a_code_is_reached_or_says_what_introduces_it(code: Code, tmp_path: Path) -> None:
    row = TABLE[code]
    if row.introduced_by is not None:
        assert code not in CASES, f"{code} is reachable: take introduced_by out of its row"
        return
    assert code in CASES, f"{code} has no case here"
    reply, found = await CASES[code](tmp_path)
    assert found == code
    assert reply.status == row.status
    assert len(reply["X-Auth-Request-Id"]) == 32
    challenge = reply.get("WWW-Authenticate")
    if code is Code.INVALID_CLIENT:
        assert challenge is not None
        assert challenge.startswith("Basic ")
    elif row.status == 401 or code is Code.INSUFFICIENT_SCOPE:
        assert challenge is not None
        assert challenge.startswith('Bearer realm="api"')
        assert (f'error="{row.error}"' in challenge) == (row.error is not None)
        assert 'resource_metadata="https://api.example/.well-known/oauth-protected-resource"' in challenge
    else:
        assert challenge is None
    assert (reply.get("Retry-After") is not None) == (row.status in (429, 503))
    assert code.encode() not in reply.body or code.value in (row.error or "")
