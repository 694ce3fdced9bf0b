"""Graph: whom a message reaches, what is posted, and what becomes of each answer."""

import asyncio
import contextlib
import email
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay import providers
from relay.config import Account
from relay.http import DefaultSettings, HttpClient
from relay.model import Identity, Outcome, Result, Scope
from relay.oauth import TokenError
from relay.upstream.gates import Gates
from relay.upstream.graph import GraphUpstream
from relay.upstream.graph.small import encoded
from tests.support.certificates import Authority
from tests.support.clock import FakeClock
from tests.support.graph_script import Answer, ScriptedGraph
from tests.support.web import talking
from tests.upstream.parts import MAILBOX, OAUTH, Tokens, message, only

SENT, LATER, NEVER = Outcome.SENT, Outcome.DEFERRED, Outcome.FAILED
DUPLICATE = "may be a duplicate"


@contextlib.asynccontextmanager
async def graph(
    authority: Authority, root: str, tokens: Tokens | None = None, gates: Gates | None = None, **changes: Any
) -> AsyncIterator[GraphUpstream]:
    """An upstream that posts to `root`; `gates` are what it shares with others."""
    values: dict[str, Any] = {
        "mailbox": MAILBOX,
        "mail_endpoint": root,
        "oauth": OAUTH,
        "timeout": 5.0,
        "concurrency": 2,
    }
    account = Account(provider="microsoft", via=("graph",), **{**values, **changes})
    source = (tokens or Tokens()).source
    http = HttpClient(DefaultSettings(ca_file=authority.file))
    identity = Identity("microsoft", "global", "t", account.mailbox or "")
    upstream = GraphUpstream("office", account, identity, tokens=source, http=http, gates=gates)
    try:
        yield upstream
    finally:
        await upstream.close()
        await http.close()
        await source.close()


async def answered(authority: Authority, *answers: Answer) -> Result:
    """The result of one message when Graph answers so."""
    async with (
        ScriptedGraph(*answers).serving(authority.server()) as server,
        graph(authority, server.root, Tokens("old", "new")) as upstream,
    ):
        return only(await upstream.send(message("ann@example.com", "bob@example.com")))


async def test_what_is_posted(authority: Authority) -> None:
    trace: list[str] = []
    headers = b"From: office@contoso.com\r\nTo: Ann <ANN@example.com>\r\nSubject: x\r\n"
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root + "/", Tokens("the-token")) as upstream,
    ):
        results = await upstream.send(message("ann@example.com", headers=headers, body=b"Hi\r\n"), trace.append)
    (asked,) = server.asked
    assert only(results) == Result(SENT, 250, "2.0.0", "accepted by Microsoft Graph (request-id r-1)")
    assert asked.path == "/v1.0/users/office@contoso.com/sendMail"
    assert asked.headers["authorization"] == "Bearer the-token"
    assert asked.headers["content-type"] == "text/plain"
    assert asked.headers["content-length"] == str(len(asked.body))
    assert "transfer-encoding" not in asked.headers
    assert asked.mime == headers + b"\r\nHi\r\n"
    assert b"\n" not in asked.body
    assert asked.headers["client-request-id"] in trace[0]
    assert trace[1] == "< 202 (request-id r-1)"
    assert "the-token" not in str(trace)


@pytest.mark.parametrize("mailbox", ["o'hara@contoso.com", "a/b#c?d%e@contoso.com"])
async def test_the_mailbox_is_one_part_of_the_path(authority: Authority, mailbox: str) -> None:
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root, mailbox=mailbox) as upstream,
    ):
        await upstream.send(message())
    assert server.asked[0].path.count("/") == 4
    assert server.asked[0].path.endswith("@contoso.com/sendMail")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 48 * 1024 - 1, 48 * 1024, 200_000])
async def test_the_message_arrives_whole(authority: Authority, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        assert only(await upstream.send(message(headers=b"A: b\r\n", body=body[:size]))).outcome is SENT
    assert server.asked[0].mime == b"Bcc: ann@example.com\r\nA: b\r\n\r\n" + body[:size]


async def test_encoding_needs_no_more_than_a_piece() -> None:
    pieces = [piece async for piece in encoded(b"A: b\r\n", message(body=b"x" * 10_000_000).body)]
    assert max(map(len, pieces)) < 100_000
    assert not any(b"=" in piece for piece in pieces[:-1])


# Whom it reaches.


async def test_strangers_are_left_out_and_told(authority: Authority) -> None:
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        result = only(await upstream.send(message("a@x", headers=b"To: a@x, b@x\r\n")))
    assert result.outcome is SENT
    assert "left out of To and Cc, since this copy is not for them: b@x" in result.text
    assert server.asked[0].mime.startswith(b"To: a@x\r\nX-Addressed-To: a@x, b@x\r\n\r\n")


async def test_more_recipients_than_one_message_takes(authority: Authority) -> None:
    people = [f"p{number}@x.org" for number in range(501)]
    answers = Answer(), Answer(429, "ApplicationThrottled", "busy", {"retry-after": "3"})
    async with (
        ScriptedGraph(*answers).serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        results = await upstream.send(message(*people, headers=b"To: p500@x.org\r\n"))
    assert [each.mime.count(b"@x.org") for each in server.asked] == [500, 1 + 1]
    assert results["p500@x.org"].outcome is SENT, "who is named comes first"
    assert (results["p499@x.org"].outcome, results["p499@x.org"].retry_after) == (LATER, 3.0)
    assert sum(result.outcome is SENT for result in results.values()) == 500


async def test_two_spellings_of_one_address_get_one_copy(authority: Authority) -> None:
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        results = await upstream.send(message("a@x.org", "A@X.ORG", headers=b"Subject: x\r\n"))
    assert set(results) == {"a@x.org", "A@X.ORG"}
    assert only(results).outcome is SENT
    assert server.asked[0].mime.startswith(b"Bcc: a@x.org\r\nSubject")


async def test_no_header_hides_in_an_address(authority: Authority) -> None:
    bad = "a@x\r\nBcc: spy@x"
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        results = await upstream.send(message("good@x", bad))
        assert only(await upstream.send(message(bad))).outcome is NEVER
    assert results["good@x"].outcome is SENT
    assert results[bad].outcome is NEVER
    assert len(server.asked) == 1
    assert b"spy" not in server.asked[0].mime


async def test_a_null_sender_is_told(authority: Authority) -> None:
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        result = only(await upstream.send(message(sender="")))
    assert result.outcome is SENT
    assert f"sent as {MAILBOX}: Graph has no null sender" in result.text


# Answers.


async def test_a_refused_token_is_replaced_once(authority: Authority) -> None:
    tokens = Tokens("old", "new")
    refused = Answer(401, "InvalidAuthenticationToken", "expired")
    async with (
        ScriptedGraph(refused, Answer()).serving(authority.server()) as server,
        graph(authority, server.root, tokens) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is SENT
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer old", "Bearer new"]
    assert server.asked[0].mime == server.asked[1].mime
    assert server.asked[0].headers["client-request-id"] != server.asked[1].headers["client-request-id"]


async def test_a_second_refusal_holds_the_mailbox(authority: Authority) -> None:
    result = await answered(authority, Answer(401, "InvalidAuthenticationToken", "Invalid audience."))
    assert (result.outcome, result.scope, result.code) == (LATER, Scope.IDENTITY, 454)
    assert "accounts.office.oauth.scopes" in result.hint


async def test_the_same_token_again_is_not_tried_again(authority: Authority) -> None:
    async with (
        ScriptedGraph(Answer(401, "InvalidAuthenticationToken")).serving(authority.server()) as server,
        graph(authority, server.root, Tokens("same", "same")) as upstream,
    ):
        assert only(await upstream.send(message())).outcome is LATER
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "outcome", "scope", "wait"),
    [
        (Answer(403, "ErrorSendAsDenied", "no right"), NEVER, Scope.MESSAGE, None),
        (Answer(403, "ErrorAccessDenied", "Access is denied."), LATER, Scope.IDENTITY, None),
        (Answer(413), NEVER, Scope.MESSAGE, None),
        (Answer(429, "ApplicationThrottled", "busy", {"retry-after": "10"}), LATER, Scope.ACCOUNT, 10.0),
        (Answer(429, "TooManyRequests", "", {"retry-after": "2.128"}), LATER, Scope.IDENTITY, 2.128),
        (Answer(503, "", "", {"retry-after": "30"}), LATER, Scope.IDENTITY, 30.0),
        (Answer(200), LATER, Scope.MESSAGE, None),
        (Answer(302, "", "", {"location": "https://elsewhere.example/"}), LATER, Scope.IDENTITY, None),
    ],
)
async def test_answers(
    authority: Authority, answer: Answer, outcome: Outcome, scope: Scope, wait: float | None
) -> None:
    result = await answered(authority, answer)
    assert (result.outcome, result.scope, result.retry_after) == (outcome, scope, wait)
    assert "request-id r-1" in result.text
    assert DUPLICATE not in result.text


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "10"}, 10.0), ({}, 30.0)])
async def test_a_throttled_application_is_not_asked_for_another_mailbox_either(
    authority: Authority, headers: dict[str, str], seconds: float
) -> None:
    clock = FakeClock()
    gates = Gates(clock)
    async with (
        ScriptedGraph(Answer(429, "ApplicationThrottled", "busy", headers), Answer()).serving(
            authority.server()
        ) as server,
        graph(authority, server.root, gates=gates) as one,
        graph(authority, server.root, gates=gates, mailbox="other@contoso.com") as other,
    ):
        assert only(await one.send(message())).scope is Scope.ACCOUNT
        told = only(await other.send(message()))
        assert (told.outcome, told.scope, told.retry_after) == (LATER, Scope.IDENTITY, seconds)
        assert "ApplicationThrottled" in told.text
        assert len(server.asked) == 1
        await clock.advance(seconds)
        assert only(await other.send(message())).outcome is SENT


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_an_answer_that_leaves_it_open(authority: Authority, status: int) -> None:
    result = await answered(authority, Answer(status, "UnknownError"))
    assert (result.outcome, result.scope) == (LATER, Scope.MESSAGE)
    assert DUPLICATE in result.text


async def test_no_token(authority: Authority) -> None:
    trouble = TokenError("office: no", error="invalid_client", temporary=False, hint="a new secret")
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root, Tokens(trouble)) as upstream,
    ):
        result = only(await upstream.send(message()))
    assert (result.outcome, result.scope, result.code, result.status) == (LATER, Scope.ACCOUNT, 454, "4.7.0")
    assert (result.text, result.hint) == ("office: no", "a new secret")
    assert server.asked == []


async def test_nobody_there(authority: Authority) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        async with graph(authority, f"https://127.0.0.1:{sock.getsockname()[1]}") as upstream:
            result = only(await upstream.send(message()))
    assert (result.outcome, result.scope) == (LATER, Scope.IDENTITY)
    assert result.hint
    assert DUPLICATE not in result.text


async def test_a_certificate_that_nobody_trusts(authority: Authority) -> None:
    stranger = Authority.make(authority.file.parent, "Elsewhere")
    async with (
        ScriptedGraph().serving(stranger.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        result = only(await upstream.send(message()))
    assert (result.outcome, result.scope) == (LATER, Scope.IDENTITY)
    assert server.asked == []


async def test_a_connection_that_ends_before_the_answer(authority: Authority) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with (
        talking(hang_up, tls=authority.server()) as port,
        graph(authority, f"https://localhost:{port}") as upstream,
    ):
        result = only(await upstream.send(message()))
    assert (result.outcome, result.scope) == (LATER, Scope.MESSAGE)
    assert DUPLICATE in result.text


async def test_too_large_is_not_posted(authority: Authority) -> None:
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
        graph(authority, server.root, max_message_size=100) as small,
    ):
        own = "Bcc: ann@example.com\r\n"
        fits = message(headers=b"A: b\r\n", body=b"x" * (providers.GRAPH.mime_size - len(own) - 8))
        over = message(headers=b"A: bc\r\n", body=fits.body)
        assert only(await upstream.send(fits)).outcome is SENT
        result = only(await upstream.send(over))
        limited = only(await small.send(message(body=b"x" * 100)))
    assert (result.outcome, result.code, result.status) == (NEVER, 552, "5.3.4")
    assert 'via = ["graph", "smtp"]' in result.hint
    assert limited.outcome is NEVER
    assert "accounts.office.max_message_size" in limited.text
    assert len(server.asked) == 1
    assert len(server.asked[0].body) == 4 * 1024 * 1024


async def test_a_body_that_cannot_be_read(authority: Authority) -> None:
    class Gone:
        size = 1000
        dots = 0

        async def chunks(self) -> AsyncIterator[bytes]:
            yield b"short"
            raise OSError(5, "Input/output error")

    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        result = only(await upstream.send(message(body=Gone())))
    assert (result.outcome, result.scope, result.status) == (LATER, Scope.MESSAGE, "4.3.0")
    assert "stored body" in result.text


async def test_no_more_requests_at_once_than_concurrency(authority: Authority) -> None:
    running = most = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        running -= 1
        writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with (
        talking(slow, tls=authority.server()) as port,
        graph(authority, f"https://localhost:{port}") as upstream,
    ):
        results = await asyncio.gather(*(upstream.send(message()) for _ in range(6)))
    assert [only(result).outcome for result in results] == [SENT] * 6
    assert most == 2


async def test_a_connection_is_kept_for_each_place(authority: Authority) -> None:
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        results = await asyncio.gather(*(upstream.send(message()) for _ in range(20)))
    assert [only(result).outcome for result in results] == [SENT] * 20
    assert len({asked.port for asked in server.asked}) <= 2


async def test_text_that_graph_would_garble_is_recoded(authority: Authority) -> None:
    kind = b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    body = b'<a href=3D"x=\r\n3D1">x</a>\r\n'
    async with (
        ScriptedGraph().serving(authority.server()) as server,
        graph(authority, server.root) as upstream,
    ):
        await upstream.send(message(headers=b"To: ann@example.com\r\n" + kind, body=body))
        signed = b"To: ann@example.com\r\nContent-Type: multipart/signed; boundary=b\r\n"
        await upstream.send(message(headers=signed, body=b"--b\r\n" + kind + b"\r\n" + body + b"--b--\r\n"))
    recoded, kept = (asked.mime for asked in server.asked)
    assert b"Transfer-Encoding: base64" in recoded
    assert email.message_from_bytes(recoded).get_payload(decode=True) == b'<a href="x3D1">x</a>\r\n'
    assert body in kept
