"""How a server of ours stops listening without leaving a connection behind."""

import asyncio
import contextlib
from collections.abc import Iterable

_TURNS = 3
"""Turns of the event loop from a transport to its connection's task: made, created, begun."""


async def stop_listening(servers: Iterable[asyncio.Server]) -> None:
    """Close `servers`; connections that are open stay open.

    In Python 3.11 a server that is closed in the moment between a connection's arrival and its transport refuses the
    transport, and nobody closes that connection (gh-109564, mended in 3.13). So the arrivals end first, and what has
    arrived gets its turn: when this returns, its task has begun, and whoever ends the tasks finds it among them.
    """
    loop = asyncio.get_running_loop()
    for server in servers:
        for listening in server.sockets:
            # The event loop of Windows has another way to accept, without that gap.
            with contextlib.suppress(NotImplementedError):
                loop.remove_reader(listening.fileno())
    await asyncio.sleep(0)
    for server in servers:
        server.close()
    for _ in range(_TURNS):
        await asyncio.sleep(0)
