#!/usr/bin/env python3
"""What an audit costs, and that it loses nothing: 100,000 decisions of the lane with and without records; COUNT as argument."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests")]

from support.audits import audited, records, verified  # noqa: E402
from support.house import House  # noqa: E402
from support.lanes import question, tokens  # noqa: E402
from support.line import lane_line, settle  # noqa: E402

from bearerd.audit import assembly  # noqa: E402

AT_ONCE = 50  # requests in one read


async def measured(folder: Path, count: int, **settings: Any) -> float:
    """CPU seconds of so many allows, their records included."""
    config = audited(folder, **settings)
    config = config.model_copy(update={"server": config.server.model_copy(update={"log_allows": 0.0})})
    async with House(config, folder, lane=True) as house:
        service = house.service
        if service.audit is not None:
            assembly.begin(service.audit, service.current.config, service.data_dir, service._loops)  # noqa: SLF001
        line = lane_line(house)
        asked = question("nginx", "ruled", tokens()["good"])
        line.feed(asked)
        await settle(house)
        began = time.process_time()
        for _ in range(count // AT_ONCE):
            line.feed(asked * AT_ONCE)
            line.sent.clear()
            await asyncio.sleep(0)
            while house.clerk._turns.waiting:  # noqa: ASYNC110, SLF001 - nobody tells when it is over
                await asyncio.sleep(0.001)
        house.clerk._write(last=True)  # noqa: SLF001
        used = time.process_time() - began
        assert house.clerk.lane.answered >= count
    return used


def main() -> int:
    """Exit 1 if a record is lost, or the chain is not whole."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    cost = {}
    for name, settings in {"without": {"sink": "none"}, "with": {}}.items():
        with tempfile.TemporaryDirectory() as folder:
            cost[name] = asyncio.run(measured(Path(folder), count, **settings)) / count * 1e6
            if name == "with":
                found, written = verified(Path(folder)), len(records(Path(folder)))
    print(f"{count} decisions, {written - 1} records (and one of the first), {len(found.findings)} findings")
    print(f"CPU of an allow: {cost['without']:.1f} µs without a record, {cost['with']:.1f} µs with one")
    return int(written != count + 1 or bool(found.findings))


if __name__ == "__main__":
    sys.exit(main())
