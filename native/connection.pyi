"""One connection: bytes to heads, heads to answers, and the door to aiohttp, which opens one way."""

import asyncio
from typing import Final, Protocol, final

from bearerd._native.lane import Lane
from bearerd._native.question import Question
from bearerd._native.route import Route

# aiohttp's side goes by the same.
HEAD_SECONDS: Final = 10  # from a head's first byte to its last
IDLE_SECONDS: Final = 3630  # longer than any gateway keeps an idle connection: it must be the one to close
STALLED_SECONDS: Final = 60  # for which nothing of what we wrote was read
LARGE: Final = 4096  # bytes that are read at once, whatever others have come: more than nearly every head has

class _Desk(Protocol):
    """What is Python's."""

    def welcome(self, transport: asyncio.Transport) -> tuple[str, bool]:
        """The name of the peer, and whether it may speak as a gateway."""

    def renew(self) -> None:
        """Another configuration is in use: new routes are needed."""

    def decide(self, connection: Connection, question: Question) -> tuple[bytes, bytes] | None:
        """The head up to Date, and the body, at once; None: it has to wait."""

    def wait(self, connection: Connection) -> None:
        """Ask it when its turn comes, and reply."""

    def later(self, connection: Connection) -> None:
        """``more`` of it, once others have had their answers."""

    def stand_back(self, connection: Connection, away: bool) -> None:
        """Likewise, once others have had most of the time.  ``away``: there is no room for it to wait."""

    def watch(self) -> None:
        """``Lane.turned`` in the loop's next turn: in this one reads have taken long."""

    def gone(self, connection: Connection) -> None:
        """It waits no more."""

    def noted(self) -> None:
        """The lane has noted something that is to become a line, or its ring is half full."""

    def handler(self) -> asyncio.Protocol:
        """A connection of aiohttp's."""

@final
class Connection(asyncio.Protocol):
    """An ``asyncio.Protocol``; ``desk`` (see the stub) is asked for what is Python's."""

    peer: str
    dialect: str
    waiter: object
    since: float
    """Boot time at which a head began to arrive, or the last answer was given."""

    def __init__(self, lane: Lane, desk: _Desk, dialect: str = "") -> None:
        """``dialect``: what its listener fixes for ``/auth``; empty: nothing is asked there."""

    def owes(self) -> bool:
        """Whether an answer is waited for still.  What stands ready by now is given."""

    def shown(self) -> tuple[int, int, bytes] | None:
        """Of what is waited for, where nothing else of it decides: its route's number, its rule's place (-1: none), and the token.

        Like ``question``, only after ``owes``, in the same turn of the loop.
        """

    def settle(self) -> bool:
        """Answer by what was prepared since ``owes``; whether that was all that it lacked."""

    def question(self) -> Question:
        """What is waited for."""

    def reply(self, head: bytes, body: bytes) -> None:
        """Answer what was asked: the head up to Date, and the body."""

    def prepare(self, route: Route, rule: int, until_wall: float, until_boot: float, head: bytes) -> None:
        """The token that was last asked about may be answered so again, as ``Decision.reuse`` says.

        ``rule``: its place among the enforced rules, or -1.
        """

    def check(self, boot: float) -> None:
        """Close it if a head, or the next request, is too long in coming, or nobody reads what we write."""

    def more(self) -> None:
        """Its turn has come: answer what was left over."""

    def rested(self) -> float:
        """Seconds since its last answer, or its beginning; 0 while anything is under way."""

    def shut(self) -> None:
        """Close it if it owes nothing."""

    def abort(self) -> None:
        """Close it, whatever it owes."""
