"""What the queue does for itself: it writes so that trouble is noticed and the clock is followed, and it forgets."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from relay import log, metrics
from relay.database import Connection, Database, StorageError
from relay.model import Clock
from relay.spool import capacity, endings, history, jumps, pruning, rows
from relay.spool.capacity import Capacity, Limits
from relay.spool.courier import Courier, Nobody
from relay.spool.mailboxes import Acting, Mailboxes, sort_in
from relay.spool.upload import remove

T = TypeVar("T")

_BREATH = 0.05
"""Seconds between two steps of tidying up: the mail that waits goes first."""


class Housekeeping:
    """The part of a spool that puts no message in and takes none out."""

    def __init__(self, database: Database, folder: Path, clock: Clock, limits: Limits) -> None:
        self._database = database
        self._bodies = folder / "bodies"
        self._clock = clock
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="spool")
        self._watch = jumps.ClockWatch(clock)
        self.capacity = Capacity(database, folder, limits, clock)
        """Whether there is room for new mail."""
        self.owed = asyncio.Event()
        """Set when a report may have become due."""
        self.courier: Courier = Nobody()
        """Delivery, when it runs in this process."""
        self.mailboxes = Mailboxes()

    async def expire(self) -> int:
        """Fail what has waited longer than its `max_age`; how many that were."""
        now = self._clock.time()
        expired = await self._write(lambda connection: endings.expire(connection, now))
        for message_id, account, reason in expired:
            metrics.FAILED.labels(account, "expired").inc()
            log.spool.message_expired(message_id, account, reason)
            self.owed.set()
        return len(expired)

    async def reclaim(self) -> None:
        """Take back leases that nobody renews."""
        now = self._clock.time()  # not later: the clock may be set before it is this piece's turn
        lost = await self._write(lambda connection: rows.reclaim(connection, now))
        if lost:
            log.delivery.leases_lost(lost)

    async def hold_unknown(self, accounts: Sequence[str], acting: Acting | None = None) -> tuple[int, int]:
        """Hold the mail of accounts that the configuration no longer has, and let go what has its account again.

        `acting` are those that act as whoever sends, if that has changed: what waits for them is sorted by mailbox.
        """
        if acting is not None:
            self.mailboxes.acting = acting
            await self._write(lambda connection: sort_in(connection, accounts, acting))
        return await self._write(lambda connection: history.hold_unknown(connection, accounts))

    async def prune(self, keep_sent: float, keep_failed: float, limits: Limits = capacity.NONE) -> None:
        """Forget messages that were done longer ago than these seconds; then failed ones, the oldest first, while all
        content takes more room than the limits give it. Mail goes on between the steps.
        """
        self.capacity.crowded.clear()
        now = self._clock.time()
        await self._forget(lambda connection: pruning.by_age(connection, now - keep_sent, now - keep_failed))
        while (excess := await self._database.read(partial(pruning.excess, limits=limits))) is not None:
            freed, files = await self._write(partial(pruning.by_size, excess=excess))
            await self._unlink(files)
            if not freed:
                break
        while await self._database.tidy():
            await self._clock.sleep(_BREATH)

    async def _forget(self, step: Callable[[Connection], tuple[bool, list[str]]]) -> None:
        more = True
        while more:
            more, files = await self._write(step)
            await self._unlink(files)

    # --- the clock

    async def heal(self) -> None:
        """Follow a clock that was set back while no relay ran."""
        now = self._clock.time()
        by = -await self._database.read(lambda connection: jumps.set_back_by(connection, now))
        if by:
            log.spool.clock_moved(by, await self._write(partial(jumps.follow, by=by)))

    def follow_clock(self) -> None:
        """If the clock was set, move what waits with it; what is written from now on comes after that."""
        by = self._watch.moved()
        if not by:
            return
        self.courier.clock_moved(by)
        written = asyncio.ensure_future(self._database.write(partial(jumps.follow, by=by)))

        def ended(written: asyncio.Future[int]) -> None:
            error = None if written.cancelled() else written.exception()
            if error is None:
                log.spool.clock_moved(by, written.result())
                self.courier.clock_moved(0.0)
            else:
                self._watch.forget(by)
                self.courier.clock_moved(-by)
                self._failed(error)

        written.add_done_callback(ended)

    # --- writing

    async def _write(self, work: Callable[[Connection], T], *, patience: float = 0.0) -> T:
        self.follow_clock()
        try:
            return await self._database.write(work, patience=patience)
        except StorageError as error:
            self._failed(error)
            raise

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, StorageError | OSError):
            self.capacity.fail(error)

    async def _unlink(self, names: Sequence[str]) -> None:
        if names:
            paths = [self._bodies / name for name in names]
            await asyncio.get_running_loop().run_in_executor(self._pool, remove, paths)
