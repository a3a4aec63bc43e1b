"""What is made of a server that answers as none does."""

from __future__ import annotations

from typing import Any

import pytest

from bearerd.errors import StoreError
from bearerd.store import server


class Link:
    """Answers so."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    async def call(self, *command: Any) -> Any:
        return self._answers[command[0]]


@pytest.mark.parametrize("info", [1, None, [None], b"role:master\r\nconnected_slaves:many\r\n"])
@pytest.mark.parametrize("commands", [1, None, b"+"])
async def test_an_answer_of_another_shape_is_a_fault_of_the_store(info: Any, commands: Any) -> None:
    with pytest.raises(StoreError, match="neither"):
        await server.look(Link(INFO=info, COMMAND=commands))  # type: ignore[arg-type]


async def test_a_command_that_is_not_there_is_none() -> None:
    link: Any = Link(INFO=b"role:master\r\nredis_version:6.2\r\n", COMMAND=[None])
    assert not (await server.look(link)).waitaof
