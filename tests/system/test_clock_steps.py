"""The machine's clocks set and suspended, through the public listener: `make hooks` has the build that this needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.house import House, config, token

from bearerd._native import clock
from bearerd._native.revocations import FOREVER, pack
from bearerd.store import entries

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not clock.HAS_TEST_HOOK, reason="needs a build with BEARERD_TEST=1")

HOUR, LIFE, LEEWAY = 3600.0, 600, 30


class Clocks:
    """The machine's, until the test is over."""

    def __init__(self) -> None:
        self.wall = self.boot = 0.0

    def step(self, seconds: float) -> None:
        self._shift(seconds, 0.0)

    def sleep(self, seconds: float) -> None:
        """The machine is suspended: both clocks run on, and no process notices."""
        self._shift(seconds, seconds)

    def _shift(self, wall: float, boot: float) -> None:
        clock.shift(wall, boot)
        self.wall += wall
        self.boot += boot


@pytest.fixture
def clocks() -> Iterator[Clocks]:
    clocks = Clocks()
    yield clocks
    clock.shift(-clocks.wall, -clocks.boot)


def given(**claims: Any) -> str:
    """A token of ten minutes by the true time (what the clocks are before the test sets them)."""
    now = int(clock.wall())
    return token(**{"iat": now, "exp": now + LIFE} | claims)


async def status(house: House, credential: str, *, cold: bool) -> int:
    if cold:
        house.service.cache.clear()
    house.service.view.count(clock.boot())
    return (await house.auth(credential)).status


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("by", [-HOUR, HOUR])
async def test_no_token_lives_past_its_end_by_either_clock(
    tmp_path: Path, clocks: Clocks, by: float, cold: bool
) -> None:
    async with House(config(tmp_path), tmp_path) as house:
        known = given()
        assert await status(house, known, cold=False) == 200
        clocks.step(by)
        assert await status(house, known, cold=cold) == (200 if by < 0 else 401)
        clocks.step(-by)
        house.service.time.review()
        clocks.sleep(LIFE + LEEWAY)
        assert await status(house, known, cold=cold) == 401
        clocks.step(-HOUR)
        for _ in range(100):
            assert await status(house, known, cold=cold) == 401
            house.service.time.review()
            clocks.sleep(900.0)


@pytest.mark.parametrize("cold", [False, True])
async def test_a_suspension_ends_tokens_and_views(tmp_path: Path, clocks: Clocks, cold: bool) -> None:
    async with House(config(tmp_path), tmp_path) as house:
        short, long = given(), given(exp=int(clock.wall() + 5 * HOUR))
        assert await status(house, short, cold=False) == 200
        assert await status(house, long, cold=False) == 200
        clocks.sleep(HOUR)
        if cold:
            house.service.cache.clear()
        assert (await house.auth(long)).status == 503  # the first answer after the sleep knows of it
        assert (await house.auth(short)).status == 401
        assert await status(house, long, cold=cold) == 200


async def test_set_forward_for_an_hour_no_revocation_is_lost(tmp_path: Path, clocks: Clocks) -> None:
    async with House(config(tmp_path), tmp_path) as house:
        view, time = house.service.view, house.service.time
        known = given()
        key = entries.key(entries.Kind.TOKEN, "https://issuer.example", "t1")
        view.table.apply(pack(key, FOREVER, int(clock.wall()) + LIFE + LEEWAY, 1), time.forgetting())
        clocks.step(HOUR)
        time.review()
        view.table.expire(time.forgetting(), 1 << 20)
        clocks.step(-HOUR)
        time.review()
        assert await status(house, known, cold=True) == 401
        assert len(view.table) == 1
