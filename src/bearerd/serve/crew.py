"""The workers of one bearerd: hired, told whom to serve, asked, replaced and dismissed.

Who serves which slot is one pure function (``member.assignment``), asked again after every change.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
from typing import TYPE_CHECKING, Any, Final

from bearerd import log
from bearerd._native import clock
from bearerd.serve import hiring
from bearerd.serve.channel import Channel, ChannelClosed, NotDone
from bearerd.serve.member import Member, Phase, Share, assignment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from bearerd.config.model import Config
    from bearerd.config.papers import Papers
    from bearerd.serve.hiring import Terms
    from bearerd.serve.listeners import Listeners
    from bearerd.serve.page import Pages

START_SECONDS: Final = 60.0  # until a new worker must be up, and a successor ready
RELOAD_SECONDS: Final = 30.0
BACK_OFF: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before a slot's n-th replacement in a row
MOST_FAULTS: Final = 5  # starts for each slot that fail by faults of the workers' own before any began
PROVEN_TICKS: Final = 60  # a worker that was up for so many seconds did not fail at its start
KILL_SECONDS: Final = 5.0  # beyond its patience, for a worker that leaves
REAP_STEP: Final = 0.01

_LOGGER: Final = logging.getLogger("bearerd.supervisor")


class Crew:
    """See the module.  ``on_gone(member)`` is awaited for each worker that ended, whyever."""

    def __init__(
        self,
        slots: int,
        listeners: Listeners,
        pages: Pages,
        terms: Terms,
        on_gone: Callable[[Member], Awaitable[None]],
    ) -> None:
        self.slots: Final = slots
        self.terms: Final = terms
        self.members: list[Member] = []
        self.hopeless: asyncio.Future[str] = asyncio.get_running_loop().create_future()  # why none can ever start
        self.begun = False  # every slot was once served by a worker that is ready
        self._listeners = listeners
        self._pages = pages
        self._on_gone = on_gone
        self._numbers = itertools.count(1)
        self._failures = [0] * slots
        self._faults = 0  # starts that failed by a fault of the worker's before any began
        self._lives: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._rolling = asyncio.Lock()
        self._ending = False

    # ---- hiring

    async def fill(self) -> None:
        """A worker for each slot."""
        for slot in range(self.slots):
            await self.hire(slot)

    async def hire(self, slot: int, *, trial: bool = False) -> Member:
        """Start one worker; what becomes of it is seen to from here on."""
        page = self._pages.new(self.terms.page_size())
        try:
            process, sock = hiring.launch(page, self._listeners, self.terms.config.server.profile)
        except OSError:
            self._pages.retire(page)
            raise
        holder: list[Member] = []
        channel = await Channel.over(sock, lambda what, fields: self._told(holder[0], what, fields))
        member = Member(slot, next(self._numbers), process, page, channel, trial=trial)
        holder.append(member)
        self.members.append(member)
        life = asyncio.get_running_loop().create_task(self._follow(member))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        if self._ending:
            process.kill()
        return member

    async def _follow(self, member: Member) -> None:
        """From its start to its end."""
        starting = asyncio.ensure_future(self._start(member))
        await member.channel.run()
        starting.cancel()
        if member.phase is Phase.LEAVING:
            await self._reap(member, KILL_SECONDS)
        member.process.kill()  # whoever hangs up is no longer watched, and so may not go on
        await self._reap(member, math.inf)
        await self._gone(member)

    async def _reap(self, member: Member, seconds: float) -> None:
        deadline = clock.boot() + seconds
        while member.process.poll() is None and clock.boot() < deadline:  # noqa: ASYNC110 - no signal is safe to wait for
            await asyncio.sleep(REAP_STEP)

    async def _start(self, member: Member) -> None:
        orders = self.terms.orders(member.slot, member.page, self._listeners)
        member.ordered = True
        try:
            told = await member.channel.ask("start", START_SECONDS, **orders)
        except ChannelClosed:
            return
        except (TimeoutError, NotDone) as error:
            _LOGGER.error("a worker did not start", extra={"worker": member.pid, "detail": str(error)})
            never = not any(other.settled for other in self.members)
            if never and not self.begun and isinstance(error, NotDone):
                self._despair(error)
            member.process.kill()
            return
        member.lease = str(told.get("lease", ""))
        if member.phase is Phase.STARTING:
            member.phase = Phase.UP
            self.assign()

    def _despair(self, error: NotDone) -> None:
        """None has ever begun.  What is wrong with the configuration stays wrong; any other fault may pass, but not for ever."""
        self._faults += 1
        if self.hopeless.done():
            return
        if error.fault == "ConfigError":
            self.hopeless.set_result(str(error))
        elif self._faults >= MOST_FAULTS * self.slots:
            self.hopeless.set_result(f"no worker can start: {error} (the log says where; please report it)")

    async def _gone(self, member: Member) -> None:
        """Fold its counts, give its slot away, and see to a successor."""
        unasked = member.phase is not Phase.LEAVING and not self._ending
        member.phase = Phase.GONE
        member.news.set()
        self.members.remove(member)
        self._pages.retire(member.page)
        self.assign()
        status = member.process.returncode
        _LOGGER.log(
            logging.ERROR if unasked else logging.INFO,
            "a worker ended unasked" if unasked else "a worker ended",
            extra={"worker": member.pid, "slot": member.slot, "status": status},
        )
        if unasked and not member.trial:
            self._pages.own.inc("bearerd_worker_restarts_total")
            self._task(self._succeed(member))
        await self._on_gone(member)

    async def _succeed(self, member: Member) -> None:
        heir = next((other for other in self.members if other.slot == member.slot and other.trial), None)
        if heir is not None:  # it was to be replaced anyway
            heir.trial = False
            return
        if member.ticks >= PROVEN_TICKS:
            self._failures[member.slot] = 0
        failures = self._failures[member.slot]
        self._failures[member.slot] += 1
        await asyncio.sleep(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
        while not self._ending:
            with contextlib.suppress(OSError):
                await self.hire(member.slot)
                return
            _LOGGER.error("no new process could be started", extra={"slot": member.slot})
            await asyncio.sleep(BACK_OFF[-1])

    # ---- serving

    def assign(self) -> None:
        """Tell everyone whom to serve."""
        for member, share in assignment(self.members, self.slots).items():
            if share != member.share:
                member.share = share
                member.channel.tell("serve", slots=sorted(share.slots), unix=share.unix)

    def settle(self, member: Member) -> None:
        """It serves its slot from now on, ready or not."""
        if not member.settled:
            member.settled = True
            self.assign()

    def _told(self, member: Member, what: str, fields: dict[str, Any]) -> None:
        if what == "beat":
            self._beat(member, fields.get("health"), fields.get("open"))
        elif what == "leaving" and not self._ending and member.phase is Phase.UP:
            self._task(self.replace(member))

    def _beat(self, member: Member, health: Any, accepts: Any) -> None:
        member.silent, member.open = 0, frozenset(accepts or ())
        if isinstance(health, dict):
            member.health = health
        if member.suspected:
            member.suspected = False
            member.share = Share()  # it may have missed what it was told
            self.assign()
        if member.succeeds:
            member.news.set()
        if (member.decides or member.tried) and not member.trial:
            self.settle(member)
        served = frozenset[int]().union(*(one.open for one in self.members if one.ready))
        self.begun = self.begun or len(served) == self.slots

    # ---- asking

    async def ask_any(self, what: str, patience: float, **fields: Any) -> Any:
        """The answer of one worker, a ready one if there is one.

        Raises ChannelClosed where there is none, TimeoutError, or NotDone.
        """
        for member in sorted(self.members, key=lambda member: (not member.decides, not member.able)):
            if member.phase is not Phase.UP:
                continue
            with contextlib.suppress(ChannelClosed):
                return await member.channel.ask(what, patience, **fields)
        raise ChannelClosed

    async def ask_all(self, what: str, patience: float, **fields: Any) -> list[Any]:
        """The answers of all workers that have one."""
        asked = [
            member.channel.ask(what, patience, **fields)
            for member in self.members
            if member.phase in (Phase.UP, Phase.LEAVING)
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    async def reload(self, config: Config) -> None:
        """Give every worker a new configuration; if one refuses it, or none can take it, all get the old one back.

        A worker that does not answer, or dies of it, is replaced by one that starts with what is in use then.  Raises NotDone.
        """
        before, self.terms.config = self.terms.config, config
        refusal = await self._hand_out("reload", undo=True, config=hiring.dump(config))
        if refusal is not None:
            self.terms.config = before
            await self._hand_out("reload", config=hiring.dump(before))
            raise refusal

    async def take(self, papers: Papers | None) -> None:
        """Greet every new connection with these (None: without TLS); a worker that cannot is replaced."""
        if papers != self.terms.papers:
            self.terms.papers = papers
            await self._hand_out("papers", papers=None if papers is None else papers.as_dict())

    async def store_moved(self, url: str) -> None:
        """The embedded store was started again, and is there now; whoever is still starting is told, too."""
        self.terms.store_url = url
        self.terms.store_is_ours = False  # workers may know more than it does
        await self._hand_out("store", url=url)

    async def _hand_out(self, what: str, *, undo: bool = False, **fields: Any) -> NotDone | None:
        """Why a worker refuses it, if one does.  Who was not told yet what to start with will be told this.

        ``undo``: what none can take, whyever, counts as refused.  It is at fault itself: the successors of those that were
        killed for it could not start with it either, and nobody would serve.
        """
        members = [member for member in self.members if member.ordered]
        asked = [member.channel.ask(what, RELOAD_SECONDS, **fields) for member in members]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        if undo and (fault := _common(answers)) is not None:
            return fault
        refusal = None
        for member, answer in zip(members, answers, strict=True):
            if isinstance(answer, NotDone) and answer.fault == "ConfigError":
                refusal = answer
            elif isinstance(answer, NotDone | TimeoutError):
                _LOGGER.error("a worker failed to reload and is killed", extra={"worker": member.pid, "order": what})
                member.process.kill()
        return refusal

    # ---- replacing

    async def roll(self) -> bool:
        """Replace every worker, one after the other, without losing a request; False where a successor failed."""
        if self._rolling.locked():
            _LOGGER.warning("a rolling restart is under way already")
            return False
        async with self._rolling:
            for slot in range(self.slots):
                for member in [one for one in self.members if one.slot == slot and one.phase is Phase.UP]:
                    if not await self.replace(member):
                        return False
        return True

    async def replace(self, member: Member) -> bool:
        """Hire a successor; once it is ready it takes over, and this one leaves.  False: it stays."""
        if member.leaving:
            return True  # somebody sees to it already
        member.leaving = True
        try:
            successor = await self.hire(member.slot, trial=True)
        except OSError:
            member.leaving = False
            _LOGGER.error("no new process could be started", extra={"slot": member.slot})
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(successor.news.wait(), START_SECONDS)
        if member.phase is Phase.GONE or self._ending:
            return not self._ending
        if not successor.succeeds:
            _LOGGER.error("a successor did not become ready: the old worker stays", extra={"worker": member.pid})
            successor.process.kill()
            member.leaving = False
            return False
        successor.trial = False
        self.settle(successor)
        self._let_go(member, self.terms.config.server.drain_timeout, successor=True)
        return True

    def _let_go(self, member: Member, patience: float, *, successor: bool) -> None:
        if member.phase is Phase.STARTING:
            member.process.kill()
        if member.phase in (Phase.STARTING, Phase.UP):
            member.phase = Phase.LEAVING
            member.channel.tell("leave", patience=patience, successor=successor)
            self._task(self._make_sure(member, patience + KILL_SECONDS))
            self.assign()

    async def _make_sure(self, member: Member, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if member.phase is not Phase.GONE:
            _LOGGER.error("a worker did not leave in time and is killed", extra={"worker": member.pid})
            member.process.kill()

    async def dismiss(self, patience: float) -> None:
        """All leave: what is under way is answered, for at most ``patience`` seconds."""
        self._ending = True
        for member in list(self.members):
            self._let_go(member, patience, successor=False)
        while self._lives:
            await asyncio.wait(self._lives)
        for task in self._tasks:
            task.cancel()

    def kill(self) -> None:
        """All end at once."""
        self._ending = True
        for member in self.members:
            member.process.kill()

    def _task(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _common(answers: Sequence[Any]) -> NotDone | None:
    """Why nobody could do it, if nobody could, and not for want of an answer alone."""
    faults = [answer for answer in answers if isinstance(answer, Exception)]
    said = [fault for fault in faults if not isinstance(fault, ChannelClosed | TimeoutError)]
    if not said or len(faults) < len(answers):
        return None
    for fault in said:
        if isinstance(fault, NotDone) and fault.fault == "ConfigError":
            return fault
    first = said[0]
    detail = str(first) if isinstance(first, NotDone) else log.told(first)
    return NotDone(type(first).__name__, f"no worker can take it, the log says more: {detail}")
