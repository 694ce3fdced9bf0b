"""The stand-in Microsoft in a thread of its own, for tests that block: with smtplib, curl or a relay process."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from relay.sandbox import Sandbox, SandboxSettings
from relay.service import serve_http


class SandboxThread:
    """A sandbox at work in another thread; its lists may be read from here."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        folder.mkdir(exist_ok=True)
        defaults: dict[str, Any] = {
            "messages_per_minute": None,
            "connections": None,
            "send_as": ("*",),
            "keep_messages": 100_000,
        }
        self._settings = SandboxSettings(folder=folder, **(defaults | changes))
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self.sandbox: Sandbox
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    async def _run(self) -> None:
        async with Sandbox(self._settings, serve_http) as self.sandbox:
            self._started.set()
            await self._stop.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(20), "the sandbox did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()

    def config(self, way: str = "smtp") -> str:
        """The tables of a configuration whose account `office` goes `way` to this sandbox, as fast as it can."""
        return f'{self.account("office", "", "rate = []", way=way)}\n[http]\nca_file = "{self.sandbox.ca_file}"\n\n'

    def account(self, name: str, mailbox: str = "", *keys: str, way: str = "smtp") -> str:
        """The tables of an account at this sandbox, with these further keys."""
        settings, at = self._settings, self.sandbox
        more = "\n".join(keys)
        ways = {
            "smtp": f'host = "{at.smtp[0]}"\nport = {at.smtp[1]}\nca_file = "{at.ca_file}"',
            "graph": f'via = ["graph"]\nmail_endpoint = "{at.graph_endpoint}"',
            "both": (
                f'via = ["smtp", "graph"]\nmail_endpoint = "{at.graph_endpoint}"\n'
                f'host = "{at.smtp[0]}"\nport = {at.smtp[1]}\nca_file = "{at.ca_file}"'
            ),
        }
        return f"""
[accounts.{name}]
provider = "microsoft"
tenant = "{settings.tenant}"
mailbox = "{mailbox or settings.mailbox}"
{ways[way]}
{more}

[accounts.{name}.oauth]
client_id = "{settings.client_id}"
client_secret = "{settings.client_secret}"
token_endpoint = "{at.token_endpoint}"
"""


@contextlib.contextmanager
def sandbox(folder: Path, **changes: Any) -> Iterator[SandboxThread]:
    with SandboxThread(folder, **changes) as running:
        yield running
