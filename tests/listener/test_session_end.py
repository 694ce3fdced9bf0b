"""How a session ends, and who waits for whom: silence, deaf and vanished clients, a stop, the upstream's own reply."""

import asyncio
import contextlib
import socket
import sqlite3
from pathlib import Path

from relay.model import Outcome, Result
from relay.spool import Claim, Queue, Settled
from tests.support.door import CONTENT, LOCAL, door


async def test_a_session_that_says_nothing_is_told_so_and_closed(tmp_path: Path) -> None:
    async with door(tmp_path, 'timeout = "1s"') as at:
        line = await at.knock()
        assert await line.hear() == "421 4.4.2 Timeout, closing the connection"
        assert await line.hear() == ""


async def test_a_stop_does_not_wait_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", at.port))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(loop.sock_sendall(client, b"EHLO x\r\n" * 500_000), 1.0)
            listening = await at.knock()
            async with asyncio.timeout(5):
                await at.server.stop(patience=0.5)
            assert (await listening.hear()).startswith("421 4.3.2"), "who does read is told all the same"


async def test_the_idle_timeout_does_not_strike_while_we_are_the_slow_ones(tmp_path: Path) -> None:
    clients = LOCAL + 'reply = "delivered"\nreply_timeout = "3s"\n'
    async with door(tmp_path, 'timeout = "1s"', clients=clients) as at:
        line = await at.knock()
        await line.begin()
        assert (await line.say(CONTENT + b".\r\n")).startswith("250 2.0.0 Queued as ")


async def test_a_client_that_half_closes_after_quit_gets_its_replies(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        line.writer.write(CONTENT + b".\r\nQUIT\r\n")
        line.writer.write_eof()
        assert (await line.hear()).startswith("250")
        assert (await line.hear()).startswith("221")


async def test_a_client_that_vanishes_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        line.writer.write(b"From: a@x.org\r\n\r\n" + b"x" * 500_000)
        await line.writer.drain()
        await asyncio.sleep(0.05)
        line.writer.transport.abort()
        async with asyncio.timeout(5):
            while at.server.connections or any((tmp_path / "bodies").iterdir()):
                await asyncio.sleep(0.01)
        assert await at.taken() == []


async def test_a_client_that_vanishes_during_the_commit_loses_nothing(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        for _ in range(20):
            line = await at.knock()
            await line.begin()
            line.writer.write(CONTENT + b"x" * 100_000 + b"\r\n.\r\n")
            await line.writer.drain()
            line.writer.transport.abort()
        async with asyncio.timeout(5):
            while at.server.connections:
                await asyncio.sleep(0.01)
        await at.server.stop(1)
        # An abort may overtake its own data in the kernel; what was read whole is kept, and never in part.
        assert {len(body) for _, body in await at.taken()} <= {100_009}


async def test_limits_of_connections(tmp_path: Path) -> None:
    async with door(tmp_path, "max_connections_per_client = 2") as at:
        first, _second = await at.knock(), await at.knock()
        third = await at.knock()
        assert await third.hear() == ""
        await first.say("QUIT")
        async with asyncio.timeout(5):
            while at.server.connections > 1:
                await asyncio.sleep(0.01)
        assert (await (await at.knock()).say("NOOP")).startswith("250")


async def test_a_stop_says_421_and_lets_a_message_end(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        idle, busy = await at.knock(), await at.knock()
        await busy.begin()
        busy.writer.write(b"From: a@x.org\r\n")
        await asyncio.sleep(0.05)
        stop = asyncio.create_task(at.server.stop(5))
        assert (await idle.hear()).startswith("421 4.3.2")
        assert (await busy.say(b"\r\nlate\r\n.\r\n")).startswith("250 2.0.0 Queued")
        assert (await busy.hear()).startswith("421 4.3.2")
        await stop
        assert len(await at.taken()) == 1


async def test_delivered_hears_the_upstreams_own_words(tmp_path: Path) -> None:
    refused = Result(Outcome.FAILED, 550, "5.1.1", "no such ué user")
    async with door(tmp_path, clients=LOCAL + 'reply = "delivered"\n') as at:
        line = await at.knock()
        await line.begin()
        line.writer.write(CONTENT + b".\r\n")
        claims: list[Claim] = []
        async with asyncio.timeout(5):
            while not claims:
                await asyncio.sleep(0.01)
                claims = await at.spool.claim([Queue("office")], 1)
        await at.spool.finish(claims[0], Settled({"b@x.org": refused}, None, True, "", 0.0, 0.0))
        assert await line.hear() == "550 5.1.1 no such u\\xe9 user"


async def test_delivered_answers_250_when_it_takes_too_long(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOCAL + 'reply = "delivered"\nreply_timeout = "1s"\n') as at:
        line = await at.knock()
        await line.begin()
        assert (await line.say(CONTENT + b".\r\n")).startswith("250 2.0.0 Queued as ")


def test_a_client_that_never_reads_is_not_read_either(tmp_path: Path) -> None:
    """Replies that nobody takes must not pile up in memory: the session waits, and TCP makes the client wait."""

    async def flood() -> int:
        async with door(tmp_path) as at:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(client, ("127.0.0.1", at.port))
                sent = 0
                try:
                    async with asyncio.timeout(3):
                        while sent < 50_000_000:
                            await loop.sock_sendall(client, b"NOOP\r\n" * 1000)
                            sent += 6000
                except TimeoutError:
                    pass
                other = await at.knock()
                assert (await other.say("NOOP")).startswith("250")
                return sent

    assert asyncio.run(flood()) < 50_000_000


async def test_a_stop_answers_250_for_what_is_safe_and_421_for_nothing_else(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOCAL + 'reply = "delivered"\nreply_timeout = "1h"\n') as at:
        waiting, sending = await at.knock(), await at.knock()
        await waiting.begin()
        waiting.writer.write(CONTENT + b".\r\n")
        await sending.begin()
        while not await at.spool.heads(["office"]):
            await asyncio.sleep(0.01)
        await at.server.stop(0.05)
        assert (await waiting.hear()).startswith("250 2.0.0 Queued as "), "a 421 would bring the message a second time"
        assert (await waiting.hear()).startswith("421 4.3.2")
        assert (await sending.hear()).startswith("421 4.3.2")


async def test_a_stop_waits_for_a_commit_however_long_that_takes(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        with contextlib.closing(sqlite3.connect(tmp_path / "relay.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            line.writer.write(CONTENT + b".\r\n")
            async with asyncio.timeout(5):
                while not any(session.committing for session in at.server._sessions):
                    await asyncio.sleep(0.01)
            stop = asyncio.create_task(at.server.stop(0.05))
            await asyncio.sleep(0.1)
        assert (await line.hear()).startswith("250 2.0.0 Queued as ")
        await stop
        assert len(await at.taken()) == 1
