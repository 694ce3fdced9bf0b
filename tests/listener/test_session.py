"""Sessions on a real socket: what a client hears, and what is in the queue afterwards."""

import asyncio
import base64
import contextlib
import socket
import sqlite3
from pathlib import Path

import pytest

from relay.listener.authentication import MOST_FAILURES
from relay.model import Outcome, Result
from relay.spool import Claim, Queue, Settled
from tests.support import certificates
from tests.support.door import LOCAL, door

LOGIN = '[clients.printer]\npassword = "secret"\nsenders = ["*"]\n'
CONTENT = b"From: app@x.org\r\nSubject: x\r\n\r\nHello\r\n"


def plain(user: str, password: str) -> str:
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


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


async def test_a_failed_handshake_ends_the_session_and_harms_nobody(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    tls = f'tls = "starttls"\ncertificate = "{made.certificate}"\nkey = "{made.key}"\n'
    async with door(tmp_path, tls) as at:
        line = await at.knock()
        await line.say("EHLO c")
        await line.say("STARTTLS")
        line.writer.write(b"this is no TLS at all\r\n" * 10)
        async with asyncio.timeout(5):
            while at.server.connections:
                await asyncio.sleep(0.01)
        assert (await (await at.knock()).say("NOOP")).startswith("250")


async def test_a_session_that_says_nothing_is_told_so_and_closed(tmp_path: Path) -> None:
    async with door(tmp_path, 'timeout = "1s"') as at:
        line = await at.knock()
        assert await line.hear() == "421 4.4.2 Timeout, closing the connection"
        assert await line.hear() == ""


async def test_a_line_without_end_is_one_error_and_none_of_it_is_a_command(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        line = await at.knock()
        line.writer.write(b"X" * 300_000 + b"MAIL FROM:<a@x.org>\r\nNOOP\r\n")
        assert (await line.hear()).startswith("500 5.5.2")
        assert await line.hear() == "250 2.0.0 OK"


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


async def test_a_login_that_is_refused_closes_the_way_without_one(tmp_path: Path) -> None:
    """Some clients go on to MAIL after 535."""
    async with door(tmp_path, clients=LOCAL + LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'wrong')}")).startswith("535 5.7.8")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("530 5.7.0")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("235 2.7.0")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("250")


@pytest.mark.parametrize(
    "said",
    [
        ["AUTH GSSAPI"],
        ["AUTH PLAIN ?"],
        ["AUTH PLAIN", "A" * 20_000],
        ["AUTH LOGIN", "a\0b"],
        ["AUTH CRAM-MD5", "bm9ib2R5"],
    ],
)
async def test_a_login_that_comes_to_nothing_closes_the_way_as_well(tmp_path: Path, said: list[str]) -> None:
    async with door(tmp_path, clients=LOCAL + LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        for each in said:
            heard = await line.say(each)
        assert heard.startswith("50")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("530 5.7.0")


async def test_a_login_that_the_client_gives_up_itself_is_none(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOCAL + LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        await line.say("AUTH LOGIN")
        assert (await line.say("*")).startswith("501 5.7.0")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("250")


async def test_a_login_without_tls_closes_the_way_as_well(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    keys = f'tls = "starttls"\ncertificate = "{made.certificate}"\nkey = "{made.key}"\nrequire_tls = true'
    async with door(tmp_path, keys, LOCAL + LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("538 5.7.11")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("530 5.7.0")


async def test_after_a_login_that_cannot_be_checked_now_mail_is_refused_for_now(tmp_path: Path) -> None:
    """Neither as somebody else, nor for good: the client keeps its mail and comes again."""
    async with door(tmp_path, clients=LOCAL + LOGIN) as at:
        for _ in range(MOST_FAILURES):
            at.checker.note_failure("guess", "127.0.0.1")
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'wrong')}")).startswith("454 4.7.0")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("451 4.7.0")


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (["AUTH plain", plain("printer", "secret")], "235"),
        (["auth login", "cHJpbnRlcg==", "c2VjcmV0"], "235"),
        (["AUTH LOGIN cHJpbnRlcg==", "c2VjcmV0"], "235"),
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH PLAIN ?"], "501 5.5.2"),
        (["AUTH PLAIN ="], "501 5.5.2"),
        (["AUTH DIGEST-MD5"], "504 5.5.4"),
        (["AUTH"], "504 5.5.4"),
        (["AUTH PLAIN", "A" * 20_000], "500 5.5.6"),
        ([f"AUTH PLAIN {'A' * 20_000}"], "500 5.5.6"),
    ],
)
async def test_auth_dialogues(tmp_path: Path, lines: list[str], reply: str) -> None:
    async with door(tmp_path, clients=LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        heard = [await line.say(each) for each in lines]
        assert heard[-1].startswith(reply)
        assert all(each.startswith("334 ") for each in heard[:-1])


async def test_auth_after_helo(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOGIN) as at:
        line = await at.knock()
        await line.say("HELO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("235")


async def test_the_third_failed_login_ends_the_session(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        replies = [(await line.say(f"AUTH PLAIN {plain('printer', 'wrong')}"))[:9] for _ in range(3)]
        assert replies == ["535 5.7.8", "535 5.7.8", "421 4.7.0"]
        assert await line.hear() == ""


async def test_starttls_forgets_what_was_before_and_offers_auth(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    tls = f'tls = "starttls"\ncertificate = "{made.certificate}"\nkey = "{made.key}"\nrequire_tls = true\n'
    async with door(tmp_path, tls, LOGIN) as at:
        line = await at.knock()
        offered = await line.say("EHLO c")
        assert "STARTTLS" in offered
        assert "AUTH" not in offered
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("538 5.7.11")
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("530 5.7.0 Must issue a STARTTLS")
        assert (await line.say("STARTTLS")).startswith("220")
        await line.start_tls(made.authority.client)
        assert (await line.say("MAIL FROM:<a@x.org>")).startswith("503")
        offered = await line.say("EHLO c")
        assert "STARTTLS" not in offered
        assert "AUTH PLAIN LOGIN" in offered
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("235")
        assert (await line.say("STARTTLS")).startswith("503")
        await line.begin()
        assert (await line.say(CONTENT + b".\r\n")).startswith("250")
        ((claim, _),) = await at.taken()
        assert b"with ESMTPSA id" in claim.message.headers
        assert b"tls TLS_" in claim.message.headers


async def test_implicit_tls_takes_logins(tmp_path: Path) -> None:
    made = certificates.server_files(tmp_path)
    tls = f'tls = "implicit"\ncertificate = "{made.certificate}"\nkey = "{made.key}"\n'
    async with door(tmp_path, tls, LOGIN) as at:
        line = await at.knock(made.authority.client)
        assert "AUTH PLAIN LOGIN" in await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'secret')}")).startswith("235")


async def test_commands_sent_before_the_handshake_are_not_obeyed_after_it(tmp_path: Path) -> None:
    """STARTTLS injection (CVE-2011-0411): plaintext behind STARTTLS in the same packet is thrown away."""
    made = certificates.server_files(tmp_path)
    tls = f'tls = "starttls"\ncertificate = "{made.certificate}"\nkey = "{made.key}"\n'
    async with door(tmp_path, tls) as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@x.org>\r\n")).startswith("220")
        try:
            await line.start_tls(made.authority.client)
        except (OSError, asyncio.IncompleteReadError):
            return
        assert (await line.say("EHLO c")).startswith("250-relay.test")
        assert (await line.say("RCPT TO:<a@x.org>")).startswith("503")


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
