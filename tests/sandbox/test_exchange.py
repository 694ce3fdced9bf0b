"""Exchange Online's dialogue: every reply that the relay will meet, in its real words."""

import asyncio
import base64
import re
import smtplib

import pytest

from relay.sandbox import Sandbox
from relay.sandbox.tokens import EXCHANGE, GRAPH
from tests.sandbox.conftest import RecordingClock, Start
from tests.sandbox.raw import MESSAGE, SUFFIX, TAKEN, connected, exchange_token, graph_token, tls
from tests.support.sasl import xoauth2


async def test_greeting_and_extensions_before_and_after_tls(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        assert re.fullmatch(
            r"220 AM0PR\w+\.outlook\.office365\.com Microsoft ESMTP MAIL Service ready at "
            r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000 \[08DE[0-9A-F]{12}\]",
            await client.reply(),
        )
        hello, *before = (await client.say("EHLO client")).split("\n")
        assert re.fullmatch(r"250-AM0PR\w+\.outlook\.office365\.com Hello \[(127\.0\.0\.1|::1)\]", hello)
        assert before == [
            "250-SIZE 157286400",
            "250-PIPELINING",
            "250-DSN",
            "250-ENHANCEDSTATUSCODES",
            "250-STARTTLS",
            "250-8BITMIME",
            "250-BINARYMIME",
            "250-CHUNKING",
            "250 SMTPUTF8",
        ]
        await client.say("STARTTLS")
        await client.writer.start_tls(tls(sandbox), server_hostname="localhost")
        assert await client.say("MAIL FROM:<a@b.c>") == "503 5.5.2 Send hello first"
        after = (await client.say("EHLO client")).split("\n")[1:]
        assert after == [line.replace("STARTTLS", "AUTH LOGIN XOAUTH2") for line in before]


def submit_with_smtplib(sandbox: Sandbox, message: bytes, *, two_steps: bool) -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP(*sandbox.smtp, timeout=10) as client:
        client.starttls(context=tls(sandbox))
        client.ehlo()
        plain = base64.b64decode(xoauth2(sandbox.settings.mailbox, exchange_token(sandbox))).decode()
        # smtplib gives the function no argument for the first step and None once it has sent an initial response.
        client.auth("XOAUTH2", lambda _challenge=None: plain, initial_response_ok=not two_steps)
        return client.sendmail(sandbox.settings.mailbox, ["a@x.org", "b@x.org"], message)


@pytest.mark.parametrize("two_steps", [False, True], ids=["one step", "two steps"])
async def test_smtplib_submits(sandbox: Sandbox, two_steps: bool) -> None:
    refused = await asyncio.to_thread(submit_with_smtplib, sandbox, MESSAGE, two_steps=two_steps)
    assert refused == {}
    (received,) = sandbox.received
    assert (received.sender, received.recipients) == (sandbox.settings.mailbox, ("a@x.org", "b@x.org"))
    assert received.raw == MESSAGE
    assert (received.way, received.subject, received.message_id) == ("smtp", "Hello", "<old@app>")


async def test_the_message_id_is_replaced_and_told(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        reply = await client.submit()
    assert re.fullmatch(TAKEN, reply)
    new_id = reply.split()[3]
    received = sandbox.received[0]
    assert (received.reply, received.new_message_id) == (reply, new_id)
    assert received.delivered == MESSAGE.replace(b"<old@app>", new_id.encode())


async def test_two_step_auth_has_an_empty_challenge(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.secure()
        assert await client.say("AUTH XOAUTH2") == "334 "
        response = xoauth2(sandbox.settings.mailbox, exchange_token(sandbox)).encode()
        assert await client.say(response) == "235 2.7.0 Authentication successful"


async def test_a_long_token_fits_on_one_line(sandbox: Sandbox) -> None:
    """12,288 octets by RFC 4954 section 4; what does not fit is refused without losing step."""
    async with connected(sandbox) as client:
        await client.secure()
        assert await client.say("AUTH XOAUTH2") == "334 "
        assert (await client.say(b"A" * 12288)).startswith("535 5.7.3 ")
        assert await client.say("AUTH XOAUTH2") == "334 "
        assert await client.say(b"A" * 12289) == "500 5.5.6 Line too long"
        assert await client.say(b"NOOP " + b"A" * 400_000) == "500 5.5.6 Line too long"
        assert await client.say("NOOP") == "250 2.0.0 OK"


def strangers_token(sandbox: Sandbox) -> str:
    head, body, signature = exchange_token(sandbox).split(".")
    return f"{head}.{body}.{signature[:-4]}AAAA"


@pytest.mark.parametrize(
    ("user", "token"),
    [
        ("noreply@sandbox.onmicrosoft.com", graph_token),
        ("somebody@sandbox.onmicrosoft.com", exchange_token),
        ("noreply@sandbox.onmicrosoft.com", strangers_token),
        ("noreply@sandbox.onmicrosoft.com", lambda _: "opaque"),
        ("noreply@sandbox.onmicrosoft.com", lambda _: "[[[.e30.e30"),
        ("", exchange_token),
    ],
    ids=["graph token", "unknown mailbox", "bad signature", "opaque", "no json", "no user"],
)
async def test_every_wrong_token_gets_the_same_535(sandbox: Sandbox, user: str, token: object) -> None:
    assert callable(token)
    async with connected(sandbox) as client:
        await client.secure()
        reply = await client.say(f"AUTH XOAUTH2 {xoauth2(user, token(sandbox))}".encode())
        assert re.fullmatch(r"535 5\.7\.3 Authentication unsuccessful " + SUFFIX, reply)
        mail = await client.say("MAIL FROM:<noreply@sandbox.onmicrosoft.com>")
        assert mail == f"530 5.7.57 Client not authenticated to send mail. Error: {reply}"


@pytest.mark.parametrize("response", ["!!!", "", "dXNlcj1h", "/w=="], ids=["no base64", "empty", "no end", "no utf-8"])
async def test_a_malformed_response_gets_it_too(sandbox: Sandbox, response: str) -> None:
    async with connected(sandbox) as client:
        await client.secure()
        await client.say("AUTH XOAUTH2")
        assert (await client.say(response)).startswith("535 5.7.3 Authentication unsuccessful [")
        assert (await client.sign_in()).startswith("235")


async def test_an_expired_token_is_refused(start: Start, clock: RecordingClock) -> None:
    sandbox = await start(clock, token_lifetime=200)
    token = exchange_token(sandbox)
    async with connected(sandbox) as client:
        await client.secure()
        await clock.advance(200)
        assert (await client.sign_in(token=token)).startswith("535 5.7.3 ")
        assert (await client.sign_in()).startswith("235 ")


async def test_a_token_without_the_role_is_refused(start: Start) -> None:
    sandbox = await start(exchange_roles=("Mail.Read",))
    async with connected(sandbox) as client:
        await client.secure()
        assert (await client.sign_in()).startswith("535 5.7.3 ")


async def test_every_name_of_the_resource_works(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.secure()
        assert (await client.sign_in(token=sandbox.tokens.issue(EXCHANGE[1]))).startswith("235 ")
        assert GRAPH[0] not in EXCHANGE


@pytest.mark.parametrize("command", ["AUTH LOGIN", "AUTH LOGIN bm9yZXBseQ=="], ids=["plain", "user first"])
async def test_basic_authentication_is_disabled(sandbox: Sandbox, command: str) -> None:
    async with connected(sandbox) as client:
        await client.secure()
        reply = await client.say(command)
        if command == "AUTH LOGIN":
            assert reply == "334 VXNlcm5hbWU6"
            reply = await client.say("bm9yZXBseQ==")
        assert reply == "334 UGFzc3dvcmQ6"
        text = r"535 5\.7\.139 Authentication unsuccessful, basic authentication is disabled\. "
        assert re.fullmatch(text + SUFFIX, await client.say("c2VjcmV0"))


async def test_auth_out_of_place(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.reply()
        assert await client.say("AUTH XOAUTH2") == "503 5.5.2 Send hello first"
        await client.say("EHLO client")
        assert await client.say("AUTH XOAUTH2") == "504 5.7.4 Unrecognized authentication type"
        await client.say("STARTTLS")
        await client.writer.start_tls(tls(sandbox), server_hostname="localhost")
        await client.say("EHLO client")
        assert await client.say("STARTTLS") == "503 5.5.2 Only one STARTTLS command is permitted"
        assert await client.say("AUTH PLAIN AGEAYg==") == "504 5.7.4 Unrecognized authentication type"
        assert await client.say("AUTH") == "501 5.5.4 Invalid arguments"
        await client.say("AUTH xoauth2")
        assert (await client.say("*")).startswith("501 5.7.0")
        assert (await client.sign_in()).startswith("235 ")
        assert await client.say("AUTH XOAUTH2") == "503 5.5.2 Already authenticated"


async def test_mail_before_auth(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.reply()
        assert await client.say("MAIL FROM:<a@b.c>") == "503 5.5.2 Send hello first"
        await client.say("EHLO client")
        text = r"530 5\.7\.57 Client not authenticated to send mail\. "
        assert re.fullmatch(text + SUFFIX, await client.say("MAIL FROM:<a@b.c>"))


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("FOO", "500 5.3.3 Unrecognized command"),
        ("EHLO", "501 5.5.4 Invalid arguments"),
        ("MAIL TO:<a@b.c>", "501 5.5.4 Invalid arguments"),
        ("MAIL FROM:a@b.c", "501 5.5.4 Invalid arguments"),
        ("MAIL FROM:<a>", "501 5.1.7 Invalid address"),
        ("MAIL FROM:<ü@b.c>", "501 5.1.7 Invalid address"),
        ("MAIL FROM:<a@b.c> SIZE=157286401", "552 5.3.4 Message size exceeds fixed maximum message size"),
        ("MAIL FROM:<a@b.c> SIZE=157286400", "250 2.1.0 Sender OK"),
        ("MAIL FROM:<a@b.c> SIZE=many", "501 5.5.4 Invalid arguments"),
        ("MAIL FROM:<a@b.c> BODY=9BIT", "501 5.5.4 Invalid arguments"),
        ("MAIL FROM:<a@b.c> SIZE=1 SIZE=2", "501 5.5.4 Invalid arguments"),
        ("MAIL FROM:<a@b.c> XTRA=1", "501 5.5.4 Unrecognized parameter"),
        ("MAIL FROM:<ü@b.c> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=x AUTH=<>", "250 2.1.0 Sender OK"),
        ('MAIL FROM:<"a b>"@b.c>', "250 2.1.0 Sender OK"),
        ("mail from: <>", "250 2.1.0 Sender OK"),
        ("RCPT TO:<a@b.c>", "503 5.5.2 Need mail command"),
        ("DATA", "503 5.5.2 Need mail command"),
        ("BDAT 0 LAST", "503 5.5.2 Need mail command"),
        ("BDAT many", "501 5.5.4 Invalid arguments"),
        ("RSET", "250 2.0.0 Resetting"),
        ("NOOP", "250 2.0.0 OK"),
        ("VRFY a", "252 2.1.5 Cannot VRFY user"),
        ("QUIT", "221 2.0.0 Service closing transmission channel"),
    ],
)
async def test_one_command(sandbox: Sandbox, command: str, reply: str) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        assert await client.say(command) == reply
        assert await client.say("NOOP") == ("" if command == "QUIT" else "250 2.0.0 OK")


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("MAIL FROM:<a@b.c>", "503 5.5.2 Sender already specified"),
        ("RCPT TO:<>", "501 5.1.3 Invalid address"),
        ("RCPT TO:<a b@x.org>", "501 5.5.4 Invalid arguments"),
        ("RCPT TO:<a@x.org> FOO=1", "501 5.5.4 Unrecognized parameter"),
        ("RCPT TO:<a@x.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@x.org", "250 2.1.5 Recipient OK"),
        ("DATA", "503 5.5.2 Need rcpt command"),
        ("DATA now", "501 5.5.4 Invalid arguments"),
    ],
)
async def test_one_command_after_mail(sandbox: Sandbox, command: str, reply: str) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        await client.say("MAIL FROM:<noreply@sandbox.onmicrosoft.com>")
        assert await client.say(command) == reply


async def test_helo_and_a_line_that_ends_in_lf(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.reply()
        client.send(b"HELO client\n")
        assert re.fullmatch(r"250 AM0PR\w+\.outlook\.office365\.com Hello \[.+\]", await client.reply())


async def test_parameters_are_kept_as_they_were_written(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.ready()
        await client.say("MAIL FROM:<noreply@sandbox.onmicrosoft.com> RET=HDRS ENVID=QQ314159")
        await client.say("RCPT TO:<a@x.org> NOTIFY=NEVER")
        await client.say("RCPT TO:<b@x.org>")
        await client.say("DATA")
        await client.say(MESSAGE + b".")
    received = sandbox.received[0]
    assert received.mail_parameters == "RET=HDRS ENVID=QQ314159"
    assert received.recipient_parameters == ("NOTIFY=NEVER", "")


async def test_starttls_forgets_what_came_in_plain_text(sandbox: Sandbox) -> None:
    """CVE-2011-0411: commands that were injected behind STARTTLS are never obeyed."""
    async with connected(sandbox) as client:
        await client.reply()
        client.send(b"EHLO client\r\nSTARTTLS\r\nNOOP\r\n")
        assert (await client.reply()).startswith("250-")
        while reply := await client.reply():
            assert reply.startswith("220 ")


async def test_a_failed_handshake_ends_the_connection(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.reply()
        await client.say("EHLO client")
        await client.say("STARTTLS")
        client.send(b"this is not a TLS record\r\n" * 40)
        while await client.reader.read(1000):
            pass
    async with connected(sandbox) as client:
        await client.ready()
