"""A real browser where there is one on PATH: Chromium without a window, told what to do over its own protocol."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ABSENT = "there is no Chromium on PATH: the page was tried in no real browser"
PATIENCE = 60.0  # seconds until a wait that should have ended fails the test


class Browser:
    """``async with Browser() as browser``: one page."""

    async def __aenter__(self) -> Self:
        assert PROGRAM is not None, ABSENT
        self._home = tempfile.mkdtemp(prefix="chromium-")
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-site-isolation-trials",  # so that a frame of another site is told of here, too
            "--no-proxy-server",
            "--remote-debugging-port=0",
            f"--user-data-dir={self._home}",
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._numbers = itertools.count(1)
        self._http = aiohttp.ClientSession()
        port = await self._port()
        async with self._http.get(f"http://127.0.0.1:{port}/json/list") as answer:
            (target,) = [one for one in await answer.json() if one["type"] == "page"]
        self._socket = await self._http.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
        await self.call("Page.enable")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._http.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # a session of its own: it and its helpers
        await self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE):
            while True:
                said = await self._socket.receive_json()
                if said.get("id") == number:
                    assert "error" not in said, said
                    found: dict[str, Any] = said["result"]
                    return found

    async def go(self, url: str) -> None:
        """Navigate."""
        await self.call("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        said = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return said["result"].get("value")

    async def until(self, script: str, claim: Callable[[Any], bool]) -> Any:
        """Its value, once it is so."""
        found = None
        for _ in range(int(PATIENCE / 0.05)):
            with contextlib.suppress(AssertionError):  # between two documents
                found = await self.run(script)
                if claim(found):
                    return found
            await asyncio.sleep(0.05)
        raise AssertionError(found)

    async def reads(self, words: str) -> str:
        """What a person reads, once it holds these words."""
        found: str = await self.until("document.body.innerText", lambda text: isinstance(text, str) and words in text)
        return found

    async def _port(self) -> int:
        file = Path(self._home) / "DevToolsActivePort"
        async with asyncio.timeout(PATIENCE):
            while not (file.exists() and file.read_text().strip()):
                await asyncio.sleep(0.05)
        return int(file.read_text().split("\n")[0])
