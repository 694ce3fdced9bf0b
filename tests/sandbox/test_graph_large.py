"""Graph's drafts, attachments and upload sessions, as their documentation writes them."""

import base64
from typing import Any

import httpx2
import pytest

from relay.sandbox import Fault, Sandbox
from tests.sandbox.conftest import RecordingClock, Start, client_of
from tests.sandbox.raw import MAILBOX, MESSAGE, graph_token

ROOT = f"/v1.0/users/{MAILBOX}/messages"
MIB = 1024 * 1024
SIZE = 5 * MIB


def head(sandbox: Sandbox) -> dict[str, str]:
    return {"authorization": f"Bearer {graph_token(sandbox)}"}


async def draft(sandbox: Sandbox, http: httpx2.AsyncClient, content: bytes = MESSAGE) -> dict[str, Any]:
    headers = head(sandbox) | {"content-type": "text/plain"}
    answer = await http.post(ROOT, content=base64.b64encode(content), headers=headers)
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


async def session(
    sandbox: Sandbox, http: httpx2.AsyncClient, made: dict[str, Any], size: int = SIZE
) -> httpx2.Response:
    item = {"AttachmentItem": {"attachmentType": "file", "name": "a.bin", "size": size}}
    return await http.post(f"{ROOT}/{made['id']}/attachments/createUploadSession", json=item, headers=head(sandbox))


def part(start: int, piece: bytes, size: int = SIZE) -> dict[str, str]:
    return {
        "content-range": f"bytes {start}-{start + len(piece) - 1}/{size}",
        "content-type": "application/octet-stream",
    }


async def test_a_draft_is_made_filled_and_sent(web: Sandbox, http: httpx2.AsyncClient) -> None:
    made = await draft(web, http, MESSAGE.replace(b"To: a@x.org", b"To: a@x.org\r\nBcc: b@x.org"))
    assert made["isDraft"] is True
    assert [made[key][0]["emailAddress"]["address"] for key in ("toRecipients", "bccRecipients")] == [
        "a@x.org",
        "b@x.org",
    ]
    small = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "s.txt", "contentBytes": "SGVsbG8="}
    assert (await http.post(f"{ROOT}/{made['id']}/attachments", json=small, headers=head(web))).status_code == 201
    opened = await session(web, http, made)
    assert opened.status_code == 201
    assert opened.json()["nextExpectedRanges"] == ["0-"]
    url, piece = opened.json()["uploadUrl"], b"x" * (SIZE // 2)
    first = await http.put(url, content=piece, headers=part(0, piece))
    assert first.status_code == 200
    assert first.json()["NextExpectedRanges"] == [str(SIZE // 2)], "a capital, and no dash"
    last = await http.put(url, content=piece, headers=part(SIZE // 2, piece))
    assert (last.status_code, last.content) == (201, b"")
    assert "/Attachments('" in last.headers["location"]
    assert (await http.post(f"{ROOT}/{made['id']}/send", headers=head(web))).status_code == 202
    (got,) = web.received
    assert got.recipients == ("a@x.org", "b@x.org")
    assert b"s.txt" in got.raw
    assert b"a.bin" in got.raw
    again = await http.post(f"{ROOT}/{made['id']}/send", headers=head(web))
    assert (again.status_code, again.json()["error"]["code"]) == (404, "ErrorItemNotFound")


async def test_recipients_can_be_changed(web: Sandbox, http: httpx2.AsyncClient) -> None:
    made = await draft(web, http)
    people = {"toRecipients": [], "bccRecipients": [{"emailAddress": {"address": "z@x.org"}}]}
    answer = await http.patch(f"{ROOT}/{made['id']}", json=people, headers=head(web))
    assert (answer.status_code, answer.json()["toRecipients"]) == (200, [])
    await http.post(f"{ROOT}/{made['id']}/send", headers=head(web))
    assert web.received[0].recipients == ("z@x.org",)


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (3 * MIB - 1, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"),
        (151 * MIB, "ErrorAttachmentSizeLimitExceeded"),
    ],
)
async def test_sizes_of_sessions(web: Sandbox, http: httpx2.AsyncClient, size: int, code: str) -> None:
    answer = await session(web, http, await draft(web, http), size)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_what_an_upload_address_refuses(web: Sandbox, http: httpx2.AsyncClient) -> None:
    url = (await session(web, http, await draft(web, http))).json()["uploadUrl"]
    assert (await http.put(url, content=b"x", headers=part(0, b"x") | head(web))).status_code == 401
    assert (await http.put(url, content=b"x", headers=part(5, b"x"))).status_code == 416
    assert (await http.get(url)).json()["NextExpectedRanges"] == ["0"]
    assert (await http.delete(url)).status_code == 204
    assert web.large.sessions.cancelled == 1
    assert (await http.put(url, content=b"x", headers=part(0, b"x"))).status_code == 404


async def test_a_session_expires(start: Start, clock: RecordingClock) -> None:
    sandbox = await start(clock, http=True, session_lifetime=60)
    async with client_of(sandbox) as http:
        url = (await session(sandbox, http, await draft(sandbox, http))).json()["uploadUrl"]
        await clock.advance(61)
        assert (await http.get(url)).status_code == 404


async def test_the_permission(start: Start) -> None:
    sandbox = await start(http=True, graph_roles=("Mail.Send",))
    async with client_of(sandbox) as http:
        answer = await http.post(ROOT, content=base64.b64encode(MESSAGE), headers=head(sandbox))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "ErrorAccessDenied")


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"AttachmentItem": {"size": "x"}}'])
async def test_what_is_no_attachment(web: Sandbox, http: httpx2.AsyncClient, body: bytes) -> None:
    made = await draft(web, http)
    for path in ("attachments", "attachments/createUploadSession"):
        answer = await http.post(f"{ROOT}/{made['id']}/{path}", content=body, headers=head(web))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")


async def test_a_draft_is_deleted(web: Sandbox, http: httpx2.AsyncClient) -> None:
    made = await draft(web, http)
    assert (await http.delete(f"{ROOT}/{made['id']}", headers=head(web))).status_code == 204
    assert (await http.delete(f"{ROOT}/{made['id']}", headers=head(web))).status_code == 404
    assert not web.large.drafts


@pytest.mark.parametrize("point", ["graph_draft", "graph_attach", "graph_send", "graph_upload"])
async def test_faults_at_each_step(web: Sandbox, http: httpx2.AsyncClient, point: str) -> None:
    made = await draft(web, http)
    url = (await session(web, http, made)).json()["uploadUrl"]
    web.faults.add(Fault(kind="throttled", at=point, times=1, retry_after=2.5))
    answers = {
        "graph_draft": lambda: http.delete(f"{ROOT}/{made['id']}", headers=head(web)),
        "graph_attach": lambda: http.post(f"{ROOT}/{made['id']}/attachments", json={}, headers=head(web)),
        "graph_send": lambda: http.post(f"{ROOT}/{made['id']}/send", headers=head(web)),
        "graph_upload": lambda: http.put(url, content=b"x", headers=part(0, b"x")),
    }
    answer = await answers[point]()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2.5")
