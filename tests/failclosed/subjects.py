"""Who asks: a good token, and tokens that must be refused, each for a reason of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from support.house import ISS, House, token

from bearerd._native import clock
from bearerd._native.revocations import FOREVER, pack
from bearerd.store import entries
from bearerd.store.entries import Kind

if TYPE_CHECKING:
    from bearerd.service import Service

DEAD = "mallory"  # every token of this subject is revoked
_numbers = count()


@dataclass(frozen=True)
class Subject:
    """One kind of token.  Each is made anew, for a process remembers the bytes that it refused."""

    name: str
    make: Callable[[], str]
    good: bool = False
    stale: bool = False  # the view is too old meanwhile

    @contextlib.contextmanager
    def asking(self, service: Service) -> Iterator[None]:
        """The circumstances under which it asks."""
        view = service.view
        # Counted anew each time: a walk takes longer than a view stays fresh.
        view._counted = clock.boot() - (1e6 if self.stale else 0.0)
        try:
            yield
        finally:
            view._counted = clock.boot()


def fresh(**changes: Any) -> str:
    """A good token that nobody has seen, but for the changes."""
    return token(**({"jti": f"t{next(_numbers)}"} | changes))


def _expired() -> str:
    now = int(time.time())
    return fresh(iat=now - 900, exp=now - 600)


GOOD = Subject("good", fresh, good=True)
EXPIRED = Subject("expired", _expired)
FORGED = Subject("forged", lambda: fresh(number=1))
FOREIGN = Subject("for another audience", lambda: fresh(aud="https://other.example/"))
REVOKED = Subject("revoked", lambda: fresh(sub=DEAD))
LESS = Subject("without the scope", lambda: fresh(scope="write"))
STALE = Subject("good, while the view is stale", fresh, stale=True)
GONE = Subject("of a key that is gone", fresh)  # where a scene takes it away
KEPT = Subject("of a key that stays", lambda: fresh(header={"kid": "k0"}), good=True)
BAD = (EXPIRED, FORGED, FOREIGN, REVOKED, LESS, STALE)


def revoke(house: House) -> None:
    """Have DEAD revoked."""
    entry = pack(entries.key(Kind.SUBJECT, ISS, DEAD), FOREVER, int(time.time()) + 3600, 1)
    assert house.service.view.table.apply(entry, int(time.time())) == 1
