"""TLS between a socket and a session: a transport to the session, a protocol to the socket.

asyncio's own (`loop.start_tls`, and uvloop's after it) closes both ways as soon as the client has closed its one. TLS
1.3 lets the other stay open (RFC 8446 6.1): who sends a message and QUIT and says that this was all still waits for the
250, and without it sends the message again. Each of asyncio's also keeps 256 KiB to read into, where an idle
connection needs nothing. And it cannot be given a hello that has been read already.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from relay import log
from relay.listener.handshakes import explained

_AT_A_TIME = 16 * 1024
"""Octets that OpenSSL is given at once (a record has no more): its buffer grows with what it gets, and stays so."""


class Encrypted(asyncio.Transport, asyncio.Protocol):
    """The server's side of TLS on `transport`, whose protocol it becomes; `protocol` gets what is inside.

    `ready` is called when the handshake is done, and before that nothing is written and nothing handed on. Where TLS
    fails the log says why of `peer`, the connection is closed, and `protocol` hears of that as of any other end.
    """

    __slots__ = (
        *("_established", "_heard_all", "_incoming", "_outgoing", "_peer"),
        *("_protocol", "_ready", "_timer", "_tls", "_transport"),
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        context: ssl.SSLContext,
        protocol: asyncio.Protocol,
        *,
        peer: str,
        patience: float,
        ready: Callable[[], None],
    ) -> None:
        super().__init__()
        self._transport = transport
        self._protocol = protocol
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._established = False
        self._heard_all = False
        """The client says nothing more; it may still be listening."""
        self._ready: Callable[[], None] | None = ready
        self._peer = peer
        self._timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(
            patience, self._fail, f"the handshake took longer than {patience:.0f} seconds"
        )
        transport.set_protocol(self)

    # --- what the socket says

    def data_received(self, data: bytes) -> None:
        content: list[bytes] = []
        rest = memoryview(data)
        try:
            while rest and not (self._heard_all or self.is_closing()):
                self._incoming.write(rest[:_AT_A_TIME])
                rest = rest[_AT_A_TIME:]
                if self._established or self._shake_hands():
                    self._decrypt(content)
        except ssl.SSLError as error:
            self._fail(explained(error))
            return
        self._send()
        if content and not self.is_closing():
            self._protocol.data_received(content[0] if len(content) == 1 else b"".join(content))
        if self._heard_all:
            self._pass_on_the_end()

    def eof_received(self) -> bool:
        """The socket's other end is closed, with a farewell of TLS before it or (as many clients do) without."""
        if not self._established:
            self._fail("the client closed the connection")
            return False
        if not self._heard_all:
            self._heard_all = True
            self._pass_on_the_end()
        return not self.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    # --- what the session does

    def write(self, data: Any) -> None:
        if not self._established or self.is_closing():
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as error:
            self._fail(explained(error))
        else:
            self._send()

    def close(self) -> None:
        if self.is_closing():
            return
        self._stop_waiting()
        if self._established:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # Our farewell is written; the client's is not waited for.
            self._send()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)  # noqa: S101 (the listener has no others)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "cipher":
            return self._tls.cipher() or default
        if name == "peercert":
            return self._tls.getpeercert() if self._established else default
        return self._transport.get_extra_info(name, default)

    # --- TLS

    def _shake_hands(self) -> bool:
        """Go on with the handshake; whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return False
        self._established = True
        self._stop_waiting()
        self._send()
        ready, self._ready = self._ready, None
        if ready is not None:
            ready()
        return not self.is_closing()

    def _decrypt(self, content: list[bytes]) -> None:
        try:
            while self._incoming.pending or self._tls.pending():
                octets = self._tls.read(_AT_A_TIME)
                if not octets:
                    raise ssl.SSLZeroReturnError
                content.append(octets)
        except ssl.SSLWantReadError:
            pass  # A record that has not come whole, or nothing but a message of TLS itself.
        except ssl.SSLZeroReturnError:
            self._heard_all = True

    def _send(self) -> None:
        if self._outgoing.pending and not self._transport.is_closing():
            self._transport.write(self._outgoing.read())

    def _pass_on_the_end(self) -> None:
        if not (self.is_closing() or self._protocol.eof_received()):
            self.close()

    def _fail(self, reason: str) -> None:
        """Say so to both sides. The client is sent OpenSSL's alert, if it reads."""
        if self.is_closing():
            return
        self._stop_waiting()
        self._send()
        (log.listener.tls_broken if self._established else log.listener.tls_failed)(self._peer, reason)
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
