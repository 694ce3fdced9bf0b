"""The spool's side of reports: which are due, and how one is queued in the commit that pays for it."""

import asyncio
from functools import partial
from pathlib import Path

from relay.database import Connection, Database, StorageError
from relay.model import Clock, Envelope, MemoryBody, Origin
from relay.spool import Spool, Submission, debts, rows
from relay.spool.debts import ChangedMeanwhile, Debt
from relay.spool.queues import Queue
from relay.spool.upload import new_id

_MOST = 100
"""Debts that are looked at in one go."""


class Reports:
    """Debts and reports of the queue in `database`, whose large bodies are in `folder`/bodies."""

    def __init__(self, spool: Spool, database: Database, folder: Path, clock: Clock | None = None) -> None:
        self._spool = spool
        self._database = database
        self._bodies = folder / "bodies"
        self._clock = clock or Clock()

    async def wait(self, seconds: float) -> None:
        """Wait until a report may be due, or that long."""
        try:
            async with asyncio.timeout(seconds):
                await self._spool.owed.wait()
        except TimeoutError:
            pass
        self._spool.owed.clear()

    async def due(self) -> list[Debt]:
        """Debts for failures, and for successes that somebody asked for; none whose client still waits for a reply."""
        found = await self._database.read(lambda connection: debts.due(connection, _MOST))
        wanted = [seq for seq, identifier in found if not self._spool.is_watched(identifier)]
        return await self._debts(wanted, is_late=False)

    async def late(self, seconds: float) -> list[Debt]:
        """Messages that have waited so long that their sender is to be told of the delay."""
        before = self._clock.time() - seconds
        return await self._debts(
            await self._database.read(lambda connection: debts.late(connection, before, _MOST)), is_late=True
        )

    async def body(self, debt: Debt) -> bytes | None:
        """The body of a message in debt; None when it is not kept, or cannot be read."""
        if debt.body_file is None:
            return debt.body
        try:
            return await asyncio.to_thread(debt.body_file.read_bytes)
        except OSError:
            return None

    def failed(self, error: StorageError) -> None:
        """Note that the database refuses: it is told once."""
        self._spool.capacity.fail(error)

    def new_id(self) -> str:
        """A name for a report."""
        return new_id(self._clock.time())

    async def queue(self, debt: Debt, identifier: str, report: Submission, body: bytes) -> bool:
        """Queue a report and pay the debt, both or neither; False when there is nothing to tell any more."""
        report = self._spool.mailboxes.sorted_in(report)

        def work(connection: Connection) -> None:
            debts.pay(connection, debt, untold=False)
            rows.insert(connection, identifier, report, MemoryBody.of(body))

        try:
            await self._database.write(work)
        except ChangedMeanwhile:
            return False
        self._spool.courier.notice(report.queue)
        return True

    async def settle(self, debt: Debt, *, untold: bool) -> bool:
        """Pay a debt without a report, because none is wanted or (`untold`) because nobody can be told."""
        try:
            await self._database.write(lambda connection: debts.pay(connection, debt, untold=untold))
        except ChangedMeanwhile:
            return False
        return True

    async def send_from(self, debt: Debt, sender: str) -> None:
        """Send a report once more that was refused with a null sender, now with this one."""
        now = self._clock.time()
        mailbox = self._spool.mailboxes.of(debt.account, Envelope(sender, ()), Origin("", "", ""))
        await self._database.write(lambda connection: debts.send_from(connection, debt.seq, sender, mailbox, now))
        self._spool.courier.notice(Queue(debt.account, mailbox))

    async def count(self, address: str, seconds: float) -> int:
        """How many reports `address` was written in that time."""
        now = self._clock.time()
        return await self._database.read(lambda connection: debts.reports_to(connection, address, now - seconds, now))

    async def troubles(self) -> tuple[int, int]:
        """(messages of whose failure nobody could be told, reports that could not be sent)."""
        return await self._database.read(debts.troubles)

    async def _debts(self, seqs: list[int], *, is_late: bool) -> list[Debt]:
        found = [
            await self._database.read(partial(debts.debt, seq=seq, bodies=self._bodies, is_late=is_late))
            for seq in seqs
        ]
        return [each for each in found if each is not None]
