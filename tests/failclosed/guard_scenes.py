"""Questions whose answers wait for more than a key: a budget, an audit record on the disk, and bodies of MCP clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import orjson
from failclosed import subjects
from failclosed.scenes import LOGGED, ForwardAuth, Lie, Scene
from failclosed.subjects import GOOD, Subject
from support.house import API, config
from support.mcp_server import McpServer

from bearerd.audit import assembly

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {}}}
RULE = {"tool": "add", "scopes": ["read"]}


class Settled(ForwardAuth):
    """It spends from a budget, and nobody hears of it before its record is on the disk."""

    asked_by = (GOOD,)

    def config(self, folder: Path) -> Any:
        key = folder / "audit.key"
        key.write_bytes(b"k" * 48)
        audit = {"sink": "file", "file": folder / "audit.jsonl", "key_file": key, "sync": "always"}
        rule = {"path": "/orders/**", "scopes": ["read"], "rate": "1000000/s"}
        table = {"identifier": API, "gateway": "forwarded", "audit": "all", "rule": [rule]}
        return config(folder, resource={"api": table}, limits=LOGGED, audit=audit)

    async def __aenter__(self) -> Self:
        service = self.service
        assert service.audit is not None
        assembly.begin(service.audit, service.current.config, service.data_dir, service._loops)
        return await super().__aenter__()


class Body(Scene):
    """A call that Envoy shows the body of."""

    asked_by = (GOOD,)
    target = "/ext_authz/api/mcp"

    def config(self, folder: Path) -> Any:
        table = {"kind": "mcp", "identifier": API, "gateway": "envoy", "rule": [RULE]}
        return config(folder, resource={"api": table}, limits=LOGGED)

    async def ask(self, token: str) -> bool:
        fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        fields["MCP-Protocol-Version"] = "2025-11-25"
        reply = await self.house.ask(self.target, *fields.items(), method="POST", body=orjson.dumps(CALL))
        if b"injected" in reply.body:
            raise Lie("the answer repeats a fault's words")
        return reply.status == 200


class Proxied(Body):
    """One that is to be passed on to the server.  Of a good token a fault may be met when all is answered: not asked here."""

    asked_by = (subjects.FORGED,)
    target = "/mcp/api"

    async def __aenter__(self) -> Self:
        self.server = await McpServer().__aenter__()
        self.refused = ""
        config = self.service.current.config
        table = config.resource["api"].model_copy(update={"upstream": self.server.url})
        await self.service.reload(config.model_copy(update={"resource": {"api": table}}))
        return await super().__aenter__()

    async def __aexit__(self, *gone: object) -> None:
        await super().__aexit__(*gone)
        await self.server.__aexit__()

    async def prepare(self, token: str, subject: Subject) -> None:
        self.refused = "" if subject.good else token

    async def ask(self, token: str) -> bool:
        before = len(self.server.seen)
        granted = await super().ask(token)
        if token == self.refused and len(self.server.seen) > before:
            raise Lie("it has reached the server")
        return granted
