"""Connections that are kept: used again, checked, closed in time, and given up when anything about them is odd."""

import asyncio

import pytest

from relay.model import Outcome, Scope
from relay.upstream.smtp import SmtpUpstream
from relay.upstream.smtp.pool import MAX_MESSAGES
from tests.support.certificates import Authority
from tests.support.clock import FakeClock
from tests.support.smtp_script import QUIT, ScriptedServer, mail, session
from tests.upstream.parts import Tokens, account, message, only, sending

OK = "S: 235 2.7.0 ok"


async def send(upstream: SmtpUpstream) -> str:
    """Send one message that is taken; the text of the result."""
    result = only(await upstream.send(message()))
    assert result.outcome is Outcome.SENT, result
    return result.text


async def test_one_connection_for_many_messages(authority: Authority) -> None:
    trace: list[str] = []
    script = session("C: AUTH *", OK, *mail() * 5, *QUIT)
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port), Tokens()) as upstream,
    ):
        for _ in range(5):
            results = await upstream.send(message(), trace.append)
            assert only(results).outcome is Outcome.SENT
    assert server.connections == 1
    assert trace.count("(using the connection to localhost that is open already)") == 4


async def test_never_more_connections_than_concurrency(authority: Authority) -> None:
    slow = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "SLEEP", "S: 250 done"]
    scripts = [session(*mail(*slow), *mail(), *mail(), *QUIT) for _ in range(2)]
    async with (
        ScriptedServer(*scripts, tls=authority.server()) as server,
        sending(account(authority, server.port, concurrency=2)) as upstream,
    ):
        attempts = [asyncio.create_task(send(upstream)) for _ in range(6)]
        while len(server.contents) < 2:
            await asyncio.sleep(0.01)
        assert server.connections == 2
        server.wake()
        assert len(await asyncio.gather(*attempts)) == 6


async def test_the_one_used_last_is_used_next(authority: Authority) -> None:
    """So that what is not needed grows old: of two connections one gets all the mail of a quiet time."""
    slow = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "SLEEP", "S: 250 done"]
    busy, resting = session(*mail(*slow), *mail() * 3, *QUIT), session(*mail(*slow), *QUIT)
    async with (
        ScriptedServer(resting, busy, tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        first = asyncio.create_task(send(upstream))
        while len(server.contents) < 1:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(send(upstream))
        while len(server.contents) < 2:
            await asyncio.sleep(0.01)
        server.wake()
        await asyncio.gather(first, second)
        texts = [await send(upstream) for _ in range(3)]
    assert texts == ["taken"] * 3
    assert min(len(lines) for lines in server.lines) == 7, "one connection had one message only"


async def test_a_rested_connection_is_asked_first(authority: Authority) -> None:
    clock = FakeClock()
    script = session(*mail(), *mail(), "C: RSET", "S: 250 2.0.0 ok", *mail(), *QUIT)
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port), clock=clock) as upstream,
    ):
        await send(upstream)
        await clock.advance(29)
        await send(upstream)
        await clock.advance(31)
        await send(upstream)
    assert server.connections == 1


@pytest.mark.parametrize("answer", [["S: 421 4.4.1 idle", "CLOSE"], ["DROP"], ["S: 500 what", "STALL"]])
async def test_a_rested_connection_that_is_no_good(authority: Authority, answer: list[str]) -> None:
    clock = FakeClock()
    async with (
        ScriptedServer(session(*mail(), "C: RSET", *answer), session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port, timeout=0.3), clock=clock) as upstream,
    ):
        await send(upstream)
        await clock.advance(31)
        await send(upstream)


async def test_a_rested_connection_is_closed(authority: Authority) -> None:
    """Politely, by itself, without a message to cause it."""
    clock = FakeClock()
    async with (
        ScriptedServer(session(*mail(), *QUIT), session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port), clock=clock) as upstream,
    ):
        await send(upstream)
        await clock.advance(59)
        assert "QUIT" not in server.lines[0]
        await clock.advance(2)
        async with asyncio.timeout(5):
            while "QUIT" not in server.lines[0]:
                await asyncio.sleep(0.01)
        await send(upstream)


async def test_old_connections_are_not_used_again(authority: Authority) -> None:
    clock = FakeClock()
    rounds = 21  # the last one at 580 of 600 seconds
    script = session(*mail() * rounds, *QUIT)
    async with (
        ScriptedServer(script, session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port), clock=clock) as upstream,
    ):
        for _ in range(rounds):
            await send(upstream)
            await clock.advance(29)
        await send(upstream)
    assert server.connections == 2


async def test_a_connection_is_not_used_for_ever(authority: Authority) -> None:
    async with (
        ScriptedServer(
            session(*mail() * MAX_MESSAGES, *QUIT), session(*mail(), *QUIT), tls=authority.server()
        ) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        for _ in range(MAX_MESSAGES + 1):
            await send(upstream)


KEPT = session(*mail())


@pytest.mark.parametrize(
    "end",
    [
        ["C: MAIL*", "DROP"],
        ["C: MAIL*", "CLOSE"],
        ["C: MAIL*", "S: 421 4.4.2 Connection expired, try reconnecting", "CLOSE"],
        ["C: MAIL*", "S: 250 ok", "C: RCPT*", "S: 421 4.3.2 Service not active", "CLOSE"],
        ["C: MAIL*", "S: what is this", "STALL"],
    ],
)
async def test_a_kept_connection_that_has_died_is_replaced_at_once(authority: Authority, end: list[str]) -> None:
    async with (
        ScriptedServer([*KEPT, *end], session(*mail(), *QUIT), tls=authority.server(), patient=True) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        await send(upstream)
        await send(upstream)


async def test_a_kept_connection_that_dies_in_the_middle_of_a_large_message(authority: Authority) -> None:
    body = (b"x" * 98 + b"\r\n") * 300_000
    dies = [*KEPT, "C: MAIL*", "S: 250 ok\n250 ok\n354 go", "C: RCPT*", "C: DATA", "SOME", "DROP"]
    async with (
        ScriptedServer(dies, session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        await send(upstream)
        assert only(await upstream.send(message(body=body))).outcome is Outcome.SENT


async def test_only_one_new_connection_is_tried(authority: Authority) -> None:
    async with (
        ScriptedServer([*KEPT, "C: MAIL*", "DROP"], session("C: MAIL*", "DROP"), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        await send(upstream)
        result = only(await upstream.send(message()))
    assert (result.outcome, result.scope) == (Outcome.DEFERRED, Scope.IDENTITY)


async def test_after_the_final_dot_nothing_is_repeated(authority: Authority) -> None:
    lost = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "DROP"]
    async with (
        ScriptedServer([*KEPT, *mail(*lost)], tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        await send(upstream)
        result = only(await upstream.send(message()))
    assert result.outcome is Outcome.DEFERRED
    assert "duplicate" in result.text
    assert server.connections == 1


async def test_a_server_that_closes_in_the_rest_is_noticed(authority: Authority) -> None:
    async with (
        ScriptedServer(
            [*KEPT, "S: 421 4.4.1 Connection timed out", "CLOSE"], session(*mail(), *QUIT), tls=authority.server()
        ) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        await send(upstream)
        await asyncio.sleep(0.05)
        trace: list[str] = []
        assert only(await upstream.send(message(), trace.append)).outcome is Outcome.SENT
    assert trace[0].startswith("(connecting"), "no command was wasted on the dead one"


async def test_a_refused_message_leaves_the_connection_usable(authority: Authority) -> None:
    """A transaction that was begun and not ended is reset before the next one."""
    refused = ["S: 250 ok", "C: RCPT*", "S: 550 5.1.1 no", "C: DATA", "S: 554 no recipients"]
    script = session(*mail(*refused), "C: RSET", "S: 250 ok", *mail(), *QUIT)
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message())).code == 550
        await send(upstream)


async def test_421_ends_the_connection(authority: Authority) -> None:
    closing = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "S: 421 4.3.2 closing", "STALL"]
    async with (
        ScriptedServer(session(*mail(*closing)), session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message())).code == 421
        await send(upstream)


async def test_closing_says_quit_on_every_connection(authority: Authority) -> None:
    slow = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "SLEEP", "S: 250 done"]
    async with (
        ScriptedServer(*[session(*mail(*slow), *QUIT)] * 3, tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        attempts = [asyncio.create_task(send(upstream)) for _ in range(3)]
        while len(server.contents) < 3:
            await asyncio.sleep(0.01)
        server.wake()
        await asyncio.gather(*attempts)
    assert [lines[-1] for lines in server.lines] == ["QUIT"] * 3


async def test_closing_does_not_wait_for_a_server_that_is_silent(authority: Authority) -> None:
    loop = asyncio.get_running_loop()
    async with ScriptedServer(session(*mail(), "C: QUIT", "SLEEP"), tls=authority.server(), patient=True) as server:
        async with sending(account(authority, server.port)) as upstream:
            await send(upstream)
            began = loop.time()
            await upstream.close()
            assert loop.time() - began < 6
        server.wake()


async def test_what_was_under_way_while_closing_is_finished_and_not_kept(authority: Authority) -> None:
    slow = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "SLEEP", "S: 250 done"]
    async with (
        ScriptedServer(session(*mail(*slow), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        attempt = asyncio.create_task(send(upstream))
        while not server.contents:
            await asyncio.sleep(0.01)
        await upstream.close()
        server.wake()
        assert await attempt == "done"


async def test_a_connection_too_many_is_closed(authority: Authority) -> None:
    """Exchange answers 432 on it for as long as it is open."""
    busy = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "S: 432 4.3.2 Concurrent", *QUIT]
    async with (
        ScriptedServer(session(*mail(*busy)), session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port, provider="microsoft")) as upstream,
    ):
        assert only(await upstream.send(message())).code == 432
        await send(upstream)


async def test_one_dead_connection_tells_of_the_others(authority: Authority) -> None:
    """They are not asked one after the other, each with a wait of its own."""
    clock = FakeClock()
    slow = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "SLEEP", "S: 250 done"]
    old = [session(*mail(*slow), "C: RSET", "DROP"), session(*mail(*slow), "STALL")]
    async with (
        ScriptedServer(*reversed(old), session(*mail(), *QUIT), tls=authority.server(), patient=True) as server,
        sending(account(authority, server.port), clock=clock) as upstream,
    ):
        first = asyncio.create_task(send(upstream))
        while not server.contents:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(send(upstream))
        while len(server.contents) < 2:
            await asyncio.sleep(0.01)
        server.wake()
        await first
        await second
        await clock.advance(31)
        await send(upstream)
    assert server.connections == 3
