"""The lane judges Origin by itself: a page that is listed costs no more than no page, and a foreign one is given nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.house import API, House, config, token
from support.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "https://inspector.example"
SERVER = {"kind": "mcp", "identifier": API, "gateway": ["nginx", "envoy"], "origins": [PAGE]}


@pytest.mark.parametrize("face", ["/auth/api", "/ext_authz/api/mcp"])
async def test_a_known_token_of_a_listed_page_is_answered_from_what_stands_ready(tmp_path: Path, face: str) -> None:
    async with House(config(tmp_path, resource={"api": SERVER}), tmp_path, lane=True) as house:
        wire, lane = await Wire.to(house.lane_port), house.clerk.lane
        credential = ("Authorization", f"Bearer {token()}")
        asks = ("X-Original-Method", "POST"), ("X-Original-URI", "/mcp"), credential
        assert (await wire.ask(face, *asks)).status == 200  # decided, and prepared
        ready = lane.allowed
        for origin in (PAGE, "https://api.example"):
            assert (await wire.ask(face, *asks, ("Origin", origin))).status == 200
        assert lane.allowed == ready + 2
        for origin in ("https://evil.example", PAGE + "/", "null"):
            assert (await wire.ask(face, *asks, ("Origin", origin))).status == 403
        assert lane.allowed == ready + 2
        await wire.close()
