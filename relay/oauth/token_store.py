"""Access tokens in the relay's database, sealed: what one process has fetched, the others use.

A cache: whatever is wrong with it, a token can always be asked for anew. All times are counted by the database's clock.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from relay.database import Connection, Database
from relay.seal import Sealer


@dataclass(frozen=True, slots=True)
class Stored:
    """What is kept for one account or mailbox. Times are in seconds from now, negative when they have passed.

    `asked_with` is a fingerprint of the settings and secrets that it was asked with.
    """

    asked_with: str = field(repr=False)
    token: dict[str, Any] = field(repr=False)
    failure: dict[str, Any]
    expires_in: float = 0.0
    refresh_in: float = 0.0
    ask_in: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer to who wants to ask: the database's time, and the seconds until it is his turn (0: now)."""

    at: float
    wait: float


class TokenStore:
    """The table of access tokens. Every method raises StorageError when the database refuses, SealError without key.

    `mailbox` is "" for the account's own token, else the mailbox, or the way ("graph") whose token is another one.
    """

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def find(self, account: str, mailbox: str) -> Stored | None:
        """What is kept; None for nothing, and for what cannot be opened with the key of now."""
        row = await self._database.read(
            lambda connection: connection.execute(
                f"""SELECT content, expires_at - {self._database.now}, refresh_at - {self._database.now},
                    ask_at - {self._database.now} FROM access_token WHERE account = ? AND mailbox = ?""",  # noqa: S608
                (account, mailbox),
            ).fetchone()
        )
        if row is None or not row[0] or not self._sealer.is_current(row[0]):
            return None
        content = json.loads(self._sealer.open(row[0], _purpose(account, mailbox)))
        return Stored(content["asked_with"], content["token"], content["failure"], *row[1:])

    async def lease(self, account: str, mailbox: str, owner: str, seconds: float) -> Turn:
        """Take the right to ask for `seconds`, if nobody has it."""
        now, place = self._database.now, (account, mailbox)

        def work(connection: Connection) -> Turn:
            connection.execute(
                "INSERT INTO access_token (account, mailbox) VALUES (?, ?) ON CONFLICT DO NOTHING", place
            )
            taken = connection.execute(
                f"""UPDATE access_token SET lease_owner = ?, lease_until = {now} + ?
                    WHERE account = ? AND mailbox = ? AND (lease_until <= {now} OR lease_owner = ?)""",  # noqa: S608
                (owner, seconds, *place, owner),
            )
            sql = f"SELECT {now}, lease_until - {now} FROM access_token WHERE account = ? AND mailbox = ?"  # noqa: S608
            at, left = connection.execute(sql, place).fetchone()
            return Turn(float(at), 0.0 if taken.rowcount else max(0.01, float(left)))

        return await self._database.write(work)

    async def keep(self, account: str, mailbox: str, owner: str, what: Stored, now: float) -> None:
        """Keep `what`, whose times are from `now` on, and end the lease of `owner`.

        What another owner has put there in the meantime stays.
        """
        content = {"asked_with": what.asked_with, "token": what.token, "failure": what.failure}
        sealed = self._sealer.seal(json.dumps(content), _purpose(account, mailbox))
        times = (now + what.expires_in, now + what.refresh_in, now + what.ask_in)
        await self._database.write(
            lambda connection: connection.execute(
                """UPDATE access_token SET content = ?, expires_at = ?, refresh_at = ?, ask_at = ?, lease_owner = '',
                    lease_until = 0 WHERE account = ? AND mailbox = ? AND lease_owner = ?""",
                (sealed, *times, account, mailbox, owner),
            )
        )

    async def release(self, account: str, mailbox: str, owner: str) -> None:
        """End the lease, if it is still this owner's."""
        sql = """UPDATE access_token SET lease_owner = '', lease_until = 0
            WHERE account = ? AND mailbox = ? AND lease_owner = ?"""
        await self._database.write(lambda connection: connection.execute(sql, (account, mailbox, owner)))


def _purpose(account: str, mailbox: str) -> str:
    return f"access token of {account}{f' ({mailbox})' if mailbox else ''}"
