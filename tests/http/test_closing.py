"""Servers that stop leave no connection behind: none that comes in at that moment, none that asks for ever."""

import asyncio
import contextlib
import gc
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from relay.http.closing import stop_listening
from relay.oauth.consent.loopback import Loopback
from relay.service import serve_http
from tests.support.certificates import Authority

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


async def test_a_request_that_outlasts_the_end_is_cut_off(tmp_path: Path) -> None:
    """Also where the other side has TLS, and does not answer that this is the end of it."""

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set_result(scope["extensions"]["relay.transport"])
        await asyncio.Event().wait()

    def ask(address: Address) -> ssl.SSLSocket:
        client = authority.client.wrap_socket(socket.create_connection(address), server_hostname="localhost")
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return client

    authority = Authority.make(tmp_path)
    asked: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with serve_http(endless, [listening], tls=authority.server("localhost")):
            client = await asyncio.to_thread(ask, listening.getsockname())
            connection = (await asked).get_extra_info("socket")
    with client:
        assert connection.fileno() == -1, "nobody would close it once the event loop has ended"
