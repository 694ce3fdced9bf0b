"""How old the waiting mail is: the one view that shows which mailbox is stuck and since when."""

from dataclasses import dataclass

from relay.database import Connection

LIMITS = (300, 900, 3600, 14400, 86400, 432000)
"""Seconds: the columns of the table, `up to 5 minutes` first; one more holds what is older."""


@dataclass(frozen=True, slots=True)
class Ages:
    """The mail of one account or mailbox that waits: `counts` has a number for each of LIMITS, and a last one."""

    account: str
    mailbox: str
    """Whose, where the account acts as whoever sends; else ""."""
    counts: tuple[int, ...]
    octets: int
    oldest: float
    """When the oldest was received, in seconds since the epoch."""

    @property
    def total(self) -> int:
        return sum(self.counts)


def ages(connection: Connection, now: float) -> list[Ages]:
    """The accounts, and mailboxes in them, that have mail queued, held or being sent, by name."""
    edges = zip((None, *LIMITS), (*LIMITS, None), strict=True)
    columns = [f"coalesce(sum({_between(low, high)}), 0)" for low, high in edges]
    rows = connection.execute(
        f"""SELECT account, mailbox, sum(size), min(received_at), {", ".join(columns)}
            FROM (SELECT account, mailbox, size, received_at, ? - received_at AS age FROM message
                  WHERE state IN ('queued', 'active', 'held')) AS waiting
            GROUP BY account, mailbox ORDER BY account, mailbox""",  # noqa: S608 (only numbers)
        (now,),
    ).fetchall()
    return [Ages(account, mailbox, tuple(counts), size, oldest) for account, mailbox, size, oldest, *counts in rows]


def _between(low: int | None, high: int | None) -> str:
    """1 for an age between the two, as SQL of every database. A clock that was set back makes no age disappear."""
    terms = ([f"age > {low}"] if low is not None else []) + ([f"age <= {high}"] if high is not None else [])
    return f"CASE WHEN {' AND '.join(terms)} THEN 1 ELSE 0 END"
