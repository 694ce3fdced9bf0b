"""Servers that stop in the moment a connection comes in leave none behind."""

import asyncio
import contextlib
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from starlette.applications import Starlette

from relay.http.closing import stop_listening
from relay.oauth.consent.loopback import Loopback
from relay.service import serve_http

Address = tuple[str, int]


@contextlib.asynccontextmanager
async def plain() -> AsyncIterator[Address]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()
    await stop_listening([server])


@contextlib.asynccontextmanager
async def web() -> AsyncIterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with serve_http(Starlette(), [listening]):
            yield listening.getsockname()


@contextlib.asynccontextmanager
async def loopback() -> AsyncIterator[Address]:
    waiting = Loopback("http://127.0.0.1")
    async with waiting.waiting(lambda _address: None):
        yield "127.0.0.1", int(waiting.redirect_uri.rpartition(":")[2])


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("server", [plain, web, loopback])
async def test_a_connection_at_the_last_moment(
    server: Callable[[], AbstractAsyncContextManager[Address]], turns: int
) -> None:
    """Without `stop_listening` each of these servers fails with one of these numbers of turns (Python 3.11)."""
    gc.collect()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with server() as address:
            with socket.create_connection(address):
                for _ in range(turns):
                    await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
    assert [str(each.message) for each in warned if "unclosed" in str(each.message)] == []
