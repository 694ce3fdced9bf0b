"""The paces of all identities, written down so that a restart does not forget what was sent today."""

import asyncio
import contextlib
from collections.abc import Iterable

from relay.database import Connection, Database, StorageError
from relay.limits.pace import Pace, Pieces
from relay.model import Clock, Identity, Rate

_OVER = 1.01
"""Windows after which a piece of one is over, the time that it spans included."""
_PRUNE_EVERY = 3600.0
_Row = tuple[str, str, float, float, float, int]


class Ledger:
    """Makes the paces, keeps them in `database`.

    Writing follows sending by one commit: a crash forgets what was sent in its last milliseconds. Processes that share
    a database do not see each other's sending yet; there is one (DESIGN 8).
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._unsaved: set[Pace] = set()
        self._wake = asyncio.Event()
        self._closing = False

    async def pace(self, identity: Identity, rates: Iterable[Rate]) -> Pace:
        """The pace of an identity, with what it has sent lately. Raises StorageError.

        The ledger itself keeps none: who lets one go when all is written gets it back as it was.
        """
        pace = Pace(rates, self._clock, self._note, str(identity))
        rows = await self._database.read(lambda connection: _load(connection, pace.name), quick=True)
        now = self._clock.time()
        for unit, seconds, ended_at, amount in rows:
            if now - ended_at < seconds:
                # A clock that was set back since then must not stop the mail for longer than the window.
                pace.recall(unit, seconds, max(0.0, now - ended_at), amount)
        return pace

    async def run(self) -> None:
        """Write down what changes, until `close()`; now and then forget what counts no more."""
        prune_at = 0.0
        while True:
            if self._clock.monotonic() >= prune_at:
                prune_at = self._clock.monotonic() + _PRUNE_EVERY
                await self._prune()
            if self._closing:
                break
            await self._clock.wait(self._wake, _PRUNE_EVERY)
            self._wake.clear()
            if self._unsaved:
                await self._try_to_save()
        if self._unsaved:
            await self._try_to_save()

    async def _prune(self) -> None:
        now = self._clock.time()
        with contextlib.suppress(StorageError):  # the next hour tries again
            await self._database.write(lambda connection: _prune(connection, now))

    async def _try_to_save(self) -> None:
        with contextlib.suppress(StorageError):  # delivery tells of it; the next change tries again
            await self.save()

    async def close(self) -> None:
        """Write down the last changes."""
        self._closing = True
        self._wake.set()

    async def save(self) -> None:
        """Write down what has changed. Raises StorageError; then nothing is forgotten."""
        self._wake.clear()
        taken = {pace: pace.give_unsaved() for pace in self._unsaved}
        self._unsaved.clear()
        rows = [row for pace, pieces in taken.items() for row in self._rows(pace, pieces)]
        now = self._clock.time()
        try:
            await self._database.write(lambda connection: _save(connection, rows, now))
        except BaseException:
            for pace, pieces in taken.items():
                pace.unsaved = pieces | pace.unsaved
                self._unsaved.add(pace)
            raise

    def _rows(self, pace: Pace, pieces: Pieces) -> list[_Row]:
        shift = self._clock.time() - self._clock.monotonic()
        rows: list[_Row] = []
        for (rate, first), piece in pieces.items():
            if piece.began_at is None:
                piece.began_at = first + shift
            at = (piece.began_at, piece.last + shift)
            rows.append((pace.name, rate.unit, rate.seconds, *at, piece.amount))
        return rows

    def _note(self, pace: Pace) -> None:
        self._unsaved.add(pace)
        self._wake.set()


def _load(connection: Connection, name: str) -> list[tuple[str, float, float, int]]:
    return connection.execute(
        "SELECT unit, seconds, ended_at, amount FROM pace WHERE identity = ? ORDER BY ended_at", (name,)
    ).fetchall()


def _prune(connection: Connection, now: float) -> None:
    connection.execute("DELETE FROM pace WHERE ended_at + seconds < ?", (now,))


def _save(connection: Connection, rows: list[_Row], now: float) -> None:
    connection.executemany(
        """INSERT INTO pace (identity, unit, seconds, began_at, ended_at, amount) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET ended_at = excluded.ended_at, amount = excluded.amount""",
        rows,
    )
    windows = {row[:3] for row in rows}
    connection.executemany(
        "DELETE FROM pace WHERE identity = ? AND unit = ? AND seconds = ? AND began_at < ?",
        [(*window, now - _OVER * window[2]) for window in windows],
    )
