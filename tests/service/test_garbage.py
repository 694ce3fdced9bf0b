"""Memory that only circles hold is given back in time, however few its objects are."""

import asyncio
import contextlib
import gc
import weakref

from relay.service import garbage
from tests.support.clock import FakeClock


class Connection:
    """Refers to itself, as a TLS connection and its transport do."""

    def __init__(self) -> None:
        self.me = self
        self.buffer = bytearray(256 * 1024)


async def test_an_ended_connection_is_let_go() -> None:
    clock = FakeClock()
    task = asyncio.create_task(garbage.collect(clock))
    await clock.settle()
    gc.disable()  # or chance could do it before
    try:
        for _ in range(2):
            ended = weakref.ref(Connection())
            assert ended() is not None
            await clock.advance(garbage.EVERY)
            assert ended() is None
    finally:
        gc.enable()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
