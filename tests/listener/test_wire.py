"""How a connection carries its octets: many commands at once, half-closed clients, input while something waits."""

import asyncio
from pathlib import Path

import pytest

from relay.spool import Queue
from tests.listener.test_session import CONTENT, LOGIN, plain
from tests.support.door import LOCAL, door


async def test_thousands_of_commands_in_one_packet_are_answered_in_order(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        line.writer.write(b"NOOP\r\nEXPN x\r\n" * 3000 + b"QUIT\r\n")
        heard = (await line.reader.read()).decode().splitlines()
        assert heard == ["250 2.0.0 OK", "502 5.5.1 EXPN is not offered"] * 3000 + [
            "221 2.0.0 relay.test closing the connection"
        ]


async def test_replies_to_one_packet_come_in_one(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        line.writer.write(b"EHLO c\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n")
        packet = await line.reader.read(65536)
        assert packet.startswith(b"250-relay.test\r\n")
        assert packet.endswith(b"354 End data with <CR><LF>.<CR><LF>\r\n")


async def test_a_client_that_half_closes_without_quit_gets_its_reply_and_the_connection_ends(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        line.writer.write(CONTENT + b".\r\n")
        line.writer.write_eof()
        assert (await line.hear()).startswith("250")
        assert await line.hear() == ""
        assert len(await at.taken()) == 1


async def test_a_client_that_half_closes_in_the_content_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        line.writer.write(CONTENT + b"x" * 100_000)
        line.writer.write_eof()
        assert await line.hear() == ""
        async with asyncio.timeout(5):
            while at.server.connections or any((tmp_path / "bodies").iterdir()):
                await asyncio.sleep(0.01)
        assert await at.taken() == []
        assert "gone before the end of its message from <app@x.org>" in caplog.text


async def test_a_client_that_half_closes_at_rest_is_let_go(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        line.writer.write_eof()
        assert await line.hear() == ""


async def test_commands_behind_a_login_wait_for_it(tmp_path: Path) -> None:
    """The password has to be checked off the loop; what comes meanwhile is obeyed after it, as who has logged in."""
    hashed = "password_hash = '$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$mZ0Px5FW/FmUKXXy4UhAjQ'"
    async with door(tmp_path, clients=LOGIN.replace('password = "secret"', hashed)) as at:
        line = await at.knock()
        line.writer.write(f"EHLO c\r\nAUTH PLAIN {plain('printer', 'wrong')}\r\nNOOP\r\nRSET\r\n".encode())
        replies = [await line.hear() for _ in range(4)]
        assert [reply[:3] for reply in replies] == ["250", "535", "250", "250"]


async def test_a_flood_behind_a_message_is_not_read_until_it_is_stored(tmp_path: Path) -> None:
    clients = LOCAL + 'reply = "delivered"\nreply_timeout = "2s"\n'
    async with door(tmp_path, clients=clients) as at:
        line = await at.knock()
        await line.begin()
        line.writer.write(CONTENT + b".\r\n" + b"NOOP\r\n" * 200_000)
        assert (await line.hear()).startswith("250 2.0.0 Queued as ")
        line.writer.write(b"QUIT\r\n")
        heard = (await line.reader.read()).splitlines()
        assert len(heard) == 200_001
        assert heard[-1].startswith(b"221")


async def test_a_fault_of_ours_at_the_end_of_the_data_is_temporary_and_none_of_it_is_a_command(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        at.spool.courier = _BrokenCourier()
        assert (await line.say(CONTENT + b".\r\nNOOP\r\n")).startswith("421 4.3.0 Internal error")
        assert await line.hear() == ""
        assert "the courier is broken" in caplog.text


class _BrokenCourier:
    def sends(self, _queue: Queue) -> bool:
        return True

    """A part behind the listener that fails in a way nobody has thought of."""

    def reserve(self, _queue: Queue) -> bool:
        raise RuntimeError("the courier is broken")

    def forgo(self, _queue: Queue) -> None: ...
    def deliver(self, _claim: object) -> None: ...
    def notice(self, _queue: Queue) -> None: ...
