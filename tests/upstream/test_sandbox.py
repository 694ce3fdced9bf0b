"""The whole way out with nothing made up: tokens, SMTP and Graph at the stand-in Microsoft."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay import oauth, upstream
from relay.config import Account
from relay.http import DefaultSettings, HttpClient
from relay.model import Clock, Message, Outcome, Scope
from relay.sandbox import Fault, Sandbox, SandboxSettings
from relay.service import serve_http
from relay.upstream import Upstream
from tests.upstream.parts import GRAPH_SCOPE, SMTP_SCOPE, known_at, message, only

MAILBOX = "noreply@sandbox.onmicrosoft.com"
HEADERS = f"From: {MAILBOX}\r\nTo: ann@example.com\r\nSubject: Invoice\r\nMessage-ID: <mine@erp>\r\n".encode()
SENT, LATER, NEVER = Outcome.SENT, Outcome.DEFERRED, Outcome.FAILED


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    settings = SandboxSettings(folder=tmp_path / "sandbox", messages_per_minute=None)
    async with Sandbox(settings, serve_http) as running:
        yield running


@contextlib.asynccontextmanager
async def way_out(sandbox: Sandbox, via: str = "smtp", secret: str = "") -> AsyncIterator[Upstream]:
    """An account at `sandbox`, as a configuration would make it."""
    scope = SMTP_SCOPE if via == "smtp" else GRAPH_SCOPE
    account = Account(
        provider="microsoft",
        via=("smtp",) if via == "smtp" else ("graph",),
        mailbox=MAILBOX,
        username=MAILBOX,
        tenant=sandbox.settings.tenant,
        host=sandbox.smtp[0],
        port=sandbox.smtp[1],
        ca_file=sandbox.ca_file,
        mail_endpoint=sandbox.graph_endpoint,
        concurrency=2,
        oauth=known_at(sandbox, scope, secret),
    )
    clock, http = Clock(), HttpClient(DefaultSettings(ca_file=sandbox.ca_file))
    assert account.oauth is not None
    tokens = oauth.source("office", account.oauth, http, clock)
    one = upstream.build("office", account, tokens={via: tokens}, http=http, hostname="relay.example.com", clock=clock)
    try:
        yield one
    finally:
        await one.close()
        await tokens.close()
        await http.close()


def invoice(*recipients: str, sender: str = MAILBOX, headers: bytes = HEADERS, body: bytes = b".dot\r\n") -> Message:
    return message(*(recipients or ("ann@example.com",)), sender=sender, headers=headers, body=body)


async def test_smtp(sandbox: Sandbox) -> None:
    trace: list[str] = []
    async with way_out(sandbox) as one:
        for _ in range(3):
            result = only(await one.send(invoice("ann@example.com", "bob@example.com"), trace.append))
            assert (result.outcome, result.code, result.status) == (SENT, 250, "2.0.0")
    assert len(sandbox.received) == 3
    got = list(sandbox.received)[-1]
    assert got.raw == HEADERS + b"\r\n.dot\r\n"
    assert got.recipients == ("ann@example.com", "bob@example.com")
    assert got.new_message_id in result.text, "Exchange's own Message-ID is kept: it is what its trace knows"
    assert "> AUTH XOAUTH2" in trace
    assert sum(line.startswith("(connecting") for line in trace) == 1


async def test_graph(sandbox: Sandbox) -> None:
    async with way_out(sandbox, "graph") as one:
        result = only(await one.send(invoice("ann@example.com", "hidden@example.com")))
    assert (result.outcome, result.code) == (SENT, 250)
    (got,) = sandbox.received
    assert got.way == "graph"
    assert set(got.recipients) == {"ann@example.com", "hidden@example.com"}
    assert b"\r\n.dot\r\n" in got.raw


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
async def test_a_large_message_by_smtp(sandbox: Sandbox, size: int) -> None:
    body = (b"x" * 98 + b"\r\n") * (size // 100)
    async with way_out(sandbox) as one:
        assert only(await one.send(invoice(body=body))).outcome is SENT
    (got,) = sandbox.received
    assert got.raw == HEADERS + b"\r\n" + body


async def test_a_large_message_by_graph(sandbox: Sandbox) -> None:
    async with way_out(sandbox, "graph") as one:
        assert only(await one.send(invoice(body=b"x" * 98 + b"\r\n" * 1_400_000))).outcome is SENT
        result = only(await one.send(invoice(body=b"x" * 3_200_000)))
    assert (result.outcome, result.status) == (NEVER, "5.3.4")


async def test_more_messages_at_once_than_connections(sandbox: Sandbox) -> None:
    async with way_out(sandbox) as one:
        results = await asyncio.gather(*(one.send(invoice()) for _ in range(20)))
        assert sandbox.connections <= 2
    assert [only(result).outcome for result in results] == [SENT] * 20


@pytest.mark.parametrize("via", ["smtp", "graph"])
async def test_a_sender_that_is_not_the_mailbox(sandbox: Sandbox, via: str) -> None:
    headers = HEADERS.replace(MAILBOX.encode(), b"boss@sandbox.onmicrosoft.com")
    async with way_out(sandbox, via) as one:
        result = only(await one.send(invoice(headers=headers)))
    assert (result.outcome, result.scope) == (NEVER, Scope.MESSAGE)
    assert "Add-RecipientPermission" in result.hint


@pytest.mark.parametrize("via", ["smtp", "graph"])
async def test_a_wrong_secret(sandbox: Sandbox, via: str) -> None:
    async with way_out(sandbox, via, secret="wrong") as one:
        result = only(await one.send(invoice()))
    assert (result.outcome, result.scope, result.code) == (LATER, Scope.ACCOUNT, 454)
    assert "AADSTS7000215" in result.text
    assert result.hint
    assert "wrong" not in result.text.replace("wrong secret", "")


async def test_smtp_auth_switched_off(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="smtp_auth_disabled_mailbox"))
    async with way_out(sandbox) as one:
        result = only(await one.send(invoice()))
    assert (result.outcome, result.scope) == (LATER, Scope.IDENTITY)
    assert f"Set-CASMailbox {MAILBOX} -SmtpClientAuthenticationDisabled $false" in result.hint


async def test_a_token_that_exchange_no_longer_takes(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="auth_refused", times=1))
    async with way_out(sandbox) as one:
        assert only(await one.send(invoice())).outcome is SENT


async def test_a_throttled_mailbox(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="too_many_connections", times=1))
    async with way_out(sandbox) as one:
        result = only(await one.send(invoice()))
        assert (result.outcome, result.scope, result.code) == (LATER, Scope.IDENTITY, 432)
        assert only(await one.send(invoice())).outcome is SENT


@pytest.mark.parametrize(("point", "doubt"), [("mail", False), ("data", False), ("body", False), ("end_of_data", True)])
async def test_a_connection_that_is_cut(sandbox: Sandbox, point: str, doubt: bool) -> None:
    sandbox.faults.add(Fault(kind="disconnect", at=point, times=1))
    async with way_out(sandbox) as one:
        result = only(await one.send(invoice(body=b"x" * 98 + b"\r\n" * 200_000)))
        assert result.outcome is LATER
        assert ("duplicate" in result.text) is doubt
        assert only(await one.send(invoice())).outcome is SENT


async def test_recipients_that_are_too_many(tmp_path: Path) -> None:
    settings = SandboxSettings(folder=tmp_path / "sandbox", recipients=3)
    people = tuple(f"person{number}@example.com" for number in range(5))
    async with Sandbox(settings, serve_http) as sandbox, way_out(sandbox) as one:
        results = await one.send(invoice(*people))
    assert [results[person].outcome for person in people] == [SENT] * 3 + [LATER] * 2
    assert {results[person].code for person in people[3:]} == {452}


async def test_a_throttled_graph(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="throttled", at="graph", retry_after=2.128))
    async with way_out(sandbox, "graph") as one:
        result = only(await one.send(invoice()))
    assert (result.outcome, result.scope, result.retry_after) == (LATER, Scope.IDENTITY, 2.128)


async def test_a_graph_that_takes_and_does_not_answer(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="disconnect", at="graph_taken", times=1))
    async with way_out(sandbox, "graph") as one:
        result = only(await one.send(invoice()))
    assert (result.outcome, result.scope) == (LATER, Scope.MESSAGE)
    assert "duplicate" in result.text
    assert len(sandbox.received) == 1, "it was taken: the doubt is justified"
