"""Sockets to listen on, and how to stop listening without leaving a connection behind."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterable

from relay.sandbox.settings import Bind

_BACKLOG = 1024
_TRIES = 20
_TURNS = 3
"""Turns of the event loop from a transport to its connection's task: made, created, begun."""


def listen(bind: Bind) -> list[socket.socket]:
    """Listening sockets for `bind`; `localhost` gets 127.0.0.1 and, where it exists, ::1 on the same port.

    Both are needed: a client that tries ::1 first must not find somebody else's server there. Raises OSError.
    """
    host, port = bind
    if host != "localhost":
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [_listening(family, host, port)]
    for _ in range(_TRIES):
        first = _listening(socket.AF_INET, "127.0.0.1", port)
        try:
            return [first, _listening(socket.AF_INET6, "::1", first.getsockname()[1])]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]
            first.close()
            if port:
                raise
    raise OSError(errno.EADDRINUSE, "no port is free on both 127.0.0.1 and ::1")


def _listening(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    try:
        return _bound(family, host, port)
    except OSError as error:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(error.errno, f"{error.strerror}: {place}. Stop what is there, or name another address") from error


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        if os.name == "posix":
            # Elsewhere it means something else: that two servers may share the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
        stack.pop_all()
    return sock


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
