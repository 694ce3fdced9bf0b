"""Large mail by Graph at the stand-in: a draft, upload sessions, `send`, and what can go wrong on the way."""

import contextlib
import email
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay import oauth
from relay.config import Account
from relay.http import DefaultSettings, HttpClient
from relay.model import Clock, Identity, Outcome, Result, Scope
from relay.sandbox import Fault, Sandbox, SandboxSettings
from relay.service import serve_http
from relay.upstream.api import Parcel
from relay.upstream.graph import GraphUpstream, plan
from relay.upstream.recipients import addressed
from tests.support.certificates import Authority
from tests.support.clock import QuickClock
from tests.support.large import MAILBOX, as_message, content_of, noise, scan_to_mail
from tests.support.web import web
from tests.upstream.parts import GRAPH_SCOPE, OAUTH, Tokens, known_at, only

SENT, LATER, NEVER = Outcome.SENT, Outcome.DEFERRED, Outcome.FAILED
MB = 1_000_000
CHUNK = 3_276_800
PLAIN_URL = '{"uploadUrl": "http://localhost/upload?authtoken=x"}'
DENIED = '{"error": {"code": "ErrorAccessDenied", "message": "Access is denied. Check credentials and try again."}}'


@contextlib.asynccontextmanager
async def stand_in(folder: Path, **changes: Any) -> AsyncIterator[Sandbox]:
    values: dict[str, Any] = {"graph_roles": ("Mail.Send", "Mail.ReadWrite"), "max_message_size": None}
    async with Sandbox(SandboxSettings(folder=folder / "sandbox", **values | changes), serve_http) as running:
        yield running


@contextlib.asynccontextmanager
async def graph(sandbox: Sandbox, clock: Clock | None = None, **changes: Any) -> AsyncIterator[GraphUpstream]:
    values: dict[str, Any] = {"mailbox": MAILBOX, "concurrency": 2, **changes}
    account = Account(
        provider="microsoft",
        via=("graph",),
        tenant=sandbox.settings.tenant,
        mail_endpoint=sandbox.graph_endpoint,
        oauth=known_at(sandbox, GRAPH_SCOPE),
        **values,
    )
    http = HttpClient(DefaultSettings(ca_file=sandbox.ca_file))
    assert account.oauth is not None
    tokens = oauth.source("office", account.oauth, http, Clock())
    identity = Identity("microsoft", "global", "t", MAILBOX)
    upstream = GraphUpstream("office", account, identity, tokens=tokens, http=http, clock=clock or QuickClock())
    try:
        yield upstream
    finally:
        await upstream.close()
        await tokens.close()
        await http.close()


async def sent(
    upstream: GraphUpstream, *sizes: int, inline: int = 0, say: Callable[[str], None] | None = None
) -> Result:
    return only(await upstream.send(as_message(scan_to_mail(*sizes, inline=inline)), say))


def nothing_left(sandbox: Sandbox) -> bool:
    return not sandbox.large.drafts and not len(sandbox.large.sessions)


@pytest.mark.parametrize(
    ("sizes", "inline"),
    [
        ((5 * MB,), 0),
        ((2_500_000, 2_500_000), 20_000),
        ((7 * MB, 4 * MB, 1000), 4 * MB),
        ((CHUNK * 2,), 0),
        # Whatever "3 MB" means to an upload session.
        ((3_000_000, 3_145_400, 3_145_728), 0),
    ],
)
async def test_a_large_message_arrives_whole(tmp_path: Path, sizes: tuple[int, ...], inline: int) -> None:
    made = scan_to_mail(*sizes, inline=inline)
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        result = only(await upstream.send(as_message(made, "ann@example.com", "hidden@example.com")))
        assert (result.outcome, result.code) == (SENT, 250)
        (got,) = sandbox.received
        assert nothing_left(sandbox)
    assert got.recipients == ("ann@example.com", "hidden@example.com")
    before, after = content_of(made.as_bytes()), content_of(got.raw)
    assert {name: digest for name, (_, digest) in after.items()} == {
        name: digest for name, (_, digest) in before.items()
    }
    assert {"text/plain", "text/html"} <= set(after), "both forms of the text"
    if inline:
        assert after["<logo@x>"][0] == "inline"
    assert got.subject == "Scan für Sie"
    assert b"X-App: scanner" in got.raw
    assert b"Message-ID: <scan@erp>" in got.raw
    assert b"hidden@" not in got.delivered


@pytest.mark.parametrize("kind", ["scan", "mixed"])
async def test_a_message_that_is_nothing_but_an_attachment(tmp_path: Path, kind: str) -> None:
    made = scan_to_mail()
    made.clear_content()
    if kind == "scan":
        made.set_content(noise(4 * MB), "application", "pdf", filename="scan.pdf")
    else:
        made.make_mixed()
        made.add_attachment(noise(4 * MB), maintype="application", subtype="pdf", filename="scan.pdf")
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        assert only(await upstream.send(as_message(made))).outcome is SENT
        (got,) = sandbox.received
    assert content_of(got.raw)["scan.pdf"] == ("attachment", content_of(made.as_bytes())["scan.pdf"][1])


async def test_no_multipart_is_left_empty() -> None:
    head = b'Content-Type: multipart/mixed; boundary="out"\r\n'
    scan = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUJD\r\n" * 700_000
    inner = b'Content-Type: multipart/mixed; boundary="in"\r\n\r\n--in\r\n' + scan + b"--in--\r\n"
    body = b"--out\r\n\r\nSee the scan\r\n--out\r\n" + inner + b"--out--\r\n"
    divided = await plan.large(Parcel(as_message(head + b"\r\n" + body), addressed(head, [])))
    assert divided.skeleton == head + b"\r\n--out\r\n\r\nSee the scan\r\n--out--\r\n"
    assert [one.part.kind for one in divided.attachments] == ["application/pdf"]


async def test_what_is_said_to_the_upload_address(tmp_path: Path) -> None:
    trace: list[str] = []
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        assert (await sent(upstream, 2 * CHUNK + 1, say=trace.append)).outcome is SENT
    asked = [line.split()[1] for line in trace if line.startswith(">")]
    assert asked == ["POST", "POST", "PUT", "PUT", "PUT", "POST"]
    assert "authtoken" not in str(trace), "the address is a password"


async def test_recipients_that_a_draft_loses_are_put_back(tmp_path: Path) -> None:
    async with stand_in(tmp_path, graph_keeps_bcc=False) as sandbox, graph(sandbox) as upstream:
        one = as_message(scan_to_mail(5 * MB), "ann@example.com", "hidden@example.com")
        assert only(await upstream.send(one)).outcome is SENT
        (got,) = sandbox.received
        assert set(got.recipients) == {"ann@example.com", "hidden@example.com"}
        assert b"Ann" in email.message_from_bytes(got.raw)["To"].encode(), "the name stays"
        assert b"hidden@" not in got.delivered


@pytest.mark.parametrize(
    ("fault", "sizes"),
    [
        (Fault(kind="disconnect", at="graph_upload", times=2, after=1), (9 * MB,)),
        (Fault(kind="disconnect", at="graph_uploaded", times=1), (9 * MB,)),
        (Fault(kind="unavailable", at="graph_upload", times=2, retry_after=2), (5 * MB,)),
        (Fault(kind="throttled", at="graph_upload", times=1, after=1, retry_after=2.5), (5 * MB,)),
        (Fault(kind="session_expired", at="graph_upload", times=1, after=1), (5 * MB, 4 * MB)),
    ],
)
async def test_an_upload_goes_on_where_it_was(tmp_path: Path, fault: Fault, sizes: tuple[int, ...]) -> None:
    clock = QuickClock()
    async with stand_in(tmp_path) as sandbox, graph(sandbox, clock) as upstream:
        order = sandbox.faults.add(fault)
        result = await sent(upstream, *sizes)
        assert result.outcome is SENT, result.text
        assert order.struck == fault.times
        (got,) = sandbox.received
        assert nothing_left(sandbox)
    assert content_of(got.raw).keys() == content_of(scan_to_mail(*sizes).as_bytes()).keys()
    assert clock.slept == [fault.retry_after] * (fault.times or 0) if fault.retry_after else not clock.slept


@pytest.mark.parametrize(
    ("fault", "outcome", "text"),
    [
        (Fault(kind="disconnect", at="graph_upload"), LATER, "localhost"),
        (Fault(kind="unavailable", at="graph_upload", retry_after=600), LATER, "503"),
        (Fault(kind="session_expired", at="graph_upload"), LATER, "3 upload sessions have ended"),
        (Fault(kind="disconnect", at="graph_uploaded", after=1), LATER, "it starts again"),
        (Fault(kind="http_reply", at="graph_attach", status=500), LATER, "500"),
        (Fault(kind="http_reply", at="graph_upload", status=400), NEVER, "400"),
        (Fault(kind="http_reply", at="graph_upload", status=416), LATER, "3 upload sessions have ended"),
        (Fault(kind="http_reply", at="graph_attach", status=201, body="{}"), LATER, "opened no upload session"),
        (Fault(kind="http_reply", at="graph_attach", status=201, body=PLAIN_URL), LATER, "without TLS"),
        (Fault(kind="throttled", at="graph_send", retry_after=3), LATER, "429"),
        (Fault(kind="http_reply", at="graph_send", status=200), LATER, "200"),
    ],
)
async def test_what_fails_leaves_nothing_behind(tmp_path: Path, fault: Fault, outcome: Outcome, text: str) -> None:
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        sandbox.faults.add(fault)
        result = await sent(upstream, 5 * MB)
        assert result.outcome is outcome
        assert text in result.text
        assert "duplicate" not in result.text
        assert not sandbox.received
        assert nothing_left(sandbox)


@pytest.mark.parametrize(
    "fault", [Fault(kind="disconnect", at="graph_taken"), Fault(kind="http_reply", at="graph_taken", status=504)]
)
async def test_an_end_that_nobody_knows(tmp_path: Path, fault: Fault) -> None:
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        sandbox.faults.add(fault)
        result = await sent(upstream, 5 * MB)
        assert (result.outcome, result.scope) == (LATER, Scope.MESSAGE)
        assert "duplicate" in result.text
        assert len(sandbox.received) == 1


async def test_a_server_that_does_not_tell_how_far_it_is(tmp_path: Path) -> None:
    async with stand_in(tmp_path, graph_tells_ranges=False) as sandbox, graph(sandbox) as upstream:
        sandbox.faults.add(Fault(kind="disconnect", at="graph_upload", times=1))
        assert (await sent(upstream, 7 * MB)).outcome is SENT
        sandbox.faults.add(Fault(kind="disconnect", at="graph_uploaded", times=1, after=1))
        result = await sent(upstream, 7 * MB)
        assert result.outcome in (SENT, LATER)
        assert nothing_left(sandbox)


async def test_the_permission_is_named(tmp_path: Path) -> None:
    async with stand_in(tmp_path, graph_roles=("Mail.Send",)) as sandbox, graph(sandbox) as upstream:
        result = await sent(upstream, 5 * MB)
        assert (await sent(upstream, 1000)).outcome is SENT
    assert (result.outcome, result.scope, result.status) == (LATER, Scope.MESSAGE, "4.7.1")
    assert "Mail.ReadWrite" in result.hint


@pytest.mark.parametrize("at", ["graph_draft", "graph_attach"])
async def test_a_permission_that_large_mail_lacks_holds_up_nothing_else(tmp_path: Path, at: str) -> None:
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        sandbox.faults.add(Fault(kind="http_reply", at=at, status=403, body=DENIED, times=1))
        result = await sent(upstream, 5 * MB)
        assert nothing_left(sandbox)
    assert (result.outcome, result.scope, result.status) == (LATER, Scope.MESSAGE, "4.7.1")
    assert "Mail.ReadWrite" in result.hint


async def test_an_attachment_between_a_request_and_an_upload_session(tmp_path: Path) -> None:
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        result = await sent(upstream, 3 * 1024 * 1024 - 1)
        assert nothing_left(sandbox)
    assert (result.outcome, result.status) == (NEVER, "5.3.4")
    assert 'via = ["graph", "smtp"]' in result.hint


async def test_signed_mail_is_not_taken_apart(tmp_path: Path) -> None:
    raw = b"From: a@b.c\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n" + b"x" * 4 * MB + b"\r\n--b--\r\n"
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        result = only(await upstream.send(as_message(raw)))
    assert (result.outcome, result.status) == (NEVER, "5.6.3")
    assert "signed or encrypted" in result.text
    assert 'via = ["graph", "smtp"]' in result.hint


async def test_text_that_is_too_large(tmp_path: Path) -> None:
    raw = b"From: a@b.c\r\n\r\n" + b"x" * 4 * MB
    async with stand_in(tmp_path) as sandbox, graph(sandbox) as upstream:
        result = only(await upstream.send(as_message(raw)))
    assert (result.outcome, result.status) == (NEVER, "5.3.4")


async def test_the_mailboxs_own_limit(tmp_path: Path) -> None:
    async with stand_in(tmp_path, max_message_size=4 * MB) as sandbox, graph(sandbox) as upstream:
        result = await sent(upstream, 5 * MB)
        assert nothing_left(sandbox)
    assert (result.outcome, result.status) == (NEVER, "5.3.4")
    assert "MaxSendSize" in result.hint


@pytest.mark.parametrize(("size", "saved"), [(1000, False), (5 * MB, True)])
async def test_no_copy_in_sent_items(tmp_path: Path, size: int, saved: bool) -> None:
    async with stand_in(tmp_path) as sandbox, graph(sandbox, save_to_sent=False) as upstream:
        result = await sent(upstream, size, inline=500)
        assert result.outcome is SENT
        assert "Sent Items" not in result.text
        (got,) = sandbox.received
        assert got.saved is saved
        assert not sandbox.large.sent, "deleted once it was there"
    names = {"text/html", "<logo@x>", "Anhang 0 ü.pdf"} | ({"text/plain"} if saved else set())
    assert set(content_of(got.raw)) == names
    assert (got.subject, got.message_id) == ("Scan für Sie", "<scan@erp>")
    assert ("lost in JSON: the plain text" in result.text) is not saved


SIGNED = (
    f"From: {MAILBOX}\r\nTo: ann@example.com\r\nContent-Type: multipart/signed; boundary=b\r\n".encode(),
    b"--b\r\n\r\nHello\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nx\r\n--b--\r\n",
)


@pytest.mark.parametrize("roles", [("Mail.Send", "Mail.ReadWrite"), ("Mail.Send",)])
async def test_no_copy_of_what_json_would_damage(tmp_path: Path, roles: tuple[str, ...]) -> None:
    async with stand_in(tmp_path, graph_roles=roles) as sandbox, graph(sandbox, save_to_sent=False) as upstream:
        result = only(await upstream.send(as_message(b"\r\n".join(SIGNED))))
        assert result.outcome is SENT
        (got,) = sandbox.received
        assert nothing_left(sandbox)
        assert not sandbox.large.sent
    assert got.raw == b"\r\n".join(SIGNED), "signed mail goes as it is"
    # Without the permission the copy cannot be deleted, and that is told.
    assert ("a copy is in Sent Items" in result.text) == ("Mail.ReadWrite" in result.text) == (len(roles) == 1)


async def test_memory_stays_small(tmp_path: Path) -> None:
    """What the relay adds to a stored message of 25 MB, with a server that keeps nothing in this process."""
    authority = Authority.make(tmp_path)
    one = as_message(scan_to_mail(18 * MB))
    got = 0

    async def answer(request: Request) -> Response:
        nonlocal got
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
        if request.method == "PUT":
            got += size
            more = {"NextExpectedRanges": [str(got)]}
            return JSONResponse(more) if got < 18 * MB else Response(status_code=201)
        if request.url.path.endswith("/send"):
            return Response(status_code=202)
        people = [{"emailAddress": {"address": "ann@example.com"}}]
        return JSONResponse({"id": "x", "toRecipients": people, "uploadUrl": f"{root}/upload?authtoken=x"}, 201)

    async with web(answer, tls=authority.server()) as port:
        root = f"https://localhost:{port}"
        http, tokens = HttpClient(DefaultSettings(ca_file=authority.file)), Tokens()
        account = Account(provider="microsoft", via=("graph",), mailbox=MAILBOX, mail_endpoint=root, oauth=OAUTH)
        identity = Identity("microsoft", "global", "t", MAILBOX)
        upstream = GraphUpstream("office", account, identity, tokens=tokens.source, http=http)
        tracemalloc.start()
        try:
            assert only(await upstream.send(one)).outcome is SENT
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await http.close()
            await tokens.source.close()
    assert got == 18 * MB
    assert peak < one.size
