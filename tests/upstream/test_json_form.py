"""A message in Graph's JSON: what is kept, and which messages are not put into it."""

import asyncio
import base64
import json
import tracemalloc
from typing import Any

import pytest

from relay.model import MemoryBody, Message
from relay.upstream.graph.json_form import JsonForm, as_json
from tests.support.large import as_message, scan_to_mail

HEAD = b"From: Office <office@contoso.com>\r\n"


def form_of(headers: bytes, body: bytes = b"", *recipients: str) -> JsonForm | None:
    return asyncio.run(as_json(HEAD + headers, MemoryBody.of(body), recipients or ("ann@example.com",)))


def form_of_message(one: Message) -> JsonForm | None:
    return asyncio.run(as_json(one.headers, one.body, one.envelope.recipients))


def told(form: JsonForm | None) -> str:
    assert form is not None
    return form.told


def message_in(form: JsonForm | None) -> dict[str, Any]:
    assert form is not None

    async def whole() -> bytes:
        return b"".join([piece async for piece in form.pieces()])

    request = asyncio.run(whole())
    assert len(request) == form.size
    found = json.loads(request)
    assert found["saveToSentItems"] is False
    message: dict[str, Any] = found["message"]
    return message


def read(headers: bytes, body: bytes = b"Hi\r\n", *recipients: str) -> dict[str, Any]:
    return message_in(form_of(headers, body, *recipients))


def people(message: dict[str, Any], key: str) -> list[str]:
    return [one["emailAddress"]["address"] for one in message[key]]


def test_everybody_gets_it_once() -> None:
    headers = b"To: =?utf-8?q?J=C3=B6rg?= <ann@example.com>, stranger@x.org\r\nCc: ANN@example.com, bob@x.org\r\n"
    message = read(headers, b"", "ann@example.com", "bob@x.org", "hidden@x.org")
    assert message["toRecipients"] == [{"emailAddress": {"address": "ann@example.com", "name": "Jörg"}}]
    assert (people(message, "ccRecipients"), people(message, "bccRecipients")) == (["bob@x.org"], ["hidden@x.org"])
    assert message["from"] == {"emailAddress": {"address": "office@contoso.com", "name": "Office"}}


def test_the_fields_that_are_kept() -> None:
    own = b"".join(b"X-App-%d: %d\r\n" % (number, number) for number in range(7))
    message = read(
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@app>\r\nIn-Reply-To: <0@app>\r\n"
        b"Reply-To: help@x.org\r\n"
        b"X-Priority: 1 (Highest)\r\nDisposition-Notification-To: a@b.c\r\nReferences: <0@app>\r\n" + own
    )
    assert (message["subject"], message["internetMessageId"]) == ("Grüße", "<1@app>")
    assert (message["importance"], message["isReadReceiptRequested"]) == ("high", True)
    assert people(message, "replyTo") == ["help@x.org"]
    assert {one["id"]: one["value"] for one in message["singleValueExtendedProperties"]} == {
        "String 0x1042": "<0@app>",
        "String 0x1039": "<0@app>",
    }
    assert [one["name"] for one in message["internetMessageHeaders"]] == [f"X-App-{number}" for number in range(5)]


def test_what_is_lost_is_told() -> None:
    fields = b"".join(b"X-App-%d: %d\r\n" % (number, number) for number in range(6))
    fields += b"Date: x\r\nList-Id: <l>\r\nPrecedence: bulk\r\nX-Addressed-To: s@x.org\r\nX-Priority: 1\r\n"
    form = form_of(fields)
    assert told(form) == "lost in JSON: List-Id, Precedence, X-App-4, X-App-5"
    own = message_in(form)["internetMessageHeaders"]
    assert own[0] == {"name": "X-Addressed-To", "value": "s@x.org"}, "whom nobody mails is not forgotten"
    assert told(form_of_message(as_message(scan_to_mail(100)))) == "lost in JSON: the plain text"
    assert told(form_of(b"".join(b"Field-%d: x\r\n" % number for number in range(12)))).endswith("Field-9 and 2 more")
    assert told(form_of(b"To: ann@example.com\r\n")) == ""


def test_text_and_attachments() -> None:
    one = as_message(scan_to_mail(100, inline=50))
    message = message_in(form_of_message(one))
    assert message["body"]["contentType"] == "html"
    assert "cid:logo@x" in message["body"]["content"]
    image, pdf = message["attachments"]
    assert (image["isInline"], image["contentId"], pdf["isInline"], pdf["name"]) == (
        True,
        "logo@x",
        False,
        "Anhang 0 ü.pdf",
    )
    assert len(base64.b64decode(pdf["contentBytes"])) == 100


def test_attachments_are_not_held_in_memory() -> None:
    one = as_message(scan_to_mail(2_000_000))

    async def sent() -> int:
        form = await as_json(one.headers, one.body, one.envelope.recipients)
        assert form is not None
        return sum([len(piece) async for piece in form.pieces()])

    tracemalloc.start()
    try:
        assert asyncio.run(sent()) > 2_000_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < one.size


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (b"text/plain; charset=iso-8859-1", b"\xfc", "ü"),
        (b"text/plain; charset=nonsense", "ü".encode(), "ü"),
        (b"text/plain; charset=us-ascii", b"\xfc", "ü"),
        (b"text/plain; charset=undefined", "ü".encode(), "ü"),
        (b"text/plain; charset*=a\x00b''utf-8", "ü".encode(), "ü"),
        (b"text/plain; name=body.txt", "ü".encode(), "ü"),
    ],
)
def test_texts_and_their_character_sets(kind: bytes, body: bytes, text: str) -> None:
    assert read(b"Content-Type: " + kind + b"\r\n", body)["body"]["content"] == text


def test_a_subject_in_octets_that_nobody_declared() -> None:
    assert read(b"Subject: Gr\xfc\xdfe\r\n")["subject"] == "Grüße"


MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n"
REPORT = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        # Two texts that are not forms of one.
        (MIXED, b"--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>two</p>\r\n--b--\r\n"),
        (REPORT, b"--b\r\n\r\nfailed\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nx: y\r\n--b--\r\n"),
        (b"Reply-To: help@x.org sales@x.org\r\n", b""),
        (b"From: Ann <ann@x.org>, bob@x.org\r\n", b""),
        (
            b"Content-Type: multipart/related; boundary=b\r\n",
            (
                b"--b\r\nContent-Type: text/html\r\n\r\n<img src=a.png>\r\n"
                b"--b\r\nContent-Type: image/png\r\nContent-Location: a.png\r\n\r\nx\r\n--b--\r\n"
            ),
        ),
        (b"Content-Type: multipart/signed; boundary=b\r\n", b"--b--\r\n"),
        (
            b"Content-Type: multipart/alternative; boundary=b\r\n",
            b"--b\r\nContent-Type: text/calendar\r\n\r\nx\r\n--b--",
        ),
        (b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\nA: b"),
        (b"Content-Transfer-Encoding: x-uuencode\r\n", b"begin"),
        (b"", b"x" * 5_000_000),
    ],
)
def test_what_json_would_damage(headers: bytes, body: bytes) -> None:
    assert form_of(headers, body) is None
