"""The page in a real browser: what a person sees and clicks, and what other sites cannot make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from support.approving import asked
from support.browser import ABSENT, PROGRAM, Browser

from bearerd.refusals import Approval

if TYPE_CHECKING:
    from support.approvals_page import Desk

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=ABSENT)
HOSTILE = {"path": "/tmp/</pre><img src=x onerror=alert(1)>", "to": "abc\u202edef", "long": "w" * 5000 + " the end"}


async def test_a_person_signs_in_reads_all_of_it_and_approves_once(desk: Desk) -> None:
    told = await desk.pending(asked(HOSTILE))
    async with Browser() as browser:
        await browser.go(f"{desk.url}/a/{told.id}")
        text = await browser.reads("Approve, once")  # by way of the provider, which signs in at once
        assert "U+202E" in text
        assert "<img src=x onerror=alert(1)>" in text
        assert "the end" in text
        assert await browser.run("document.images.length + document.scripts.length") == 0
        # Nothing is cut off, and nothing is wider than the window.
        cut = "[...document.querySelectorAll('dd,pre')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert await browser.run(cut) == 0
        assert await browser.run("document.documentElement.scrollWidth <= window.innerWidth") is True
        assert (
            await browser.run("getComputedStyle(document.querySelector('.code')).backgroundColor") == "rgb(176, 0, 32)"
        )
        assert await browser.run("document.cookie") == ""  # no script could read it
        await browser.run("document.querySelector('form[action$=\"/approve\"] button').click()")
        await browser.reads("may be made once")
    assert isinstance(await desk.floor.ask(asked(HOSTILE)), Approval)
    assert not isinstance(await desk.floor.ask(asked(HOSTILE)), Approval)


async def test_another_site_can_neither_frame_it_nor_send_its_forms(desk: Desk) -> None:
    told = await desk.pending()
    form = {"csrf": "x", "seen": told.id}
    page = (
        f'<title>evil</title><iframe src="{desk.url}/a/{told.id}"></iframe>'
        f'<form method="post" action="{desk.url}/a/{told.id}/approve">'
        + "".join(f'<input name="{name}" value="{value}">' for name, value in form.items())
        + "</form>"
    )
    app = web.Application()

    async def evil(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html")

    app.router.add_get("/", evil)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Browser() as browser:
            await browser.go(f"{desk.url}/a/{told.id}")
            await browser.reads("Approve, once")  # signed in
            await browser.go(f"http://localhost:{runner.addresses[0][1]}/")
            await browser.until("document.title", lambda title: title == "evil")
            await browser.until("document.readyState", lambda state: state == "complete")
            tree = (await browser.call("Page.getFrameTree"))["frameTree"]
            (frame,) = tree["childFrames"]
            assert frame["frame"]["url"].startswith("chrome-error:")
            await browser.run("document.forms[0].submit()")
            await browser.reads("Not from this page")
    finally:
        await runner.cleanup()
    assert desk.floor.count("approved") == 0
