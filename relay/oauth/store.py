"""Where sign-ins are kept: refresh tokens in the relay's database, sealed, with what they are good for.

A row is changed by whoever holds its lease (one refresh at a time, in all processes that share the database) or by a
new sign-in, which goes before everything. Nothing here ever deletes a refresh token because of an answer.
"""

from dataclasses import dataclass, field
from typing import Any

from relay.database import Connection, Database
from relay.oauth.token_store import TokenStore
from relay.seal import Sealer, SealError

OK = "ok"
CONSENT_NEEDED = "consent_needed"

_COLUMNS = """account, mailbox, user_name, refresh_token, client_id, token_endpoint, scope, obtained_at, used_at, state,
    error, version"""


@dataclass(frozen=True, slots=True)
class Consent:
    """One sign-in that is kept. `mailbox` is "" for the account's own; times are seconds since the epoch.

    `used_at` is when it last gave a token or, once it has ended, when that was last said of it.
    `sealed` is the refresh token as it is stored. `error` is why the last request gave no token, "" after one that did.
    """

    account: str
    mailbox: str
    user: str
    sealed: str = field(repr=False)
    client_id: str
    token_endpoint: str
    scope: str
    obtained_at: float
    used_at: float
    state: str = OK
    error: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a sign-in gave, to be kept."""

    account: str
    refresh_token: str = field(repr=False)
    client_id: str
    token_endpoint: str
    scope: str
    user: str = ""
    mailbox: str = ""


class LeasedError(Exception):
    """Another process is asking for a token with this sign-in; `seconds` until it must have ended."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"another process is using this sign-in for {seconds:.0f}s more")
        self.seconds = seconds


class ConsentStore:
    """The table of sign-ins. Every method raises StorageError when the database refuses."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    @property
    def tokens(self) -> TokenStore:
        """The access tokens in the same database."""
        return TokenStore(self._database, self._sealer)

    async def keep(self, given: SignIn) -> None:
        """Keep a new sign-in in place of an older one. Raises SealError."""
        sealed = self._sealer.seal(given.refresh_token, _purpose(given.account, given.mailbox))
        now = self._database.now
        values = (sealed, given.user, given.client_id, given.token_endpoint, given.scope)
        place = (given.account, given.mailbox)

        def work(connection: Connection) -> None:
            replaced = connection.execute(
                f"""UPDATE consent SET refresh_token = ?, user_name = ?, client_id = ?, token_endpoint = ?, scope = ?,
                    obtained_at = {now}, used_at = {now}, state = '{OK}', error = '', version = version + 1,
                    lease_owner = '', lease_until = 0
                    WHERE account = ? AND mailbox = ?""",  # noqa: S608 (names of ours only)
                (*values, *place),
            )
            if not replaced.rowcount:
                connection.execute(
                    f"""INSERT INTO consent (refresh_token, user_name, client_id, token_endpoint, scope, account,
                        mailbox, obtained_at, used_at, state) VALUES (?, ?, ?, ?, ?, ?, ?, {now}, {now}, '{OK}')""",  # noqa: S608
                    (*values, *place),
                )

        await self._database.write(work)

    async def find(self, account: str, mailbox: str = "") -> Consent | None:
        """The sign-in of an account, or of one mailbox in it."""
        return await self._database.read(lambda connection: _row(connection, account, mailbox))

    async def since(self, moment: float) -> list[tuple[str, str, float]]:
        """(account, mailbox, when) of each sign-in that is newer than `moment`, seconds since the epoch, and good."""
        sql = f"SELECT account, mailbox, obtained_at FROM consent WHERE obtained_at > ? AND state = '{OK}'"  # noqa: S608
        return await self._database.read(lambda connection: connection.execute(sql, (moment,)).fetchall(), quick=True)

    async def all(self) -> list[Consent]:
        """Every sign-in that is kept, by account and mailbox."""
        sql = f"SELECT {_COLUMNS} FROM consent ORDER BY account, mailbox"  # noqa: S608
        rows = await self._database.read(lambda connection: connection.execute(sql).fetchall())
        return [Consent(*row) for row in rows]

    def token_of(self, consent: Consent) -> str:
        """The refresh token. Raises SealError; then nothing was changed."""
        return self._sealer.open(consent.sealed, _purpose(consent.account, consent.mailbox))

    async def seal_anew(self) -> tuple[int, int]:
        """Seal with the key of now what the previous one had sealed.

        Returns how many sign-ins that was, and how many neither key opens: they stay as they are. Raises SealError when
        there is no usable key.
        """
        changed = unopened = 0
        for consent in await self.all():
            if self._sealer.is_current(consent.sealed):
                continue
            try:
                token = self.token_of(consent)
            except SealError:
                unopened += 1
                continue
            await self._seal_anew(consent, token)
            changed += 1
        return changed, unopened

    async def _seal_anew(self, consent: Consent, token: str) -> None:
        place = (consent.account, consent.mailbox)
        values = (self._sealer.seal(token, _purpose(*place)), *place, consent.sealed)
        # Whatever has come in its place meanwhile was sealed with the key of now.
        sql = "UPDATE consent SET refresh_token = ? WHERE account = ? AND mailbox = ? AND refresh_token = ?"
        await self._database.write(lambda connection: connection.execute(sql, values))

    async def lease(self, account: str, mailbox: str, owner: str, seconds: float) -> Consent | None:
        """Take the sign-in for `seconds`, by the database's clock; None when there is none. Raises LeasedError."""
        now = self._database.now

        def work(connection: Connection) -> Consent | float | None:
            taken = connection.execute(
                f"""UPDATE consent SET lease_owner = ?, lease_until = {now} + ?
                    WHERE account = ? AND mailbox = ? AND (lease_until <= {now} OR lease_owner = ?)""",  # noqa: S608
                (owner, seconds, account, mailbox, owner),
            )
            if taken.rowcount:
                return _row(connection, account, mailbox)
            left = connection.execute(
                f"SELECT lease_until - {now} FROM consent WHERE account = ? AND mailbox = ?",  # noqa: S608
                (account, mailbox),
            ).fetchone()
            return None if left is None else float(left[0])

        found = await self._database.write(work)
        if isinstance(found, float):
            raise LeasedError(found)
        return found

    async def used(self, consent: Consent, owner: str, rotated: str) -> bool:
        """Note that `consent` gave a token, keep the refresh token that came with it ("": none did), end the lease.

        True when it is durable; False when a newer sign-in is there, which stays. Raises SealError.
        """
        sealed = consent.sealed
        if rotated or not self._sealer.is_current(sealed):
            sealed = self._sealer.seal(rotated or self.token_of(consent), _purpose(consent.account, consent.mailbox))
        changes = f"refresh_token = ?, version = version + 1, used_at = {self._database.now}, state = ?, error = ?"
        return await self._change(consent, owner, changes, (sealed, OK, ""))

    async def refused(self, consent: Consent, owner: str, error: str, *, state: str) -> bool:
        """Note why `consent` gave no token, and end the lease. The refresh token stays.

        Trouble that is not the sign-in's own is no use of it: for the provider it grows older all the same.
        """
        noted = f"used_at = {self._database.now}, " if state == CONSENT_NEEDED else ""
        changes = f"{noted}state = ?, error = ?"
        return await self._change(consent, owner, changes, (state, error))

    async def release(self, consent: Consent, owner: str) -> None:
        """End the lease, if it is still this owner's."""
        await self._database.write(lambda connection: _release(connection, consent, owner))

    async def _change(self, consent: Consent, owner: str, changes: str, values: tuple[Any, ...]) -> bool:
        place = (consent.account, consent.mailbox)

        def work(connection: Connection) -> bool:
            changed = connection.execute(
                f"UPDATE consent SET {changes} WHERE account = ? AND mailbox = ? AND version = ?",  # noqa: S608
                (*values, *place, consent.version),
            )
            _release(connection, consent, owner)
            return changed.rowcount > 0

        return await self._database.write(work)


def _release(connection: Connection, consent: Consent, owner: str) -> None:
    sql = "UPDATE consent SET lease_owner = '', lease_until = 0 WHERE account = ? AND mailbox = ? AND lease_owner = ?"
    connection.execute(sql, (consent.account, consent.mailbox, owner))


def _row(connection: Connection, account: str, mailbox: str) -> Consent | None:
    sql = f"SELECT {_COLUMNS} FROM consent WHERE account = ? AND mailbox = ?"  # noqa: S608
    row = connection.execute(sql, (account, mailbox)).fetchone()
    return None if row is None else Consent(*row)


def _purpose(account: str, mailbox: str) -> str:
    return f"sign-in of {account}{f' ({mailbox})' if mailbox else ''}"
