"""Graph's sendMail: what it takes, who it mails, and how it refuses."""

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from relay.sandbox import Fault, Sandbox
from relay.sandbox.settings import MIB, object_id
from relay.sandbox.tokens import EXCHANGE, GRAPH
from tests.sandbox.conftest import RecordingClock, Start, client_of
from tests.sandbox.raw import MAILBOX, exchange_token, graph_token, send_by_graph, tls
from tests.sandbox.token_requests import GUID

MESSAGE = (
    f"From: No Reply <{MAILBOX}>\r\nTo: a@x.org, B <b@x.org>\r\nCc: c@x.org\r\nBcc: d@x.org, A@X.org\r\n"
    "Subject: Hello\r\nMessage-ID: <old@app>\r\nX-App: crm\r\nAuto-Submitted: auto-generated\r\n\r\n.Hi\r\n"
).encode()


def check_error(answer: httpx2.Response, status: int, code: str, message: str) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["message"]) == (status, code, message)
    assert re.fullmatch(GUID, error["innerError"]["request-id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", error["innerError"]["date"])
    assert error["innerError"]["request-id"] == answer.headers["request-id"]


async def test_mime(web: Sandbox, http: httpx2.AsyncClient) -> None:
    answer = await send_by_graph(http, graph_token(web), MESSAGE, client_request_id="mine")
    assert (answer.status_code, answer.content, answer.headers["client-request-id"]) == (202, b"", "mine")
    assert re.fullmatch(GUID, answer.headers["request-id"])
    (received,) = web.received
    assert (received.way, received.mailbox, received.sender) == ("graph", MAILBOX, MAILBOX)
    assert received.recipients == ("A@X.org", "b@x.org", "c@x.org", "d@x.org")
    assert (received.raw, received.subject, received.reply) == (MESSAGE, "Hello", "202 Accepted")
    assert received.delivered == re.sub(rb"(Bcc|X-App|Auto-Submitted):.*\r\n", b"", MESSAGE)


async def test_headers_can_be_kept(start: Start) -> None:
    sandbox = await start(http=True, graph_keeps_headers=True)
    async with client_of(sandbox) as http:
        await send_by_graph(http, graph_token(sandbox), MESSAGE)
    assert sandbox.received[0].delivered == re.sub(rb"Bcc:.*\r\n", b"", MESSAGE)


async def test_base64_in_lines_and_a_mailbox_by_its_id(web: Sandbox, http: httpx2.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {graph_token(web)}", "content-type": "text/plain; charset=utf-8"}
    body = base64.encodebytes(MESSAGE).replace(b"\n", b"\r\n")
    answer = await http.post(f"/v1.0/users/{object_id(MAILBOX)}/sendMail", content=body, headers=headers)
    assert answer.status_code == 202
    assert web.received[0].raw == MESSAGE


@pytest.mark.parametrize(
    "body", [b"!!!", base64.urlsafe_b64encode(b"\xff\xfe\xfd" * 9), b"QUJ", MESSAGE], ids=["no", "url", "pad", "raw"]
)
async def test_bad_base64(web: Sandbox, http: httpx2.AsyncClient, body: bytes) -> None:
    headers = {"authorization": f"Bearer {graph_token(web)}", "content-type": "text/plain"}
    answer = await http.post(f"/v1.0/users/{MAILBOX}/sendMail", content=body, headers=headers)
    text = "Invalid base64 string for MIME content."
    check_error(answer, 400, "ErrorMimeContentInvalidBase64String", text)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({}, "Access token is empty."),
        ({"authorization": "Basic YTpi"}, "Access token is empty."),
        ({"authorization": "Bearer opaque"}, "IDX14100: JWT is not well formed, there are no dots (.)."),
    ],
)
async def test_no_token(http: httpx2.AsyncClient, header: dict[str, str], message: str) -> None:
    answer = await http.post(f"/v1.0/users/{MAILBOX}/sendMail", content=b"", headers=header)
    check_error(answer, 401, "InvalidAuthenticationToken", message)
    assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_a_token_for_exchange(web: Sandbox, http: httpx2.AsyncClient) -> None:
    answer = await send_by_graph(http, exchange_token(web), MESSAGE)
    check_error(answer, 401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
    assert EXCHANGE[0] not in GRAPH


async def test_an_expired_token(start: Start, clock: RecordingClock) -> None:
    sandbox = await start(clock, http=True, token_lifetime=100)
    token = graph_token(sandbox)
    async with client_of(sandbox) as http:
        assert (await send_by_graph(http, token, MESSAGE)).status_code == 202
        await clock.advance(100)
        text = "Lifetime validation failed, the token is expired."
        check_error(await send_by_graph(http, token, MESSAGE), 401, "InvalidAuthenticationToken", text)


async def test_without_the_permission(start: Start) -> None:
    sandbox = await start(http=True, graph_roles=("Mail.Read",))
    async with client_of(sandbox) as http:
        answer = await send_by_graph(http, graph_token(sandbox), MESSAGE)
    check_error(answer, 403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")


async def test_whom_it_may_send_as(start: Start) -> None:
    sandbox = await start(http=True, send_as=("boss@x.org",))
    denied = (
        "The user account which was used to submit this request does not have the right to send mail on behalf of the"
        " specified sending account., Cannot submit message."
    )
    async with client_of(sandbox) as http:
        token = graph_token(sandbox)
        other = MESSAGE.replace(MAILBOX.encode(), b"ceo@x.org")
        check_error(await send_by_graph(http, token, other), 403, "ErrorSendAsDenied", denied)
        allowed = await send_by_graph(http, token, MESSAGE.replace(MAILBOX.encode(), b"Boss@x.org"))
        without = await send_by_graph(http, token, MESSAGE[MESSAGE.index(b"To:") :])
        assert (allowed.status_code, without.status_code) == (202, 202)
    assert [message.sender for message in sandbox.received] == ["Boss@x.org", MAILBOX]


async def test_other_refusals(web: Sandbox, http: httpx2.AsyncClient) -> None:
    token = graph_token(web)
    nobody = await send_by_graph(http, token, MESSAGE, user="nobody@sandbox.onmicrosoft.com")
    text = "The requested user 'nobody@sandbox.onmicrosoft.com' is invalid."
    check_error(nobody, 404, "ErrorInvalidUser", text)
    check_error(
        await send_by_graph(http, token, b"Hello"), 400, "ErrorMimeContentInvalid", "The MIME content is not a message."
    )
    lonely = await send_by_graph(http, token, f"From: {MAILBOX}\r\n\r\n".encode())
    assert (lonely.status_code, lonely.json()["error"]["code"]) == (400, "ErrorInvalidRecipients")
    me = await http.post("/v1.0/me/sendMail", headers={"authorization": f"Bearer {token}"})
    check_error(me, 400, "BadRequest", "/me request is only valid with delegated authentication flow.")
    user = web.tokens.issue_for_user(GRAPH[0], MAILBOX, ("Mail.Send",))
    own = {"authorization": f"Bearer {user}", "content-type": "text/plain"}
    assert (await http.post("/v1.0/me/sendMail", content=base64.b64encode(MESSAGE), headers=own)).status_code == 202
    web.received.clear()
    many = b"To: " + b", ".join(b"r%d@x.org" % n for n in range(501)) + b"\r\n\r\n"
    assert (await send_by_graph(http, token, many)).json()["error"]["code"] == "ErrorExceededMaxRecipientLimit"
    assert not web.received


async def test_four_megabytes(web: Sandbox, http: httpx2.AsyncClient) -> None:
    """3,145,728 octets of MIME are the most that 4 MiB of base64 hold."""
    most = 3 * MIB
    fits = MESSAGE + b"x" * (most - len(MESSAGE))
    assert (await send_by_graph(http, graph_token(web), fits)).status_code == 202
    answer = await send_by_graph(http, graph_token(web), fits + b"x")
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html; charset=utf-8")
    assert web.received.total == 1


async def test_a_mailbox_limit_below_that(start: Start) -> None:
    sandbox = await start(http=True, max_message_size=100)
    async with client_of(sandbox) as http:
        answer = await send_by_graph(http, graph_token(sandbox), MESSAGE)
    check_error(answer, 400, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")


async def test_five_requests_at_once(start: Start, clock: RecordingClock) -> None:
    sandbox = await start(clock, http=True)
    sandbox.faults.add(Fault(kind="slow", at="graph_taken", times=4, seconds=9))
    async with client_of(sandbox) as http:
        token = graph_token(sandbox)
        served = [asyncio.create_task(send_by_graph(http, token, MESSAGE)) for _ in range(4)]
        while clock.sleeps.count(9) < 4:
            await asyncio.sleep(0)
        answer = await send_by_graph(http, token, MESSAGE)
        check_error(answer, 429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
        assert answer.headers["retry-after"] == "10"
        await clock.advance(9)
        assert [(await task).status_code for task in served] == [202] * 4
        assert (await send_by_graph(http, token, MESSAGE)).status_code == 202


@pytest.mark.parametrize(
    ("options", "code", "message", "header"),
    [
        ({"retry_after": 10}, "TooManyRequests", "Please retry again later.", "10"),
        ({"retry_after": 2.128}, "TooManyRequests", "Please retry again later.", "2.128"),
        (
            {"code": "ApplicationThrottled"},
            "ApplicationThrottled",
            "Application is over its MailboxConcurrency limit.",
            None,
        ),
    ],
)
async def test_throttled(
    web: Sandbox, http: httpx2.AsyncClient, options: dict[str, Any], code: str, message: str, header: str | None
) -> None:
    web.faults.add(Fault(kind="throttled", at="graph", times=1, **options))
    answer = await send_by_graph(http, graph_token(web), MESSAGE)
    check_error(answer, 429, code, message)
    assert answer.headers.get("retry-after") == header
    inner = answer.json()["error"]["innerError"]
    assert (inner["code"], inner["message"], inner["status"]) == ("429", "Please retry after", "429")
    assert (await send_by_graph(http, graph_token(web), MESSAGE)).status_code == 202


async def test_other_faults(web: Sandbox, http: httpx2.AsyncClient) -> None:
    token = graph_token(web)
    web.faults.add(Fault(kind="unavailable", at="graph", times=1))
    answer = await send_by_graph(http, token, MESSAGE)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, False)
    web.faults.add(Fault(kind="truncated_json", at="graph", times=1))
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        (await send_by_graph(http, token, MESSAGE)).json()
    # 200 without sending: only 202 is a yes.
    web.faults.add(Fault(kind="http_reply", at="graph", times=1, status=200))
    assert (await send_by_graph(http, token, MESSAGE)).status_code == 200
    assert web.received.total == 0
    web.faults.add(Fault(kind="http_reply", at="graph_taken", times=1, status=504, body="late"))
    assert (await send_by_graph(http, token, MESSAGE)).status_code == 504
    assert web.received.total == 1


@pytest.mark.parametrize(("point", "taken"), [("graph", 0), ("graph_taken", 1)])
async def test_a_dropped_connection(web: Sandbox, http: httpx2.AsyncClient, point: str, taken: int) -> None:
    web.faults.add(Fault(kind="disconnect", at=point, times=1))
    with pytest.raises(httpx2.TransportError):
        await send_by_graph(http, graph_token(web), MESSAGE)
    assert web.received.total == taken


def message_json(**changes: Any) -> dict[str, Any]:
    message = {
        "subject": "Hi ü",
        "body": {"contentType": "HTML", "content": "<p>Hi</p>"},
        "toRecipients": [{"emailAddress": {"address": "a@x.org", "name": "A"}}],
        "bccRecipients": [{"emailAddress": {"address": "b@x.org"}}],
        "internetMessageHeaders": [{"name": "x-custom", "value": "1"}],
        "attachments": [{"name": "a.txt", "contentType": "text/plain", "contentBytes": "SGVsbG8="}],
    }
    return {"message": message | changes, "saveToSentItems": "false"}


async def test_json(web: Sandbox, http: httpx2.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {graph_token(web)}"}
    answer = await http.post(f"/v1.0/users/{MAILBOX}/sendMail", json=message_json(), headers=headers)
    assert (answer.status_code, answer.content) == (202, b"")
    received = web.received[0]
    assert (received.sender, received.recipients, received.subject) == (MAILBOX, ("a@x.org", "b@x.org"), "Hi ü")
    assert b"<p>Hi</p>" in received.raw
    assert b"SGVsbG8=" in received.raw
    assert b"Bcc:" not in received.delivered


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"toRecipients": None, "bccRecipients": None}, "ErrorInvalidRecipients"),
        ({"toRecipients": [{"emailAddress": {"address": "nobody"}}]}, "ErrorInvalidRecipients"),
        ({"toRecipients": ["a@x.org"]}, "BadRequest"),
        ({"internetMessageHeaders": [{"name": "In-Reply-To", "value": "1"}]}, "InvalidInternetMessageHeader"),
        (
            {"internetMessageHeaders": [{"name": f"x-{n}", "value": "1"} for n in range(6)]},
            "InvalidInternetMessageHeaderCollection",
        ),
        ({"from": {"emailAddress": {"address": "ceo@x.org"}}}, "ErrorSendAsDenied"),
    ],
)
async def test_json_refused(web: Sandbox, http: httpx2.AsyncClient, changes: dict[str, Any], code: str) -> None:
    headers = {"authorization": f"Bearer {graph_token(web)}"}
    answer = await http.post(f"/v1.0/users/{MAILBOX}/sendMail", json=message_json(**changes), headers=headers)
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"message": 1}', b"[" * 100_000])
async def test_json_malformed(web: Sandbox, http: httpx2.AsyncClient, body: bytes) -> None:
    headers = {"authorization": f"Bearer {graph_token(web)}", "content-type": "application/json"}
    answer = await http.post(f"/v1.0/users/{MAILBOX}/sendMail", content=body, headers=headers)
    text = (
        "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON"
        " format."
    )
    check_error(answer, 400, "BadRequest", text)


async def test_a_client_that_hangs_up_in_its_request(
    web: Sandbox, http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is taken, and the sandbox takes it for no mistake of its own."""
    _, writer = await asyncio.open_connection(*web.graph_endpoint[8:].rsplit(":", 1), ssl=tls(web))
    writer.write(f"POST /v1.0/users/{MAILBOX}/sendMail HTTP/1.1\r\nHost: localhost\r\n".encode())
    writer.write(f"Authorization: Bearer {graph_token(web)}\r\nContent-Type: text/plain\r\n".encode())
    writer.write(b"Content-Length: 1000\r\n\r\nRnJvbTo")
    await writer.drain()
    await asyncio.wait_for(until(lambda: requests_of(web) == 1), 10)
    writer.transport.abort()
    await asyncio.wait_for(until(lambda: requests_of(web) == 0), 10)
    assert (await send_by_graph(http, graph_token(web), MESSAGE)).status_code == 202
    assert len(web.received) == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def requests_of(sandbox: Sandbox) -> int:
    mailbox = sandbox.mailboxes.find(MAILBOX)
    assert mailbox is not None
    return mailbox.graph_requests


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
