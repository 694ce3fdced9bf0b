"""How long the SMTP client waits for a reply: one timer watches over all the waits of a connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.upstream.smtp.wire import BrokenError, Wire

PATIENCE = 60.0


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Wire, asyncio.StreamWriter]]:
    """Our end of a connection, and the server's."""
    connected: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set_result(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        wire = Wire(transport)
        transport.set_protocol(wire)
        writer = await connected
        yield wire, writer
        await wire.close(1.0)
        writer.close()
        await writer.wait_closed()


async def test_a_short_wait_after_a_long_one_ends_in_its_time(ends: tuple[Wire, asyncio.StreamWriter]) -> None:
    wire, server = ends
    wire.write(b"NOOP\r\n", replies=1)
    server.write(b"250 OK\r\n")
    assert (await wire.read(PATIENCE)).code == 250
    wire.write(b"NOOP\r\n", replies=1)
    async with asyncio.timeout(PATIENCE / 2):
        with pytest.raises(BrokenError, match=r"no reply within 0\.05 seconds"):
            await wire.read(0.05)


async def test_a_long_wait_is_not_ended_by_the_time_of_a_short_one(ends: tuple[Wire, asyncio.StreamWriter]) -> None:
    wire, server = ends
    wire.write(b"NOOP\r\n", replies=1)
    answer = asyncio.create_task(wire.read(0.5))
    server.write(b"250 first\r\n")
    first = await answer
    wire.write(b"NOOP\r\n", replies=1)
    answer = asyncio.create_task(wire.read(PATIENCE))
    await asyncio.wait({answer}, timeout=0.6)
    assert not answer.done()
    server.write(b"250 second\r\n")
    assert [first.text, (await answer).text] == ["first", "second"]


async def test_a_wait_without_end_outlives_the_time_of_another(ends: tuple[Wire, asyncio.StreamWriter]) -> None:
    wire, server = ends
    wire.write(b"NOOP\r\n", replies=1)
    server.write(b"250 first\r\n")
    await wire.read(0.5)
    wire.write(b"NOOP\r\n", replies=1)
    answer = asyncio.create_task(wire.read(0))
    await asyncio.wait({answer}, timeout=0.6)
    assert not answer.done()
    server.write(b"250 second\r\n")
    assert (await answer).text == "second"
