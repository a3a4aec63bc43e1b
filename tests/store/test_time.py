"""A worker whose wall clock was ahead reads again what it left out, before it believes the clock that was put right."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from support.dial import HOUR, Dial
from support.fleet import ISSUER, Worker, until, worker

from bearerd.store import entries
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from support.valkey import Valkey

    from bearerd.store.view import View


def revoked(one: Worker, value: str) -> bool:
    """By the worker's own clock, and for a token that was issued just now."""
    key = entries.key(Kind.TOKEN, ISSUER, value)
    return one.view.table.revoked(key, int(time.time()), int(one.view.time.now().latest)) >= 0


async def test_what_was_left_out_while_the_clock_was_ahead_is_read_again(server: Valkey) -> None:
    dial = Dial()
    dial.step(HOUR)
    async with worker(server.url) as other, worker(server.url) as one:
        one.view.time = keeper = dial.keeper()
        await other.writer.revoke(Kind.TOKEN, ISSUER, "soon", until=time.time() + 600)
        await other.writer.revoke(Kind.TOKEN, ISSUER, "late", until=time.time() + 2 * HOUR)
        await one.sync.caught_up()
        assert len(one.view.table) == 1
        dial.step(-HOUR)
        dial.kept = True
        keeper.review()
        assert keeper.now().behind == HOUR  # by this time no token of the first entry is good
        assert not revoked(one, "soon")
        await one.sync.caught_up()
        await until(lambda: len(one.view.table) == 2)
        assert not keeper.forgot_too_much
        keeper.review()
        assert keeper.now().behind == 0.0
        assert revoked(one, "soon")
        assert revoked(one, "late")


async def test_a_store_that_was_flushed_meanwhile_gets_back_what_a_worker_with_the_wrong_clock_holds(
    server: Valkey,
) -> None:
    dial = Dial()
    async with worker(server.url) as one:
        one.view.time = dial.keeper()
        await one.writer.revoke(Kind.TOKEN, ISSUER, "soon", until=time.time() + 600)
        dial.step(HOUR)
        one.view.table.expire(one.view.time.forgetting(), 1 << 20)
        server.call("FLUSHALL")
        await one.sync.caught_up()
        await until(lambda: one.view.position is not None)
        async with worker(server.url) as fresh:
            assert fresh.revoked("soon")


async def test_a_store_whose_clock_is_behind_makes_no_revocation_weaker(server: Valkey) -> None:
    dial = Dial()
    dial.step(30 * HOUR)  # what the store says is so far behind
    async with worker(server.url) as one, worker(server.url) as other:
        for each in (one, other):
            each.view.time = dial.keeper()
        written = await one.writer.revoke(Kind.TOKEN, ISSUER, "t")
        assert written.acknowledged == "enforced"
        await one.writer.revoke(Kind.SUBJECT, ISSUER, "alice")
        now = int(time.time() + 30 * HOUR)
        for each in (one, other):
            for kind, value in ((Kind.TOKEN, "t"), (Kind.SUBJECT, "alice")):
                assert each.view.table.revoked(entries.key(kind, ISSUER, value), now, now) >= 0, value


async def test_who_comes_anew_does_not_believe_a_store_whose_clock_is_far_ahead(server: Valkey) -> None:
    """It has dropped what ends within those hours, and only who knew it before can tell."""
    dial = Dial()
    dial.step(-2 * HOUR)

    async def before(view: View) -> None:
        view.time = dial.keeper()

    async with worker(server.url) as known:
        known.view.time = dial.keeper()
        async with worker(server.url, ours=False, joined=False, before=before) as one:
            await until(lambda: "ahead of ours" in (one.view.problem or ""))
            assert math.isinf(one.view.counted)
            await known.sync.caught_up()
            dial.step(2 * HOUR)
            await one.sync.caught_up()
            assert one.view.problem is None
