"""From an account to a session after EHLO: TCP, TLS, EHLO, all by aiosmtplib; then our own protocol takes over.

Only aiosmtplib's public API is used, and its object is never touched again once the transport has changed hands.
"""

import asyncio
import socket
import ssl
from typing import cast

import aiosmtplib

from relay import log
from relay.advice import connection as advice
from relay.config import Account
from relay.model import Clock, Result
from relay.upstream.replies import Stage, classify
from relay.upstream.smtp import tls
from relay.upstream.smtp.connection import Connection
from relay.upstream.smtp.reply import Reply, parse
from relay.upstream.smtp.wire import Wire
from relay.upstream.trouble import AttemptError, Trace, deferred

_BUFFER = 256 * 1024
"""Octets of a message that may wait in a connection for the network."""


class Connector:
    """Opens connections for one account. The TLS context is made at the first one and kept."""

    def __init__(self, name: str, account: Account, hostname: str, clock: Clock) -> None:
        self._name = name
        self._account = account
        self._hostname = hostname
        self._clock = clock
        self._context: ssl.SSLContext | None = None
        self.host = account.host or "localhost"
        self.where = f"{self.host} port {account.port}"

    async def open(self, trace: Trace | None) -> Connection:
        """Connect, do TLS as the account says, and EHLO. Raises AttemptError."""
        context = self._tls_context() if self._account.tls != "off" else None
        smtp = self._client(context)
        progress = _Progress()
        connection = None
        try:
            await self._greet(smtp, progress, trace)
            connection = self._take_over(smtp, trace)
        except ssl.SSLError as error:
            raise await self._tls_trouble(error) from None
        except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
            cause = error.__cause__
            if isinstance(error, aiosmtplib.SMTPConnectError) and isinstance(cause, ssl.SSLError):
                raise await self._tls_trouble(cause) from None
            raise self._trouble(error, progress) from None
        finally:
            if connection is None:
                smtp.close()
        return connection

    def judge(self, stage: Stage, reply: Reply) -> Result:
        """What a reply means for this account's mail."""
        account = self._account
        return classify(
            stage,
            reply.code,
            reply.status,
            reply.text,
            account.provider,
            mailbox=account.mailbox or "",
            account=self._name,
        )

    def _client(self, context: ssl.SSLContext | None) -> aiosmtplib.SMTP:
        account = self._account
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=account.port,
            local_hostname=self._hostname,
            timeout=account.timeout,
            use_tls=account.tls == "implicit",
            start_tls=False,
            tls_context=context,
        )

    async def _greet(self, smtp: aiosmtplib.SMTP, progress: "_Progress", trace: Trace | None) -> None:
        account = self._account
        _say(trace, f"(connecting to {self.where})")
        if account.tls == "implicit" and account.server_name:
            # aiosmtplib checks the certificate against the name it connects to; a socket leaves that name free.
            sock = await self._socket()
            greeting = await smtp.connect(
                sock=sock, port=None, hostname=account.server_name, timeout=account.connect_timeout
            )
        else:
            greeting = await smtp.connect(timeout=account.connect_timeout)
        _say(trace, *_shown(greeting))
        await self._hello(smtp, progress, trace)
        if account.tls in ("starttls", "opportunistic"):
            await self._start_tls(smtp, progress, trace)

    async def _hello(self, smtp: aiosmtplib.SMTP, progress: "_Progress", trace: Trace | None) -> None:
        progress.stage = Stage.EHLO
        _say(trace, f"> EHLO {self._hostname}")
        try:
            _say(trace, *_shown(await smtp.ehlo()))
        except aiosmtplib.SMTPHeloError as error:
            _say(trace, f"< {error.code} {error.message}")
            # A server without EHLO has neither STARTTLS nor AUTH; only an account that needs neither may go on.
            if error.code < 500 or self._account.tls == "starttls" or self._has_credentials:
                raise
            _say(trace, f"> HELO {self._hostname}")
            _say(trace, *_shown(await smtp.helo()))

    async def _start_tls(self, smtp: aiosmtplib.SMTP, progress: "_Progress", trace: Trace | None) -> None:
        account = self._account
        if not smtp.supports_extension("starttls"):
            if account.tls == "opportunistic":
                return
            text = f"{self.where} does not offer STARTTLS; nothing was sent"
            raise deferred(text, advice.no_starttls(self._name, account.tls), code=454, status="4.7.0")
        progress.stage = Stage.STARTTLS
        _say(trace, "> STARTTLS")
        answer = await smtp.starttls(server_hostname=account.server_name or self.host, timeout=account.connect_timeout)
        _say(trace, *_shown(answer))
        await self._hello(smtp, progress, trace)

    def _take_over(self, smtp: aiosmtplib.SMTP, trace: Trace | None) -> Connection:
        """Give the transport to our own protocol. No `await` may come in between: no octet gets lost."""
        if smtp.transport is None or smtp.transport.is_closing():
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        # Not isinstance: uvloop's transport for TLS has everything of asyncio.Transport but the name.
        transport = cast("asyncio.Transport", smtp.transport)
        wire = Wire(transport)
        transport.pause_reading()  # a transport chooses how it reads when it begins to
        transport.set_protocol(wire)
        transport.resume_reading()
        transport.set_write_buffer_limits(high=_BUFFER)
        session = transport.get_extra_info("ssl_object")
        address = transport.get_extra_info("peername") or ("?",)
        encryption = session.version() if session is not None else ""
        _say(trace, f"(connected to {address[0]}, {encryption or 'without TLS'})")
        log.upstream.connected(self._name, self.where, str(address[0]), encryption)
        extensions = {name.upper(): value for name, value in smtp.esmtp_extensions.items()}
        return Connection(wire, self.host, extensions, self._clock.monotonic())

    @property
    def _has_credentials(self) -> bool:
        return self._account.oauth is not None or self._account.password is not None

    def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                self._context = tls.client_context(self._name, self._account)
            except tls.TlsSetupError as error:
                raise deferred(
                    str(error), "Correct the file or the key; no connection was made", status="4.7.5"
                ) from None
        return self._context

    async def _socket(self) -> socket.socket:
        """A connected socket to the first address of the host that answers. Raises OSError."""
        loop = asyncio.get_running_loop()
        failure: OSError = OSError(f"{self.host} has no address")
        async with asyncio.timeout(self._account.connect_timeout):
            for family, kind, protocol, _, address in await loop.getaddrinfo(
                self.host, self._account.port, type=socket.SOCK_STREAM
            ):
                sock = socket.socket(family, kind, protocol)
                sock.setblocking(False)
                try:
                    await loop.sock_connect(sock, address)
                except OSError as error:
                    sock.close()
                    failure = error
                except BaseException:
                    sock.close()
                    raise
                else:
                    return sock
        raise failure

    async def _tls_trouble(self, error: ssl.SSLError) -> AttemptError:
        account = self._account
        certificate = None
        if isinstance(error, ssl.SSLCertVerificationError):
            certificate = await self._presented()
        asked = account.server_name or self.host
        text, hint = tls.refusal(error, self._name, account, asked, certificate)
        return deferred(f"{self.where}: {text}", hint, code=454, status="4.7.5")

    async def _presented(self) -> tls.Certificate | None:
        """The certificate that was refused: a second look, only to be able to describe it."""
        smtp = self._client(tls.unverified_context())
        try:
            await self._greet(smtp, _Progress(), None)
            session = smtp.get_transport_info("ssl_object")
            return tls.Certificate.parse(session.getpeercert(binary_form=True))
        except (aiosmtplib.SMTPException, AttemptError, OSError, ValueError):
            return None
        finally:
            smtp.close()

    def _trouble(self, error: Exception, progress: "_Progress") -> AttemptError:
        """The result for an exception of aiosmtplib or of the operating system."""
        if isinstance(error, aiosmtplib.SMTPResponseException):
            if 200 <= error.code < 600:
                reply = parse(error.code, error.message)
                return AttemptError(self.judge(progress.stage, reply))
            text = f"{self.where}: what answers is no SMTP server: {log.clean(error.message.strip())}"
            return deferred(text, advice.no_smtp(self._name))
        name, account = self._name, self._account
        cause = error.__cause__ or error
        text, hint = _network_trouble(error, cause, name, account)
        if progress.stage is Stage.STARTTLS:
            text, hint = f"{text} in the TLS handshake", advice.not_tls(name, account.tls)
        return deferred(f"{self.where}: {text}", hint)


class _Progress:
    """How far the way to a session has come."""

    __slots__ = ("stage",)

    def __init__(self) -> None:
        self.stage = Stage.CONNECT


def _network_trouble(error: Exception, cause: BaseException, name: str, account: Account) -> tuple[str, str]:
    """Text and hint for a connection that was not made or was lost."""
    if isinstance(error, aiosmtplib.SMTPReadTimeoutError) or isinstance(cause, aiosmtplib.SMTPReadTimeoutError):
        return "connected, but the server does not answer", advice.silent(name, account.port, account.tls)
    if isinstance(error, aiosmtplib.SMTPServerDisconnected) or isinstance(cause, aiosmtplib.SMTPServerDisconnected):
        return "the server closed the connection", advice.silent(name, account.port, account.tls)
    if isinstance(error, TimeoutError):
        return f"no connection within {account.connect_timeout:g} seconds", advice.unreachable(name, account.port)
    if isinstance(cause, socket.gaierror):
        return f"the name cannot be resolved ({_reason(cause)})", advice.not_found(name, account.host or "")
    if isinstance(cause, UnicodeError):
        return "this is no possible host name", advice.not_found(name, account.host or "")
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused", advice.refused(name, account.port)
    if isinstance(cause, ConnectionError) and account.tls == "implicit":
        return "the connection was broken off in the TLS handshake", advice.not_tls(name, account.tls)
    return f"cannot connect ({_reason(cause)})", advice.unreachable(name, account.port)


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _say(trace: Trace | None, *lines: str) -> None:
    if trace is not None:
        for line in lines:
            trace(log.clean(line))


def _shown(answer: aiosmtplib.SMTPResponse) -> list[str]:
    """A reply as lines of the conversation."""
    lines = answer.message.split("\n")
    return [f"< {answer.code}{'-' if line is not lines[-1] else ' '}{line}" for line in lines]
