"""One message: MAIL, RCPT, DATA, content, and what became of each recipient."""

from collections.abc import AsyncIterator

import pytest

from relay.model import Outcome, Result, Scope
from tests.support.certificates import Authority
from tests.support.smtp_script import EXTENSIONS, QUIT, ScriptedServer, mail, session
from tests.upstream.parts import BIG, PIPELINED, account, message, only, sending, sent_to

SENT, LATER, NEVER = Outcome.SENT, Outcome.DEFERRED, Outcome.FAILED
PLAIN = ("SIZE 1000000", "8BITMIME", "SMTPUTF8")


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
