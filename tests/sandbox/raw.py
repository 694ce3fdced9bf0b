"""Clients that send what they are told to, octet for octet, and what the answers must look like."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from relay.sandbox import Sandbox
from relay.sandbox.tokens import EXCHANGE, GRAPH
from tests.support.sasl import xoauth2

MAILBOX = "noreply@sandbox.onmicrosoft.com"
MESSAGE = (
    b"From: noreply@sandbox.onmicrosoft.com\r\nTo: a@x.org\r\nSubject: Hello\r\nMessage-ID: <old@app>\r\n\r\nHi.\r\n"
)

# What Exchange appends to its replies, and its yes to a message.
SUFFIX = r"\[AM0PR\w+\.eurprd06\.prod\.outlook\.com \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 08DE[0-9A-F]{12}\]"
HOSTNAME = r"\[Hostname=(AM0PR\w+\.eurprd06\.prod\.outlook\.com)\]"
TAKEN = rf"250 2\.0\.0 OK <AM0PR\w+@AM0PR\w+\.eurprd06\.prod\.outlook\.com> {HOSTNAME}"


def tls(sandbox: Sandbox) -> ssl.SSLContext:
    """A client's context that trusts this sandbox and nothing else."""
    return ssl.create_default_context(cafile=sandbox.ca_file)


def exchange_token(sandbox: Sandbox) -> str:
    return sandbox.tokens.issue(EXCHANGE[0])


def graph_token(sandbox: Sandbox) -> str:
    return sandbox.tokens.issue(GRAPH[0])


async def send_by_graph(
    http: httpx2.AsyncClient, token: str, message: bytes = MESSAGE, *, user: str = MAILBOX, **headers: str
) -> httpx2.Response:
    """One sendMail request in the MIME form; further header fields with `_` for `-`."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"authorization": f"Bearer {token}", "content-type": "text/plain"} | given
    return await http.post(f"/v1.0/users/{user}/sendMail", content=base64.b64encode(message), headers=fields)


class RawClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sandbox: Sandbox) -> None:
        self.reader, self.writer, self.sandbox = reader, writer, sandbox

    async def reply(self) -> str:
        """The next reply, its lines joined by newlines; "" at the end of the connection."""
        lines: list[str] = []
        async with asyncio.timeout(10):
            while True:
                try:
                    line = (await self.reader.readline()).decode()
                except ConnectionError:
                    return ""
                lines.append(line.removesuffix("\r\n"))
                if line[3:4] != "-":
                    return "\n".join(lines)

    async def ended(self) -> bool:
        """Whether the server has hung up."""
        return await self.reply() == ""

    async def say(self, text: str | bytes) -> str:
        """Send one line and return the reply."""
        self.send((text.encode() if isinstance(text, str) else text) + b"\r\n")
        return await self.reply()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def secure(self) -> None:
        """Greeting, EHLO, STARTTLS, EHLO."""
        await self.reply()
        await self.say("EHLO client")
        assert await self.say("STARTTLS") == "220 2.0.0 SMTP server ready"
        await self.writer.start_tls(tls(self.sandbox), server_hostname="localhost")
        await self.say("EHLO client")

    async def sign_in(self, user: str = "", token: str = "") -> str:
        """AUTH XOAUTH2 in one line."""
        user = user or self.sandbox.settings.mailbox
        return await self.say(f"AUTH XOAUTH2 {xoauth2(user, token or exchange_token(self.sandbox))}".encode())

    async def ready(self) -> None:
        """Everything up to a successful AUTH."""
        await self.secure()
        assert await self.sign_in() == "235 2.7.0 Authentication successful"

    async def envelope(self, *recipients: str, sender: str = "") -> None:
        """MAIL, RCPT and DATA."""
        await self.say(f"MAIL FROM:<{sender or self.sandbox.settings.mailbox}>")
        for recipient in recipients or ("a@x.org",):
            await self.say(f"RCPT TO:<{recipient}>")
        assert (await self.say("DATA")).startswith("354")

    async def submit(self, message: bytes = MESSAGE, *recipients: str, sender: str = "") -> str:
        """One message, dot-stuffed; the reply to its end."""
        await self.envelope(*recipients, sender=sender)
        return await self.say(message.replace(b"\r\n.", b"\r\n..") + b".")


@asynccontextmanager
async def connected(sandbox: Sandbox) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection(*sandbox.smtp)
    try:
        yield RawClient(reader, writer, sandbox)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            # The sandbox may have cut it: that is what many tests are about.
            pass
