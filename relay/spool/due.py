"""Which messages come next: by priority, then age, with a share for those that have waited longest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from relay.database import Connection
from relay.model import Priority

PRIORITIES: Final[Mapping[Priority, int]] = {"high": 0, "normal": 1, "low": 2}
"""How the database sorts them."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many recipients the messages may have together, and the first of them if it goes alone.

    A message counts with no more than `largest`, which go at a time.
    """

    recipients: int
    first: int
    largest: int | None = None


def messages(
    connection: Connection,
    accounts: Sequence[str],
    limit: int,
    now: float,
    *,
    by_age: int = 0,
    room: Room | None = None,
) -> list[int]:
    """The next `limit` due messages of `accounts` in the order in which they are to go.

    The first one that has not enough room ends the list: were smaller ones to pass it, it might never go.
    """
    found = _oldest(connection, accounts, by_age, now) if by_age else []
    if len(found) < limit:
        first = _first(connection, accounts, limit, now)
        found += [seq for seq in first if seq not in found][: limit - len(found)]
    return found if room is None else _fitting(connection, found, room)


def _first(connection: Connection, accounts: Sequence[str], limit: int, now: float) -> list[int]:
    marks = ", ".join("?" * len(accounts))
    rows = connection.execute(
        f"""SELECT seq FROM message WHERE state = 'queued' AND account IN ({marks}) AND next_at <= ?
            ORDER BY priority, next_at, seq LIMIT ?""",  # noqa: S608 (only marks)
        (*accounts, now, limit),
    ).fetchall()
    return [seq for (seq,) in rows]


def _oldest(connection: Connection, accounts: Sequence[str], limit: int, now: float) -> list[int]:
    """A look at the head of each account's priorities: together they would have to be sorted."""
    heads: list[tuple[float, int]] = []
    for account in accounts:
        for priority in PRIORITIES.values():
            heads += connection.execute(
                """SELECT next_at, seq FROM message WHERE state = 'queued' AND account = ? AND priority = ?
                   AND next_at <= ? ORDER BY next_at, seq LIMIT ?""",
                (account, priority, now, limit),
            ).fetchall()
    return [seq for _, seq in sorted(heads)[:limit]]


def _fitting(connection: Connection, found: Sequence[int], room: Room) -> list[int]:
    left = room.recipients
    chosen: list[int] = []
    for seq in found:
        (count,) = connection.execute(
            "SELECT count(*) FROM recipient WHERE message = ? AND state = 'pending'", (seq,)
        ).fetchone()
        count = min(count, room.largest or count)
        if count > (left if chosen else max(left, room.first)):
            break
        left -= count
        chosen.append(seq)
    return chosen
