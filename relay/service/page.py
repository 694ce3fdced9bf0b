"""The page, put together from the parts of a relay that runs."""

import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay import log, web
from relay.config import SecretError, Settings
from relay.delivery import Delivery
from relay.listener.authentication import Attempt, PasswordChecker, Verdict
from relay.listener.by_program import HandIn
from relay.listener.rates import Rates
from relay.metrics.traffic import Traffic
from relay.metrics.visits import VisitorBook
from relay.model import Clock
from relay.oauth import ConsentStore, TokenSource
from relay.policy import Policy
from relay.service.errors import StartError
from relay.service.http_server import serve_http
from relay.service.sink_plane import names_of
from relay.spool import Spool
from relay.spool.administration import Administration
from relay.web import Audit, Names, Plane, Reading, Sessions, View
from relay.web.view import Check, Reload


@dataclass(frozen=True)
class Running:
    """What runs, as far as the page shows it."""

    clock: Clock
    spool: Spool
    queue: Administration
    delivery: Delivery
    consents: ConsentStore
    settings: Callable[[], Settings]
    sources: Callable[[], Mapping[str, TokenSource]]
    traffic: Traffic
    visitors: VisitorBook
    rates: Rates
    listening: Sequence[str]
    stopping: Callable[[], bool]
    unreported: Callable[[], Awaitable[tuple[int, int]]]
    reload: Reload | None = None
    reading: Callable[[], Reading | None] = lambda: None
    sandbox: Sequence[str] = ()
    received: Callable[[], Sequence[Mapping[str, Any]]] | None = None


@dataclass(frozen=True)
class Page:
    """The page at work, and what of it a new configuration changes."""

    addresses: Sequence[str]
    view: View
    names: Names
    tls: ssl.SSLContext | None
    make_plane: Callable[[Settings], Plane]

    def check(self, settings: Settings) -> None:
        """Raises StartError when its certificate cannot be used."""
        if self.tls is not None and settings.web.certificate is not None:
            try:
                tls_of(settings)
            except OSError as error:
                raise StartError(f"web.certificate: {settings.web.certificate}: {error}") from error

    def use(self, old: Settings, new: Settings) -> None:
        """Answer as `new` has it; connections that are open go on."""
        self.names.use(names_of(new))
        self.view.plane.use(self.make_plane(new))
        if self.tls is not None and new.web.certificate is not None:
            load_certificate(self.tls, new)
        if old.web.password_hash != new.web.password_hash:
            self.view.sessions.end_all()
            if new.web.password_hash is None:
                self.view.print_link()


async def start_page(
    stack: contextlib.AsyncExitStack,
    running: Running,
    make_plane: Callable[[Settings], Plane],
    checker: PasswordChecker,
    sockets: Sequence[socket.socket],
    places: Sequence[str],
) -> Page:
    """Serve the page on bound `sockets`, which are at `places`, until the stack is closed.

    Raises OSError or ssl.SSLError when its certificate cannot be used.
    """
    settings = running.settings()
    tls, plane = tls_of(settings), make_plane(settings)
    names = names_of(settings)
    scheme = "https" if tls is not None else "http"
    addresses = [f"{scheme}://{place}{names.base_path}/" for place in places]
    view = view_of(running, plane, checker, [_for_a_browser(each) for each in addresses])
    app = await stack.enter_async_context(web.built(view, names))
    await stack.enter_async_context(serve_http(app, sockets, tls=tls))
    stack.callback(plane.store.feed.close)  # before the server waits for the streams to end
    log.service.page(addresses)
    if view.check is None:
        view.print_link()
    return Page(addresses, view, names, tls, make_plane)


def _for_a_browser(address: str) -> str:
    """Every address of this machine is none that a browser can ask for, so in a container: its own name can be."""
    return address.replace("//0.0.0.0:", "//localhost:").replace("//[::]:", "//localhost:")


def view_of(running: Running, plane: Plane, checker: PasswordChecker, addresses: Sequence[str]) -> View:
    """What the page works with; `addresses` are its own, with a slash at the end."""
    check = _check(running, checker)

    async def troubles() -> list[str]:
        now, spool = running.clock.time(), running.spool
        # A sender who is mistyped is no reason to take the relay out of service.
        lanes = [lane for lane in running.delivery.status() if not lane.mailbox]
        paused = [f"{lane.identity}: {lane.trouble}" for lane in lanes if lane.paused_until > now]
        return [*spool.capacity.troubles, *paused]

    def policy() -> Policy:
        return Policy(running.settings())

    hand_in = HandIn(running.settings, policy, running.spool, running.rates, running.visitors, running.clock)
    return View(
        clock=running.clock,
        spool=running.spool,
        queue=running.queue,
        settings=running.settings,
        policy=policy,
        hand_in=hand_in.take,
        sources=running.sources,
        consents=running.consents,
        lanes=running.delivery.status,
        listening=running.listening,
        started_at=running.clock.time(),
        troubles=troubles,
        unreported=running.unreported,
        plane=plane,
        traffic=running.traffic,
        visitors=running.visitors,
        sessions=Sessions(running.clock),
        audit=Audit(running.clock),
        addresses=addresses,
        password=lambda: check if running.settings().web.password_hash is not None else None,
        reload=running.reload,
        reading=running.reading,
        sandbox=running.sandbox,
        received=running.received,
        wake=running.delivery.look,
        stopping=running.stopping,
    )


def _check(running: Running, checker: PasswordChecker) -> Check:
    async def check(_user: str, password: str, peer: str) -> bool | None:
        secret = running.settings().web.password_hash
        try:
            expected = secret.read() if secret is not None else None
        except SecretError as error:
            log.listener.password_unreadable(str(error))
            return None
        verdict = await checker.check(Attempt("administration", password.encode(), peer, expected, None))
        return None if verdict is Verdict.BUSY else verdict is Verdict.RIGHT

    return check


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """The page's certificate, None without. Raises OSError or ssl.SSLError when its files cannot be used."""
    if settings.web.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Have new connections of `context` meet this certificate. Raises OSError or ssl.SSLError."""
    assert settings.web.certificate is not None  # noqa: S101 (who calls has asked)
    # An empty password: without one OpenSSL would ask at the terminal.
    context.load_cert_chain(settings.web.certificate, settings.web.key, password=lambda: "")
