"""The sink as a pytest fixture: `relay_sink`, a mail server in this process that catches what a test's app sends.

Found by pytest once the package is installed. The server is started when a test first asks for it, on free ports and in
a temporary folder, and is shared by the tests of a session; each test begins with an empty mailbox.
"""

import asyncio
import email.message
import email.policy
import itertools
import secrets
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from relay.service import Service
    from relay.sink import SinkStore

T = TypeVar("T")

_START = 30.0
_CONFIG = """
hostname = "sink.test"
state_folder = "state"
[listeners.default]
bind = ["127.0.0.1:0"]
[web]
bind = ["127.0.0.1:0"]
[sink]
keep = 10000
chaos = true
"""


@dataclass(frozen=True)
class CaughtMail:
    """One message that was caught. `sender` and `recipients` are the envelope's, `raw` is the source."""

    id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str
    raw: bytes
    warnings: tuple[str, ...]

    @property
    def message(self) -> email.message.EmailMessage:
        """The message as the standard library reads it: header fields, parts, attachments."""
        return BytesParser(policy=email.policy.default).parsebytes(self.raw)


class RelaySink:
    """A relay with nothing but a sink, in a thread of this process.

    `host` and `port` are where mail goes by SMTP, `url` is its page and API.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, settings: str = _CONFIG) -> None:
        self._folder = folder
        self._settings = settings
        self._started = threading.Event()
        self._trouble: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._service: Service | None = None
        self._thread = threading.Thread(target=self._run, name="relay sink", daemon=True)
        self._number = itertools.count(1)
        self._name = secrets.token_hex(4)
        self.port = 0
        self.url = ""

    def start(self) -> None:
        """Start it; return once it takes mail. Raises RuntimeError with the reason when it cannot start."""
        self._thread.start()
        if not self._started.wait(_START) or self._service is None or self._trouble is not None:
            raise RuntimeError(f"the relay's sink did not start: {self._trouble or 'it took too long'}")
        self.port = int(self._service.listening[0].rpartition(":")[2])
        self.url = self._service.pages[0]

    def stop(self) -> None:
        """Stop it and wait for its end."""
        if self._loop is not None and self._service is not None:
            self._loop.call_soon_threadsafe(self._service.stop_requested.set)
        self._thread.join(_START)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 (it is told to who waits for the start)
            self._trouble = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        from relay import config  # noqa: PLC0415 (a session that does not use the fixture does not pay for it)
        from relay.service import Service  # noqa: PLC0415

        file = self._folder / "relay.toml"
        file.write_text(self._settings, encoding="utf-8")
        self._loop = asyncio.get_running_loop()
        service = self._service = Service(config.load(file, {}))
        running = asyncio.create_task(service.run())
        ready = asyncio.create_task(service.ready.wait())
        await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not running.done():
            self._started.set()
        await running

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or not self._thread.is_alive():
            work.close()
            raise RuntimeError("the relay's sink is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @property
    def _store(self) -> "SinkStore":
        if self._service is None or self._service.sink is None:
            raise RuntimeError("the relay's sink is not running")
        return self._service.sink

    # --- for tests

    def address(self, name: str = "test") -> str:
        """An address that no other test has, also in parallel runs."""
        return f"{name}-{self._name}-{next(self._number)}@example.test"

    def messages(self, query: str = "") -> list[CaughtMail]:
        """What was caught, the oldest first; with a query, what matches (docs/sink.md, "Search")."""
        return self._do(self._caught(query))

    def wait_for(self, query: str = "", *, to: str = "", count: int = 1, timeout: float = 10.0) -> list[CaughtMail]:
        """Wait until `count` messages match; all that match, the oldest first.

        `to` is an address that they were delivered to, whatever their fields say: by Bcc, or from an app that writes no
        To. Raises AssertionError that lists what arrived instead when they do not come within `timeout` seconds.
        """
        __tracebackhide__ = True
        found = self._do(self._waited(query, to, count, timeout))
        if len(found) < count:
            there = "".join(f"\n  {each.subject!r} to {', '.join(each.recipients)}" for each in self.messages())
            wanted = " to ".join(each for each in (query, to) if each) or "anybody"
            what = f"{count} message{'s' if count > 1 else ''} for {wanted}"
            raise AssertionError(
                f"{what} within {timeout:g} s, but {len(found)} came. In the sink:{there or ' nothing'}"
            )
        return found

    def clear(self) -> None:
        """Delete all that was caught, and let go of all fault rules."""
        self._do(self._cleared())

    async def _cleared(self) -> None:
        from relay.sink import changes  # noqa: PLC0415

        await changes.delete(self._store, await changes.chosen(self._store, None, None), everything=True)
        if self._service is not None:
            self._service.faults.reset()

    async def _waited(self, query: str, to: str, count: int, patience: float) -> list[CaughtMail]:
        from relay.sink import parse  # noqa: PLC0415

        wanted = f'{query} addressed:"={to}"'.strip() if to else query
        deadline, needed = time.monotonic() + patience, count
        while True:
            left = max(0.0, deadline - time.monotonic())
            await self._store.wait(parse(wanted or "after:1970-01-01"), needed, left)
            caught = await self._caught(wanted)
            # Its fields name an address also where somebody else got it: the envelope decides.
            found = [one for one in caught if not to or to.casefold() in map(str.casefold, one.recipients)]
            if len(found) >= count or not left:
                return found
            needed = len(caught) + 1

    async def _caught(self, query: str) -> list[CaughtMail]:
        from relay.sink import parse  # noqa: PLC0415

        page = await (self._store.search(parse(query), 0, 100_000) if query else self._store.page(0, 0))
        return [await self._opened(summary.id) for summary in reversed(page.messages)]

    async def _opened(self, identifier: str) -> CaughtMail:
        from relay.sink.message import opened  # noqa: PLC0415

        source, summary = await self._store.source(identifier), await self._store.summary(identifier)
        if source is None or summary is None:
            raise RuntimeError(f"message {identifier} was deleted while it was read")
        raw = await self._store.octets(source)
        found = opened(source, raw)
        return CaughtMail(
            id=identifier,
            sender=source.envelope.sender,
            recipients=source.envelope.recipients,
            subject=summary.subject,
            text=found.text,
            html=found.html,
            raw=raw,
            warnings=found.warnings,
        )


@pytest.fixture(scope="session")
def relay_sink_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelaySink]:
    """The server behind `relay_sink`: one for the session, its mailbox as the tests have left it."""
    server = RelaySink(tmp_path_factory.mktemp("relay-sink"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def relay_sink(relay_sink_server: RelaySink) -> RelaySink:
    """A mail server that catches what the app under test sends, with an empty mailbox."""
    relay_sink_server.clear()
    return relay_sink_server
