"""Delivery at work on a real queue, towards a stand-in Exchange in the same event loop, both by one clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from relay import config
from relay.config import Settings
from relay.config.mailbox_users import acting
from relay.database.sqlite import SqliteDatabase
from relay.delivery import Delivery, fallbacks_of, terms_of
from relay.http import DefaultSettings, HttpClient
from relay.limits import Ledger
from relay.model import Clock
from relay.sandbox import Sandbox, SandboxSettings
from relay.service import serve_http
from relay.service.exits import ExitMaker
from relay.spool import Spool
from tests.support import stored

MAILBOX = "noreply@sandbox.onmicrosoft.com"
CLIENT = '[clients.app]\nnetworks = ["127.0.0.1"]\nsenders = ["*"]\n'


class AtExchange:
    """The parts that a test looks at."""

    def __init__(self, sandbox: Sandbox, spool: Spool, delivery: Delivery) -> None:
        self.sandbox = sandbox
        self.spool = spool
        self.delivery = delivery

    @property
    def replies(self) -> set[str]:
        """How the stand-in answered what it took."""
        return {one.reply[:3] for one in self.sandbox.received}

    async def until_received(self, count: int, seconds: float = 60.0) -> None:
        """Wait, in real time, until `count` messages have arrived."""
        async with asyncio.timeout(seconds):
            while len(self.sandbox.received) < count:
                await asyncio.sleep(0.01)


def account(sandbox: Sandbox, name: str = "office", mailbox: str = MAILBOX, more: str = "", via: str = "smtp") -> str:
    """The tables of an account at the sandbox."""
    way = (
        f'via = ["graph"]\nmail_endpoint = "{sandbox.graph_endpoint}"'
        if via == "graph"
        else f'host = "{sandbox.smtp[0]}"\nport = {sandbox.smtp[1]}\nca_file = "{sandbox.ca_file}"'
    )
    return f"""
[accounts.{name}]
provider = "microsoft"
tenant = "{sandbox.settings.tenant}"
mailbox = "{mailbox}"
{way}
{more}

[accounts.{name}.oauth]
client_id = "{sandbox.settings.client_id}"
client_secret = "{sandbox.settings.client_secret}"
token_endpoint = "{sandbox.token_endpoint}"
"""


def settings(folder: Path, text: str) -> Settings:
    file = folder / "relay.toml"
    file.write_text(text)
    file.chmod(0o600)
    return config.load(file, {"HOME": str(folder)})


@contextlib.asynccontextmanager
async def sandbox(folder: Path, clock: Clock, **changes: Any) -> AsyncIterator[Sandbox]:
    """A stand-in that refuses what is above its limits."""
    values: dict[str, Any] = {"rate_mode": "reject", "send_as": ("*",), "keep_messages": 10_000} | changes
    async with Sandbox(SandboxSettings(folder=folder / "stand-in", **values), serve_http, clock) as running:
        yield running


@contextlib.asynccontextmanager
async def delivering(folder: Path, running: Sandbox, text: str, clock: Clock) -> AsyncIterator[AtExchange]:
    """The queue and delivery of a configuration, built as the service builds them."""
    made = settings(folder, text)
    http = HttpClient(DefaultSettings(ca_file=running.ca_file))
    database = SqliteDatabase(folder / "relay.db")
    exits = ExitMaker(http, clock, stored.store(database, folder)).make(made)
    tokens, upstreams = exits.tokens, exits.upstreams
    spool = Spool(database, folder, clock=clock)
    await spool.open()
    await spool.hold_unknown(list(made.accounts), acting(made))
    ledger = Ledger(database, clock)
    delivery = Delivery(
        spool,
        upstreams,
        retry=made.queue.retry,
        pace_of=ledger.pace,
        terms=terms_of(made),
        fallbacks=fallbacks_of(made),
        clock=clock,
        jitter=lambda: 0.5,
    )
    tasks = [asyncio.create_task(ledger.run()), asyncio.create_task(delivery.run())]
    try:
        yield AtExchange(running, spool, delivery)
    finally:
        await delivery.stop(5.0)
        await ledger.close()
        await asyncio.wait(tasks)
        await tokens.close()
        await http.close()
        await spool.close()
        await database.close()
