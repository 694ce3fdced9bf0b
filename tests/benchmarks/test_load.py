"""The load generator: what it says to a server, and what it makes of the answers."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.control import Facts, Process

PATIENCE = 30.0


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Process]:
    with Process("load generator", ["-m", "benchmarks.load"], tmp_path / "load.log") as process:
        process.answer(PATIENCE)
        yield process


class Server:
    """Answers each command from a list of answers by verb, and remembers the commands."""

    def __init__(self) -> None:
        self.answers = {"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go", "QUIT": "221 bye", "AUTH": "235 in"}
        self.answers |= {"EHLO": "250-here\r\n250 SIZE", ".": "250 taken"}
        self.sessions: list[list[str]] = []
        self.contents: list[str] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands: list[str] = []
        self.sessions.append(commands)
        writer.write(b"220 hello\r\n")
        content = False
        while line := (await reader.readline()).decode().strip("\r\n"):
            verb = "." if line == "." else line.split(" ")[0]
            if content and verb != ".":
                # Header lines and text; the empty line would end the loop above.
                self.contents.append(line + (await reader.readuntil(b"\r\n.\r\n")).decode())
                line = verb = "."
            commands.append(line)
            content = verb == "DATA"
            writer.write(self.answers[verb].encode() + b"\r\n")
            if self.answers[verb].startswith("4"):
                break
        writer.close()


@pytest.fixture
def server() -> Server:
    return Server()


async def sent(load: Process, server: Server, **order: Any) -> Facts:
    defaults = {"size": 2048, "messages": 3, "connections": 1, "seconds": PATIENCE, "login": None}
    async with await asyncio.start_server(server.connected, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        order = {**defaults, "kept": False, "pace": 0.0, "dots": False, "port": port, **order}
        return await asyncio.to_thread(load.ask, "send", PATIENCE, **order)


MESSAGE = ["MAIL FROM:<accounts@bench.example>", "RCPT TO:<customer@example.com>", "DATA", "."]


async def test_one_message_per_connection(load: Process, server: Server) -> None:
    answer = await sent(load, server)
    assert server.sessions == [["EHLO app.bench.example", *MESSAGE, "QUIT"]] * 3
    assert (len(answer["reply_seconds"]), answer["refused"]) == (3, [])
    assert answer["start"] < answer["last_reply"]


async def test_a_kept_connection_carries_all_messages(load: Process, server: Server) -> None:
    await sent(load, server, kept=True, login=["bench", "pass word"])
    assert server.sessions == [
        ["EHLO app.bench.example", "AUTH PLAIN AGJlbmNoAHBhc3Mgd29yZA==", *MESSAGE, *MESSAGE, *MESSAGE, "QUIT"]
    ]


async def test_a_slow_sender_sends_the_same_octets(load: Process, server: Server) -> None:
    at_once = await sent(load, server, messages=1)
    slowly = await sent(load, server, messages=1, pace=0.05)
    assert server.contents[0] == server.contents[1]
    assert [len(answer["reply_seconds"]) for answer in (at_once, slowly)] == [1, 1]
    # 49 pauses between 50 pieces.
    assert slowly["last_reply"] - slowly["start"] >= 0.049


async def test_no_message_is_begun_when_the_time_is_up(load: Process, server: Server) -> None:
    answer = await sent(load, server, seconds=0)
    assert (server.sessions, answer["reply_seconds"]) == ([], [])


async def test_a_refusal_is_told_and_not_counted(load: Process, server: Server) -> None:
    server.answers["."] = "451 4.3.0 not now"
    answer = await sent(load, server)
    assert (answer["reply_seconds"], answer["refused"]) == ([], ["451 4.3.0 not now"] * 3)


async def test_a_server_that_refuses_everything_is_left_alone(load: Process, server: Server) -> None:
    server.answers["MAIL"] = "421 go away"
    answer = await sent(load, server, messages=1000)
    assert len(server.sessions) == len(answer["refused"]) == 20
