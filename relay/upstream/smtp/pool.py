"""Connections that are kept between messages: a TLS handshake and an AUTH cost more than the message.

The one used last is used first, so that what is not needed grows old and is closed. A connection is given back only
when its last reply was as expected; whatever is odd about it, it goes.
"""

import asyncio
from collections.abc import Awaitable, Callable

from relay.model import Clock
from relay.upstream.smtp.connection import Connection
from relay.upstream.smtp.siblings import Siblings
from relay.upstream.trouble import Trace

CHECK_AFTER = 30.0
"""Seconds of rest after which a connection is asked by RSET whether it is still there."""
CHECK_SECONDS = 10.0
"""How long the answer to that may take: a firewall that has forgotten a connection gives none."""
CLOSE_AFTER = 60.0
"""Seconds of rest after which a connection is closed."""
MAX_AGE = 600.0
"""Seconds after which a connection is not used again. Exchange closes at 10 minutes."""
MAX_MESSAGES = 500
"""Messages after which a connection is not used again: Exim's `connection_max_messages`. A new one costs as much CPU as
some messages do, and at Exchange's pace ten minutes are over long before."""


class Pool:
    """At most `size` connections to one server; `open_one` makes a new one."""

    def __init__(
        self,
        open_one: Callable[[Trace | None], Awaitable[Connection]],
        *,
        size: int,
        clock: Clock,
        siblings: Siblings | None = None,
    ) -> None:
        self._open_one = open_one
        self.places = asyncio.Semaphore(size)
        """Held by who uses a connection, from before it is taken until after it is given back."""
        self._clock = clock
        self._siblings = siblings or Siblings()
        self._siblings.join(self, size)
        self._idle: list[Connection] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def idle(self) -> int:
        """How many connections are kept."""
        return len(self._idle)

    async def take(self, trace: Trace | None) -> Connection:
        """A kept connection that is still good, otherwise a new one. Raises AttemptError."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.alive:
                continue
            if self._is_over(connection):
                self.dismiss(connection)
                continue
            rested = self._clock.monotonic() - connection.idle_since
            if (rested > CHECK_AFTER or not connection.tidy) and not await self._still_good(connection):
                self._forsake_idle()
                continue
            if trace is not None:
                trace(f"(using the connection to {connection.host} that is open already)")
            return connection
        return await self.fresh(trace)

    async def fresh(self, trace: Trace | None) -> Connection:
        """A new connection. Raises AttemptError."""
        await self._siblings.make_room()
        return await self._open_one(trace)

    async def give_up_one(self) -> None:
        """Close the connection that has rested longest: another account on this mailbox needs one."""
        connection = self._idle.pop(0)
        await connection.quit()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next message, if it may be used again."""
        if not connection.alive:
            connection.abort("not usable again")
            return
        connection.idle_since = self._clock.monotonic()
        connection.kept = True
        if self._closed or self._is_over(connection):
            self.dismiss(connection)
            return
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep(), name="upstream connections")

    def dismiss(self, connection: Connection) -> None:
        """Let a connection go without making anybody wait for its goodbye."""
        task = asyncio.create_task(connection.quit(), name="upstream QUIT")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Leave every server politely, within a few seconds; what is under way closes when it is done."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
            self._sweeper = None
        while self._idle:
            self.dismiss(self._idle.pop())
        if self._leaving:
            await asyncio.wait(self._leaving)
        self._siblings.leave(self)

    def _is_over(self, connection: Connection) -> bool:
        now = self._clock.monotonic()
        return (
            connection.used >= MAX_MESSAGES
            or now - connection.opened_at >= MAX_AGE
            or now - connection.idle_since >= CLOSE_AFTER
        )

    async def _still_good(self, connection: Connection) -> bool:
        try:
            return await connection.reset(CHECK_SECONDS)
        except BaseException:
            connection.abort("RSET not finished")
            raise

    def _forsake_idle(self) -> None:
        """One that rested less has died: the others are not worth asking, one long wait after the other."""
        for connection in self._idle:
            connection.abort("the connections to this server have died")
        self._idle.clear()

    async def _sweep(self) -> None:
        """Close what has rested long enough, until nothing is kept any more."""
        while self._idle:
            oldest = min(connection.idle_since for connection in self._idle)
            await self._clock.sleep(max(0.0, oldest + CLOSE_AFTER - self._clock.monotonic()))
            kept = self._idle
            self._idle = [connection for connection in kept if connection.alive and not self._is_over(connection)]
            for connection in kept:
                if connection.alive and self._is_over(connection):
                    self.dismiss(connection)
        self._sweeper = None
