"""The first octets of a connection, where more than one thing may come: a PROXY header, a TLS hello, or nothing.

Whoever speaks first decides. With `tls = "auto"` a client that begins with TLS does so at once, and one that waits for
a greeting gets it after 300 ms. A PROXY header comes in front of everything else, TLS included (section 2 of its
specification), so it is read before the handshake. When all is known the transport goes to the session.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from relay import log
from relay.listener import proxy_header
from relay.listener.encrypted import Encrypted
from relay.listener.proxy_header import BadProxyHeaderError

WAIT_FOR_HELLO = 0.3
"""Seconds that `tls = "auto"` waits for a client to begin with TLS (some devices do, whatever they are told)."""
_PATIENCE = 15.0
"""Seconds for a PROXY header, and for a handshake."""
TLS_HELLO = 0x16
"""The type of a TLS record that begins a handshake (RFC 8446 5.1)."""
_OLD_HELLO = 0x80
"""In the first octet of a hello in the form of SSL 2.0, which very old devices send (RFC 5246 E.2)."""

Peername = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Manner:
    """What may come first here: `tls` as the listener has it; `context` gives the context of this moment."""

    tls: str
    context: Callable[[], ssl.SSLContext] | None
    is_proxy: Callable[[str], bool]
    """Whether connections from this address begin with a PROXY header."""
    begin: Callable[[Peername | None], asyncio.Protocol]
    """Makes the session of a client that is at this address; None: the transport knows it."""
    admit: Callable[["Opening", str], bool]
    """Counts a connection that has not come to its session yet, for a client's address; False turns it away.

    Asked again, with the address, where at first only a load balancer is known ("").
    """
    left: Callable[["Opening"], None]


class Opening(asyncio.Protocol):
    """A connection until its session can begin."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._peer: Peername | None = None
        self._wants_header = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._wants_header = self._manner.is_proxy(self.address)
        if not self._manner.admit(self, "" if self._wants_header else self.address):
            self._turn_away()
        elif self._wants_header:
            self._wait(_PATIENCE, self._no_header)
        else:
            self._after_header()

    def _turn_away(self) -> None:
        """Unheard: whoever has not begun TLS yet would not understand it."""
        self._end()
        self.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()
        self._transport = None

    def abort(self) -> None:
        """The relay stops."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._wants_header:
            self._read_header()
        else:
            self._decide()

    def eof_received(self) -> bool:
        return False

    @property
    def address(self) -> str:
        """The address that the connection comes from: a load balancer's, where there is one."""
        name: Any = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(name[0]) if name else ""

    @property
    def _client(self) -> str:
        return self._peer[0] if self._peer else self.address

    # --- the PROXY header

    def _read_header(self) -> None:
        try:
            found = proxy_header.parse(self._data)
        except BadProxyHeaderError as error:
            self._refuse(str(error))
            return
        if found is None:
            return
        self._wants_header = False
        self._data = found.rest
        self._peer = (found.address, found.port) if found.address else None
        if self._manner.admit(self, found.address):
            self._after_header()
        else:
            self._turn_away()

    def _no_header(self) -> None:
        self._refuse("no PROXY header came")

    def _refuse(self, reason: str) -> None:
        log.listener.no_proxy_header(self.address, reason)
        self._end()
        if self._transport is not None:
            self._transport.abort()

    # --- TLS or not

    def _after_header(self) -> None:
        if self._manner.tls not in ("implicit", "auto"):
            self._begin()
        elif self._data:
            self._decide()
        elif self._manner.tls == "auto":
            self._wait(WAIT_FOR_HELLO, self._begin)
        else:
            self._wait(_PATIENCE, self._no_hello)

    def _decide(self) -> None:
        if self._manner.tls == "implicit" or self._data[0] == TLS_HELLO or self._data[0] & _OLD_HELLO:
            self._shake_hands()
        else:
            self._begin()

    def _no_hello(self) -> None:
        log.listener.tls_failed(self._client, f"nothing came within {_PATIENCE:.0f} seconds")
        self.abort()

    def _shake_hands(self) -> None:
        """Begin TLS with the hello that has come."""
        transport = self._transport
        if transport is None or self._manner.context is None:
            return
        self._stop_waiting()
        hello, self._data = self._data, b""
        context, peer = self._manner.context(), self._client
        self._transport = secure = Encrypted(transport, context, self, peer=peer, patience=_PATIENCE, ready=self._begin)
        secure.data_received(hello)

    # --- the session

    def _begin(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._end()
        self._transport = None
        session = self._manner.begin(self._peer)
        transport.set_protocol(session)
        session.connection_made(transport)
        if self._data:
            session.data_received(self._data)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self._loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        """The opening is over, one way or another."""
        self._stop_waiting()
        self._manner.left(self)
