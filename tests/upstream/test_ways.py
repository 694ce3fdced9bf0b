"""Which way of an account carries a message, and what its history says about it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay import oauth, upstream
from relay.config import Account, words
from relay.http import DefaultSettings, HttpClient
from relay.model import Clock, Identity, Message, Outcome, Result, Results, Scope
from relay.sandbox import Fault, Sandbox, SandboxSettings
from relay.service import serve_http
from relay.upstream import Upstream
from relay.upstream.trouble import DUPLICATE
from relay.upstream.ways import WaysUpstream
from tests.support.clock import FakeClock
from tests.support.large import MAILBOX, as_message, scan_to_mail
from tests.support.upstream import ScriptedUpstream
from tests.upstream.parts import GRAPH_SCOPE, SMTP_SCOPE, known_at, message, only

SENT, LATER, NEVER = Outcome.SENT, Outcome.DEFERRED, Outcome.FAILED
OK = Result(SENT, 250, "2.0.0", "OK")
DISABLED = Result(LATER, 535, "5.7.139", "SmtpClientAuthentication is disabled for the Tenant", Scope.ACCOUNT)
TOO_LARGE = Result(NEVER, 552, "5.3.4", "too large", Scope.MESSAGE)
DOWN = Result(LATER, 451, "4.4.1", "nobody there", Scope.IDENTITY)
BUSY = Result(LATER, 451, "4.3.2", "busy", Scope.IDENTITY)
LOST = Result(LATER, 451, "4.4.2", f"gone; {DUPLICATE}", Scope.MESSAGE)
IDENTITY = Identity("microsoft", "", "", "office@x.org")


class Reserved(ScriptedUpstream):
    """A way that would rather not."""

    def reservation(self, message: Message) -> str:
        return "it is signed" if b"signed" in message.headers else ""


async def by(first: ScriptedUpstream, second: ScriptedUpstream, one: Message | None = None) -> Result:
    ways = WaysUpstream("office", IDENTITY, {"smtp": first, "graph": second}, concurrency=2)
    return only(await ways.send(one or message("a@x.org", "b@x.org")))


async def test_the_first_way_is_taken() -> None:
    first, second = ScriptedUpstream(OK), ScriptedUpstream(OK)
    assert await by(first, second) == OK
    assert (len(first.seen), len(second.seen)) == (1, 0)


@pytest.mark.parametrize("refused", [DISABLED, TOO_LARGE, DOWN, replace(DOWN, status="4.7.1")])
async def test_a_way_that_is_refused_or_too_small(refused: Result) -> None:
    result = await by(ScriptedUpstream(refused), ScriptedUpstream(OK))
    assert result.outcome is SENT
    assert result.text == f"OK (by graph; smtp: {refused.code} {refused.status} {refused.text})"


@pytest.mark.parametrize(
    "final", [BUSY, LOST, replace(TOO_LARGE, status="5.6.0"), replace(TOO_LARGE, scope=Scope.RECIPIENT)]
)
async def test_what_another_way_would_not_mend(final: Result) -> None:
    first, second = ScriptedUpstream(final), ScriptedUpstream(OK)
    assert await by(first, second) == final
    assert not second.seen


async def test_who_is_accepted_by_the_first_way_stays_there() -> None:
    mixed: Results = {"a@x.org": OK, "b@x.org": TOO_LARGE}
    second = ScriptedUpstream(OK)
    ways = WaysUpstream("office", IDENTITY, {"smtp": ScriptedUpstream(mixed), "graph": second}, concurrency=2)
    assert await ways.send(message("a@x.org", "b@x.org")) == mixed
    assert not second.seen


async def test_a_way_that_would_damage_comes_last() -> None:
    signed = message(headers=b"X: signed\r\n")
    graph, smtp = Reserved(OK), ScriptedUpstream(OK)
    result = await by(graph, smtp, signed)
    assert (len(graph.seen), len(smtp.seen)) == (0, 1)
    assert "smtp: it is signed" in result.text
    assert (await by(graph, ScriptedUpstream(DISABLED), signed)).outcome is SENT, "it is all that is left"
    waits = await by(graph, ScriptedUpstream(DOWN), signed)
    assert (waits.outcome, waits.scope) == (LATER, Scope.MESSAGE), "the other way will be back; small mail goes on"
    assert len(graph.seen) == 1


@pytest.mark.parametrize(
    ("first", "second", "code", "scope"),
    [
        (DISABLED, DOWN, 535, Scope.ACCOUNT),
        (TOO_LARGE, TOO_LARGE, 552, Scope.MESSAGE),
        (TOO_LARGE, DOWN, 451, Scope.MESSAGE),
        (DISABLED, TOO_LARGE, 535, Scope.MESSAGE),
    ],
)
async def test_no_way_at_all(first: Result, second: Result, code: int, scope: Scope) -> None:
    result = await by(ScriptedUpstream(first), ScriptedUpstream(second))
    assert (result.code, result.scope) == (code, scope)
    assert first.text in result.text
    assert second.text in result.text


async def test_a_way_that_is_shut_is_left_alone_for_a_while() -> None:
    clock = FakeClock()
    smtp, graph = ScriptedUpstream(DISABLED), ScriptedUpstream(OK)
    ways = WaysUpstream("office", IDENTITY, {"smtp": smtp, "graph": graph}, concurrency=2, clock=clock)
    for _ in range(3):
        assert "SmtpClientAuthentication is disabled" in only(await ways.send(message())).text
    assert (len(smtp.seen), len(graph.seen)) == (1, 3)
    await clock.advance(301)
    await ways.send(message())
    assert len(smtp.seen) == 2
    await ways.close()
    assert smtp.closed
    assert graph.closed


@contextlib.asynccontextmanager
async def office(folder: Path, *via: words.Way, **changes: Any) -> AsyncIterator[tuple[Sandbox, Upstream]]:
    """An account with several ways at a stand-in Microsoft."""
    values: dict[str, Any] = {"messages_per_minute": None, "graph_roles": ("Mail.Send",), **changes}
    async with Sandbox(SandboxSettings(folder=folder / "sandbox", **values), serve_http) as sandbox:
        scopes: dict[str, tuple[str, ...]] = {
            "smtp": (SMTP_SCOPE,),
            "graph": (GRAPH_SCOPE,),
        }
        account = Account(
            provider="microsoft",
            via=via,
            mailbox=MAILBOX,
            username=MAILBOX,
            tenant=sandbox.settings.tenant,
            host=sandbox.smtp[0],
            port=sandbox.smtp[1],
            ca_file=sandbox.ca_file,
            mail_endpoint=sandbox.graph_endpoint,
            concurrency=2,
            oauth=known_at(sandbox, *scopes[via[0]]).model_copy(update={"way_scopes": scopes}),
        )
        clock, http = Clock(), HttpClient(DefaultSettings(ca_file=sandbox.ca_file))
        assert account.oauth is not None
        tokens = oauth.sources("office", account.oauth, account.via, http, clock)
        one = upstream.build("office", account, tokens=tokens, http=http, hostname="relay.example.com", clock=clock)
        try:
            yield sandbox, one
        finally:
            await one.close()
            for source in tokens.values():
                await source.close()
            await http.close()


async def test_smtp_auth_disabled_goes_by_graph(tmp_path: Path) -> None:
    async with office(tmp_path, "smtp", "graph") as (sandbox, one):
        sandbox.faults.add(Fault(kind="smtp_auth_disabled_tenant"))
        result = only(await one.send(as_message(scan_to_mail(1000))))
        assert result.outcome is SENT
        assert "by graph; smtp: 535 5.7.139" in result.text
        assert [got.way for got in sandbox.received] == ["graph"]
        assert sandbox.entra.requests == 2, "each way has a token of its own"


async def test_too_large_for_graph_without_the_permission_goes_by_smtp(tmp_path: Path) -> None:
    async with office(tmp_path, "graph", "smtp") as (sandbox, one):
        assert only(await one.send(as_message(scan_to_mail(1000)))).outcome is SENT
        result = only(await one.send(as_message(scan_to_mail(4_000_000))))
        assert result.outcome is SENT
        assert "by smtp; graph: 454 4.7.1" in result.text
        assert [got.way for got in sandbox.received] == ["graph", "smtp"]


async def test_signed_mail_and_shown_strangers_go_by_smtp(tmp_path: Path) -> None:
    head = f"From: {MAILBOX}\r\nTo: ann@example.com\r\n".encode()
    signed = head + b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b--\r\n"
    shown = f"From: {MAILBOX}\r\nTo: ann@example.com, stranger@example.com\r\n\r\nHi\r\n".encode()
    async with office(tmp_path, "graph", "smtp") as (sandbox, one):
        for raw in (signed, shown):
            assert only(await one.send(as_message(raw))).outcome is SENT
        assert [got.way for got in sandbox.received] == ["smtp", "smtp"]
        assert [got.raw for got in sandbox.received] == [signed, shown]


async def test_never_after_an_end_that_nobody_knows(tmp_path: Path) -> None:
    async with office(tmp_path, "graph", "smtp") as (sandbox, one):
        sandbox.faults.add(Fault(kind="disconnect", at="graph_taken", times=1))
        result = only(await one.send(as_message(scan_to_mail(1000))))
        assert result.outcome is LATER
        assert DUPLICATE in result.text
        assert [got.way for got in sandbox.received] == ["graph"]
