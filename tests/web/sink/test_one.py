"""One message by the sink API: text, parts, source; and mail that is made to do harm when it is shown."""

from datetime import datetime
from email.message import EmailMessage
from typing import Any

import pytest

from tests.web.sink.conftest import Api, mail

PNG = bytes.fromhex("89504e470d0a1a0a") + b"\0" * 64
MESSAGE = {
    *("ID", "MessageID", "From", "To", "Cc", "Bcc", "ReplyTo", "ReturnPath", "Subject", "ListUnsubscribe", "Date"),
    *("Tags", "Username", "Text", "HTML", "Size", "Inline", "Attachments"),
}


def rich() -> EmailMessage:
    made = mail("Rich", text="plain\n")
    made.add_alternative('<p>rich</p><img src="cid:logo"><a href="https://x/">link</a>', subtype="html")
    page = made.get_body(("html",))
    assert isinstance(page, EmailMessage)
    page.add_related(PNG, "image", "png", cid="<logo>")
    made.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="Größe/../bill.pdf")
    return made


def test_a_message_with_all_its_parts(api: Api) -> None:
    identifier = api.send(rich(), sender="bounces@example.com")
    found = api.get(f"/api/v1/message/{identifier}")
    assert set(found) == MESSAGE
    assert (found["ReturnPath"], found["Text"].strip()) == ("bounces@example.com", "plain")
    assert "cid:logo" in found["HTML"]
    assert datetime.fromisoformat(found["Date"]).tzinfo is not None
    (pdf,), (logo,) = found["Attachments"], found["Inline"]
    assert (pdf["FileName"], pdf["ContentType"], pdf["Size"]) == ("bill.pdf", "application/pdf", 6)
    assert (logo["ContentID"], logo["FileName"], logo["PartID"]) == ("logo", "logo", "1.2.2")
    assert set(pdf["Checksums"]) == {"MD5", "SHA1", "SHA256"}
    content = api.http.get(f"/api/v1/message/{identifier}/part/{pdf['PartID']}")
    assert (content.content, content.headers["content-type"]) == (b"%PDF-1", "application/pdf")
    assert content.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert api.http.get(f"/api/v1/message/{identifier}/part/9").status_code == 404
    picture = api.http.get(f"/api/v1/message/{identifier}/part/{logo['PartID']}/thumb")
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    blank = api.http.get(f"/api/v1/message/{identifier}/part/{pdf['PartID']}/thumb")
    assert blank.headers["content-type"] == "image/jpeg"
    assert (blank.content[:2], blank.content[-2:]) == (b"\xff\xd8", b"\xff\xd9")
    assert api.get("/api/v1/messages")["messages"][0]["Read"] is True


def test_the_html_is_shown_with_its_images_and_may_do_nothing(api: Api) -> None:
    identifier = api.send(rich())
    page = api.http.get(f"/view/{identifier}.html")
    assert f'<img src="/api/v1/message/{identifier}/part/1.2.2">' in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert 'target="_blank"' not in page.text
    assert '<a target="_blank" rel="noreferrer noopener" href' in api.http.get(f"/view/{identifier}.html?embed=1").text
    assert api.http.get(f"/view/{identifier}.txt").text.strip() == "plain"
    plain = api.send(mail())
    answer = api.http.get(f"/view/{plain}.html")
    assert (answer.status_code, answer.text) == (404, "This message does not contain a HTML part")


def test_html_alone_has_a_text(api: Api) -> None:
    identifier = api.send(b"Content-Type: text/html\r\n\r\n<style>x</style><p>Hi <b>you</b></p><p>A &amp; B</p>\r\n")
    assert api.get(f"/api/v1/message/{identifier}")["Text"] == "Hi you\n\nA & B"


def test_headers_and_source(api: Api) -> None:
    made = b"Subject: =?utf-8?q?x?=\r\ndkim-signature: a;\r\n b\r\nMIME-VERSION: 1.0\r\nX-mailer: me\r\n\r\nHello\r\n"
    identifier = api.send(made, "someone@example.org", "hid@x.org")
    headers = api.get(f"/api/v1/message/{identifier}/headers")
    assert list(headers) == sorted(headers)
    assert headers["Subject"] == ["=?utf-8?q?x?="]
    assert headers["Dkim-Signature"] == ["a; b"]
    assert {"Received", "Return-Path", "Bcc", "Message-Id", "Mime-Version", "Dkim-Signature", "X-Mailer"} <= set(
        headers
    )
    raw = api.http.get(f"/api/v1/message/{identifier}/raw?dl=1")
    assert raw.content.endswith(b"\r\n\r\nHello\r\n")
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"
    assert raw.headers["content-disposition"] == f'attachment; filename="{identifier}.eml"'
    assert api.get("/api/v1/messages")["messages"][0]["Size"] == len(raw.content)


def test_latest(api: Api) -> None:
    empty = api.http.get("/api/v1/message/latest")
    assert (empty.status_code, empty.text) == (404, "Message not found")
    one, two = api.send(mail("one")), api.send(mail("two"))
    assert api.get("/api/v1/message/latest")["ID"] == two
    assert api.get("/api/v1/message/latest?query=subject:one")["ID"] == one
    unknown = api.http.get("/api/v1/message/none")
    assert (unknown.status_code, unknown.text) == (404, "404 page not found")


def test_envelope_and_delivery(api: Api) -> None:
    identifier = api.send(b"To: b@x.org\r\n\r\nx\r\n", "b@x.org", sender="")
    found = api.get(f"/api/v1/message/{identifier}/envelope")
    assert (found["From"], found["To"], found["Helo"], found["Account"]) == ("", ["b@x.org"], "app.test", "sink")
    assert any("no From" in warning for warning in found["Warnings"])
    assert any("without a Message-ID" in warning for warning in found["Warnings"])
    assert api.get(f"/api/v1/message/{identifier}/delivery")["Released"] == []


def test_the_session_is_shown_without_the_login(api: Api) -> None:
    with api.smtp() as client:
        client.login("erp", "hunter2")
        client.sendmail("app@example.com", ["a@x.org"], b"Subject: one\r\n\r\nx\r\n")
        client.sendmail("app@example.com", ["b@x.org"], b"Subject: two\r\n\r\nx\r\n")
    identifier = api.get("/api/v1/message/latest")["ID"]
    lines = api.get(f"/api/v1/message/{identifier}/session")["Lines"]
    assert lines[0].startswith("S: 220 ")
    assert lines[1] == "C: ehlo app.test"
    assert "C: AUTH PLAIN ***" in lines
    assert any(line.lower().startswith("c: rcpt to:<b@x.org>") for line in lines)
    assert not any("a@x.org" in line or "aHVudGVy" in line or "ZXJw" in line for line in lines)
    assert lines[-2:] == ["C: data", "S: 354 End data with <CR><LF>.<CR><LF>"]


@pytest.mark.parametrize(
    ("header", "links", "error"),
    [
        ("<mailto:a@x>, <https://x/u>", ["mailto:a@x", "https://x/u"], ""),
        ("(comment) <https://x/u>", ["https://x/u"], ""),
        ("https://x/u", [], '"https://x/u" no valid unsubscribe links found'),
        ("x <https://x/u>", ["https://x/u"], '"x <https://x/u>" should be enclosed in <>'),
        ("<https://x/u> <mailto:a@x>", ["https://x/u", "mailto:a@x"], "<> should be split with a comma"),
        ("<ftp://x>", [], '"ftp://x" should start with either http(s):// or mailto:'),
        ("<https://x/u>, <https://y/u>", ["https://x/u"], '"https://y/u" should only contain one HTTP link'),
    ],
)
def test_list_unsubscribe(api: Api, header: str, links: list[str], error: str) -> None:
    identifier = api.send(f"List-Unsubscribe: {header}\r\n\r\nx\r\n".encode())
    found = api.get(f"/api/v1/message/{identifier}")["ListUnsubscribe"]
    assert (found["Header"], found["Links"]) == (header, links)
    assert error in found["Errors"]
    assert bool(found["Errors"]) == bool(error)


NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1500))
HOSTILE: dict[str, bytes] = {
    "nested": NESTED,
    "many parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 200_000,
    "many addresses": b"To: " + b"a@example.com,\r\n " * 12_000 + b"b@x.org\r\n\r\nx\r\n",
    "comments": b"To: " + b"(" * 20_000 + b"\r\n\r\nx\r\n",
    "parameters": b"Content-Disposition: attachment; "
    + b";".join(b" filename*%d=x" % number for number in range(10_000))
    + b"\r\n\r\nx\r\n",
    "no charset": b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a-" * 100_000,
    "html": b"Content-Type: text/html\r\n\r\n" + b"<style" * 80_000 + b"<!--" * 80_000 + b"<" * 200_000,
    "no boundary": b"Content-Type: multipart/mixed\r\n\r\nx\r\n",
    "surrogates": b"Subject: =?utf-7?q?+2D0?=\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+2D0-\r\n",
    "eight bit": b"Subject: Gr\xfc\xdfe\r\nFrom: \xff\xfe\r\n\r\n\xff\xfe\r\n",
    "broken base64": b"Content-Transfer-Encoding: base64\r\nContent-Type: text/html\r\n\r\n!A!B!C\r\n",
    "empty": b"\r\n",
    "date": b"Date: Mon, 99 Foo 99999 99:99:99 +9999\r\nList-Unsubscribe: " + b"<" * 5000 + b"\r\n\r\nx\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_listed_and_opens(api: Api, name: str) -> None:
    octets = b"X-Case: hostile\r\n" + HOSTILE[name]
    identifier = api.send(octets)
    (message,) = api.get("/api/v1/messages")["messages"]
    assert message["ID"] == identifier
    found: dict[str, Any] = api.get(f"/api/v1/message/{identifier}")
    assert len(found["Attachments"]) <= 1000
    assert api.get(f"/api/v1/message/{identifier}/headers")["X-Case"] == ["hostile"]
    assert b"X-Case: hostile" in api.http.get(f"/api/v1/message/{identifier}/raw").content
    assert api.http.get(f"/view/{identifier}.txt").status_code == 200


def test_what_is_odd_is_told(api: Api) -> None:
    identifier = api.send(NESTED)
    warnings = api.get(f"/api/v1/message/{identifier}/envelope")["Warnings"]
    assert any("nested more than 50 deep" in warning for warning in warnings)


def test_names_of_parts_do_not_reach_the_header_of_an_answer(api: Api) -> None:
    name = b'x"%0D%0AX-Evil: 1.html'
    identifier = api.send(
        b"Content-Type: text/html\r\nContent-Disposition: attachment; filename*=utf-8''"
        + name.replace(b'"', b"%22")
        + b"\r\n\r\n<script>alert(1)</script>\r\n"
    )
    (part,) = api.get(f"/api/v1/message/{identifier}")["Attachments"]
    answer = api.http.get(f"/api/v1/message/{identifier}/part/{part['PartID']}")
    assert "x-evil" not in answer.headers
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    assert answer.headers["x-content-type-options"] == "nosniff"
