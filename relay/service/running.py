"""Builds every part, runs them, stops them."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relay import log, oauth
from relay.alerts import Radar
from relay.config import Settings
from relay.config.mailbox_users import acting
from relay.database import Activity, Database, StorageError
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
from relay.service import garbage, systemd
from relay.service.accounts import Accounts
from relay.service.changes import Snapshot
from relay.service.doors import Doors, bound, place_of
from relay.service.errors import StartError
from relay.service.exits import ExitMaker, Exits
from relay.service.page import Running, start_page
from relay.service.parts import Follower, LogPart, QueuePart, hold
from relay.service.pruning import prune
from relay.service.reload import Load, Reloader
from relay.service.room import kept_of, limits_of, memory_of
from relay.service.sign_ins import SignIns, take_over_key
from relay.service.sink_plane import sink_plane
from relay.service.state_folder import log_loose_mode, make_state_folder
from relay.service.tokens import bearers_of
from relay.service.watching import Watch
from relay.sink import SinkStore
from relay.sink.faults import Faults
from relay.spool import Spool
from relay.spool.administration import Administration
from relay.spool.reporting import Reports
from relay.web import Plane, Reading

ROLES = frozenset({"listener", "delivery", "web"})
_LAST_WAIT = 5.0
"""Seconds that a stop waits for another process that holds the database, all in all."""


@dataclass
class Service:
    """One `relay serve`: built from settings, run until `stop_requested`, then stopped in order."""

    settings: Settings
    roles: frozenset[str] = ROLES
    sandbox: Sequence[str] = ()
    """What the page tells of the stand-in provider, when there is one."""
    received: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    """What the stand-in provider received."""
    load: Load | None = None
    """Reads the configuration again; None: it is read when the relay starts, and then no more."""
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.faults = Faults(enabled=self.settings.sink.chaos)
        self.reloader = Reloader(Snapshot.of(self.settings), self.load or (lambda: self.settings), self.clock)
        self.stop_requested = asyncio.Event()
        self._hasten: list[Callable[[], None]] = []
        """What does not wait any longer once the relay is to stop at once."""
        self.ready = asyncio.Event()
        self.failed = False
        self.visitors = VisitorBook()
        self.rates = Rates(self.clock)
        self.traffic = Traffic(self.clock.time)
        self._activity = Activity()
        self.listening: list[str] = []
        """Where mail is taken, HOST:PORT."""
        self.pages: list[str] = []
        """The addresses of the page."""
        self.sink: SinkStore | None = None

    async def run(self) -> None:
        """Start, serve, stop. Raises StartError when something is in the way."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                database = await self._start(stack)
            except (OSError, StorageError, ssl.SSLError) as error:
                raise StartError(str(error)) from error
            log.service.started(self.listening, list(self.settings.accounts))
            stack.push_async_callback(self.reloader.close)
            if self.load is not None:
                self._watch(stack, Watch(self.reloader, self.clock).run(), "configuration")
            stack.callback(database.hurry, _LAST_WAIT)
            self._hasten.append(database.hurry)
            self.ready.set()
            systemd.ready(log.service.readiness(self.listening, list(self.settings.accounts)))
            await self.stop_requested.wait()
            log.service.stopping()
            systemd.stopping()

    def stop(self) -> None:
        """Stop; asked for a second time, wait for nothing."""
        if self.stop_requested.is_set():
            log.service.stopping_at_once()
            for hasten in self._hasten:
                hasten()
        self.stop_requested.set()

    async def reload(self, why: str) -> Reading:
        """Read the configuration again and use it, if it is good."""
        return await self.reloader.reload(why)

    def _now(self) -> Settings:
        """The settings in force."""
        return self.reloader.settings

    def _follow(self, use: Callable[[Settings, Settings], None]) -> None:
        """Tell a part of each change of the settings."""
        self.reloader.parts.append(Follower(use))

    async def _start(self, stack: contextlib.AsyncExitStack) -> SqliteDatabase:
        """Each part is started after what it stands on, and the stack stops them the other way round."""
        settings = self.settings
        log_loose_mode(make_state_folder(settings.state_folder))
        database = self._open_database(stack)
        spool = await self._open_spool(stack, database)
        self.sink = sink = await self._open_sink(stack, database)
        self._watch(stack, prune(spool, sink, self._now, self.clock), "prune")
        self._watch(stack, garbage.collect(self.clock), "garbage")
        http = HttpClient(settings.http, clock=self.clock)
        stack.push_async_callback(http.close)
        store = oauth.ConsentStore(database, Sealer(settings.store, settings.store_key_file))
        await take_over_key(settings.store, store)
        maker = ExitMaker(http, self.clock, store, sink)
        exits = maker.make(settings)
        ledger = await self._open_ledger(stack, database)
        delivery = self._made_delivery(spool, exits, ledger)
        accounts = Accounts(maker, exits, delivery, ledger)
        stack.push_async_callback(accounts.close)
        self.reloader.parts += [accounts, LogPart()]
        folder = settings.database_file.parent
        reports = Reports(spool, database, folder, self.clock)
        if "web" in self.roles:
            queue = Administration(database, folder, self.clock)
            shown = self._shown(spool, queue, delivery, store, accounts, reports)
            await self._start_web(stack, sink, shown)
        if "delivery" in self.roles:
            self._start_delivery(stack, delivery, store, accounts)
            self._start_reporter(stack, reports)
        if "listener" in self.roles:
            await self._open_doors(stack, spool, accounts, http)
        if "delivery" in self.roles:  # not before the listeners have made the certificates that it looks at
            self._start_radar(stack, spool, delivery, store, accounts, http)
        self.reloader.parts.append(held := QueuePart(spool, self.clock, self._now))
        self._watch(stack, held.run(), "held mail")
        return database

    def _open_database(self, stack: contextlib.AsyncExitStack) -> SqliteDatabase:
        lock = LockFile(self.settings.lock_file)
        lock.acquire()
        stack.callback(lock.release)
        database = SqliteDatabase(self.settings.database_file, self._activity)
        stack.push_async_callback(database.close)
        return database

    async def _open_ledger(self, stack: contextlib.AsyncExitStack, database: Database) -> Ledger:
        ledger = Ledger(database, self.clock)
        await ledger.open()
        self.rates.remember(ledger.tally)
        self._watch(stack, ledger.run(), "pace", stop=ledger.close)
        return ledger

    def _made_delivery(self, spool: Spool, exits: Exits, ledger: Ledger) -> Delivery:
        settings = self.settings
        return Delivery(
            spool,
            exits.upstreams,
            retry=settings.queue.retry,
            pace_of=ledger.pace,
            terms=terms_of(settings),
            fallbacks=fallbacks_of(settings),
            clock=self.clock,
            memory=memory_of(settings, "out", self.clock),
        )

    async def _open_doors(
        self, stack: contextlib.AsyncExitStack, spool: Spool, accounts: Accounts, http: HttpClient
    ) -> None:
        doors = Doors(
            spool,
            self.clock,
            faults=self.faults,
            visitors=self.visitors,
            listening=self.listening,
            rates=self.rates,
            bearers_of=lambda settings: bearers_of(settings, http, self.clock),
            memory=memory_of(self.settings, "in", self.clock),
            activity=self._activity,
        )
        await doors.open(self.settings, accounts.logins)
        self.reloader.parts.append(doors.part(accounts))
        stack.push_async_callback(doors.close)
        self._hasten.append(doors.hasten)

    def _start_delivery(
        self, stack: contextlib.AsyncExitStack, delivery: Delivery, store: oauth.ConsentStore, accounts: Accounts
    ) -> None:
        self._watch(stack, delivery.run(), "delivery", stop=lambda: delivery.stop(self._now().queue.drain_timeout))
        self._hasten.append(delivery.hasten)
        sign_ins = SignIns(store, self.clock, accounts.tokens, delivery.resume)
        self._follow(lambda _old, _new: sign_ins.use(accounts.tokens))
        self._watch(stack, sign_ins.run(), "sign-ins")

    def _start_radar(
        self,
        stack: contextlib.AsyncExitStack,
        spool: Spool,
        delivery: Delivery,
        store: oauth.ConsentStore,
        accounts: Accounts,
        http: HttpClient,
    ) -> None:
        radar = Radar(
            self.settings,
            credentials=accounts.tokens.credentials,
            store=store,
            lanes=delivery.status,
            http=http,
            clock=self.clock,
            storage=lambda: spool.capacity.troubles,
        )
        self._follow(lambda _, new: radar.use(new, accounts.tokens.credentials))
        self._watch(stack, radar.run(), "radar")

    def _start_reporter(self, stack: contextlib.AsyncExitStack, reports: Reports) -> None:
        def rules(settings: Settings) -> ReportRules:
            return ReportRules(settings, Policy(settings))

        reporter = Reporter(reports, rules(self.settings), self.settings.hostname, self.clock)
        self._follow(lambda _, new: reporter.use(rules(new), new.hostname))
        self._watch(stack, reporter.run(), "reports")

    async def _open_sink(self, stack: contextlib.AsyncExitStack, database: Database) -> SinkStore:
        sink = SinkStore(database, self.settings.database_file.parent, kept_of(self.settings), self.clock)
        stack.push_async_callback(sink.close)
        await sink.open()
        self._follow(lambda _, new: self._use_sink(sink, new))
        return sink

    def _use_sink(self, sink: SinkStore, settings: Settings) -> None:
        sink.use(kept_of(settings))
        self.faults.enabled = settings.sink.chaos

    async def _open_spool(self, stack: contextlib.AsyncExitStack, database: Database) -> Spool:
        settings = self.settings
        folder, first, limits = settings.database_file.parent, settings.queue.retry[0], limits_of(settings)
        spool = Spool(database, folder, crash_delay=first, clock=self.clock, limits=limits)
        await spool.open()
        stack.push_async_callback(spool.close)
        await spool.capacity.look()
        self._watch(stack, spool.capacity.run(), "capacity")
        await hold(spool, settings, acting(settings))
        return spool

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

    def _shown(
        self,
        spool: Spool,
        queue: Administration,
        delivery: Delivery,
        store: oauth.ConsentStore,
        accounts: Accounts,
        reports: Reports,
    ) -> Running:
        """What the page works with."""
        return Running(
            clock=self.clock,
            spool=spool,
            queue=queue,
            delivery=delivery,
            consents=store,
            settings=self._now,
            sources=lambda: accounts.tokens.first,
            traffic=self.traffic,
            visitors=self.visitors,
            rates=self.rates,
            listening=self.listening,
            unreported=reports.troubles,
            stopping=self.stop_requested.is_set,
            reload=self.reload if self.load is not None else None,
            reading=lambda: self.reloader.reading,
            sandbox=self.sandbox,
            received=self.received,
        )

    async def _start_web(self, stack: contextlib.AsyncExitStack, sink: SinkStore, running: Running) -> None:
        sockets = bound(self.settings.web.bind, "web.bind")
        if not sockets:
            return
        checker = PasswordChecker(self.clock)
        stack.callback(checker.close)

        def plane(settings: Settings) -> Plane:
            return sink_plane(settings, sink, running.spool, self.faults, self.clock, checker)

        page = await start_page(stack, running, plane, checker, sockets, [place_of(each) for each in sockets])
        self.pages += page.addresses
        self.reloader.parts.append(Follower(page.use, page.check))
        self._watch(stack, self._sample(), "traffic")

    async def _sample(self) -> None:
        while True:
            self.traffic.sample()
            await self.clock.sleep(traffic.EVERY)
