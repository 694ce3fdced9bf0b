"""Sandboxes to test against, each in a folder of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from relay.model import Clock
from relay.sandbox import Sandbox, SandboxSettings
from relay.service import serve_http
from tests.sandbox.raw import tls
from tests.support.clock import FakeClock

Start = Callable[..., Awaitable[Sandbox]]


@asynccontextmanager
async def no_http(*_args: object, **_kwargs: object) -> AsyncIterator[None]:
    """Serve nothing: what only speaks SMTP need not wait for an HTTP server to start and stop."""
    yield


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a sandbox with these settings; it stops when the test ends."""
    async with AsyncExitStack() as stack:

        async def start(clock: Clock | None = None, *, http: bool = False, **settings: Any) -> Sandbox:
            tenant = SandboxSettings(**({"folder": tmp_path / "sandbox"} | settings))
            return await stack.enter_async_context(Sandbox(tenant, serve_http if http else no_http, clock))

        yield start


@pytest.fixture
async def sandbox(start: Start) -> Sandbox:
    """The SMTP side of a sandbox with the default settings."""
    return await start()


@pytest.fixture
async def web(start: Start) -> Sandbox:
    """A whole sandbox with the default settings."""
    return await start(http=True)


@pytest.fixture
async def http(web: Sandbox) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that trusts `web`; paths are below its HTTPS root."""
    async with client_of(web) as client:
        yield client


class RecordingClock(FakeClock):
    """Tells what is being waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await super().sleep(seconds)

    async def until_someone_sleeps(self, seconds: float) -> None:
        async with asyncio.timeout(10):
            while seconds not in self.sleeps:
                await asyncio.sleep(0)


@pytest.fixture
def clock() -> RecordingClock:
    return RecordingClock()


def client_of(sandbox: Sandbox) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=sandbox.graph_endpoint, verify=tls(sandbox), trust_env=False)
