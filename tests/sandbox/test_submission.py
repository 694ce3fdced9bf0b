"""What becomes of a message at Exchange: its octets, its limits, its sender."""

import asyncio
import os
import re

import pytest

from relay.sandbox import Sandbox
from relay.sandbox.settings import MIB
from tests.sandbox.conftest import RecordingClock, Start
from tests.sandbox.raw import HOSTNAME, MAILBOX, MESSAGE, TAKEN, RawClient, connected

HEAD = f"From: {MAILBOX}\r\n\r\n".encode()
CONCURRENT = (
    r"432 4\.3\.2 Concurrent connections limit exceeded\. Visit https://aka\.ms/concurrent_sending for more"
    rf" information\. {HOSTNAME}"
)


async def test_pipelined_commands_in_one_packet(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        group = f"MAIL FROM:<{MAILBOX}>\r\nRCPT TO:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n".encode()
        client.send(group)
        assert [await client.reply() for _ in range(4)] == [
            "250 2.1.0 Sender OK",
            "250 2.1.5 Recipient OK",
            "250 2.1.5 Recipient OK",
            "354 Start mail input; end with <CRLF>.<CRLF>",
        ]
        # The next transaction rides in the packet that ends this one.
        client.send(MESSAGE + b".\r\n" + group)
        assert re.fullmatch(TAKEN, await client.reply())
        assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        client.send(MESSAGE + b".\r\nQUIT\r\n")
        assert re.fullmatch(TAKEN, await client.reply())
        assert (await client.reply()).startswith("221 ")
    assert [message.recipients for message in sandbox.received] == [("a@x.org", "b@x.org")] * 2


async def test_a_pipelined_group_without_a_sender_is_refused_whole(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        client.send(b"MAIL FROM:<broken>\r\nRCPT TO:<a@x.org>\r\nDATA\r\n")
        assert [await client.reply() for _ in range(3)] == [
            "501 5.1.7 Invalid address",
            "503 5.5.2 Need mail command",
            "503 5.5.2 Need mail command",
        ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b".hidden\r\n",
        b".\r\n",
        b"...\r\n.\r\n\r\n.\r\n",
        b"bare\n.\nlf and\r.\rcr and \n.\r\n and \r.\r\n",
        bytes(range(256)) + b"\r\n",
        b"x" * 70_000 + b"\r\n",
    ],
    ids=["empty", "dot first", "lone dot", "dots", "bare line ends", "every octet", "long line"],
)
async def test_octets_arrive_as_they_were(sandbox: Sandbox, body: bytes) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        assert (await client.submit(HEAD + body)).startswith("250 ")
    assert sandbox.received[0].raw == HEAD + body


async def test_a_message_in_single_octets(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        await client.envelope()
        for octet in HEAD + b"..dot\r\n.\r\n":
            client.send(bytes([octet]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.reply()).startswith("250 ")
    assert sandbox.received[0].raw == HEAD + b".dot\r\n"


async def test_a_large_message_and_a_line_of_a_mebibyte(sandbox: Sandbox) -> None:
    message = HEAD + os.urandom(4 * MIB).hex().encode() + b"\r\n" + (b"y" * 76 + b"\r\n") * 150_000
    async with connected(sandbox) as client:
        await client.ready()
        await client.envelope()
        async with asyncio.timeout(5):
            assert (await client.say(message + b".")).startswith("250 ")
    assert sandbox.received[0].raw == message


async def test_the_mailbox_limit_comes_after_the_content(start: Start) -> None:
    """EHLO says 150 MiB and MAIL takes any SIZE below it: only the end tells."""
    sandbox = await start(max_message_size=1000)
    fits = HEAD + b"." * (998 - len(HEAD)) + b"\r\n"
    async with connected(sandbox) as client:
        await client.ready()
        assert await client.say(f"MAIL FROM:<{MAILBOX}> SIZE=100000") == "250 2.1.0 Sender OK"
        await client.say("RSET")
        refused = rf"552 5\.3\.4 Message size exceeds fixed maximum message size {HOSTNAME}"
        assert re.fullmatch(refused, await client.submit(fits[:-2] + b"x\r\n"))
        assert re.fullmatch(refused, await client.submit(fits * 1000))
        assert (await client.submit(fits)).startswith("250 ")
    assert [message.raw for message in sandbox.received] == [fits]


async def test_no_limits(start: Start) -> None:
    off = dict.fromkeys(("connections", "messages_per_minute", "recipients", "max_message_size"))
    sandbox = await start(**off)
    async with connected(sandbox) as first, connected(sandbox) as second, connected(sandbox) as third:
        for client in (first, second, third):
            await client.ready()
        async with connected(sandbox) as fourth:
            await fourth.ready()
            for _ in range(31):
                assert (await fourth.submit()).startswith("250 ")
            assert (await fourth.submit(MESSAGE, *(f"r{n}@x.org" for n in range(501)))).startswith("250 ")
    assert sandbox.received.total == 32


async def test_recipients_above_the_limit(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        await client.say(f"MAIL FROM:<{MAILBOX}>")
        client.send(b"".join(b"RCPT TO:<r%d@x.org>\r\n" % n for n in range(502)))
        replies = [await client.reply() for _ in range(502)]
        assert replies == ["250 2.1.5 Recipient OK"] * 500 + ["452 4.5.3 Too many recipients"] * 2
        await client.say("DATA")
        assert (await client.say(MESSAGE + b".")).startswith("250 ")
    assert len(sandbox.received[0].recipients) == 500


DENIED = (
    r"554 5\.2\.252 SendAsDenied; noreply@sandbox\.onmicrosoft\.com not allowed to send as {}; "
    r"STOREDRV\.Submission\.Exception:SendAsDeniedException\.MapiExceptionSendAsDenied; Failed to process message due "
    r"to a permanent exception with message \[BeginDiagnosticData\]Cannot submit message\. .*\[EndDiagnosticData\] "
)


@pytest.mark.parametrize(
    ("envelope", "header", "denied"),
    [
        ("boss@sandbox.onmicrosoft.com", MAILBOX, "boss@sandbox.onmicrosoft.com"),
        (MAILBOX, "The Boss <boss@sandbox.onmicrosoft.com>", "boss@sandbox.onmicrosoft.com"),
        (MAILBOX, f"a@x.org, {MAILBOX}\r\nSender: b@x.org", "b@x.org"),
    ],
    ids=["envelope", "From", "Sender"],
)
async def test_send_as_denied(sandbox: Sandbox, envelope: str, header: str, denied: str) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        reply = await client.submit(f"From: {header}\r\n\r\n".encode(), sender=envelope)
        assert re.fullmatch(DENIED.format(re.escape(denied)) + HOSTNAME, reply)
        assert (await client.submit()).startswith("250 ")
    assert len(sandbox.received) == 1


async def test_the_null_sender_is_denied_too(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        await client.say("MAIL FROM:<>")
        await client.say("RCPT TO:<a@x.org>")
        await client.say("DATA")
        assert re.fullmatch(DENIED.format("<>") + HOSTNAME, await client.say(MESSAGE + b"."))


@pytest.mark.parametrize(
    ("send_as", "sender", "code"),
    [
        (("*",), "any@where.org", "250"),
        (("*@x.org",), "boss@X.org", "250"),
        (("*@x.org",), "boss@y.x.org", "554"),
        (("boss@x.org",), "Boss@x.org", "250"),
        ((), MAILBOX.upper(), "250"),
    ],
)
async def test_send_as(start: Start, send_as: tuple[str, ...], sender: str, code: str) -> None:
    sandbox = await start(send_as=send_as)
    async with connected(sandbox) as client:
        await client.ready()
        assert (await client.submit(f"From: {sender}\r\n\r\n".encode(), sender=sender))[:3] == code


NOT_COMPLIANT = "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant"
MANY_AUTHORS = "550 5.1.20 Multiple From addresses are not allowed without Sender address"


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        ("Subject: x", NOT_COMPLIANT),
        ("From: nobody", NOT_COMPLIANT),
        (f"From: {MAILBOX}, b@x.org", MANY_AUTHORS),
        (
            f"From: {MAILBOX}\r\nFrom: b@x.org",
            MANY_AUTHORS,
        ),
    ],
    ids=["no From", "no address", "two addresses", "two Froms"],
)
async def test_who_it_is_from_must_be_clear(sandbox: Sandbox, header: str, reply: str) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        assert re.fullmatch(re.escape(reply) + " " + HOSTNAME, await client.submit(header.encode() + b"\r\n\r\n"))


async def test_the_fourth_connection_of_a_mailbox(sandbox: Sandbox) -> None:
    clients: list[RawClient] = []
    async with connected(sandbox) as a, connected(sandbox) as b, connected(sandbox) as c, connected(sandbox) as d:
        clients += (a, b, c, d)
        for client in clients:
            await client.ready()
        assert re.fullmatch(CONCURRENT, await d.submit())
        assert (await c.submit()).startswith("250 ")
        await a.say("QUIT")
        while sandbox.connections > 3:
            await asyncio.sleep(0)
        assert (await d.submit()).startswith("250 ")
    assert len(sandbox.received) == 2


async def test_mailboxes_do_not_share_connections(start: Start) -> None:
    second = "second@sandbox.onmicrosoft.com"
    sandbox = await start(connections=1, more_mailboxes=(second,))
    async with connected(sandbox) as one, connected(sandbox) as two:
        await one.ready()
        await two.secure()
        await two.sign_in(user=second)
        assert (await two.submit(f"From: {second}\r\n\r\n".encode(), sender=second)).startswith("250 ")
    assert sandbox.received[0].mailbox == second


async def test_above_the_rate_the_reply_waits(start: Start, clock: RecordingClock) -> None:
    sandbox = await start(clock, messages_per_minute=2)
    async with connected(sandbox) as client:
        await client.ready()
        for _ in range(2):
            assert (await client.submit()).startswith("250 ")
        await clock.advance(20)
        late = asyncio.create_task(client.submit())
        await clock.until_someone_sleeps(40)
        await clock.advance(39)
        assert not late.done()
        await clock.advance(1)
        assert (await late).startswith("250 ")
    assert sandbox.received.total == 3


async def test_above_the_rate_the_message_is_rejected(start: Start, clock: RecordingClock) -> None:
    sandbox = await start(clock, messages_per_minute=1, rate_mode="reject")
    async with connected(sandbox) as client:
        await client.ready()
        assert (await client.submit()).startswith("250 ")
        text = r"421 4\.4\.2 Message submission rate for this client has exceeded the configured limit "
        assert re.fullmatch(text + HOSTNAME, await client.submit())
        assert await client.ended()
    await clock.advance(60)
    async with connected(sandbox) as client:
        await client.ready()
        assert (await client.submit()).startswith("250 ")
    assert sandbox.received.total == 2


async def test_chunks(sandbox: Sandbox) -> None:
    """RFC 3030: no dot-stuffing, octets counted, BODY=BINARYMIME only this way."""
    async with connected(sandbox) as client:
        await client.ready()
        await client.say(f"MAIL FROM:<{MAILBOX}> BODY=BINARYMIME")
        client.send(b"RCPT TO:<a@x.org>\r\n")
        assert await client.reply() == "250 2.1.5 Recipient OK"
        assert (await client.say("DATA")).startswith("503 5.5.2")
        client.send(b"BDAT %d\r\n" % len(HEAD) + HEAD + b"BDAT 10 LAST\r\n.\r\n\x00\n.\r\n..")
        assert await client.reply() == f"250 2.6.0 CHUNK received OK, {len(HEAD)} octets"
        assert re.fullmatch(TAKEN, await client.reply())
        # Octets that nobody wants are read all the same.
        client.send(b"BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n")
        assert await client.reply() == "503 5.5.2 Need mail command"
        assert await client.reply() == "250 2.0.0 OK"
    assert sandbox.received[0].raw == HEAD + b".\r\n\x00\n.\r\n.."


async def test_chunks_above_the_limit(start: Start) -> None:
    sandbox = await start(max_message_size=100)
    async with connected(sandbox) as client:
        await client.ready()
        await client.say(f"MAIL FROM:<{MAILBOX}>")
        await client.say("RCPT TO:<a@x.org>")
        client.send(b"BDAT 99\r\n" + b"x" * 99 + b"BDAT 2 LAST\r\nxx")
        assert (await client.reply()).startswith("250 2.6.0 ")
        assert (await client.reply()).startswith("552 5.3.4 ")


async def test_many_commands_at_once(sandbox: Sandbox) -> None:
    """Each gets its reply, in order, though the client reads none until all are sent."""
    async with connected(sandbox) as client:
        await client.ready()
        client.send(b"NOOP\r\nRSET\r\n" * 50_000)
        for _ in range(50_000):
            assert await client.reader.readline() == b"250 2.0.0 OK\r\n"
            assert await client.reader.readline() == b"250 2.0.0 Resetting\r\n"


async def test_a_client_that_leaves_after_the_final_dot(sandbox: Sandbox) -> None:
    """The message is taken: from the dot on it is the server's."""
    async with connected(sandbox) as client:
        await client.ready()
        await client.envelope()
        client.send(MESSAGE + b".\r\n")
        await client.writer.drain()
        client.writer.transport.abort()
        await sandbox.received.wait(1)
    assert sandbox.received[0].raw == MESSAGE


async def test_a_client_that_leaves_before_it(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        await client.envelope()
        client.send(MESSAGE)
        await client.writer.drain()
    while sandbox.connections:
        await asyncio.sleep(0)
    assert sandbox.received.total == 0


async def test_an_idle_connection_is_closed(start: Start, clock: RecordingClock) -> None:
    sandbox = await start(clock, idle_timeout=300)
    async with connected(sandbox) as client:
        await client.ready()
        await clock.advance(290)
        assert await client.say("NOOP") == "250 2.0.0 OK"
        await clock.advance(290)
        assert await client.say("NOOP") == "250 2.0.0 OK"
        await clock.advance(330)
        assert await client.reply() == "421 4.4.1 Connection timed out"
        assert await client.ended()
