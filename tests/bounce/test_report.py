"""Reports as programs and people read them, parsed by Python's own email package."""

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bounce import Action, Notice, Report, Told, compose, decoded, wants_body

HEADERS = b"From: app@example.com\r\nSubject: Invoice\r\n"
FAILED = Told(
    "someone@example.org",
    Action.FAILED,
    550,
    "5.7.60",
    "SMTP; Client does not have permissions to send as this sender " + "x" * 60 + " end",
    "Add-RecipientPermission gives the right",
    "rfc822;Some+2Bone@example.org",
)
NOTICE = Notice(
    report_id="r1",
    hostname="relay.example.com",
    now=1_800_000_100.0,
    author="noreply@example.com",
    to="app@example.com",
    message="m1",
    sender="app@example.com",
    subject="Invoice",
    message_id="<1@app>",
    client="erp",
    peer="192.0.2.7",
    account="office",
    received_at=1_800_000_000.0,
    recipients=(FAILED,),
    remote="smtp.office365.com",
    envid="job+2D7",
    headers=HEADERS,
    body=b"Hello\r\n.dot\r\n",
)


def parsed(report: Report) -> EmailMessage:
    read = email.message_from_bytes(report.headers + b"\r\n" + report.body, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    assert not [part.defects for part in read.walk() if part.defects]
    return read


def parts(report: Report) -> list[EmailMessage]:
    read = parsed(report)
    assert (read.get_content_type(), read.get_param("report-type")) == ("multipart/report", "delivery-status")
    return list(read.iter_parts())  # type: ignore[arg-type]


def groups(report: Report) -> list[dict[str, str]]:
    """The groups of fields of message/delivery-status."""
    status = parts(report)[1]
    assert status.get_content_type() == "message/delivery-status"
    return [{name.lower(): str(value) for name, value in group.items()} for group in status.get_payload()]  # type: ignore[union-attr]


def words(report: Report) -> str:
    text: str = parts(report)[0].get_content()
    return text.replace("\r\n", "\n")


def test_the_header_tells_programs_what_it_is() -> None:
    read = parsed(compose(NOTICE))
    assert (read["From"], read["To"]) == ("Mail relay <noreply@example.com>", "app@example.com")
    assert read["Subject"] == "Not delivered: Invoice"
    assert read["Auto-Submitted"] == "auto-replied"
    assert read["Message-ID"] == "<r1@relay.example.com>"
    assert read["Date"] == "Fri, 15 Jan 2027 08:01:40 +0000"


def test_the_machine_part_has_the_fields_of_rfc_3464() -> None:
    message, recipient = groups(compose(NOTICE))
    assert message == {
        "original-envelope-id": "job-7",
        "reporting-mta": "dns; relay.example.com",
        "arrival-date": "Fri, 15 Jan 2027 08:00:00 +0000",
    }
    assert recipient.pop("diagnostic-code").split() == ["smtp;", "550", "5.7.60", *FAILED.text.split()]
    assert recipient == {
        "original-recipient": "rfc822; Some+one@example.org",
        "final-recipient": "rfc822; someone@example.org",
        "action": "failed",
        "status": "5.7.60",
        "remote-mta": "dns; smtp.office365.com",
    }


def test_the_text_has_the_reply_and_the_next_step() -> None:
    text = words(compose(NOTICE))
    for line in (
        "This is the mail relay at relay.example.com.",
        "  <someone@example.org>",
        f"    550 5.7.60 {FAILED.text}",
        "    What to do: Add-RecipientPermission gives the right",
        "  Subject:    Invoice",
        "  Received:   Fri, 15 Jan 2027 08:00:00 +0000, from erp (192.0.2.7)",
        "  Queue id:   m1, account office",
    ):
        assert line in text.split("\n"), text


def test_all_failed_recipients_are_in_one_report() -> None:
    others = tuple(replace(FAILED, address=f"u{number}@x.org", orcpt="") for number in range(20))
    _, *recipients = groups(compose(replace(NOTICE, recipients=others)))
    assert [one["final-recipient"] for one in recipients] == [f"rfc822; {one.address}" for one in others]
    assert "original-recipient" not in recipients[0]


@pytest.mark.parametrize(
    ("notice", "kind"),
    [
        (NOTICE, "message/rfc822"),
        (replace(NOTICE, body=b"\xe9t\xe9\r\n"), "message/rfc822"),
        (replace(NOTICE, headers="Subject: été\r\n".encode()), "message/global"),
        (replace(NOTICE, headers=b"Subject: \xe9\r\n"), "message/rfc822"),
        (replace(NOTICE, body=None), "text/rfc822-headers"),
        (replace(NOTICE, body=b"\xe9\r\n", recipients=(replace(FAILED, status="5.6.3"),)), "text/rfc822-headers"),
        (replace(NOTICE, recipients=(replace(FAILED, action=Action.DELAYED),)), "text/rfc822-headers"),
    ],
)
def test_the_message_goes_back_whole_or_as_its_header(notice: Notice, kind: str) -> None:
    report = compose(notice)
    assert parts(report)[2].get_content_type() == kind
    whole = notice.headers + b"\r\n" + (notice.body or b"Hello")
    assert (whole in report.body) is (kind != "text/rfc822-headers")
    assert report.eight_bit is not report.body.isascii()
    assert ("Its header follows." in words(report)) is (kind == "text/rfc822-headers")


@pytest.mark.parametrize("headers", ["Subject: été\r\n".encode(), b"Subject: \xe9t=\xe9 \r\n", HEADERS])
def test_a_header_alone_goes_back_octet_for_octet_and_in_ascii(headers: bytes) -> None:
    report = compose(replace(NOTICE, headers=headers, body=None))
    assert report.body.isascii()
    payload = parts(report)[2].get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.replace(b"\r\n", b"\n").rstrip() == headers.replace(b"\r\n", b"\n").rstrip()


def test_addresses_beyond_ascii_are_written_as_rfc_6533_has_it() -> None:
    told = replace(FAILED, address="gr\u00fc\u00df@b\u00fccher.example", orcpt="utf-8;gr\\x{FC}\\x{DF}@b.example")
    report = compose(replace(NOTICE, recipients=(told,), to="\u00e4@x.org", subject="Gr\u00fc\u00dfe"))
    assert groups(report)[1]["final-recipient"] == "utf-8; gr\\x{FC}\\x{DF}@b\\x{FC}cher.example"
    assert groups(report)[1]["original-recipient"] == "utf-8; gr\\x{FC}\\x{DF}@b.example"
    assert report.smtputf8
    assert not report.eight_bit
    assert "<grüß@bücher.example>" in words(report)
    assert parsed(report)["Subject"] == "Not delivered: Grüße"


def test_a_delay_says_until_when_it_is_tried() -> None:
    told = replace(FAILED, action=Action.DELAYED, code=451, status="5.0.0", text="busy")
    report = compose(replace(NOTICE, recipients=(told,), retry_until=1_800_400_000.0))
    assert parsed(report)["Subject"] == "Delayed: Invoice"
    (_, recipient) = groups(report)
    assert (recipient["action"], recipient["status"]) == ("delayed", "4.0.0")
    assert recipient["will-retry-until"] == "Tue, 19 Jan 2027 23:06:40 +0000"
    assert "tried again until Tue, 19 Jan 2027 23:06:40 +0000" in words(report)


def test_what_was_never_tried_has_no_reply() -> None:
    report = compose(replace(NOTICE, recipients=(Told("a@x.org", Action.DELAYED, 0, "", ""),)))
    recipient = groups(report)[1]
    assert set(recipient) == {"final-recipient", "action", "status"}
    assert "No attempt could be made yet." in words(report)


def test_a_message_that_was_handed_on_is_told_as_that() -> None:
    report = compose(replace(NOTICE, recipients=(replace(FAILED, action=Action.RELAYED, code=250, status="2.0.0"),)))
    assert (groups(report)[1]["action"], groups(report)[1]["status"]) == ("relayed", "2.0.0")
    assert parsed(report)["Subject"] == "Sent on: Invoice"


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=100), st.binary(max_size=200))
def test_nothing_that_a_peer_says_breaks_a_report(text: str, hint: str, subject: str, octets: bytes) -> None:
    headers = b"X: " + octets.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"
    told = replace(FAILED, text=text.encode("utf-8", "replace").decode(), hint=hint.encode("utf-8", "replace").decode())
    shown = subject.encode("utf-8", "replace").decode()
    report = compose(replace(NOTICE, recipients=(told,), subject=shown, headers=headers, body=None))
    assert report.headers.count(b"\r\n") == report.headers.count(b"\n") == report.headers.count(b"\r")
    assert report.body.count(b"\r\n") == report.body.count(b"\n")
    assert len(parts(report)) == 3
    assert groups(report)[1]["final-recipient"] == "rfc822; someone@example.org"


@pytest.mark.parametrize(
    ("text", "plain"),
    [("job-7", "job-7"), ("a+2Bb", "a+b"), ("a+b", None), ("a=b", None), ("+0A", None), ("ü", None), ("+2b", None)],
)
def test_xtext(text: str, plain: str | None) -> None:
    assert decoded(text) == plain


@pytest.mark.parametrize(
    ("ret", "size", "whole"),
    [("", 65536, True), ("", 65537, False), ("HDRS", 1, False), ("FULL", 1048576, True), ("FULL", 1048577, False)],
)
def test_how_much_goes_back(ret: str, size: int, whole: bool) -> None:
    assert wants_body(ret, size) is whole
