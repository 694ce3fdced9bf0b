"""The page, put together from the parts of a relay that runs."""

import ipaddress
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay.config import SecretError, Settings
from relay.delivery import Delivery
from relay.listener.authentication import PasswordChecker, Verdict
from relay.log import listener as tell
from relay.metrics.traffic import Traffic
from relay.metrics.visits import VisitorBook
from relay.model import Clock
from relay.oauth import ConsentStore, TokenSource
from relay.policy import Policy
from relay.spool import Spool
from relay.spool.administration import Administration
from relay.web import Audit, Names, Sessions, View
from relay.web.view import Check


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
    checker: PasswordChecker
    listening: Sequence[str]
    stopping: Callable[[], bool]
    sandbox: Sequence[str] = ()
    received: Callable[[], Sequence[Mapping[str, Any]]] | None = None


def names_of(settings: Settings) -> Names:
    """Under which names a browser may ask for the page."""
    binds = settings.web.bind
    hosts = {"localhost", "127.0.0.1", "::1", settings.hostname.lower(), *(each.host for each in binds)}
    everywhere = any(ipaddress.ip_address(each.host).is_unspecified for each in binds)
    return Names(frozenset(hosts | {name.lower() for name in settings.web.hosts}), any_address=everywhere)


def view_of(running: Running, addresses: Sequence[str]) -> View:
    """What the page works with; `addresses` are its own, with a slash at the end."""

    async def troubles() -> list[str]:
        now, spool = running.clock.time(), running.spool
        paused = [f"{lane.identity}: {lane.trouble}" for lane in running.delivery.status() if lane.paused_until > now]
        return [*([spool.trouble] if spool.trouble else []), *paused]

    def wake() -> None:
        for name in running.settings().accounts:
            running.delivery.notice(name)

    return View(
        clock=running.clock,
        spool=running.spool,
        queue=running.queue,
        settings=running.settings,
        policy=lambda: Policy(running.settings()),
        sources=running.sources,
        consents=running.consents,
        lanes=running.delivery.status,
        listening=running.listening,
        started_at=running.clock.time(),
        troubles=troubles,
        traffic=running.traffic,
        visitors=running.visitors,
        sessions=Sessions(running.clock),
        audit=Audit(running.clock),
        addresses=addresses,
        check=_check(running) if running.settings().web.password_hash is not None else None,
        sandbox=running.sandbox,
        received=running.received,
        wake=wake,
        stopping=running.stopping,
    )


def _check(running: Running) -> Check:
    async def check(_user: str, password: str, peer: str) -> bool | None:
        secret = running.settings().web.password_hash
        try:
            expected = secret.read() if secret is not None else None
        except SecretError as error:
            tell.password_unreadable(str(error))
            return None
        verdict = await running.checker.check(
            login="administration", password=password.encode(), address=peer, hashed=expected, plain=None
        )
        return None if verdict is Verdict.BUSY else verdict is Verdict.RIGHT

    return check


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """The page's certificate, None without. Raises OSError or ssl.SSLError when its files cannot be used."""
    if settings.web.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # An empty password: without one OpenSSL would ask at the terminal.
    context.load_cert_chain(settings.web.certificate, settings.web.key, password=lambda: "")
    return context
