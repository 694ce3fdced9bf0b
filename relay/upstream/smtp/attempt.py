"""One attempt at one message: takes a connection, sends, and says what became of everybody.

A kept connection that has died in its rest is no reason to keep the mail waiting: one new connection is tried at once,
unless the end of the message was sent.
"""

from relay import log
from relay.advice import connection as advice
from relay.config import Account
from relay.model import Message, Outcome, Result, Results, Scope
from relay.upstream.body import ContentError
from relay.upstream.replies import Stage
from relay.upstream.smtp import limits
from relay.upstream.smtp.connect import Connector
from relay.upstream.smtp.connection import Connection
from relay.upstream.smtp.pool import Pool
from relay.upstream.smtp.transaction import Transaction
from relay.upstream.smtp.wire import BrokenError
from relay.upstream.trouble import DUPLICATE, Trace


class Attempt:
    """Sends `message` to `recipients` through a connection of `pool`."""

    def __init__(
        self,
        name: str,
        account: Account,
        connector: Connector,
        pool: Pool,
        *,
        message: Message,
        recipients: list[str],
        trace: Trace | None,
    ) -> None:
        self._name = name
        self._account = account
        self._connector = connector
        self._pool = pool
        self._message = message
        self._recipients = recipients
        self._trace = trace
        self._transaction: Transaction | None = None

    async def run(self) -> Results:
        """A result for each recipient. Raises AttemptError when no connection is to be had."""
        connection = await self._pool.take(self._trace)
        if connection.kept:
            results = await self._send(connection, may_repeat=True)
            if results is not None:
                return results
            if self._trace is not None:
                self._trace("(the open connection was no longer good: trying a new one)")
            connection = await self._pool.fresh(self._trace)
        results = await self._send(connection, may_repeat=False)
        assert results is not None  # noqa: S101 (only a kept connection may be given up without a result)
        return results

    def stopped(self, text: str) -> Results:
        """The results when the attempt as a whole was broken off from outside."""
        if self._transaction is None:
            return dict.fromkeys(self._recipients, self._interrupted(text, Stage.CONNECT))
        open_ones = self._interrupted(text, self._transaction.stage)
        return dict.fromkeys(self._recipients, open_ones) | self._transaction.refused

    async def _send(self, connection: Connection, *, may_repeat: bool) -> Results | None:
        """None: the connection was dead, nothing can have been accepted, and the message may be sent anew."""
        account, message = self._account, self._message
        obstacle = limits.obstacle(message, connection, self._name, account)
        if obstacle is not None:
            self._pool.give_back(connection)
            return dict.fromkeys(self._recipients, obstacle)
        connection.used += 1
        transaction = self._transaction = Transaction(
            connection,
            message,
            self._recipients,
            judge=self._connector.judge,
            timeout=account.timeout,
            write_timeout=account.write_timeout,
            trace=self._trace,
        )
        try:
            results = await transaction.run()
        except BrokenError as error:
            self._discard(connection, str(error))
            if may_repeat and transaction.stage is not Stage.END:
                return None
            return self.stopped(f"{self._connector.where}: {error} (at {_told(transaction.stage)})")
        except ContentError as error:
            self._discard(connection, str(error))
            return dict.fromkeys(self._recipients, error.result) | transaction.refused
        except BaseException:
            connection.abort("the attempt was broken off")
            raise
        if may_repeat and transaction.farewell is not None:
            return None
        if any(result.scope in (Scope.IDENTITY, Scope.ACCOUNT) for result in results.values()):
            # Exchange counts connections: one that was too many stays too many until it is closed.
            self._pool.dismiss(connection)
        else:
            self._pool.give_back(connection)
        return results

    def _discard(self, connection: Connection, reason: str) -> None:
        connection.abort(reason)
        log.upstream.given_up(self._name, self._connector.where, connection.used, reason)

    def _interrupted(self, text: str, stage: Stage) -> Result:
        """The result for the recipients that were open when the connection broke at `stage`.

        Before the content it is the server's trouble. A connection that breaks on the content may break on this
        content alone, and one message must not hold up the mailbox; after the final dot each further try may be a
        duplicate, so that tries have to be counted.
        """
        scope = Scope.MESSAGE if stage in (Stage.CONTENT, Stage.END) else Scope.IDENTITY
        told = f"{text}; {DUPLICATE}" if stage is Stage.END else text
        ambiguous = stage is Stage.END
        return Result(Outcome.DEFERRED, 451, "4.4.2", told, scope, hint=advice.broken_off(), uncertain=ambiguous)


def _told(stage: Stage) -> str:
    names = {Stage.CONTENT: "the content", Stage.END: "the end of the message"}
    return names.get(stage, stage.value.upper())
