"""The whole stand-in: binds its ports, wires its services together, and takes them down again."""

import ssl
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Protocol, Self

from starlette.applications import Starlette
from starlette.types import ASGIApp

from relay import log
from relay.model import Clock
from relay.sandbox import google
from relay.sandbox.ca import CertificateAuthority
from relay.sandbox.control import Control
from relay.sandbox.entra import Entra
from relay.sandbox.exchange import Exchange
from relay.sandbox.faults import Faults
from relay.sandbox.gmail import Gmail
from relay.sandbox.google import Google
from relay.sandbox.graph import Graph
from relay.sandbox.graph_large import GraphLarge
from relay.sandbox.http import Breakable
from relay.sandbox.listen import listen
from relay.sandbox.mailbox import Mailboxes
from relay.sandbox.received import ReceivedList
from relay.sandbox.settings import SandboxSettings
from relay.sandbox.smtp_server import SmtpServer
from relay.sandbox.tokens import Tokens


class ServeHttp(Protocol):
    """`relay.service.serve_http`, handed in: the HTTP server has one home."""

    def __call__(
        self, app: ASGIApp, sockets: Sequence[socket], *, tls: ssl.SSLContext | None = None
    ) -> AbstractAsyncContextManager[None]: ...


class Sandbox:
    """A stand-in Microsoft for the length of an `async with` block; entering raises OSError if it cannot listen.

    `authority` signs its certificate: a new one, unless it is that of an earlier stand-in which this one carries on.
    """

    ca_file: Path
    """The certificate of its authority: what a client must trust."""
    smtp: tuple[str, int]
    """Host and port of the submission server."""
    issuer: str
    """Of the tenant by its domain; the stand-in's metadata name it by its id, as Entra's do."""
    token_endpoint: str
    google_token_endpoint: str
    graph_endpoint: str
    """The root that stands for https://graph.microsoft.com, without a slash at the end."""
    gmail_endpoint: str
    """The root that stands for https://gmail.googleapis.com."""
    control_endpoint: str

    def __init__(
        self,
        settings: SandboxSettings,
        serve_http: ServeHttp,
        clock: Clock | None = None,
        authority: CertificateAuthority | None = None,
    ) -> None:
        self.settings = settings
        self._authority = authority
        self.clock = clock or Clock()
        self.faults = Faults(self.clock)
        self.received = ReceivedList(settings.keep_messages, settings.keep_bytes)
        self.tokens = Tokens(settings, self.clock)
        self.mailboxes = Mailboxes(settings, self.clock)
        self.entra = Entra(settings, self.tokens, self.faults, self.clock)
        self.google = Google(settings, self.clock)
        self._serve_http = serve_http
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            authority = self._authority or CertificateAuthority()
            tls = authority.server_context()
            self.ca_file = authority.write_certificate(self.settings.folder)
            await self._start_smtp(stack, tls)
            await self._start_http(stack, tls)
            self._stack = stack.pop_all()
        log.sandbox.ready(f"{self.smtp[0]}:{self.smtp[1]}", self.token_endpoint, self.graph_endpoint, str(self.ca_file))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def connections(self) -> int:
        """SMTP connections that are open now."""
        return len(self._smtp_server)

    async def _start_smtp(self, stack: AsyncExitStack, tls: ssl.SSLContext) -> None:
        exchange = Exchange(self.settings, self.mailboxes, self.tokens, self.received, self.faults, tls, self.clock)
        sockets = _listen(stack, self.settings.smtp_bind)
        self._smtp_server = SmtpServer(exchange.session, self.settings.idle_timeout, self.clock)
        await stack.enter_async_context(self._smtp_server.serving(sockets))
        self.smtp = (_reachable(self.settings.smtp_bind[0]), sockets[0].getsockname()[1])

    async def _start_http(self, stack: AsyncExitStack, tls: ssl.SSLContext) -> None:
        sockets = _listen(stack, self.settings.http_bind)
        host = _reachable(self.settings.http_bind[0])
        root = f"https://{f'[{host}]' if ':' in host else host}:{sockets[0].getsockname()[1]}"
        self.issuer = f"{root}/{self.settings.tenant}/v2.0"
        self.token_endpoint = f"{root}/{self.settings.tenant}/oauth2/v2.0/token"
        self.google_token_endpoint = f"{root}{google.PATH}"
        self.graph_endpoint = root
        self.gmail_endpoint = root
        self.control_endpoint = f"{root}/sandbox"
        about = {
            "smtp": "{}:{}".format(*self.smtp),
            "token_endpoint": self.token_endpoint,
            "graph_endpoint": self.graph_endpoint,
            "ca_file": str(self.ca_file),
        }
        graph = Graph(self.settings, self.mailboxes, self.tokens, self.received, self.faults, self.clock)
        self.large = GraphLarge(graph)
        control = Control(self.faults, self.received, about)
        gmail = Gmail(self.settings, self.mailboxes, self.google, self.received, self.faults, self.clock)
        parts = (control, graph, self.large, gmail, self.google, self.entra)
        app = Starlette(routes=[route for part in parts for route in part.routes()])
        await stack.enter_async_context(self._serve_http(Breakable(app), sockets, tls=tls))


def _reachable(host: str) -> str:
    """The name for clients of a server that listens on `host`; nobody can connect to a wildcard."""
    return "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104 (compared, not bound)


def _listen(stack: AsyncExitStack, bind: tuple[str, int]) -> list[socket]:
    sockets = listen(bind)
    for sock in sockets:
        stack.callback(sock.close)
    return sockets
