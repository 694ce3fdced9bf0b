"""The listeners at work: opened as the configuration has them, changed while mail comes in, closed.

A change is prepared as a whole - sockets bound, certificates loaded - before anything of it happens. An address that
stays keeps its socket, also where another listener takes it over: no connection is refused meanwhile.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from relay import log
from relay.config import Bind, SecretError, Settings
from relay.database import Activity
from relay.limits import Memory
from relay.listener import Parts, Server, bind, tls_of
from relay.listener.authentication import MailboxLogin, PasswordChecker
from relay.listener.rates import Rates
from relay.listener.tls import ServerTls
from relay.metrics.visits import VisitorBook
from relay.model import Clock
from relay.oauth import Bearer
from relay.policy import Policy
from relay.service.changes import Snapshot, shut_out
from relay.service.errors import StartError
from relay.service.parts import Prepared
from relay.sink.faults import Faults
from relay.spool import Spool

_LONGEST_END = 3600.0
"""Seconds that the clients of a removed listener have for the message that they are sending."""
_PATIENCE = 10.0
_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class _Place:
    """An address that a listener accepts connections on."""

    socket: socket.socket
    server: asyncio.Server


@dataclass(slots=True)
class _Door:
    server: Server
    places: dict[Bind, _Place] = field(default_factory=dict)


@dataclass(slots=True)
class _Wanted:
    """One listener as it is to be, with the sockets that it does not have yet."""

    name: str
    parts: Parts
    tls: ServerTls | None
    sockets: dict[Bind, socket.socket] = field(default_factory=dict)


@dataclass(slots=True)
class Change:
    """All that is ready for `Doors.commit()`."""

    policy: Policy
    shut_out: Collection[str]
    wanted: list[_Wanted] = field(default_factory=list)
    shut: list[tuple[_Door, Bind, Bind]] = field(default_factory=list)
    """Places of the old configuration that were closed for one of the new, with where they really were."""


class Doors:
    """All listeners of the relay. `listening` is kept up to date with their addresses, HOST:PORT."""

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        *,
        faults: Faults,
        visitors: VisitorBook,
        listening: list[str],
        rates: Rates,
        bearers_of: Callable[[Settings], Mapping[str, Bearer]],
        memory: Memory,
        activity: Activity,
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._faults = faults
        self._visitors = visitors
        self._listening = listening
        self._checker = PasswordChecker(clock)
        self._rates = rates
        self._bearers_of = bearers_of
        self._memory = memory
        self._activity = activity
        self._doors: dict[str, _Door] = {}
        self._leaving: dict[asyncio.Task[None], Server] = {}

    async def open(self, settings: Settings, logins: Mapping[str, MailboxLogin]) -> None:
        """Open the listeners of the settings. Raises StartError or OSError."""
        await self.commit(await self.prepare(settings, logins))

    async def prepare(
        self, settings: Settings, logins: Mapping[str, MailboxLogin], shut_out: Collection[str] = ()
    ) -> Change:
        """Get everything ready for other settings. Raises StartError or OSError; then all is as it was.

        `logins` checks the users of mailboxes; the sessions of clients in `shut_out` will end.
        """
        change, bearers = Change(Policy(settings), shut_out), self._bearers_of(settings)
        try:
            for name, listener in settings.listeners.items():
                parts = Parts(
                    *(name, listener, change.policy, self._spool, self._checker, settings.hostname, self._clock),
                    faults=self._faults,
                    rates=self._rates,
                    logins=logins,
                    bearers=bearers,
                    visitors=self._visitors,
                    conversations=settings.log.conversations,
                    memory=self._memory,
                    activity=self._activity,
                )
                wanted = _Wanted(name, parts, _tls_of(parts))
                change.wanted.append(wanted)
                await self._bind(wanted, settings, change)
        except BaseException:
            await self.discard(change)
            raise
        return change

    def part(self, logins: "HasLogins") -> "DoorsPart":
        """The listeners as a part of the relay; `logins` are asked for when other settings come."""
        return DoorsPart(self, logins)

    async def discard(self, change: Change) -> None:
        """Go on as before."""
        for wanted in change.wanted:
            for bound in wanted.sockets.values():
                bound.close()
        for door, place, really in change.shut:
            bound_again = bind(really, f"listeners.{door.server.name}.bind")
            if bound_again is not None:
                door.places[place] = _Place(bound_again, await door.server.listen(bound_again))

    async def commit(self, change: Change) -> None:
        """Do it: from now on connections meet the new settings."""
        before = set(self._doors)
        for wanted in change.wanted:
            door = self._doors.setdefault(wanted.name, _Door(Server(wanted.parts)))
            door.server.use(wanted.parts, wanted.tls, change.shut_out)
            for place, bound in wanted.sockets.items():
                door.places[place] = _Place(bound, await door.server.listen(bound))
        for wanted in change.wanted:
            door = self._doors[wanted.name]
            gone = [place for place in door.places if place not in wanted.parts.settings.bind]
            for place in gone:
                await door.server.leave(door.places.pop(place).server)
            if wanted.name not in before or wanted.sockets or gone:
                log.listener.listening(wanted.name, _shown(door), wanted.parts.settings.tls)
        for name in before - {wanted.name for wanted in change.wanted}:
            self._retire(name, self._doors.pop(name).server)
        self._rates.use(change.policy)
        self._listening[:] = [place for door in self._doors.values() for place in _shown(door)]

    async def close(self) -> None:
        """Accept nothing more, say 421 to who waits, let messages that are under way be committed."""
        await asyncio.gather(*(door.server.stop(_PATIENCE) for door in self._doors.values()))
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=_PATIENCE)
        self.hasten()
        if self._leaving:
            await asyncio.wait(self._leaving)
        self._checker.close()

    def hasten(self) -> None:
        """Wait for nobody: the relay is to stop at once."""
        for server in (*(door.server for door in self._doors.values()), *self._leaving.values()):
            server.hasten()

    def _retire(self, name: str, server: Server) -> None:
        """Let the clients of a removed listener end what they have begun."""
        log.listener.closing(name)
        task = asyncio.create_task(server.stop(_LONGEST_END), name=f"closing {name}")
        self._leaving[task] = server
        task.add_done_callback(self._leaving.pop)

    async def _bind(self, wanted: _Wanted, settings: Settings, change: Change) -> None:
        """Bind what the listener has not yet. Raises OSError."""
        door = self._doors.get(wanted.name)
        for place in wanted.parts.settings.bind:
            if door is not None and place in door.places:
                continue
            bound = self._handed_over(place) or await self._bound(place, wanted.name, settings, change)
            if bound is not None:
                wanted.sockets[place] = bound
                bound.listen(_BACKLOG)

    def _handed_over(self, place: Bind) -> socket.socket | None:
        """The socket of a listener that has this address now; what has come to it is not lost."""
        found = (one for door in self._doors.values() for one in door.places.values())
        same = (one.socket.dup() for one in found if one.socket.getsockname()[:2] == (place.host, place.port))
        return next(same, None)

    async def _bound(self, place: Bind, name: str, settings: Settings, change: Change) -> socket.socket | None:
        key = f"listeners.{name}.bind"
        try:
            return bind(place, key)
        except OSError as error:
            # 0.0.0.0:25 in place of 127.0.0.1:25: the old one has to go first.
            if error.errno != errno.EADDRINUSE or not await self._shut_port(place.port, settings, change):
                raise
        return bind(place, key)

    async def _shut_port(self, port: int, settings: Settings, change: Change) -> bool:
        """Close the addresses with this port that the new settings do not have; whether there was one."""
        kept = {place for listener in settings.listeners.values() for place in listener.bind}
        found = [
            (door, place)
            for door in self._doors.values()
            for place, one in door.places.items()
            if place not in kept and one.socket.getsockname()[1] == port
        ]
        for door, place in found:
            one = door.places.pop(place)
            change.shut.append((door, place, replace(place, port=port)))
            await door.server.leave(one.server)
        return bool(found)


class HasLogins(Protocol):
    """Who knows what checks the users of mailboxes."""

    @property
    def logins(self) -> Mapping[str, MailboxLogin]: ...


@dataclass(frozen=True, slots=True)
class DoorsPart:
    """The listeners, when the configuration changes."""

    doors: Doors
    accounts: HasLogins

    async def prepare(self, old: Snapshot, new: Snapshot) -> Prepared:
        """Bind and load what is new. Raises StartError or OSError."""
        shut = shut_out(old.settings, new.settings)
        change = await self.doors.prepare(new.settings, self.accounts.logins, shut)
        return Prepared(partial(self.doors.commit, change), partial(self.doors.discard, change))


def _tls_of(parts: Parts) -> ServerTls | None:
    try:
        return tls_of(parts)
    except (ssl.SSLError, SecretError, ValueError) as error:
        raise StartError(f"listeners.{parts.name}: certificate {parts.settings.certificate}: {error}") from error


def _shown(door: _Door) -> list[str]:
    return [place_of(place.socket) for place in door.places.values()]


def place_of(bound: socket.socket) -> str:
    """HOST:PORT of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bound(places: Sequence[Bind], key: str) -> list[socket.socket]:
    """Sockets at the places that `key` holds, but for optional ones that this machine lacks. Raises BindError."""
    found: list[socket.socket] = []
    try:
        for place in places:
            opened = bind(place, key)
            if opened is not None:
                found.append(opened)
    except OSError:
        for each in found:
            each.close()
        raise
    return found
