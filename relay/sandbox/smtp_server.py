"""The SMTP listener: a task for each connection, bounded, swept of the idle ones, ended together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from socket import socket

from relay.model import Clock
from relay.sandbox.listen import stop_listening
from relay.sandbox.smtp import SmtpSession
from relay.sandbox.wire import Wire

_SWEEPS_PER_TIMEOUT = 10


class SmtpServer:
    """Runs the sessions that `session` makes, `most` at a time; `idle_timeout` is in seconds."""

    def __init__(
        self, session: Callable[[Wire], SmtpSession], idle_timeout: float, clock: Clock, most: int = 1000
    ) -> None:
        self._session = session
        self._most = most
        self._idle_timeout = idle_timeout
        self._clock = clock
        self._wires: set[Wire] = set()

    def __len__(self) -> int:
        return len(self._wires)

    @contextlib.asynccontextmanager
    async def serving(self, sockets: Sequence[socket]) -> AsyncIterator[None]:
        """Serve on listening `sockets` until the block ends, then cut every connection."""
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(lambda: Wire(self._serve, self._clock.monotonic), sock=sock) for sock in sockets
        ]
        sweeper = loop.create_task(self._sweep(), name="sandbox smtp sweeper")
        try:
            yield
        finally:
            await stop_listening(servers)
            # A connection that came a moment ago has its task, but the task has not begun.
            await asyncio.sleep(0)
            tasks = [sweeper, *(wire.task for wire in self._wires)]
            for wire in tuple(self._wires):
                wire.cut()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for server in servers:
                await server.wait_closed()

    async def _serve(self, wire: Wire) -> None:
        if len(self._wires) >= self._most:
            wire.write(b"421 4.3.2 Service not available\r\n")
            wire.close()
            return
        self._wires.add(wire)
        try:
            await self._session(wire).run()
        finally:
            self._wires.discard(wire)

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(self._idle_timeout / _SWEEPS_PER_TIMEOUT)
            now = self._clock.monotonic()
            for wire in tuple(self._wires):
                if wire.idle_since is not None and now - wire.idle_since >= self._idle_timeout:
                    wire.write(b"421 4.4.1 Connection timed out\r\n")
                    wire.close()
