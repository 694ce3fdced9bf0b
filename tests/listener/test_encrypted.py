"""TLS as the listener does it: each half of a connection ends by itself, and who fails is told why."""

import asyncio
import ssl
import warnings
from pathlib import Path

import pytest

from tests.listener.test_opening import connect, finish, tls_keys
from tests.support.door import Door, Line, door

WHOLE = b"EHLO c\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\nFrom: a@x.org\r\n\r\nx\r\n.\r\nQUIT\r\n"


class Inside:
    """A client that does TLS by itself, so that it can end one half of it."""

    def __init__(self, line: Line, context: ssl.SSLContext) -> None:
        self.line = line
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.send()
                await self.take()
            else:
                self.send()
                return

    def send(self) -> None:
        self.line.writer.write(self.outgoing.read())

    async def take(self) -> None:
        data = await asyncio.wait_for(self.line.reader.read(65536), 10)
        assert data, "the connection has ended"
        self.incoming.write(data)

    async def heard(self) -> bytes:
        """All that is said up to the other side's farewell."""
        found = b""
        while True:
            try:
                octets = self.tls.read(65536)
            except ssl.SSLWantReadError:
                await self.take()
                continue
            except ssl.SSLZeroReturnError:
                octets = b""
            if not octets:
                return found
            found += octets

    def say_farewell(self) -> None:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.send()


async def inside(at: Door, tls: str, context: ssl.SSLContext) -> Inside:
    if tls == "starttls":
        line = await at.knock()
        await line.say("EHLO c")
        await line.say("STARTTLS")
    else:
        line = await connect(at.port)
    found = Inside(line, context)
    await found.shake_hands()
    return found


@pytest.mark.parametrize("farewell", [True, False], ids=["with a farewell", "with an end of file alone"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("tls", ["implicit", "starttls", "auto"])
async def test_who_says_no_more_behind_a_message_hears_that_it_is_taken(
    tmp_path: Path, tls: str, version: ssl.TLSVersion, farewell: bool
) -> None:
    """Without its 250 such a client would send the message again, and again."""
    keys, made = tls_keys(tmp_path, tls)
    context = made.authority.client
    context.maximum_version = version
    async with door(tmp_path, keys) as at:
        client = await inside(at, tls, context)
        client.tls.write(WHOLE)
        if farewell:
            client.say_farewell()
        client.send()
        client.line.writer.write_eof()
        heard = await client.heard()
        assert b"\r\n250 2.0.0 Queued as" in heard
        assert b"\r\n221 2.0.0" in heard
        assert len(await at.taken()) == 1
        await finish(client.line)


async def test_a_farewell_at_rest_is_returned(tmp_path: Path) -> None:
    keys, made = tls_keys(tmp_path, "implicit")
    async with door(tmp_path, keys) as at:
        client = await inside(at, "implicit", made.authority.client)
        client.say_farewell()
        assert (await client.heard()).startswith(b"220 ")
        assert await client.line.reader.read() == b""
        await finish(client.line)
        assert at.server.connections == 0


async def test_what_is_no_tls_any_more_ends_the_connection(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys, made = tls_keys(tmp_path, "implicit")
    async with door(tmp_path, keys) as at:
        client = await inside(at, "implicit", made.authority.client)
        client.line.writer.write(b"QUIT\r\n")
        await client.line.reader.read()
        assert "what it sent is no TLS any more" in caplog.text
        assert at.server.connections == 0
        await finish(client.line)


async def test_much_that_is_said_at_once_arrives_whole_and_in_order(tmp_path: Path) -> None:
    keys, made = tls_keys(tmp_path, "implicit")
    body = b"".join(b"%08d %s\r\n" % (number, b"x" * (number % 900)) for number in range(3000))
    async with door(tmp_path, keys) as at:
        line = await at.knock(made.authority.client)
        await line.begin()
        assert (await line.say(b"From: a@x.org\r\n\r\n" + body + b".\r\n")).startswith("250 2.0.0")
        ((_, found),) = await at.taken()
        assert found == body


def old(context: ssl.SSLContext) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (lambda _: b"EHLO c\r\nMAIL FROM:<a@x.org>\r\n", 'write tls = "auto" for the listener'),
        (lambda _: b"GET / HTTP/1.1\r\nHost: c\r\n\r\n", "The web page is at web.bind"),
        (old, 'use a listener with profile = "legacy"'),
    ],
    ids=["plain", "http", "old"],
)
async def test_the_log_says_what_to_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, said: "object", advice: str
) -> None:
    keys, made = tls_keys(tmp_path, "implicit")
    async with door(tmp_path, keys) as at:
        line = await connect(at.port)
        line.writer.write(said(made.authority.client))  # type: ignore[operator]
        await asyncio.wait_for(line.reader.read(), 10)
        assert advice in caplog.text
        await finish(line)


async def test_a_client_that_distrusts_the_certificate_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys, _ = tls_keys(tmp_path, "implicit")
    async with door(tmp_path, keys) as at:
        client = Inside(await connect(at.port), ssl.create_default_context())
        with pytest.raises(ssl.SSLCertVerificationError):
            await client.shake_hands()
        client.send()
        async with asyncio.timeout(10):
            while "does not trust the certificate" not in caplog.text:
                await asyncio.sleep(0.01)
        await finish(client.line)


async def test_a_refused_client_is_told_by_an_alert(tmp_path: Path) -> None:
    """So that its own log says more than that the connection was lost."""
    keys, made = tls_keys(tmp_path, "implicit")
    async with door(tmp_path, keys) as at:
        line = await connect(at.port)
        line.writer.write(old(made.authority.client))
        alert = await asyncio.wait_for(line.reader.read(), 10)
        assert alert[:1] == b"\x15"
        assert alert[-1] == 70  # protocol_version, RFC 8446 6.2
        await finish(line)


OLD_HELLO = b"\x01\x03\x01" + b"\0\x06\0\0\0\x10" + b"\0\0\x2f\0\0\x35" + b"c" * 16
"""One in the form of SSL 2.0, which asks for TLS 1.0 (RFC 5246 E.2)."""


async def test_a_hello_in_the_form_of_ssl_2_is_a_hello(tmp_path: Path) -> None:
    keys, _ = tls_keys(tmp_path, "auto", 'profile = "legacy"\nmin_tls = "1.0"')
    async with door(tmp_path, keys) as at:
        line = await connect(at.port)
        line.writer.write(bytes([0x80, len(OLD_HELLO)]) + OLD_HELLO)
        answer = await asyncio.wait_for(line.reader.readexactly(1), 10)
        assert answer in (b"\x15", b"\x16"), "TLS: a hello, or an alert where OpenSSL has nothing so old"
        await finish(line)
