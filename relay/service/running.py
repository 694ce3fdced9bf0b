"""Builds every part, runs them, stops them."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay import listener, log, oauth, upstream
from relay.alerts import Radar
from relay.config import Bind, Settings
from relay.config.mailbox_users import acting
from relay.database import StorageError
from relay.database.lock import LockFile
from relay.database.sqlite import SqliteDatabase
from relay.delivery import Delivery, fallbacks_of, terms_of
from relay.delivery.reports import Reporter
from relay.http import HttpClient
from relay.limits import Ledger
from relay.listener.authentication import PasswordChecker
from relay.listener.rates import Rates
from relay.metrics import traffic
from relay.metrics.traffic import Traffic
from relay.metrics.visits import VisitorBook
from relay.model import Clock
from relay.policy import Policy
from relay.policy.reports import ReportRules
from relay.seal import Sealer
from relay.service import garbage
from relay.service.page import Running, start_page
from relay.service.sign_ins import SignIns
from relay.service.sink_plane import sink_plane
from relay.service.tokens import Tokens, bearers_of, tokens_of
from relay.sink import Limits, SinkStore
from relay.sink.faults import Faults
from relay.spool import Spool
from relay.spool.administration import Administration
from relay.spool.reporting import Reports
from relay.upstream import Keeper, Upstream

ROLES = frozenset({"listener", "delivery", "web"})
_PRUNE_EVERY = 3600.0


class StartError(Exception):
    """The relay cannot start: the message says what is in the way and what to do."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the fastest event loop there is."""
    # What is imported lives as long as the process: looking through it for garbage again and again is a tenth of a
    # short message's cost.
    os.umask(0o077)  # whatever is written here is nobody else's: queue, log, sandbox
    _raise_file_limit()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop  # noqa: PLC0415 (not on Windows)

        uvloop.run(main)


def _raise_file_limit() -> None:
    """A file for each connection: as many as this user may have."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 (not on Windows)

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def upstreams_of(
    settings: Settings, tokens: Tokens, http: HttpClient, clock: Clock, keeper: Keeper | None = None
) -> dict[str, Upstream]:
    """The way out of each account; `keeper` keeps the mail of sinks."""
    families, gates = upstream.Families(), upstream.Gates()
    made: dict[str, Upstream] = {
        name: upstream.build(
            name,
            account,
            tokens=tokens.sources.get(name, {}),
            mailboxes=tokens.of_sender.get(name),
            http=http,
            hostname=settings.hostname,
            sink_log=settings.sink.log,
            keeper=keeper,
            clock=clock,
            families=families,
            gates=gates,
        )
        for name, account in settings.accounts.items()
    }
    for name in made.keys() & set(settings.log.conversations):
        made[name] = upstream.overheard(name, made[name])
    return made


@dataclass
class Service:
    """One `relay serve`: built from settings, run until `stop_requested`, then stopped in order."""

    settings: Settings
    roles: frozenset[str] = ROLES
    sandbox: Sequence[str] = ()
    """What the page tells of the stand-in provider, when there is one."""
    received: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    """What the stand-in provider received."""

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.faults = Faults(enabled=self.settings.sink.chaos)
        self.stop_requested = asyncio.Event()
        self.ready = asyncio.Event()
        self.failed = False
        self.visitors = VisitorBook()
        self.rates = Rates(self.clock)
        self.traffic = Traffic(self.clock.time)
        self.listening: list[str] = []
        """Where mail is taken, HOST:PORT."""
        self.pages: list[str] = []
        """The addresses of the page."""
        self.sink: SinkStore | None = None

    async def run(self) -> None:
        """Start, serve, stop. Raises StartError when something is in the way."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                await self._start(stack)
            except (OSError, StorageError, ssl.SSLError) as error:
                raise StartError(str(error)) from error
            log.service.started(self.listening, list(self.settings.accounts))
            self.ready.set()
            await self.stop_requested.wait()
            log.service.stopping()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Each part is started after what it stands on, and the stack stops them the other way round."""
        settings = self.settings
        folder = make_state_folder(settings.state_folder)
        log_loose_mode(folder)
        file = settings.database_file
        lock = LockFile(settings.lock_file)
        lock.acquire()
        stack.callback(lock.release)
        database = SqliteDatabase(file)
        stack.push_async_callback(database.close)
        spool = Spool(database, file.parent, crash_delay=settings.queue.retry[0], clock=self.clock)
        await spool.open()
        stack.push_async_callback(spool.close)
        held = await spool.hold_unknown(list(settings.accounts), acting(settings))
        if held:
            log.service.held(held)
        kept = self.settings.sink
        sink = SinkStore(database, file.parent, Limits(kept.keep, kept.max_bytes, kept.max_age), self.clock)
        stack.push_async_callback(sink.close)
        await sink.open()
        self.sink = sink
        self._watch(stack, self._prune(spool, sink), "prune")
        self._watch(stack, garbage.collect(self.clock), "garbage")
        http = HttpClient(settings.http, clock=self.clock)
        stack.push_async_callback(http.close)
        store = oauth.ConsentStore(database, Sealer(settings.store, settings.store_key_file))
        tokens = tokens_of(settings, http, self.clock, store)
        stack.push_async_callback(tokens.close)
        upstreams = upstreams_of(settings, tokens, http, self.clock, sink)
        ledger = Ledger(database, self.clock)
        await ledger.open()
        self.rates.remember(ledger.tally)
        self._watch(stack, ledger.run(), "pace", stop=ledger.close)
        delivery = Delivery(
            spool,
            upstreams,
            retry=settings.queue.retry,
            pace_of=ledger.pace,
            terms=terms_of(settings),
            fallbacks=fallbacks_of(settings),
            clock=self.clock,
        )
        reports = Reports(spool, database, file.parent, self.clock)
        if "web" in self.roles:
            queue = Administration(database, file.parent, self.clock)
            shown = self._shown(spool, queue, delivery, store, tokens, reports)
            await self._start_web(stack, sink, shown)
        if "delivery" in self.roles:
            radar = Radar(
                settings, sources=tokens.first, store=store, lanes=delivery.status, http=http, clock=self.clock
            )
            self._watch(stack, radar.run(), "radar")
            self._watch(stack, delivery.run(), "delivery", stop=lambda: delivery.stop(settings.queue.drain_timeout))
            self._watch(stack, SignIns(store, self.clock, tokens, delivery.resume).run(), "sign-ins")
            rules = ReportRules(settings, Policy(settings))
            self._watch(stack, Reporter(reports, rules, settings.hostname, self.clock).run(), "reports")
        if "listener" in self.roles:
            await self._start_listeners(stack, spool, tokens, bearers_of(settings, http, self.clock))

    def _watch(
        self,
        stack: contextlib.AsyncExitStack,
        work: Coroutine[Any, Any, None],
        name: str,
        stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Run `work` beside the rest; if it fails, everything stops rather than half of it going on."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)

        async def end() -> None:
            if stop is None:
                task.cancel()
            else:
                await stop()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

        stack.push_async_callback(end)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.internal_error(f"{task.get_name()} failed, the relay stops", error)
            self.failed = True
            self.stop_requested.set()

    async def _start_listeners(
        self, stack: contextlib.AsyncExitStack, spool: Spool, tokens: Tokens, bearers: Mapping[str, oauth.Bearer]
    ) -> None:
        checker = PasswordChecker(self.clock)
        stack.callback(checker.close)
        policy = Policy(self.settings)
        for name, wanted in self.settings.listeners.items():
            parts = listener.Parts(
                *(name, wanted, policy, spool, checker, self.settings.hostname, self.clock, self.faults, self.rates),
                logins=tokens.logins,
                bearers=bearers,
                conversations=self.settings.log.conversations,
                visitors=self.visitors,
            )
            server = listener.Server(parts)
            sockets = _bound(wanted.bind)
            try:
                await server.start(sockets)
            except ssl.SSLError as error:
                raise StartError(f"listeners.{name}: certificate {wanted.certificate}: {error}") from error
            stack.push_async_callback(server.stop)
            places = [_place(each) for each in sockets]
            self.listening += places
            log.listener.listening(name, places, wanted.tls)

    def _shown(
        self,
        spool: Spool,
        queue: Administration,
        delivery: Delivery,
        store: oauth.ConsentStore,
        tokens: Tokens,
        reports: Reports,
    ) -> Running:
        """What the page works with."""
        return Running(
            clock=self.clock,
            spool=spool,
            queue=queue,
            delivery=delivery,
            consents=store,
            settings=lambda: self.settings,
            sources=lambda: tokens.first,
            traffic=self.traffic,
            visitors=self.visitors,
            rates=self.rates,
            listening=self.listening,
            unreported=reports.troubles,
            stopping=self.stop_requested.is_set,
            sandbox=self.sandbox,
            received=self.received,
        )

    async def _start_web(self, stack: contextlib.AsyncExitStack, sink: SinkStore, running: Running) -> None:
        sockets = _bound(self.settings.web.bind)
        if not sockets:
            return
        checker = PasswordChecker(self.clock)
        stack.callback(checker.close)
        plane = sink_plane(self.settings, sink, running.spool, self.faults, self.clock, checker)
        self.pages += await start_page(stack, running, plane, checker, sockets, [_place(each) for each in sockets])
        self._watch(stack, self._sample(), "traffic")

    async def _sample(self) -> None:
        while True:
            self.traffic.sample()
            await self.clock.sleep(traffic.EVERY)

    async def _prune(self, spool: Spool, sink: SinkStore) -> None:
        queue = self.settings.queue
        while True:
            with contextlib.suppress(StorageError):  # delivery tells of it, and the next hour tries again
                await spool.prune(queue.keep_sent, queue.keep_failed, queue.max_size)
                await sink.prune()
            await self.clock.sleep(_PRUNE_EVERY)


def make_state_folder(folder: Path) -> Path:
    """The state folder, private to its user. Raises StartError naming it and the next step."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "this user may not write there")
    except OSError as error:
        raise StartError(
            f"the state folder {folder} cannot be used: {error.strerror}. "
            "Set state_folder to a folder that this user may write, or change its owner"
        ) from error
    return folder


def log_loose_mode(folder: Path) -> None:
    """Tell of a state folder that others may look into; it may be theirs, so it is left as it is."""
    if os.name == "posix" and folder.stat().st_mode & 0o077:
        log.service.warned(f"the state folder {folder} is open to other users: chmod 700 {folder}")


def _bound(places: Sequence[Bind]) -> list[socket.socket]:
    found: list[socket.socket] = []
    try:
        for place in places:
            opened = listener.bind(place)
            if opened is not None:
                found.append(opened)
    except OSError:
        for each in found:
            each.close()
        raise
    return found


def _place(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def serve(
    settings: Settings,
    roles: frozenset[str] = ROLES,
    sandbox: Sequence[str] = (),
    received: Callable[[], Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    """Run until SIGTERM or SIGINT asks to stop; a second one stops at once. Raises StartError."""
    service = Service(settings, roles, sandbox, received)
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def stop() -> None:
        if service.stop_requested.is_set() and task is not None:
            task.cancel()
        service.stop_requested.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, stop)
    await service.run()
    if service.failed:
        raise StartError("a part of the relay failed; the log says which and why")
