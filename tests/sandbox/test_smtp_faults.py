"""Faults by order in an SMTP session: each kind, each point."""

import asyncio
import re

import pytest

from relay.sandbox import Fault, Sandbox
from tests.sandbox.conftest import RecordingClock, Start
from tests.sandbox.raw import HOSTNAME, MAILBOX, MESSAGE, SUFFIX, RawClient, connected


async def walk(client: RawClient, point: str) -> str:
    """Go to `point` of a session in which everything before it works; the reply there."""
    if point == "connect":
        return await client.reply()
    if point in ("ehlo", "starttls"):
        await client.reply()
        return await client.say("EHLO client") if point == "ehlo" else await starttls(client)
    await client.secure()
    if point == "auth":
        return await client.sign_in()
    await client.sign_in()
    steps = {"mail": f"MAIL FROM:<{MAILBOX}>", "rcpt": "RCPT TO:<a@x.org>", "data": "DATA"}
    for step, command in steps.items():
        reply = await client.say(command)
        if point == step:
            return reply
    return await client.say({"body": MESSAGE + b".", "end_of_data": MESSAGE + b"."}[point])


async def starttls(client: RawClient) -> str:
    await client.say("EHLO client")
    return await client.say("STARTTLS")


POINTS = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "end_of_data")


@pytest.mark.parametrize("point", POINTS)
async def test_disconnect(sandbox: Sandbox, point: str) -> None:
    sandbox.faults.add(Fault(kind="disconnect", at=point, times=1))
    async with connected(sandbox) as client:
        if point == "ehlo":
            await client.reply()
            assert await client.say("EHLO client") == ""
        else:
            assert await walk(client, point) == ""
    # Only what was complete is the server's: a drop before the reply is where duplicates come from.
    assert sandbox.received.total == (1 if point == "end_of_data" else 0)
    async with connected(sandbox) as client:
        await client.ready()
        assert (await client.submit()).startswith("250 ")


@pytest.mark.parametrize("point", ["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "end_of_data"])
async def test_disconnect_after_the_reply(sandbox: Sandbox, point: str) -> None:
    sandbox.faults.add(Fault(kind="disconnect", at=point, times=1, after_reply=True))
    async with connected(sandbox) as client:
        assert (await walk(client, point))[0] in "23"
        assert await client.ended()


async def test_disconnect_inside_the_body(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="disconnect", at="body", after_bytes=70_000, times=1))
    async with connected(sandbox) as client:
        await client.ready()
        # What ends before that octet gets through.
        sandbox.faults.add(Fault(kind="disconnect", at="body", after_bytes=1_000_000, times=1))
        await client.envelope()
        client.send(MESSAGE + b"x" * 200_000)
        assert await client.ended()
    async with connected(sandbox) as client:
        await client.ready()
        assert (await client.submit()).startswith("250 ")
    assert sandbox.received.total == 1


@pytest.mark.parametrize("point", ["connect", "ehlo", "mail", "rcpt", "end_of_data"])
async def test_garbage(sandbox: Sandbox, point: str) -> None:
    sandbox.faults.add(Fault(kind="garbage", at=point, times=1))
    async with connected(sandbox) as client:
        if point in ("connect", "ehlo"):
            while (line := await client.reader.readline()).startswith(b"220"):
                client.send(b"EHLO client\r\n")
        else:
            await client.ready()
            client.send(f"MAIL FROM:<{MAILBOX}>\r\nRCPT TO:<a@x.org>\r\nDATA\r\n".encode())
            client.send(MESSAGE + b".\r\n")
            while (line := await client.reader.readline())[:1] in (b"2", b"3"):
                pass
    assert line == b"\x16\x03\x01\x00\xc8\x00\xff<html>not SMTP\r\n"


@pytest.mark.parametrize("point", ["connect", "ehlo", "auth", "mail", "rcpt", "data", "end_of_data"])
async def test_any_reply(sandbox: Sandbox, point: str) -> None:
    reply = "451 4.7.0 Temporary server error. Please try again later. PRX4"
    sandbox.faults.add(Fault(kind="reply", at=point, times=1, reply=reply))
    async with connected(sandbox) as client:
        if point == "ehlo":
            await client.reply()
        assert (await client.say("EHLO x") if point == "ehlo" else await walk(client, point)) == reply
    assert sandbox.received.total == 0


async def test_a_reply_of_several_lines(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="reply", at="mail", times=1, reply="550-5.7.1 one\n550 5.7.1 two"))
    async with connected(sandbox) as client:
        assert await walk(client, "mail") == "550-5.7.1 one\n550 5.7.1 two"


async def test_a_yes_that_was_ordered_takes_the_message(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="reply", at="end_of_data", times=1, reply="250 queued"))
    async with connected(sandbox) as client:
        assert await walk(client, "end_of_data") == "250 queued"
    assert sandbox.received[0].reply == "250 queued"


@pytest.mark.parametrize("point", ["connect", "mail", "rcpt", "data", "end_of_data"])
async def test_service_closing(sandbox: Sandbox, point: str) -> None:
    sandbox.faults.add(Fault(kind="service_closing", at=point, times=1))
    async with connected(sandbox) as client:
        assert await walk(client, point) == "421 4.3.2 Service not active"
        assert await client.ended()
    assert sandbox.received.total == 0


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("auth_refused", r"535 5\.7\.3 Authentication unsuccessful "),
        (
            "smtp_auth_disabled_tenant",
            (
                r"535 5\.7\.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant\. "
                r"Visit https://aka\.ms/smtp_auth_disabled for more information\. "
            ),
        ),
        (
            "smtp_auth_disabled_mailbox",
            (
                r"535 5\.7\.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox\. "
                r"Visit https://aka\.ms/smtp_auth_disabled for more information\. "
            ),
        ),
    ],
)
async def test_auth_refused(sandbox: Sandbox, kind: str, text: str) -> None:
    sandbox.faults.add(Fault(kind=kind, times=1))
    async with connected(sandbox) as client:
        await client.secure()
        reply = await client.sign_in()
        assert re.fullmatch(text + SUFFIX, reply)
        assert (await client.say(f"MAIL FROM:<{MAILBOX}>")).endswith(f"Error: {reply}")
        assert (await client.sign_in()).startswith("235 ")


async def test_too_many_connections(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="too_many_connections", times=1))
    async with connected(sandbox) as client:
        assert re.fullmatch(
            r"432 4\.3\.2 Concurrent connections limit exceeded\. Visit https://aka\.ms/concurrent_sending for more "
            rf"information\. {HOSTNAME}",
            await walk(client, "end_of_data"),
        )
    assert sandbox.received.total == 0


@pytest.mark.parametrize("point", POINTS)
async def test_slow(start: Start, clock: RecordingClock, point: str) -> None:
    sandbox = await start(clock)
    sandbox.faults.add(Fault(kind="slow", at=point, times=1, seconds=7))
    async with connected(sandbox) as client:
        answer = asyncio.create_task(walk(client, point))
        await clock.until_someone_sleeps(7)
        assert not answer.done()
        await clock.advance(7)
        assert (await answer)[:1] in "23"


async def test_slow_and_then_cut(start: Start, clock: RecordingClock) -> None:
    """Slowness is waited for first, whatever else strikes at the same point."""
    sandbox = await start(clock)
    sandbox.faults.add(Fault(kind="slow", at="mail", times=1, seconds=7))
    sandbox.faults.add(Fault(kind="disconnect", at="mail", times=1))
    async with connected(sandbox) as client:
        answer = asyncio.create_task(walk(client, "mail"))
        await clock.until_someone_sleeps(7)
        await clock.advance(7)
        assert await answer == ""
    assert len(sandbox.faults) == 0


async def test_only_for_one_recipient(sandbox: Sandbox) -> None:
    order = sandbox.faults.add(Fault(kind="reply", at="rcpt", recipient="B@x.org", reply="550 5.1.1 no such user"))
    async with connected(sandbox) as client:
        await client.ready()
        await client.say(f"MAIL FROM:<{MAILBOX}>")
        replies = [(await client.say(f"RCPT TO:<{name}@x.org>"))[:3] for name in "abc"]
        assert replies == ["250", "550", "250"]
        await client.say("DATA")
        assert (await client.say(MESSAGE + b".")).startswith("250 ")
    assert sandbox.received[0].recipients == ("a@x.org", "c@x.org")
    assert order.struck == 1


async def test_only_for_one_mailbox(start: Start) -> None:
    second = "second@sandbox.onmicrosoft.com"
    sandbox = await start(more_mailboxes=(second,))
    sandbox.faults.add(Fault(kind="auth_refused", mailbox=second.upper()))
    async with connected(sandbox) as client:
        await client.secure()
        assert (await client.sign_in(user=second)).startswith("535 ")
        assert (await client.sign_in()).startswith("235 ")


async def test_times_and_after(sandbox: Sandbox) -> None:
    order = sandbox.faults.add(Fault(kind="reply", at="mail", after=1, times=2, reply="451 4.3.2 later"))
    async with connected(sandbox) as client:
        await client.ready()
        codes = []
        for _ in range(4):
            codes.append((await client.say(f"MAIL FROM:<{MAILBOX}>"))[:3])
            await client.say("RSET")
    assert codes == ["250", "451", "451", "250"]
    assert (order.passed, order.struck) == (1, 2)


async def test_until_removed(sandbox: Sandbox) -> None:
    order = sandbox.faults.add(Fault(kind="reply", at="rset", reply="451 4.3.2 later"))
    async with connected(sandbox) as client:
        await client.ready()
        assert [(await client.say("RSET"))[:3] for _ in range(3)] == ["451"] * 3
        assert sandbox.faults.remove(order.number)
        assert not sandbox.faults.remove(order.number)
        assert await client.say("RSET") == "250 2.0.0 Resetting"
        sandbox.faults.add(Fault(kind="disconnect", at="quit"))
        sandbox.faults.clear()
        assert (await client.say("QUIT")).startswith("221 ")
