"""The paces of all identities, written down so that a restart does not forget what was sent today."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from relay.database import Connection, Database, StorageError
from relay.limits.pace import Pace, Pieces
from relay.model import Clock, Identity, Rate

_OVER = 1.01
"""Windows after which a piece of one is over, the time that it spans included."""
_Row = tuple[str, str, float, float, float, int]


class Ledger:
    """Makes the paces, keeps them in `database`.

    Writing follows sending by one commit: a crash forgets what was sent in its last milliseconds. Processes that share
    a database do not see each other's sending yet; there is one (DESIGN 8).
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._paces: dict[Identity, Pace] = {}
        self._names: dict[Pace, str] = {}
        self._unsaved: set[Pace] = set()
        self._wake = asyncio.Event()
        self._closing = False

    async def open(self, rates: Mapping[Identity, Iterable[Rate]]) -> dict[Identity, Pace]:
        """A pace for each identity that has rates, with what was sent lately. Raises StorageError."""
        for identity, wanted in rates.items():
            if given := tuple(wanted):
                pace = self._paces[identity] = Pace(given, self._clock, self._note)
                self._names[pace] = str(identity)
        by_name = {str(identity): pace for identity, pace in self._paces.items()}
        now = self._clock.time()
        rows = await self._database.write(lambda connection: _load(connection, now)) if by_name else []
        for name, unit, seconds, _, ended_at, amount in rows:
            if name in by_name:
                # A clock that was set back since then must not stop the mail for longer than the window.
                by_name[name].recall(unit, seconds, min(seconds, max(0.0, now - ended_at)), amount)
        return dict(self._paces)

    async def run(self) -> None:
        """Write down what changes, until `close()`."""
        while not self._closing:
            await self._wake.wait()
            await self._try_to_save()
        if self._unsaved:
            await self._try_to_save()

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
            rows.append((self._names[pace], rate.unit, rate.seconds, *at, piece.amount))
        return rows

    def _note(self, pace: Pace) -> None:
        self._unsaved.add(pace)
        self._wake.set()


def _load(connection: Connection, now: float) -> list[_Row]:
    connection.execute("DELETE FROM pace WHERE ended_at + seconds < ?", (now,))
    return connection.execute(
        "SELECT identity, unit, seconds, began_at, ended_at, amount FROM pace ORDER BY ended_at"
    ).fetchall()


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
