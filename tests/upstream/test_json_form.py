"""A message in Graph's JSON: what is kept, and which messages are not put into it."""

import base64
import json
from typing import Any

import pytest

from relay.upstream.graph.json_form import as_json
from tests.support.large import as_message, scan_to_mail

HEAD = b"From: Office <office@contoso.com>\r\n"


def read(headers: bytes, body: bytes = b"Hi\r\n", *recipients: str) -> dict[str, Any]:
    request = as_json(HEAD + headers, body, recipients or ("ann@example.com",))
    assert request is not None
    found = json.loads(request)
    assert found["saveToSentItems"] is False
    message: dict[str, Any] = found["message"]
    return message


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
    assert len(message["internetMessageHeaders"]) == 5


def test_text_and_attachments() -> None:
    one = as_message(scan_to_mail(100, inline=50))
    request = as_json(one.headers, one.body.data, ("ann@example.com",))  # type: ignore[attr-defined]
    assert request is not None
    message = json.loads(request)["message"]
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


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (b"text/plain; charset=iso-8859-1", b"\xfc", "ü"),
        (b"text/plain; charset=nonsense", "ü".encode(), "ü"),
        (b"text/plain; charset=us-ascii", b"\xfc", "ü"),
    ],
)
def test_character_sets(kind: bytes, body: bytes, text: str) -> None:
    assert read(b"Content-Type: " + kind + b"\r\n", body)["body"]["content"] == text


@pytest.mark.parametrize(
    ("headers", "body"),
    [
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
    assert as_json(HEAD + headers, body, ("ann@example.com",)) is None
