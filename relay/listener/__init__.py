"""The SMTP listener: takes mail from old applications, safely.

`wire` carries a connection's octets (`encrypted`: in TLS), `lines` cuts them into commands, `commands` does those that
need no knowledge, `submission` those that need it of `visitor`, who knows the client; `opening` is what comes in front
of it. AUTH is `login_session`, `login` and `mechanisms` (`mailbox_login` and `bearer_login` where somebody else knows
who it is); `reception`, `data` and `legacy` are what follows DATA.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from relay import log, metrics
from relay.config import Bind
from relay.http.closing import stop_listening
from relay.listener.opening import Manner, Opening, Peername
from relay.listener.reception import Parts
from relay.listener.submission import SubmissionSession
from relay.listener.tls import ServerTls, server_tls
from relay.listener.visitor import VisitorSession
from relay.policy import comes_from

__all__ = ["Parts", "Server", "bind", "tls_of"]

_BACKLOG = 1024
"""asyncio's 100 makes clients wait a second for a lost SYN when 200 connect at once."""


class BindError(OSError):
    """An address that cannot be listened on; `str()` names the key, the address, the cause and the next step."""

    def __str__(self) -> str:
        return str(self.strerror)


def bind(place: Bind, key: str) -> socket.socket | None:
    """A bound socket, or None when the place is optional and this machine does not have it.

    `key` is the one that the address stands in. Raises BindError.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind((place.host, place.port))
        server.setblocking(False)
    except OSError as error:
        server.close()
        if place.optional and error.errno in _ABSENT:
            return None
        text = f"{key}: cannot listen on {place}: {error.strerror}. {_next_step(error.errno)}"
        raise BindError(error.errno, text) from error
    return server


_ABSENT = {97, 99, 10047, 10049}  # EAFNOSUPPORT, EADDRNOTAVAIL: on Linux, on Windows


def _next_step(number: int | None) -> str:
    if number in (98, 48, 10048):
        return "Another program has this port: stop it, or write another one here"
    if number in (13, 10013):
        return "Ports below 1024 need a privilege: use a higher one, or grant CAP_NET_BIND_SERVICE"
    if number in _ABSENT:
        return "This machine does not have that address: write one that `ip address` shows, or 0.0.0.0 for all"
    return "Write another address here"


class Server:
    """One listener at work. Raises OSError or ssl.SSLError from `start()` when it cannot be."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._inside: ServerTls | None = None
        """What STARTTLS needs, where it is offered."""
        self._begin: Callable[[], asyncio.Protocol] | None = None
        """What is made for the next connection."""
        self._sessions: set[VisitorSession] = set()
        self._by_address: Counter[str] = Counter()
        self._counted: dict[VisitorSession, str] = {}
        self._open = metrics.CONNECTIONS.labels(parts.name)
        self._servers: list[asyncio.Server] = []
        self._openings: dict[Opening, str] = {}
        """Connections that have not come to their session yet (PROXY header, TLS handshake), and their addresses."""
        self.stopping = False
        self._hurried = False

    @property
    def name(self) -> str:
        return self._parts.name

    @property
    def connections(self) -> int:
        return len(self._sessions)

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept connections on `sockets`."""
        self.use(self._parts, tls_of(self._parts))
        for listening in sockets:
            await self.listen(listening)

    def use(self, parts: Parts, tls: ServerTls | None, shut_out: Collection[str] = ()) -> None:
        """Work with these from now on; a session that has begun ends with those that it began with.

        But for that of a client in `shut_out`: it ends as soon as no message is under way.
        """
        self._parts = parts
        self._inside = tls if parts.settings.tls in ("starttls", "auto") else None
        self._begin = self._factory(tls)
        for session in list(self._sessions):
            session.follow(parts, shut_out)

    async def listen(self, listening: socket.socket) -> asyncio.Server:
        """Accept connections on one more socket."""
        server = await asyncio.get_running_loop().create_server(self._next, sock=listening, backlog=_BACKLOG)
        self._servers.append(server)
        return server

    async def leave(self, server: asyncio.Server) -> None:
        """Accept no more there; the sessions go on."""
        self._servers.remove(server)
        await stop_listening([server])

    def _next(self) -> asyncio.Protocol:
        assert self._begin is not None  # noqa: S101 (`use()` comes before `listen()`)
        return self._begin()

    def _factory(self, tls: ServerTls | None) -> Callable[[], asyncio.Protocol]:
        """What is made for each connection: its session at once where nothing can come in front of it."""
        settings = self._parts.settings

        def begin(peername: Peername | None = None) -> SubmissionSession:
            # Of this moment: they may have changed while a PROXY header or a TLS handshake was waited for.
            return SubmissionSession(self, self._parts, self._inside, peername)

        if settings.tls in ("off", "starttls") and not settings.proxy_protocol:
            return begin
        context = tls.current if tls is not None else None
        manner = Manner(settings.tls, context, self._is_proxy, begin, self._admit_opening, self._opened)
        return lambda: Opening(manner)

    def _is_proxy(self, address: str) -> bool:
        return comes_from(self._parts.settings.proxy_protocol, address)

    def _admit_opening(self, opening: Opening, address: str) -> bool:
        """Count a connection of `address` ("" while only a load balancer is known), or turn it away."""
        limits = self._parts.settings
        if opening not in self._openings:
            if self.stopping or len(self._openings) + len(self._sessions) >= limits.max_connections:
                self._turned_away(opening.address, "max_connections", limits.max_connections)
                return False
            self._openings[opening] = ""
        if address and self._by_address[address] >= limits.max_connections_per_client:
            self._turned_away(address, "max_connections_per_client", limits.max_connections_per_client)
            return False
        if address:
            self._openings[opening] = address
            self._by_address[address] += 1
        return True

    def _opened(self, opening: Opening) -> None:
        """A connection has come to its session, which is counted by itself, or to its end."""
        if address := self._openings.pop(opening, ""):
            self._forget(address)

    def admit(self, session: VisitorSession, peername: Any) -> str:
        """Count a new connection; the reply that turns it away, or ""."""
        address = str(peername[0]) if peername else "unknown"
        limits = self._parts.settings
        self._sessions.add(session)
        self._by_address[address] += 1
        self._counted[session] = address
        self._open.inc()
        if self.stopping:
            return "421 4.3.2 This relay is being stopped, please try again later"
        if len(self._sessions) > limits.max_connections:
            self._turned_away(address, "max_connections", limits.max_connections)
            return "421 4.7.0 Too many connections, please try again later"
        if self._by_address[address] > limits.max_connections_per_client:
            self._turned_away(address, "max_connections_per_client", limits.max_connections_per_client)
            return "421 4.7.0 Too many connections from your address, please try again later"
        return ""

    def _turned_away(self, address: str, key: str, limit: int) -> None:
        log.listener.connection_refused(address, key, limit)
        metrics.CONNECTIONS_REFUSED.labels(self._parts.name, key).inc()
        now, text = self._parts.clock.time(), f"{key} = {limit} is reached"
        self._parts.visitors.refused("connection", at=now, client="", peer=address, subject=key, reply=text)

    def left(self, session: VisitorSession) -> None:
        """A connection has ended."""
        self._sessions.discard(session)
        address = self._counted.pop(session, None)
        if address is not None:
            self._open.dec()
            self._forget(address)

    def _forget(self, address: str) -> None:
        """A connection of that address is no more."""
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    async def stop(self, patience: float = 10.0) -> None:
        """Accept nothing more, say 421 to who waits, let messages that are under way be committed."""
        self.stopping = True
        await stop_listening(self._servers)
        for opening in list(self._openings):
            opening.abort()
        for session in list(self._sessions):
            if not session.busy:
                session.goodbye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._sessions and not self._hurried:
                    await asyncio.sleep(0.01)
        for session in list(self._sessions):
            session.goodbye()
        while any(session.committing for session in self._sessions):
            await asyncio.sleep(0.01)

    def hasten(self) -> None:
        """Do not wait for anybody when stopping."""
        self._hurried = True


def tls_of(parts: Parts) -> ServerTls | None:
    """What a listener with TLS needs. Raises OSError, ssl.SSLError or SecretError when its files cannot be used."""
    return server_tls(parts.settings, parts.clock, parts.hostname)
