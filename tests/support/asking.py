"""Requests for a flow without any socket, and coroutines that must not wait."""

from __future__ import annotations

from typing import Any

import pytest

from bearerd import request as view
from bearerd.request import Request


def asked(credential: str | None, target: bytes = b"/orders/1", **more: Any) -> Request:
    """A trusted peer's question about this credential."""
    headers = [(b"Authorization", b"Bearer " + credential.encode())] if credential is not None else []
    return view.of("GET", target, headers=headers, **({"trusted": True} | more))


def step(coroutine: Any) -> Any:
    """Run a coroutine to its end without a loop: it must not wait even once."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value
