"""The stand-in Gmail API: its four forms, and how it refuses."""

import base64
from collections.abc import Callable

import httpx2
import pytest

from relay.sandbox import Fault, Sandbox
from tests.sandbox.conftest import Start, client_of
from tests.sandbox.raw import MAILBOX, MESSAGE

PATH = "gmail/v1/users/me/messages/send"
HEAD = {"authorization": "Bearer ya29.test"}


@pytest.fixture(autouse=True)
def signed_in(web: Sandbox) -> None:
    web.google.issued["ya29.test"] = MAILBOX


async def test_json_media_and_multipart(web: Sandbox, http: httpx2.AsyncClient) -> None:
    raw = base64.urlsafe_b64encode(MESSAGE).decode()
    kind = HEAD | {"content-type": 'multipart/related; boundary="b"'}
    parts = b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    answers = [
        await http.post(f"/{PATH}", json={"raw": raw}, headers=HEAD),
        await http.post(f"/upload/{PATH}?uploadType=media", content=MESSAGE, headers=HEAD),
        await http.post(
            f"/upload/{PATH}?uploadType=multipart", content=parts + MESSAGE + b"\r\n--b--\r\n", headers=kind
        ),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert set(answer.json()) == {"id", "threadId", "labelIds"}
    assert [got.raw for got in web.received] == [MESSAGE] * 3
    assert web.received[0].recipients == ("a@x.org",)


@pytest.mark.parametrize(
    ("encode", "status"),
    [
        (base64.urlsafe_b64encode, 200),
        (lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"="), 200),
        (base64.b64encode, 400),
        (lambda raw: base64.urlsafe_b64encode(raw)[:40] + b"\n" + base64.urlsafe_b64encode(raw)[40:], 400),
    ],
    ids=["padded", "bare", "standard", "lines"],
)
async def test_only_the_alphabet_for_urls(
    web: Sandbox, http: httpx2.AsyncClient, encode: Callable[[bytes], bytes], status: int
) -> None:
    raw = MESSAGE + b"\xff\xfe\xfb" * 3 + b"!"
    answer = await http.post(f"/{PATH}", json={"raw": encode(raw).decode()}, headers=HEAD)
    assert answer.status_code == status
    assert [got.raw for got in web.received] == ([raw] if status == 200 else [])


async def test_the_limit_of_a_day_names_its_end(start: Start) -> None:
    sandbox = await start(http=True, gmail_messages_per_day=1)
    sandbox.google.issued["ya29.test"] = MAILBOX
    async with client_of(sandbox) as http:
        address = f"/upload/{PATH}?uploadType=media"
        assert (await http.post(address, content=MESSAGE, headers=HEAD)).status_code == 200
        answer = await http.post(address, content=MESSAGE, headers=HEAD)
    (error,) = answer.json()["error"]["errors"]
    assert (answer.status_code, error["domain"]) == (429, "usageLimits")
    assert "Retry after 20" in error["message"]


async def test_resumable(web: Sandbox, http: httpx2.AsyncClient) -> None:
    opening = HEAD | {"x-upload-content-length": str(len(MESSAGE))}
    begun = await http.post(f"/resumable/upload/{PATH}?uploadType=resumable", content=b"{}", headers=opening)
    url, size = begun.headers["location"], len(MESSAGE)
    first = await http.put(url, content=MESSAGE[:10], headers=HEAD | {"content-range": f"bytes 0-9/{size}"})
    assert (first.status_code, first.headers["range"]) == (308, "bytes=0-9")
    asked = await http.put(url, headers=HEAD | {"content-range": f"bytes */{size}"})
    assert (asked.status_code, asked.headers["range"]) == (308, "bytes=0-9")
    rest = HEAD | {"content-range": f"bytes 10-{size - 1}/{size}"}
    last = await http.put(url, content=MESSAGE[10:], headers=rest)
    again = await http.put(url, headers=HEAD | {"content-range": f"bytes */{size}"})
    assert (last.status_code, again.json()) == (200, last.json())
    assert [got.raw for got in web.received] == [MESSAGE]
    gone = await http.put(f"/resumable/upload/{PATH}?upload_id=x", headers=HEAD | {"content-range": "bytes */1"})
    assert gone.status_code == 404
    untold = await http.post(f"/resumable/upload/{PATH}?uploadType=resumable", content=b"{}", headers=HEAD)
    assert untold.status_code == 400


async def test_refusals(web: Sandbox, http: httpx2.AsyncClient) -> None:
    nobody = await http.post(f"/{PATH}", json={"raw": ""}, headers={"authorization": "Bearer x"})
    assert (nobody.status_code, nobody.json()["error"]["errors"][0]["reason"]) == (401, "authError")
    lonely = base64.urlsafe_b64encode(b"Subject: x\r\n\r\n").decode()
    answer = await http.post(f"/{PATH}", json={"raw": lonely}, headers=HEAD)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Recipient address required")
    assert (await http.post(f"/{PATH}", content=b"{", headers=HEAD)).status_code == 400
    other = await http.post(f"/{PATH}".replace("me", "boss@x.org", 1), json={"raw": ""}, headers=HEAD)
    assert other.status_code in (403, 404)
    web.faults.add(Fault(kind="throttled", at="gmail", code="userRateLimitExceeded", body="2026-01-01T00:00:00Z"))
    limited = await http.post(f"/{PATH}", json={"raw": ""}, headers=HEAD)
    assert (limited.status_code, limited.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert "Retry after 2026-01-01T00:00:00Z" in limited.json()["error"]["message"]


async def test_an_answer_that_was_lost_belongs_to_one_upload(web: Sandbox, http: httpx2.AsyncClient) -> None:
    size = len(MESSAGE)
    whole = HEAD | {"content-range": f"bytes 0-{size - 1}/{size}"}
    opening = HEAD | {"x-upload-content-length": str(size)}
    begun = [
        await http.post(f"/resumable/upload/{PATH}?uploadType=resumable", content=b"{}", headers=opening)
        for _ in range(2)
    ]
    one, other = (answer.headers["location"] for answer in begun)
    web.faults.add(Fault(kind="disconnect", at="gmail_taken", times=1))
    with pytest.raises(httpx2.HTTPError):
        await http.put(one, content=MESSAGE, headers=whole)
    asked = HEAD | {"content-range": f"bytes */{size}"}
    assert (await http.put(one, headers=asked)).status_code == 200
    assert (await http.put(other, headers=asked)).status_code == 308, "nothing of it has come"
    assert web.received.total == 1
