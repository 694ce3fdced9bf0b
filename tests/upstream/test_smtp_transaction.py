"""One message: MAIL, RCPT, DATA, content, and what became of each recipient - whatever the server makes of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.model import Outcome, Result, Scope
from tests.support.certificates import Authority
from tests.support.smtp_script import EXTENSIONS, QUIT, ScriptedServer, mail, session
from tests.upstream.parts import account, message, only, sending

SENT, LATER, NEVER = Outcome.SENT, Outcome.DEFERRED, Outcome.FAILED
DUPLICATE = "may be a duplicate"
PLAIN = ("SIZE 1000000", "8BITMIME", "SMTPUTF8")
BIG = (b"x" * 998 + b"\r\n") * 2000


async def sent_to(
    authority: Authority, *scripts: list[str], to: tuple[str, ...] = ("a@x", "b@x", "c@x"), **changes: float
) -> dict[str, Result]:
    """The results of one message when the server answers by `scripts`."""
    async with (
        ScriptedServer(*scripts, tls=authority.server()) as server,
        sending(account(authority, server.port, **changes)) as upstream,
    ):
        results = await upstream.send(message(*to))
    assert set(results) == set(to)
    return results


PIPELINED = ["C: MAIL *", "C: RCPT TO:<a@x>", "C: RCPT TO:<b@x>", "C: RCPT TO:<c@x>", "C: DATA"]


async def test_everything_up_to_data_is_one_packet(authority: Authority) -> None:
    """The server reads all five commands before it answers the first: a client that waited would wait for ever."""
    replies = "S: 250 2.1.0 ok\n250 2.1.5 a\n550 5.1.1 b unknown\n452 4.5.3 Too many recipients\n354 go"
    script = session(*PIPELINED, replies, "CONTENT", "S: 250 2.0.0 OK <new@x>", *QUIT)
    results = await sent_to(authority, script)
    assert results["a@x"] == Result(SENT, 250, "2.0.0", "OK <new@x>")
    assert (results["b@x"].outcome, results["b@x"].code, results["b@x"].scope) == (NEVER, 550, Scope.RECIPIENT)
    assert (results["c@x"].outcome, results["c@x"].code, results["c@x"].scope) == (LATER, 452, Scope.RECIPIENT)


async def test_replies_octet_by_octet(authority: Authority) -> None:
    replies = "B: 250 2.1.0 ok\n250-2.1.5 a\n250 2.1.5 a\n250 2.1.5 b\n250 2.1.5 c\n354 go"
    results = await sent_to(authority, session(*PIPELINED, replies, "CONTENT", "B: 250 2.0.0 taken", *QUIT))
    assert only(results).outcome is SENT


async def test_one_step_at_a_time_without_pipelining(authority: Authority) -> None:
    steps = [
        "S: 250 ok",
        "C: RCPT TO:<a@x>",
        "S: 250 ok",
        "C: RCPT TO:<b@x>",
        "S: 550 no",
        "C: RCPT TO:<c@x>",
        "S: 251 ok",
    ]
    script = session(*mail(*steps, "C: DATA", "S: 354 go", "CONTENT", "S: 250 done"), *QUIT, extensions=PLAIN)
    results = await sent_to(authority, script)
    assert [results[to].outcome for to in ("a@x", "b@x", "c@x")] == [SENT, NEVER, SENT]


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN])
async def test_a_refused_sender_is_everybodys_result(authority: Authority, extensions: tuple[str, ...]) -> None:
    refusal = "S: 550 5.7.60 SMTP; Client does not have permissions to send as this sender"
    more = [*PIPELINED[1:], "S: 503 a\n503 b\n503 c\n503 d"] if "PIPELINING" in extensions else []
    script = session("C: MAIL *", refusal, *more, *QUIT, extensions=extensions)
    result = only(await sent_to(authority, script))
    assert (result.outcome, result.code, result.status, result.scope) == (NEVER, 550, "5.7.60", Scope.MESSAGE)
    assert "Add-RecipientPermission" in result.hint


async def test_a_refused_sender_whose_data_is_accepted(authority: Authority) -> None:
    """A server that answers 354 all the same gets the dot alone, and no content (RFC 2920 3.1)."""
    script = session(*PIPELINED, "S: 550 no\n503 a\n503 b\n503 c\n354 go", "C: .", "S: 554 no recipients", *QUIT)
    assert only(await sent_to(authority, script)).text == "no"


@pytest.mark.parametrize("data", [["S: 354 go", "C: .", "S: 554 5.5.1 no valid recipients"], ["S: 554 5.5.1 none"]])
async def test_no_recipient_accepted(authority: Authority, data: list[str]) -> None:
    script = session(*PIPELINED, "S: 250 ok\n550 5.1.1 a\n550 5.1.1 b\n550 5.1.1 c", *data, *QUIT)
    results = await sent_to(authority, script)
    assert [results[to].text for to in ("a@x", "b@x", "c@x")] == ["a", "b", "c"]


async def test_no_recipient_accepted_without_pipelining(authority: Authority) -> None:
    script = session(*mail("S: 250 ok", "C: RCPT *", "S: 550 5.1.1 no"), *QUIT, extensions=PLAIN)
    assert only(await sent_to(authority, script, to=("a@x",))).code == 550


async def test_data_refused(authority: Authority) -> None:
    script = session(*PIPELINED, "S: 250 ok\n250 a\n550 5.1.1 b\n250 c\n451 4.3.0 not now", *QUIT)
    results = await sent_to(authority, script)
    assert [results[to].code for to in ("a@x", "b@x", "c@x")] == [451, 550, 451]


@pytest.mark.parametrize(
    ("final", "outcome", "scope"),
    [
        ("250 2.0.0 OK", SENT, Scope.RECIPIENT),
        ("554 5.2.252 SendAsDenied; a not allowed to send as b; STOREDRV.Submission", NEVER, Scope.MESSAGE),
        ("432 4.3.2 Concurrent connections limit exceeded. [Hostname=a.prod.outlook.com]", LATER, Scope.IDENTITY),
        ("451 4.3.0 later", LATER, Scope.MESSAGE),
    ],
)
async def test_the_final_reply_is_for_those_accepted(
    authority: Authority, final: str, outcome: Outcome, scope: Scope
) -> None:
    script = session(*PIPELINED, "S: 250 ok\n250 a\n550 5.1.1 b\n250 c\n354 go", "CONTENT", f"S: {final}", *QUIT)
    results = await sent_to(authority, script)
    assert results["b@x"].code == 550
    for to in ("a@x", "c@x"):
        assert (results[to].outcome, results[to].scope) == (outcome, scope)
        assert f"{results[to].code} {results[to].status} {results[to].text}" == final


async def test_421_answers_all_that_is_open(authority: Authority) -> None:
    script = session(*PIPELINED, "S: 250 ok\n550 5.1.1 a\n421 4.3.2 Service not active", "CLOSE")
    results = await sent_to(authority, script)
    assert [results[to].code for to in ("a@x", "b@x", "c@x")] == [550, 421, 421]


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


async def test_the_server_gets_exactly_what_was_stored(authority: Authority) -> None:
    body = b".\r\n..two\r\n.three\r\nfour\r\n\r\n." + bytes(range(32, 127)) + b"\xff\x00"
    headers = b"Subject: x\r\n.odd: y\r\n"
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message(headers=headers, body=body, eight_bit=True))).outcome is SENT
    stuffed = b"..\r\n...two\r\n..three\r\nfour\r\n\r\n.." + bytes(range(32, 127)) + b"\xff\x00"
    assert server.contents == [b"Subject: x\r\n..odd: y\r\n\r\n" + stuffed + b"\r\n.\r\n"]


@pytest.mark.parametrize("end", [b"", b"no line end", b".", b"\r\n"])
async def test_a_large_message_goes_in_pieces(authority: Authority, end: bytes) -> None:
    body = BIG + b".dot\r\n" + end
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message(headers=b"A: b\r\n", body=body))).outcome is SENT
    (content,) = server.contents
    ended = (body if body.endswith(b"\r\n") else body + b"\r\n").replace(b"\r\n.", b"\r\n..")
    assert content == b"A: b\r\n\r\n" + ended + b".\r\n"


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


async def mail_line(authority: Authority, extensions: tuple[str, ...], **changes: bool | str) -> str:
    """MAIL as it is sent for a message that is made with `changes`."""
    async with (
        ScriptedServer(session(*mail(), *QUIT, extensions=extensions), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message("ann@example.com", **changes))).outcome is SENT  # type: ignore[arg-type]
    return server.lines[0][3]


async def test_mail_parameters(authority: Authority) -> None:
    full = ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8")
    assert await mail_line(authority, full) == "MAIL FROM:<office@contoso.com> SIZE=51"
    assert await mail_line(authority, full, sender="") == "MAIL FROM:<> SIZE=51"
    assert await mail_line(authority, full, eight_bit=True) == "MAIL FROM:<office@contoso.com> SIZE=51 BODY=8BITMIME"
    both = "MAIL FROM:<office@contoso.com> SIZE=51 BODY=8BITMIME SMTPUTF8"
    assert await mail_line(authority, full, eight_bit=True, smtputf8=True) == both
    assert await mail_line(authority, full, sender="jörg@x") == "MAIL FROM:<jörg@x> SIZE=51 SMTPUTF8"
    assert await mail_line(authority, ("PIPELINING",)) == "MAIL FROM:<office@contoso.com>"


@pytest.mark.parametrize(
    ("extensions", "changes", "code", "status"),
    [
        (("SIZE 50",), {}, 552, "5.3.4"),
        (("SIZE 1000",), {"eight_bit": True}, 554, "5.6.3"),
        (("8BITMIME",), {"smtputf8": True}, 550, "5.6.7"),
        (("8BITMIME",), {"sender": "jörg@x"}, 550, "5.6.7"),
    ],
)
async def test_what_the_server_does_not_take_is_not_sent(
    authority: Authority, extensions: tuple[str, ...], changes: dict[str, bool], code: int, status: str
) -> None:
    """The session stays good for the next message."""
    script = session(*mail(), *QUIT, extensions=("PIPELINING", *extensions))
    async with (
        ScriptedServer(script, tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        result = only(await upstream.send(message("ann@example.com", **changes)))  # type: ignore[arg-type]
        assert only(await upstream.send(message(body=b""))).outcome is SENT
    assert (result.outcome, result.code, result.status, result.scope) == (NEVER, code, status, Scope.MESSAGE)
    assert "localhost" in result.text
    assert result.hint


@pytest.mark.parametrize("limit", ["SIZE", "SIZE 0", "SIZE lots"])
async def test_no_size_limit(authority: Authority, limit: str) -> None:
    assert "SIZE=" in await mail_line(authority, ("PIPELINING", limit))


async def test_the_accounts_own_limit(authority: Authority) -> None:
    async with (
        ScriptedServer() as server,
        sending(account(authority, server.port, max_message_size=50)) as upstream,
    ):
        result = only(await upstream.send(message()))
    assert (result.outcome, result.code, result.status) == (NEVER, 552, "5.3.4")
    assert "accounts.office.max_message_size" in result.text
    assert server.connections == 0


BAD_ADDRESSES = [
    "a@x>\r\nRSET",
    "a@x> NOTIFY=NEVER",
    "a b@x",
    "a@x\n",
    "a@x\x00",
    "<a@x",
    '"open@x',
    '"a\r\n"@x',
    "a\\@x",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
async def test_no_command_hides_in_an_address(authority: Authority, address: str) -> None:
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        results = await upstream.send(message("good@x", address))
        result = only(await upstream.send(message(sender=address)))
    assert results["good@x"].outcome is SENT
    assert (results[address].outcome, results[address].scope) == (NEVER, Scope.RECIPIENT)
    assert (result.outcome, result.scope) == (NEVER, Scope.MESSAGE)
    assert "RCPT TO:<good@x>" in server.lines[0]


async def test_a_quoted_local_part_may_hold_what_it_wants(authority: Authority) -> None:
    address = r'"a b>\"c"@x'
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        assert only(await upstream.send(message(address))).outcome is SENT
    assert f"RCPT TO:<{address}>" in server.lines[0]


async def test_a_recipient_named_twice_is_told_once(authority: Authority) -> None:
    async with (
        ScriptedServer(session(*mail(), *QUIT), tls=authority.server()) as server,
        sending(account(authority, server.port)) as upstream,
    ):
        results = await upstream.send(message("a@x", "a@x"))
    assert list(results) == ["a@x"]
    assert server.lines[0].count("RCPT TO:<a@x>") == 1


async def test_a_thousand_recipients(authority: Authority) -> None:
    people = tuple(f"person{number}@example.com" for number in range(1000))
    replies = "S: 250 ok\n" + "\n".join(["250 ok"] * 500 + ["452 4.5.3 Too many recipients"] * 500) + "\n354 go"
    script = session(
        "C: MAIL *", *["C: RCPT TO:<person*@example.com>"] * 1000, "C: DATA", replies, "CONTENT", "S: 250 k", *QUIT
    )
    results = await sent_to(authority, script, to=people)
    assert [results[to].outcome for to in people] == [SENT] * 500 + [LATER] * 500


async def test_a_mistake_of_ours_is_a_result(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        dots = 0

        @property
        def size(self) -> int:
            raise RuntimeError("a bug")

        async def chunks(self) -> AsyncIterator[bytes]:
            yield b""

    async with sending(account(authority, 9)) as upstream:
        result = only(await upstream.send(message(body=Broken())))
    assert (result.outcome, result.scope) == (LATER, Scope.MESSAGE)
    assert "internal error" in result.text
    assert "a bug" in caplog.text
