"""Builds every part, runs them, stops them."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from relay import config, listener, log, oauth, upstream, web
from relay.config import Account, Bind, Settings
from relay.database import StorageError
from relay.database.lock import LockFile
from relay.database.sqlite import SqliteDatabase
from relay.delivery import Delivery
from relay.http import HttpClient
from relay.listener.authentication import PasswordChecker
from relay.model import Clock
from relay.policy import Policy
from relay.sandbox import Sandbox, SandboxSettings
from relay.seal import Sealer
from relay.spool import Spool
from relay.upstream import Upstream

ROLES = frozenset({"listener", "delivery", "web"})
_PRUNE_EVERY = 3600.0


class StartError(Exception):
    """The relay cannot start: the message says what is in the way and what to do."""


class _HttpServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: the service decides when its parts stop."""
        yield


@contextlib.asynccontextmanager
async def serve_http(
    app: ASGIApp, sockets: Sequence[socket.socket], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve `app` on bound `sockets` until the block ends; the one place that knows the HTTP server."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=3
    )
    config.load()
    config.ssl = tls
    server = _HttpServer(config)
    task = asyncio.create_task(server.serve(sockets=list(sockets)), name="http")
    while not server.started and not task.done():
        await asyncio.sleep(0)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the fastest event loop there is."""
    # What is imported lives as long as the process: looking through it for garbage again and again is a tenth of a
    # short message's cost.
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop  # noqa: PLC0415 (not on Windows)

        uvloop.run(main)


def upstreams_of(
    settings: Settings, http: HttpClient, clock: Clock, store: oauth.ConsentStore | None = None
) -> dict[str, Upstream]:
    """The way out of each account, with the source of its tokens; `store` has the sign-ins of users."""
    return {name: _upstream(name, account, settings, http, clock, store) for name, account in settings.accounts.items()}


def _upstream(
    name: str,
    account: Account,
    settings: Settings,
    http: HttpClient,
    clock: Clock,
    store: oauth.ConsentStore | None,
) -> Upstream:
    tokens = oauth.source(name, account.oauth, http, clock, store) if account.oauth is not None else None
    return upstream.build(
        name, account, tokens=tokens, http=http, hostname=settings.hostname, sink_log=settings.sink.log, clock=clock
    )


@dataclass
class Service:
    """One `relay serve`: built from settings, run until `stop_requested`, then stopped in order."""

    settings: Settings
    roles: frozenset[str] = ROLES
    sandbox: Sequence[str] = ()
    """What the page tells of the stand-in provider, when there is one."""

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.stop_requested = asyncio.Event()
        self.ready = asyncio.Event()
        self.failed = False
        self._listening: list[str] = []

    async def run(self) -> None:
        """Start, serve, stop. Raises StartError when something is in the way."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                await self._start(stack)
            except (OSError, StorageError, ssl.SSLError) as error:
                raise StartError(str(error)) from error
            log.started(self._listening, list(self.settings.accounts))
            self.ready.set()
            await self.stop_requested.wait()
            log.stopping()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Each part is started after what it stands on, and the stack stops them the other way round."""
        settings = self.settings
        folder = make_state_folder(settings.state_folder)
        lock = LockFile(folder / "relay.lock")
        lock.acquire()
        stack.callback(lock.release)
        database = SqliteDatabase(settings.database_file)
        stack.push_async_callback(database.close)
        spool = Spool(database, folder, crash_delay=settings.queue.retry[0], clock=self.clock)
        await spool.open()
        stack.push_async_callback(spool.close)
        held = await spool.hold_unknown(list(settings.accounts))
        if held:
            log.held(held)
        self._watch(stack, self._prune(spool), "prune")
        http = HttpClient(settings.http, clock=self.clock)
        stack.push_async_callback(http.close)
        store = oauth.ConsentStore(database, Sealer(settings.store, settings.store_key_file))
        delivery = Delivery(
            spool, upstreams_of(settings, http, self.clock, store), retry=settings.queue.retry, clock=self.clock
        )
        if "web" in self.roles:
            await self._start_web(stack, spool, delivery)
        if "delivery" in self.roles:
            self._watch(stack, delivery.run(), "delivery", stop=lambda: delivery.stop(settings.queue.drain_timeout))
        if "listener" in self.roles:
            await self._start_listeners(stack, spool)

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

    async def _start_listeners(self, stack: contextlib.AsyncExitStack, spool: Spool) -> None:
        checker = PasswordChecker(self.clock)
        stack.callback(checker.close)
        policy = Policy(self.settings)
        for name, wanted in self.settings.listeners.items():
            parts = listener.Parts(name, wanted, policy, spool, checker, self.settings.hostname, self.clock)
            server = listener.Server(parts)
            sockets = _bound(wanted.bind)
            try:
                await server.start(sockets)
            except ssl.SSLError as error:
                raise StartError(f"listeners.{name}: certificate {wanted.certificate}: {error}") from error
            stack.push_async_callback(server.stop)
            places = [_place(each) for each in sockets]
            self._listening += places
            log.listening(name, places, wanted.tls)

    async def _start_web(self, stack: contextlib.AsyncExitStack, spool: Spool, delivery: Delivery) -> None:
        sockets = _bound(self.settings.web.bind)
        if not sockets:
            return

        async def troubles() -> list[str]:
            now = self.clock.time()
            return [f"{lane.identity}: {lane.trouble}" for lane in delivery.status() if lane.paused_until > now]

        view = web.View(spool, delivery.status, self._listening, time.time(), troubles, self.sandbox)
        hosts = {
            "localhost",
            "127.0.0.1",
            "::1",
            self.settings.hostname,
            *(each.host for each in self.settings.web.bind),
        }
        await stack.enter_async_context(serve_http(web.build(view, sorted(hosts)), sockets))
        log.page([f"http://{_place(each)}/" for each in sockets])

    async def _prune(self, spool: Spool) -> None:
        queue = self.settings.queue
        while True:
            with contextlib.suppress(StorageError):  # delivery tells of it, and the next hour tries again
                await spool.prune(queue.keep_sent, queue.keep_failed)
            await self.clock.sleep(_PRUNE_EVERY)


def make_state_folder(folder: Path) -> Path:
    """The state folder, private to its user. Raises StartError naming it and the next step."""
    os.umask(0o077)
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


async def serve(settings: Settings, roles: frozenset[str] = ROLES, sandbox: Sequence[str] = ()) -> None:
    """Run until SIGTERM or SIGINT asks to stop; a second one stops at once. Raises StartError."""
    service = Service(settings, roles, sandbox)
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


async def serve_sandbox(base: Settings) -> None:
    """Serve with one account only, at a stand-in Microsoft beside the relay. Raises StartError beside real accounts."""
    real = [name for name, account in base.accounts.items() if account.is_real]
    if real:
        raise StartError(
            f"--sandbox beside the real account {real[0]!r}: mail meant for it would end in the sandbox. "
            "Give --config a file without real accounts, or leave --sandbox out"
        )
    folder = make_state_folder(base.state_folder / "sandbox")
    try:
        async with Sandbox(SandboxSettings(folder=folder, send_as=("*",)), serve_http) as sandbox:
            await serve(sandboxed(base, sandbox, folder), sandbox=_about(sandbox))
    except OSError as error:
        raise StartError(f"the sandbox cannot start: {error}") from error


def sandboxed(base: Settings, sandbox: Sandbox, folder: Path) -> Settings:
    """The settings of `base` with the sandbox as the only account; its file is left in `folder` to be looked at."""
    tenant = sandbox.settings
    file = folder / "relay.toml"
    file.write_text(
        f"""# Written anew at each `relay serve --sandbox`: the account that it uses.
[accounts.sandbox]
provider = "microsoft"
tenant = "{tenant.tenant}"
mailbox = "{tenant.mailbox}"
host = "{sandbox.smtp[0]}"
port = {sandbox.smtp[1]}
ca_file = "{sandbox.ca_file.as_posix()}"

[accounts.sandbox.oauth]
client_id = "{tenant.client_id}"
client_secret = "{tenant.client_secret}"
token_endpoint = "{sandbox.token_endpoint}"

[http]
ca_file = "{sandbox.ca_file.as_posix()}"
""",
        encoding="utf-8",
    )
    loaded = config.load(file, {})
    # Whatever sender the newcomer's first message has, it is to arrive.
    rules = {"account": "sandbox", "senders": ("*",), "reply": "queued"}
    clients = {name: client.model_copy(update=rules) for name, client in base.clients.items()}
    queue = base.queue.model_copy(update={"database": None})
    changed = {"accounts": loaded.accounts, "http": loaded.http, "clients": clients, "queue": queue}
    return base.model_copy(update=changed | {"state_folder": folder})


def _about(sandbox: Sandbox) -> list[str]:
    exchange = f"{sandbox.smtp[0]}:{sandbox.smtp[1]}"
    return [
        f"Mail goes to a stand-in Exchange at {exchange}, with tokens from {sandbox.token_endpoint}.",
        "Nothing leaves this machine.",
        f"What it received: curl --insecure {sandbox.control_endpoint}/received",
    ]


async def sandbox_alone(smtp_bind: str, http_bind: str, folder: Path, say: Callable[[str], None]) -> None:
    """Run the stand-in until SIGTERM or Ctrl-C, telling how to reach it. Raises StartError."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    places = [_host_and_port(bind) for bind in (smtp_bind, http_bind)]
    settings = SandboxSettings(smtp_bind=places[0], http_bind=places[1], folder=make_state_folder(folder))
    try:
        async with Sandbox(settings, serve_http) as sandbox:
            say(f"tenant {settings.tenant}, mailbox {settings.mailbox}")
            say(f"client_id {settings.client_id}, client_secret {settings.client_secret}")
            say(f"token_endpoint {sandbox.token_endpoint}")
            say(f"SMTP {sandbox.smtp[0]}:{sandbox.smtp[1]}, mail_endpoint {sandbox.graph_endpoint}")
            say(f"ca_file {sandbox.ca_file}; faults and received mail: {sandbox.control_endpoint}")
            await stop.wait()
    except OSError as error:
        raise StartError(f"the sandbox cannot start: {error}") from error


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise StartError(f"{text!r} is no address: write HOST:PORT, such as 127.0.0.1:1587")
    return host.strip("[]"), int(port)
