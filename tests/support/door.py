"""A listener at work in this event loop, and a client that speaks line by line."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import argon2

from relay import config
from relay.limits import Memory
from relay.listener import Parts, Server, bind
from relay.listener.authentication import MailboxLogin, PasswordChecker
from relay.listener.rates import Rates
from relay.model import Clock
from relay.oauth import Bearer
from relay.policy import Policy
from relay.spool import Claim, Limits, Nobody, Queue, Spool
from relay.spool.capacity import NONE
from tests.support.spool import opened

QUICK_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
LOCAL = '[clients.local]\nnetworks = ["127.0.0.0/8"]\nsenders = ["*"]\n'
LOGIN = '[clients.printer]\npassword = "secret"\nsenders = ["*"]\n'
SMARTHOST = '[accounts.office]\nprovider = "smtp"\nhost = "mail.example"\nmailbox = "office@x.org"\n'
CONTENT = b"From: app@x.org\r\nSubject: x\r\n\r\nHello\r\n"


class Promising(Nobody):
    """Delivery as the listener sees it while a test makes the attempts itself."""

    def sends(self, _queue: Queue) -> bool:
        return True


class Line:
    """A client's connection: `say` a line, `hear` a whole reply."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hear(self) -> str:
        """One reply, its lines joined by LF; "" when the connection has ended."""
        lines = []
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 10)
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    async def say(self, line: str | bytes) -> str:
        """Send a line (text gets its CRLF, octets go as they are) and hear the reply."""
        self.writer.write(line if isinstance(line, bytes) else f"{line}\r\n".encode())
        return await self.hear()

    async def begin(self, *recipients: str, sender: str = "app@x.org") -> None:
        """EHLO to DATA, all accepted."""
        for line in ("EHLO c", f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in recipients or ("b@x.org",))):
            assert (await self.say(line)).startswith("250"), line
        assert (await self.say("DATA")).startswith("354")

    async def start_tls(self, context: ssl.SSLContext) -> None:
        await self.writer.start_tls(context, server_hostname="localhost")

    def close(self) -> None:
        self.writer.close()


class Door:
    """A listener, its spool, and connections to it."""

    def __init__(self, server: Server, spool: Spool, port: int, checker: PasswordChecker) -> None:
        self.server = server
        self.checker = checker
        self.spool = spool
        self.port = port
        self._lines: list[Line] = []
        self.seen: list[tuple[bytes, bytes]] = []
        """Header blocks and bodies that a dialogue has taken from the queue."""
        self.reached: list[tuple[str, ...]] = []
        """The recipients of each."""

    async def knock(self, tls: ssl.SSLContext | None = None) -> Line:
        """Connect and hear the greeting."""
        name = "localhost" if tls else None
        line = Line(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=name))
        self._lines.append(line)
        assert (await line.hear())[:4] in ("220 ", "421 ")
        return line

    async def taken(self, account: str = "office") -> list[tuple[Claim, bytes]]:
        """The messages in the queue, with their bodies."""
        claims = await self.spool.claim([Queue(account)], 100)
        return [(claim, b"".join([part async for part in claim.message.body.chunks()])) for claim in claims]

    async def close(self) -> None:
        await self.server.stop(patience=0.2)
        for line in self._lines:
            line.close()
            with contextlib.suppress(OSError):
                await line.writer.wait_closed()


@contextlib.asynccontextmanager
async def door(
    folder: Path,
    listener: str = "",
    clients: str = LOCAL,
    *,
    account: str = SMARTHOST,
    clock: Clock | None = None,
    logins: Mapping[str, MailboxLogin] | None = None,
    limits: Limits = NONE,
    memory: Memory | None = None,
    checker: PasswordChecker | None = None,
    bearers: Mapping[str, Bearer] | None = None,
) -> AsyncIterator[Door]:
    """A listener with these tables of configuration."""
    path = folder / "relay.toml"
    path.write_text(
        f'hostname = "relay.test"\n[listeners.default]\nbind = ["127.0.0.1:0"]\n{listener}\n{clients}\n{account}'
    )
    settings = config.load(path, {})
    checker = checker or PasswordChecker(clock, QUICK_HASH)
    async with opened(folder, clock, limits) as spool:
        spool.courier = Promising()
        wanted = settings.listeners["default"]
        parts = Parts(
            *("default", wanted, Policy(settings), spool, checker, "relay.test", clock or Clock()),
            rates=Rates(clock),
            logins=logins or {},
            bearers=bearers or {},
            conversations=settings.log.conversations,
            memory=memory or Memory(),
        )
        server = Server(parts)
        listening = bind(wanted.bind[0], "listeners.default.bind")
        assert listening is not None
        await server.start([listening])
        opened_door = Door(server, spool, listening.getsockname()[1], checker)
        yield opened_door
        await opened_door.close()
        checker.close()
