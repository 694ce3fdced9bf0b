"""What the sink's API is given: made of the settings, once, when the relay starts."""

import ipaddress
import time

from relay.config import SecretError, Settings
from relay.listener.authentication import Attempt, PasswordChecker, Verdict
from relay.log import listener as tell
from relay.model import Clock
from relay.policy.patterns import AddressPatterns
from relay.sink import SinkStore
from relay.sink.faults import Faults
from relay.spool import Spool
from relay.web import Names, Plane


def names_of(settings: Settings) -> Names:
    """Under which names a browser may ask for the page."""
    binds = settings.web.bind
    hosts = {"localhost", "127.0.0.1", "::1", settings.hostname.lower(), *(each.host for each in binds)}
    everywhere = any(ipaddress.ip_address(each.host).is_unspecified for each in binds)
    hosts |= {name.lower() for name in settings.web.hosts}
    return Names(frozenset(hosts), any_address=everywhere, base_path=settings.web.base_path.rstrip("/"))


def sink_plane(
    settings: Settings, store: SinkStore, spool: Spool, faults: Faults, clock: Clock, checker: PasswordChecker
) -> Plane:
    """The sink as its API sees it.

    Without a password it is open to everybody only where no account is real: then there is nothing but test mail.
    """
    real = {name: account for name, account in settings.accounts.items() if account.is_real}
    sinks = [name for name, account in settings.accounts.items() if account.provider == "sink"]
    hashed = settings.web.sink_password_hash

    async def check(user: str, password: str, peer: str) -> bool | None:
        try:
            expected = hashed.read() if hashed else None
        except SecretError as error:
            tell.password_unreadable(str(error))
            return None
        verdict = await checker.check(Attempt(user, password.encode(), peer, expected, None))
        return None if verdict is Verdict.BUSY else verdict is Verdict.RIGHT

    return Plane(
        store=store,
        faults=faults,
        spool=spool,
        ways={name: account.own_address or "" for name, account in real.items()},
        release_to=AddressPatterns(settings.sink.release_to),
        release_patterns=settings.sink.release_to,
        account=next(iter(sinks), "sink"),
        hostname=settings.hostname,
        max_message_size=max(listener.max_message_size for listener in settings.listeners.values()),
        max_age=settings.queue.max_age,
        database_file=settings.database_file,
        started_at=time.time(),
        clock=clock,
        check=check if hashed else None,
        is_open=not real,
        base_path=settings.web.base_path.rstrip("/"),
    )
