"""An SMTP server that does exactly what a test has written down, right or wrong.

A dialogue is a list of steps, taken one after the other on one connection:

    "S: 250 OK"      send a line (several with "\\n" between them, all in one packet)
    "B: 250 OK"      the same, octet by octet
    "R: 250 O"       send these characters as they are, without a line end
    "C: MAIL FROM:*" read a line, which has to match the pattern
    "CONTENT"        read up to the final dot; the octets go to `contents`
    "SOME"           read a part of the content, then go on
    "TLS"            the server's side of the handshake
    "STALL"          take what comes and say nothing, until the client closes
    "SLEEP"          not even that, until the test calls `wake()`
    "CLOSE"          close politely
    "DROP"           cut the connection

Steps that do not come to pass are reported when the server is left.
"""

import asyncio
import contextlib
import fnmatch
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Self, cast

from relay.http.closing import stop_listening

HELLO = ("S: 220 mail.example.com ESMTP", "C: EHLO *")
START_TLS = ("S: 250-mail.example.com\n250 STARTTLS", "C: STARTTLS", "S: 220 2.0.0 go ahead", "TLS", "C: EHLO *")
EXTENSIONS = ("PIPELINING", "SIZE 157286400", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "AUTH LOGIN XOAUTH2")
TAKE = (
    "S: 250 2.1.0 sender ok",
    "C: RCPT TO:*",
    "S: 250 2.1.5 ok",
    "C: DATA",
    "S: 354 go",
    "CONTENT",
    "S: 250 2.0.0 taken",
)
OK = "S: 235 2.7.0 Authentication successful"
QUIT = ("C: QUIT", "S: 221 2.0.0 bye", "CLOSE")


def offering(*extensions: str) -> str:
    """The reply to EHLO."""
    lines = ["mail.example.com", *(extensions or EXTENSIONS)]
    return "S: " + "\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines)


def session(*steps: str, extensions: Sequence[str] = EXTENSIONS, tls: bool = True) -> list[str]:
    """A dialogue that begins with greeting, EHLO and STARTTLS."""
    return [*HELLO, *(START_TLS if tls else ()), offering(*extensions), *steps]


def mail(*steps: str) -> list[str]:
    """MAIL and what follows it: by default one recipient and a message taken."""
    return ["C: MAIL FROM:*", *(steps or TAKE)]


class ScriptedServer:
    """Each connection gets the next of `dialogues`; a connection too many is a failure."""

    def __init__(
        self,
        *dialogues: Sequence[str],
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        patient: bool = False,
    ) -> None:
        """`patient`: clients that go away in the middle are no failure."""
        self.lines: list[list[str]] = []
        """What clients said, one list for each connection."""
        self.contents: list[bytes] = []
        self.connections = 0
        self._dialogues = [list(dialogue) for dialogue in dialogues]
        self._tls = tls
        self._implicit = implicit
        self._patient = patient
        self._awake = asyncio.Event()
        self._failures: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, ssl=self._tls if self._implicit else None, limit=2**26
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_listening([self._server])
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=5 if error is None else 0.1)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
                self._failures.append("a dialogue did not come to its end")
        await self._server.wait_closed()
        if error is None:
            left = len(self._dialogues)
            assert not self._failures, "; ".join(self._failures)
            assert not left, f"{left} connections were not made"

    def wake(self) -> None:
        """Let every "SLEEP" end."""
        self._awake.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        dialogue = self._dialogues.pop(0) if self._dialogues else None
        said: list[str] = []
        self.lines.append(said)
        try:
            if dialogue is None:
                self._failures.append("one connection too many")
                return
            for step in dialogue:
                await self._do(step, reader, writer, said)
        except (AssertionError, ValueError) as error:
            self._failures.append(f"{error} (the client said {said})")
        except (OSError, EOFError) as error:
            if not self._patient:
                self._failures.append(f"the client went away at {step!r}: {error!r} (it said {said})")
        finally:
            await _close(writer)

    async def _do(self, step: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: list[str]) -> None:
        kind, text = step[:3], step[3:]
        match kind:
            case "S: ":
                writer.write(text.replace("\n", "\r\n").encode() + b"\r\n")
            case "R: ":
                writer.write(text.encode())
            case "B: ":
                for octet in text.replace("\n", "\r\n").encode() + b"\r\n":
                    writer.write(bytes([octet]))
                    await asyncio.sleep(0)
            case "C: ":
                line = (await reader.readuntil(b"\r\n"))[:-2].decode()
                said.append(line)
                assert fnmatch.fnmatchcase(line, text), f"{line!r} came in place of {text!r}"
            case _:
                await self._act(step, reader, writer)

    async def _act(self, step: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match step:
            case "CONTENT":
                self.contents.append(await _content(reader))
            case "SOME":
                await reader.readexactly(1000)
            case "TLS":
                assert self._tls is not None
                await writer.start_tls(self._tls)
            case "STALL":
                with contextlib.suppress(ConnectionError):
                    while await reader.read(2**16):
                        pass
            case "SLEEP":
                reading = cast("asyncio.ReadTransport", writer.transport)
                reading.pause_reading()
                await self._awake.wait()
                reading.resume_reading()
            case "DROP":
                writer.transport.abort()
            case "CLOSE":
                writer.close()
            case _:
                raise ValueError(f"no such step: {step}")


async def _content(reader: asyncio.StreamReader) -> bytes:
    octets = bytearray()
    while not (octets == b".\r\n" or octets.endswith(b"\r\n.\r\n")):
        octets += await reader.readuntil(b"\n")
    return bytes(octets)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError, ssl.SSLError):
        async with asyncio.timeout(2):
            await writer.wait_closed()
    writer.transport.abort()
