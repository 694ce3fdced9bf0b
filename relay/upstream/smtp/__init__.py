"""SMTP towards an upstream: XOAUTH2 or a password over verified TLS, pipelined, on connections that are kept.

`connect` makes a connection with aiosmtplib, `session` logs in, `pool` keeps what is open, `transaction` sends one
message, `attempt` puts these together.
"""

import asyncio

from relay import log
from relay.config import Account
from relay.model import Clock, Identity, Message, Outcome, Result, Results, Scope
from relay.oauth import TokenSource
from relay.upstream.smtp import limits
from relay.upstream.smtp.attempt import Attempt
from relay.upstream.smtp.pool import Pool
from relay.upstream.smtp.session import Sessions
from relay.upstream.smtp.siblings import Siblings
from relay.upstream.trouble import AttemptError, Trace

_DEADLINE = 600.0
_SLOWEST = 32 * 1024
"""Octets a second: who takes less than this, whole attempt considered, is broken off."""


class SmtpUpstream:
    """One account that sends by SMTP."""

    def __init__(
        self,
        name: str,
        account: Account,
        identity: Identity,
        *,
        tokens: TokenSource | None,
        hostname: str,
        clock: Clock,
        deadline: float = _DEADLINE,
        siblings: Siblings | None = None,
    ) -> None:
        self.identity = identity
        self.concurrency = account.concurrency
        self._name = name
        self._account = account
        self._deadline = deadline
        self._sessions = Sessions(name, account, tokens, hostname, clock)
        self._siblings = siblings or Siblings()
        self._pool = Pool(self._sessions.open, size=account.concurrency, clock=clock, siblings=self._siblings)

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Send `message`: a result for each recipient, whatever happens."""
        everybody = dict.fromkeys(message.envelope.recipients)
        results = limits.unusable(message, everybody, self._name, self._account.max_message_size)
        recipients = [recipient for recipient in everybody if recipient not in results]
        if not recipients:
            return results
        try:
            return results | await self._attempt(message, recipients, trace)
        except AttemptError as error:
            ended = error.result
        except Exception as error:  # noqa: BLE001 (whoever calls gets a result in any case; the log gets the traceback)
            log.internal_error(f"{message.id}: sending by {self._name} failed", error)
            ended = Result(Outcome.DEFERRED, 451, "4.3.0", f"internal error: {type(error).__name__}", Scope.MESSAGE)
        return results | dict.fromkeys(recipients, ended)

    async def close(self) -> None:
        """Leave the server politely; takes a few seconds at most."""
        await self._pool.close()

    async def _attempt(self, message: Message, recipients: list[str], trace: Trace | None) -> Results:
        async with self._pool.places:
            with self._siblings.using_one():
                return await self._try(message, recipients, trace)

    async def _try(self, message: Message, recipients: list[str], trace: Trace | None) -> Results:
        attempt = Attempt(
            self._name,
            self._account,
            self._sessions.connector,
            self._pool,
            message=message,
            recipients=recipients,
            trace=trace,
        )
        seconds = self._deadline + message.size / _SLOWEST
        try:
            async with asyncio.timeout(seconds):
                return await attempt.run()
        except TimeoutError:
            return attempt.stopped(f"the whole attempt took longer than {log.duration(seconds)}")
