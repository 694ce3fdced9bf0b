"""A transaction that does not come to its end: who breaks it off, and what became of the message."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.model import Outcome, Scope
from tests.support.certificates import Authority
from tests.support.smtp_script import QUIT, ScriptedServer, mail, session
from tests.upstream.parts import BIG, PIPELINED, account, message, only, sending, sent_to

SENT, LATER, NEVER = Outcome.SENT, Outcome.DEFERRED, Outcome.FAILED
DUPLICATE = "may be a duplicate"


@pytest.mark.parametrize(
    ("steps", "scope", "doubt"),
    [
        (["DROP"], Scope.IDENTITY, False),
        (["S: 250 ok", "DROP"], Scope.IDENTITY, False),
        (["S: 250 ok\n250 a\n250 b\n250 c", "CLOSE"], Scope.IDENTITY, False),
        (["S: 250 ok\n250 a\n250 b\n250 c\n354 go", "CONTENT", "DROP"], Scope.MESSAGE, True),
        (["S: 250 ok\n250 a\n250 b\n250 c\n354 go", "CONTENT", "CLOSE"], Scope.MESSAGE, True),
        (["S: 250 ok\n250 a\n250 b\n250 c\n354 go", "CONTENT", "STALL"], Scope.MESSAGE, True),
        (["S: 250 ok\n250 a\n250 b\n250 c\n354 go", "CONTENT", "R: 25", "DROP"], Scope.MESSAGE, True),
        (["S: 250 ok\n250 a\n250 b\n250 c\n354 go", "CONTENT", "S: what", "STALL"], Scope.MESSAGE, True),
        (["S: 250 ok\n250 a\n250 b\n250 c\n354 go", "CONTENT", "S: 354 more", "STALL"], Scope.MESSAGE, True),
        (["S: 250 ok\n250 a\n250 b\n250 c", "STALL"], Scope.IDENTITY, False),
        (["S: nonsense", "STALL"], Scope.IDENTITY, False),
        (["S: 250-ok\n251 other", "STALL"], Scope.IDENTITY, False),
        (["S: 334 what", "STALL"], Scope.IDENTITY, False),
        # One reply too many before DATA, and a server that does not know DATA: nothing was sent, whatever the 250 says.
        (["S: 250 ok\n250 ok\n250 a\n250 b\n250 c\n354 go", "STALL"], Scope.IDENTITY, False),
        (["S: 250 ok\n250 a\n250 b\n250 c\n250 2.0.0 OK", "STALL"], Scope.IDENTITY, False),
        (["S: 250 ok\n250 a\n250 b\n250 c\n354 go\n250 nobody asked", "STALL"], Scope.MESSAGE, False),
        (["R: 250-" + "x" * 9000, "STALL"], Scope.IDENTITY, False),
    ],
)
async def test_a_connection_that_breaks(authority: Authority, steps: list[str], scope: Scope, doubt: bool) -> None:
    result = only(await sent_to(authority, session(*PIPELINED, *steps), timeout=0.3))
    assert (result.outcome, result.scope) == (LATER, scope)
    assert (DUPLICATE in result.text) is doubt
    assert result.hint


async def test_recipients_refused_before_the_break_stay_refused(authority: Authority) -> None:
    script = session(*PIPELINED, "S: 250 ok\n550 5.1.1 a\n250 b\n250 c\n354 go", "CONTENT", "DROP")
    results = await sent_to(authority, script)
    assert [results[to].outcome for to in ("a@x", "b@x", "c@x")] == [NEVER, LATER, LATER]


async def test_a_reply_that_nobody_asked_for_ends_the_connection(authority: Authority) -> None:
    """The message is sent; the next one goes another way, or a stray reply would be taken for its own."""
    first = session(
        *mail("S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "S: 250 d\n250 stray"), "STALL"
    )
    second = session(*mail(), *QUIT)
    async with (
        ScriptedServer(first, second, tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message())).text == "d"
        assert only(await upstream.send(message())).text == "taken"


class Chunks:
    """A body that comes in chunks, and perhaps breaks."""

    def __init__(self, *chunks: bytes, size: int | None = None, error: Exception | None = None) -> None:
        self._chunks = chunks
        self._error = error
        self.size = sum(map(len, chunks)) if size is None else size
        self.dots = sum(chunk.count(b"\n.") for chunk in chunks)
        self.closed = False
        self.taken = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            for chunk in self._chunks:
                self.taken += 1
                yield chunk
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True


@pytest.mark.parametrize(
    "body",
    [
        Chunks(b"short", size=1000),
        Chunks(b"short", error=OSError(5, "Input/output error")),
        Chunks(BIG, size=len(BIG) + 1),
        Chunks(BIG, error=OSError(5, "Input/output error")),
    ],
    ids=["short", "short, unreadable", "large", "large, unreadable"],
)
async def test_a_body_that_cannot_be_read_is_never_ended(authority: Authority, body: Chunks) -> None:
    """Without the final dot the server forgets what it got."""
    go = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "STALL"]
    async with (
        ScriptedServer(session(*mail(*go)), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        result = only(await upstream.send(message(body=body)))
    assert (result.outcome, result.scope, result.status) == (LATER, Scope.MESSAGE, "4.3.0")
    assert "stored body" in result.text
    assert body.closed


async def test_a_server_that_takes_nothing(authority: Authority) -> None:
    """`write_timeout` ends it, and until then no more than a little of the body was read."""
    body = Chunks(*[BIG[:100_000]] * 300)
    go = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "SLEEP"]
    async with (
        ScriptedServer(session(*mail(*go)), tls=authority.server(), patient=True) as server,
        sending(account(authority, server.port, write_timeout=0.3)) as upstream,
    ):
        result = only(await upstream.send(message(body=body)))
        server.wake()
    assert (result.outcome, result.scope) == (LATER, Scope.MESSAGE)
    assert "took no data for 0.3 seconds" in result.text
    assert DUPLICATE not in result.text
    assert body.taken < 200, "it was read ahead of the network"
    assert body.closed


@pytest.mark.parametrize(
    ("reply", "outcome"), [("552 5.3.4 too large", NEVER), ("452 4.3.1 disk full", LATER), ("421 4.3.2 closing", LATER)]
)
async def test_a_server_that_interrupts(authority: Authority, reply: str, outcome: Outcome) -> None:
    """An answer before the end is the answer; the rest of the message is not sent."""
    body = Chunks(*[BIG[:100_000]] * 300)
    go = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "SOME", f"S: {reply}", "STALL"]
    async with (
        ScriptedServer(session(*mail(*go)), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        result = only(await upstream.send(message(body=body)))
    assert result.outcome is outcome
    assert str(result.code) == reply[:3]
    assert body.closed


async def test_a_server_that_says_ok_before_the_end(authority: Authority) -> None:
    body = Chunks(*[BIG[:100_000]] * 300)
    go = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "SOME", "S: 250 2.0.0 fine", "STALL"]
    async with (
        ScriptedServer(session(*mail(*go)), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        result = only(await upstream.send(message(body=body)))
    assert (result.outcome, result.scope) == (LATER, Scope.MESSAGE)


async def test_the_whole_attempt_has_a_deadline(authority: Authority) -> None:
    """A server that answers each command just in time is broken off all the same."""
    go = ["S: 250 a", "C: RCPT *", "S: 250 b", "C: DATA", "S: 354 c", "CONTENT", "STALL"]
    async with (
        ScriptedServer(session(*mail(*go)), session("C: MAIL*", "STALL"), tls=authority.server()) as server,
        sending(account(authority, server.port, timeout=60.0), deadline=0.3) as upstream,
    ):
        after = only(await upstream.send(message()))
        before = only(await upstream.send(message()))
    assert (after.outcome, after.scope) == (LATER, Scope.MESSAGE)
    assert DUPLICATE in after.text
    assert (before.outcome, before.scope) == (LATER, Scope.IDENTITY)
    assert DUPLICATE not in before.text


async def test_a_cancelled_attempt_closes_its_connection(authority: Authority) -> None:
    first, second = session("C: MAIL*", "STALL"), session(*mail(), *QUIT)
    async with (
        ScriptedServer(first, second, tls=authority.server()) as server,
        sending(account(authority, server.port, concurrency=1)) as upstream,
    ):
        attempt = asyncio.create_task(upstream.send(message()))
        while not any("MAIL" in line for said in server.lines for line in said):
            await asyncio.sleep(0.01)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        assert only(await upstream.send(message())).outcome is SENT, "its place is free again"
