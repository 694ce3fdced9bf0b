"""The Gmail API at the stand-in Google: who gets what, both forms of upload, and what can go wrong."""

import contextlib
import email
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay import oauth
from relay.config import Account, OAuth
from relay.http import DefaultSettings, HttpClient
from relay.model import Clock, Identity, Outcome, Result, Scope
from relay.sandbox import Fault, Sandbox, SandboxSettings, ServiceAccount
from relay.service import serve_http
from relay.upstream.gmail import GmailUpstream, addresses_first
from relay.upstream.gmail.replies import classify, read_error
from tests.support.clock import QuickClock
from tests.support.keys import public_pem, rsa_key, service_account
from tests.support.large import MAILBOX, as_message, content_of, scan_to_mail
from tests.upstream.parts import message, only

SENT, LATER, NEVER = Outcome.SENT, Outcome.DEFERRED, Outcome.FAILED
EMAIL, KEY_ID = "relay@project.iam.gserviceaccount.com", "key-1"
SCOPE = "https://www.googleapis.com/auth/gmail.send"
MB = 1_000_000
HEAD = f"From: {MAILBOX}\r\n".encode()


@contextlib.asynccontextmanager
async def gmail(
    folder: Path, clock: Clock | None = None, **changes: Any
) -> AsyncIterator[tuple[Sandbox, GmailUpstream]]:
    """A service account that sends for the mailbox."""
    account_of_google = ServiceAccount(EMAIL, KEY_ID, public_pem(rsa_key()), (SCOPE,))
    values: dict[str, Any] = {"service_account": account_of_google, "send_as": ("*",), **changes}
    async with Sandbox(SandboxSettings(folder=folder / "sandbox", **values), serve_http) as sandbox:
        key = folder / "account.json"
        key.write_text(service_account(rsa_key(), client_email=EMAIL, private_key_id=KEY_ID))
        account = Account(
            provider="google",
            via=("gmail-api",),
            mailbox=MAILBOX,
            mail_endpoint=sandbox.gmail_endpoint,
            concurrency=2,
            oauth=OAuth(
                grant="jwt_bearer",
                private_key_file=key,
                subject=MAILBOX,
                token_endpoint=sandbox.google_token_endpoint,
                token_endpoint_auth_method="none",
                scopes=(SCOPE,),
            ),
        )
        http = HttpClient(DefaultSettings(ca_file=sandbox.ca_file))
        assert account.oauth is not None
        tokens = oauth.source("g", account.oauth, http, Clock())
        who = Identity("google", "", "", MAILBOX)
        upstream = GmailUpstream("g", account, who, tokens=tokens, http=http, clock=clock or QuickClock())
        try:
            yield sandbox, upstream
        finally:
            await upstream.close()
            await tokens.close()
            await http.close()


async def test_a_small_message(tmp_path: Path) -> None:
    headers = HEAD + b"To: ann@example.com, bob@example.com\r\nMessage-ID: <mine@erp>\r\n"
    body = b".dot\r\n--boundary\r\n\xff"
    trace: list[str] = []
    async with gmail(tmp_path) as (sandbox, upstream):
        one = message("ann@example.com", "bob@example.com", headers=headers, body=body, sender=MAILBOX)
        result = only(await upstream.send(one, trace.append))
        (got,) = sandbox.received
    assert (result.outcome, result.code) == (SENT, 250)
    assert "accepted by the Gmail API (id " in result.text
    assert (got.way, got.raw) == ("gmail", headers + b"\r\n" + body)
    assert got.recipients == ("ann@example.com", "bob@example.com")
    assert "uploadType" not in trace[0]
    assert "ya29" not in str(trace)


async def test_nobody_sees_who_is_hidden(tmp_path: Path) -> None:
    """Bcc stays in what Gmail delivers, for all that is known: each hidden recipient gets a copy of his own."""
    headers = HEAD + b"To: ann@example.com\r\nCc: list@example.com\r\n"
    people = ("ann@example.com", "secret@example.com", "other@example.com")
    async with gmail(tmp_path) as (sandbox, upstream):
        results = await upstream.send(message(*people, headers=headers, sender=MAILBOX))
        assert [results[person].outcome for person in people] == [SENT] * 3
        copies = list(sandbox.received)
    assert [copy.recipients for copy in copies] == [(person,) for person in people]
    for copy in copies:
        others = set(people[1:]) - set(copy.recipients)
        assert not any(other.encode() in copy.raw for other in others)
    assert b"X-Addressed-To: ann@example.com" in copies[1].raw


async def test_who_is_served_by_the_first_copy(tmp_path: Path) -> None:
    """Delivery asks, and has each copy written down before the next."""
    headers = HEAD + b"To: ann@example.com\r\nCc: list@example.com\r\n"
    unwritable = "a b@example.com"
    async with gmail(tmp_path) as (_, upstream):

        def first(*people: str) -> tuple[str, ...]:
            return upstream.first_copy(message(*people, headers=headers, sender=MAILBOX))

        assert first("secret@example.com", "ann@example.com", "LIST@example.com") == (
            "ann@example.com",
            "LIST@example.com",
        )
        assert first("secret@example.com", "Secret@Example.com", "other@example.com", unwritable) == (
            "secret@example.com",
            "Secret@Example.com",
            unwritable,
        )
        assert first(unwritable) == (unwritable,)


async def test_addresses_stand_in_front_of_the_content(tmp_path: Path) -> None:
    block = b"From: a@b.c\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\nTo: a@x\r\nSubject: x\r\n"
    assert addresses_first(block) == (
        b"From: a@b.c\r\nTo: a@x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\nSubject: x\r\n"
    )
    first = b"To: a@x\r\nContent-Type: text/plain\r\n"
    assert addresses_first(first) == first


@pytest.mark.parametrize("size", [4 * MB, 12 * MB])
async def test_a_large_message(tmp_path: Path, size: int) -> None:
    made = scan_to_mail(size)
    async with gmail(tmp_path) as (sandbox, upstream):
        assert only(await upstream.send(as_message(made))).outcome is SENT
        (got,) = sandbox.received
    assert content_of(got.raw) == content_of(made.as_bytes())
    assert email.message_from_bytes(got.raw)["To"] == "Ann <ann@example.com>"


async def test_too_large(tmp_path: Path) -> None:
    async with gmail(tmp_path) as (sandbox, upstream):
        result = only(await upstream.send(as_message(HEAD + b"\r\n" + b"x" * 36_700_200)))
        assert not sandbox.received
    assert (result.outcome, result.status) == (NEVER, "5.3.4")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="disconnect", at="gmail_upload", times=1, after=1),
        Fault(kind="disconnect", at="gmail_uploaded", times=1),
        Fault(kind="unavailable", at="gmail_upload", times=2, after=1),
        Fault(kind="throttled", at="gmail_upload", times=1, retry_after=2.5),
        Fault(kind="disconnect", at="gmail_taken", times=1),
    ],
)
async def test_an_upload_goes_on_and_is_sent_once(tmp_path: Path, fault: Fault) -> None:
    made = scan_to_mail(9 * MB)
    async with gmail(tmp_path) as (sandbox, upstream):
        order = sandbox.faults.add(fault)
        result = only(await upstream.send(as_message(made)))
        assert result.outcome is SENT, result.text
        assert order.struck == fault.times
        (got,) = sandbox.received
    assert content_of(got.raw) == content_of(made.as_bytes())


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(kind="disconnect", at="gmail_upload"), "localhost"),
        (Fault(kind="session_expired", at="gmail_upload", times=1, after=1), "begins anew"),
        (Fault(kind="unavailable", at="gmail_upload"), "503"),
    ],
)
async def test_an_upload_that_fails_has_sent_nothing(tmp_path: Path, fault: Fault, text: str) -> None:
    async with gmail(tmp_path) as (sandbox, upstream):
        sandbox.faults.add(fault)
        result = only(await upstream.send(as_message(scan_to_mail(9 * MB))))
        assert (result.outcome, sandbox.received.total) == (LATER, 0)
    assert text in result.text
    assert "duplicate" not in result.text


async def test_an_end_that_nobody_knows(tmp_path: Path) -> None:
    async with gmail(tmp_path) as (sandbox, upstream):
        sandbox.faults.add(Fault(kind="disconnect", at="gmail_taken"))
        result = only(await upstream.send(message(headers=HEAD, sender=MAILBOX)))
        assert sandbox.received.total == 1
    assert (result.outcome, result.scope) == (LATER, Scope.MESSAGE)
    assert "duplicate" in result.text


async def test_a_copy_that_was_not_sent_is_no_uncertain_one(tmp_path: Path) -> None:
    people = ("a@example.com", "b@example.com", "c@example.com")
    async with gmail(tmp_path) as (sandbox, upstream):
        sandbox.faults.add(Fault(kind="disconnect", at="gmail_taken", after=1))
        results = await upstream.send(message(*people, headers=HEAD, sender=MAILBOX))
        assert sandbox.received.total == 2
    assert [results[one].outcome for one in people] == [SENT, LATER, LATER]
    assert [results[one].uncertain for one in people] == [False, True, False]
    assert "was not sent" in results[people[2]].text
    assert "duplicate" not in results[people[2]].text


async def test_an_address_that_no_field_holds(tmp_path: Path) -> None:
    async with gmail(tmp_path) as (_, upstream):
        result = only(await upstream.send(message('"a,b"@example.com', headers=HEAD, sender=MAILBOX)))
    assert (result.outcome, result.status) == (NEVER, "5.1.3")
    assert 'accounts.g.via = ["gmail-api", "smtp"]' in result.hint


@pytest.mark.parametrize(
    "after_that",
    [
        Fault(kind="unavailable", at="gmail_upload", after=2),
        Fault(kind="throttled", at="gmail_upload", after=2, retry_after=1),
        Fault(kind="session_expired", at="gmail_upload", after=2),
        Fault(kind="http_reply", at="gmail_upload", after=2, status=403),
        Fault(kind="http_reply", at="gmail_upload", after=2, status=200, body="{}"),
        Fault(kind="disconnect", at="gmail_upload", after=2),
    ],
)
async def test_an_upload_whose_end_nobody_knows(tmp_path: Path, after_that: Fault) -> None:
    """The last octets arrived, their answer was lost, and who is asked about them knows nothing."""
    async with gmail(tmp_path) as (sandbox, upstream):
        sandbox.faults.add(Fault(kind="disconnect", at="gmail_taken"))
        sandbox.faults.add(after_that)
        result = only(await upstream.send(as_message(scan_to_mail(4 * MB))))
        assert sandbox.received.total == 1
    assert (result.outcome, result.scope, result.uncertain) == (LATER, Scope.MESSAGE, True)
    assert result.text.count("duplicate") == 1


@pytest.mark.parametrize("status", [200, 308])
async def test_an_upload_that_never_gets_anywhere(tmp_path: Path, status: int) -> None:
    clock = QuickClock()
    async with gmail(tmp_path, clock) as (sandbox, upstream):
        order = sandbox.faults.add(Fault(kind="http_reply", at="gmail_upload", status=status))
        result = only(await upstream.send(as_message(scan_to_mail(4 * MB))))
    assert (result.outcome, result.uncertain) == (LATER, False)
    assert order.struck <= 5


@pytest.mark.parametrize(
    ("fault", "scope", "wait"),
    [
        (Fault(kind="throttled", at="gmail"), Scope.IDENTITY, None),
        (Fault(kind="throttled", at="gmail", retry_after=3), Scope.IDENTITY, 3.0),
        (Fault(kind="throttled", at="gmail", code="dailyLimitExceeded"), Scope.IDENTITY, 7200.0),
    ],
)
async def test_quotas(tmp_path: Path, fault: Fault, scope: Scope, wait: float | None) -> None:
    async with gmail(tmp_path) as (sandbox, upstream):
        sandbox.faults.add(fault)
        result = only(await upstream.send(message(headers=HEAD, sender=MAILBOX)))
    assert (result.outcome, result.scope, result.retry_after) == (LATER, scope, wait)
    assert "The mail waits" in result.hint


def answered(status: int, reason: str = "", text: str = "") -> Result:
    body = f'{{"error": {{"message": "{text}", "errors": [{{"reason": "{reason}"}}], "status": "X"}}}}'
    return classify(status, body.encode(), None, 1_000_000_000.0, account="g", mailbox=MAILBOX)


@pytest.mark.parametrize(
    ("status", "reason", "outcome", "scope", "code"),
    [
        (400, "invalidArgument", NEVER, Scope.MESSAGE, 554),
        (400, "failedPrecondition", LATER, Scope.IDENTITY, 450),
        (401, "authError", LATER, Scope.IDENTITY, 454),
        (403, "insufficientPermissions", LATER, Scope.IDENTITY, 454),
        (403, "rateLimitExceeded", LATER, Scope.IDENTITY, 451),
        (404, "notFound", LATER, Scope.IDENTITY, 450),
        (413, "", NEVER, Scope.MESSAGE, 552),
        (429, "", LATER, Scope.IDENTITY, 451),
        (500, "backendError", LATER, Scope.MESSAGE, 451),
        (302, "", LATER, Scope.IDENTITY, 451),
        (418, "", NEVER, Scope.MESSAGE, 554),
        (200, "", LATER, Scope.MESSAGE, 451),
    ],
)
def test_answers(status: int, reason: str, outcome: Outcome, scope: Scope, code: int) -> None:
    result = answered(status, reason)
    assert (result.outcome, result.scope, result.code) == (outcome, scope, code)
    assert str(status) in result.text


def test_the_time_in_the_text_of_the_sending_limit() -> None:
    text = "User-rate limit exceeded.  Retry after 2001-09-09T02:46:40.000Z (Mail sending)"
    assert answered(429, "userRateLimitExceeded", text).retry_after == 3600.0
    assert answered(429, "userRateLimitExceeded", "Retry after 2001-99-99T02:46:40Z").retry_after is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": 1}', b'{"error": {"errors": [1], "status": 2}}'])
def test_what_is_no_error(body: bytes) -> None:
    assert read_error(body).reason == ""
