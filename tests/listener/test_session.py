"""Sessions on a real socket: what a client hears, and what is in the queue afterwards."""

import asyncio
from pathlib import Path

import pytest

from tests.support.door import CONTENT, door


async def test_a_session_from_greeting_to_quit(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin("b@x.org", "c@x.org")
        reply = await line.say(CONTENT + b".\r\n")
        assert reply.startswith("250 2.0.0 Queued as ")
        assert (await line.say("QUIT")).startswith("221 2.0.0 ")
        assert await line.hear() == ""
        ((claim, body),) = await at.taken()
        assert claim.message.id == reply.rpartition(" ")[2]
        assert body == b"Hello\r\n"
        assert claim.message.headers.endswith(b"From: app@x.org\r\nSubject: x\r\n")
        assert claim.message.headers.startswith(b"Received: from c ([127.0.0.1])\r\n\tby relay.test with ESMTP id ")
        assert claim.message.envelope.recipients == ("b@x.org", "c@x.org")


async def test_ehlo_offers_what_there_is(tmp_path: Path) -> None:
    async with door(tmp_path, 'max_message_size = "1MiB"') as at:
        line = await at.knock()
        assert (await line.say("EHLO me")).split("\n") == [
            "250-relay.test",
            "250-SIZE 1048576",
            "250-PIPELINING",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-DSN",
            "250 ENHANCEDSTATUSCODES",
        ]
        assert await line.say("HELO me") == "250 relay.test"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("MAIL FROM:<a@x.org>", "503 5.5.1"),
        ("EHLO", "501 5.5.4"),
        ("NONSENSE", "500 5.5.2"),
        ("", "500 5.5.2"),
        ("EXPN list", "502 5.5.1"),
        ("VRFY someone", "252 2.1.5"),
        ("NOOP", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("HELP", "214 2.0.0"),
        ("STARTTLS", "454 4.7.0"),
        ("DATA", "503 5.5.1"),
        ("RCPT TO:<a@x.org>", "503 5.5.1"),
        ("X" * 3000, "500 5.5.2"),
    ],
)
async def test_single_commands(tmp_path: Path, line: str, reply: str) -> None:
    async with door(tmp_path) as at:
        assert (await (await at.knock()).say(line)).startswith(reply)


async def test_a_client_that_talks_nonsense_is_sent_away(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        replies = [(await line.say("NONSENSE"))[:9] for _ in range(10)]
        assert replies == ["500 5.5.2"] * 9 + ["421 4.7.0"]
        assert await line.hear() == ""


async def test_a_line_without_end_is_one_error_and_none_of_it_is_a_command(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        line.writer.write(b"X" * 300_000 + b"MAIL FROM:<a@x.org>\r\nNOOP\r\n")
        assert (await line.hear()).startswith("500 5.5.2")
        assert await line.hear() == "250 2.0.0 OK"


async def test_pipelined_commands_in_one_packet(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        line.writer.write(
            b"EHLO c\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n" + CONTENT + b".\r\nQUIT\r\n"
        )
        replies = [await line.hear() for _ in range(6)]
        assert [reply[:3] for reply in replies] == ["250", "250", "250", "354", "250", "221"]


async def test_several_messages_in_one_session(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        for _ in range(3):
            await line.begin()
            assert (await line.say(CONTENT + b".\r\n")).startswith("250")
        assert len(await at.taken()) == 3


async def test_octet_by_octet(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        for octet in CONTENT + b"..dot\r\n.\r\n":
            line.writer.write(bytes([octet]))
            await asyncio.sleep(0)
        assert (await line.hear()).startswith("250")
        ((_, body),) = await at.taken()
        assert body == b"Hello\r\n.dot\r\n"


async def test_long_lines_and_eight_bit_pass(tmp_path: Path) -> None:
    body = b"x" * 70_000 + b"\r\n" + "Grüße\r\n".encode("latin-1")
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        assert (await line.say(b"From: app@x.org\r\n\r\n" + body + b".\r\n")).startswith("250")
        ((claim, taken),) = await at.taken()
        assert taken == body
        assert claim.message.envelope.eight_bit
        assert not claim.message.envelope.smtputf8


async def test_a_bcc_behind_a_line_that_is_no_header_does_not_leave(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        content = b"Hello\r\nBcc: secret@x.org\r\nSubject: x\r\n\r\nbody\r\n.\r\n"
        assert (await line.say(content)).startswith("250")
        ((claim, body),) = await at.taken()
        assert b"secret" not in claim.message.headers + body


async def test_a_subject_that_nobody_can_read_is_no_reason_to_refuse(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        for subject in (
            "=?é?q?x?=",
            "=?utf-7?q?+2AA-?=",
            "=?unicode-escape?q?\\ud800?=",
            "=?raw_unicode_escape?q?\\ud800?=",
        ):
            await line.begin()
            content = f"From: a@x.org\r\nSubject: {subject}\r\n\r\nbody\r\n.\r\n"
            assert (await line.say(content.encode())).startswith("250")


async def test_text_without_any_header_is_all_body(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        await line.begin()
        assert (await line.say(b"just text\r\n\r\nmore: text\r\n.\r\n")).startswith("250")
        ((claim, body),) = await at.taken()
        assert body == b"just text\r\n\r\nmore: text\r\n"
        assert b"\r\nFrom: <app@x.org>\r\n" in claim.message.headers


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        (b"From: a@x.org\r\n\r\nbare\nLF\r\n", "554 5.6.0 A line of the message ends in a bare LF"),
        (b"From: a@x.org\r\n\r\nbare\rCR\r\n", "554 5.6.0 A line of the message ends in a bare LF or CR"),
        (b"From: a@x.org\r\n\r\nNUL\x00\r\n", "554 5.6.0 The message holds a NUL"),
        (
            b"From: a@x.org\r\n\r\n" + b"x" * 200_000 + b"\r\n",
            "552 5.3.4 The message is larger than the 102,400 octets allowed here: raise listeners.default.",
        ),
        (b"X-Long: " + b"x" * 300_000 + b"\r\n\r\n", "552 5.3.4"),
        (b"X: y\r\n" * 43_700 + b"\r\nbody\r\n", "552 5.3.4"),
        (b"Received: x\r\n" * 51 + b"From: a@x.org\r\n\r\n", "554 5.4.6 Too many hops"),
    ],
)
async def test_content_that_is_refused_leaves_the_session_in_step(tmp_path: Path, content: bytes, reply: str) -> None:
    async with door(tmp_path, 'max_message_size = "100KiB"') as at:
        line = await at.knock()
        await line.begin()
        assert (await line.say(content + b".\r\n")).startswith(reply)
        assert await line.say("NOOP") == "250 2.0.0 OK"
        assert await at.taken() == []
        assert list((tmp_path / "bodies").iterdir()) == []


async def test_a_size_too_large_is_refused_at_mail(tmp_path: Path) -> None:
    async with door(tmp_path, 'max_message_size = "100KiB"') as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say("MAIL FROM:<a@x.org> SIZE=200000")).endswith("raise listeners.default.max_message_size")


async def test_too_many_recipients_are_told_to_come_again(tmp_path: Path) -> None:
    async with door(tmp_path, "max_recipients = 2") as at:
        line = await at.knock()
        await line.say("EHLO c")
        await line.say("MAIL FROM:<a@x.org>")
        replies = [(await line.say(f"RCPT TO:<{name}@x.org>"))[:9] for name in "abac"]
        assert replies == ["250 2.1.5", "250 2.1.5", "250 2.1.5", "452 4.5.3"]


async def test_the_reply_names_the_key_that_would_allow_a_sender(tmp_path: Path) -> None:
    clients = '[clients.scanner]\nnetworks = ["127.0.0.1/32"]\nsenders = ["scan@x.org"]\n'
    async with door(tmp_path, clients=clients) as at:
        line = await at.knock()
        await line.say("EHLO c")
        reply = await line.say("MAIL FROM:<boss@x.org>")
        assert reply.startswith("550 5.7.1")
        assert "clients.scanner.senders" in reply
        await line.say("MAIL FROM:<scan@x.org>")
        await line.say("RCPT TO:<b@x.org>")
        await line.say("DATA")
        assert "boss@x.org" in await line.say(b"From: boss@x.org\r\n\r\nHello\r\n.\r\n")
        assert await at.taken() == []


async def test_a_stranger_is_refused(tmp_path: Path) -> None:
    async with door(tmp_path, clients='[clients.far]\nnetworks = ["192.0.2.0/24"]\nsenders = ["*"]\n') as at:
        line = await at.knock()
        assert "AUTH" not in await line.say("EHLO c")
        reply = await line.say("MAIL FROM:<a@x.org>")
        assert reply.startswith("550 5.7.1")
        assert "clients.NAME.networks" in reply


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST / HTTP/1.1\r\n",
        b"POST /" + b"x" * 3000 + b" HTTP/1.1\r\n",
        b"POST /" + b"x" * 20_000 + b" HTTP/1.1\r\n",
        b"PROPFIND /folder HTTP/1.1\r\n",
        b"GET / HTTP/1.0\n",
    ],
    ids=["usual", "long", "very long", "rare method", "bare LF"],
)
async def test_an_http_request_is_refused_and_the_session_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, request_line: bytes
) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        body = b"EHLO c\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\nx\r\n.\r\n"
        reply = await line.say(request_line + b"Host: localhost\r\n\r\n" + body)
        assert "sent an HTTP request" in caplog.text
        assert reply.startswith("421 4.7.0 This is an SMTP port")
        assert await line.hear() == ""
        assert await at.taken() == []
