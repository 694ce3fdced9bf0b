"""What is read out of a header block."""

import pytest

from relay.mime import hop_count, looks_signed, message_id, needs_smtputf8, split_headers, subject


@pytest.mark.parametrize(
    ("field", "signed"),
    [
        (b'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary=x', True),
        (b"content-type :\r\n Multipart/Signed;\r\n micalg=sha-256", True),
        (b"Content-Type: multipart / signed", True),
        (b"Content-Type: multipart/encrypted; protocol=x", True),
        (b"Content-Type: application/pkcs7-mime; smime-type=signed-data", True),
        (b"Content-Type: application/x-pkcs7-mime", True),
        (b"Content-Type: multipart/mixed; boundary=signed", False),
        (b"Subject: multipart/signed", False),
        (b"Content-Type:", False),
    ],
)
def test_looks_signed(field: bytes, signed: bool) -> None:
    assert looks_signed(split_headers(b"From: a@b\r\n" + field + b"\r\n")) is signed


@pytest.mark.parametrize(
    ("block", "needed"),
    [
        (b"Subject: =?utf-8?q?=C3=BC?=\r\n", False),
        ("Subject: ü\r\n".encode(), True),
        (b"Subject: \xfc\r\n", True),
        ("X: a\r\n\tü\r\n".encode(), True),
        (b"", False),
    ],
)
def test_needs_smtputf8(block: bytes, needed: bool) -> None:
    assert needs_smtputf8(split_headers(block)) is needed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b" hello", "hello"),
        (b" =?utf-8?q?Gr=C3=BC=C3=9Fe?= an\r\n =?iso-8859-1?b?TfxsbGVy?=", "Grüße an Müller"),
        ("Grüße".encode(), "Grüße"),
        (b"Gr\xfc\xdfe", "Grüße"),
        (b"=?utf-8?b?a?= x", "=?utf-8?b?a?= x"),
        (b"=?klingon?q?Qapla?=", "=?klingon?q?Qapla?="),
        (b"=?utf-8?q?a=0D=0ABcc:_x?=", "a Bcc: x"),
        (b"x" * 300, "x" * 199 + "…"),
        (b"=?utf-8?q?" + b"=?" * 100_000, None),
        (b"", ""),
    ],
)
def test_subject(value: bytes, text: str | None) -> None:
    found = subject(split_headers(b"To: a\r\nSubject: " + value + b"\r\nSubject: second\r\n"))
    assert len(found) <= 200
    assert text is None or found == text


def test_without_a_subject() -> None:
    assert subject(split_headers(b"To: a\r\n")) == ""


@pytest.mark.parametrize(("block", "found"), [(b"Message-Id : <1@x> \r\n", "<1@x>"), (b"To: a\r\n", "")])
def test_message_id(block: bytes, found: str) -> None:
    assert message_id(split_headers(block)) == found


def test_hop_count() -> None:
    assert hop_count(split_headers(b"Received: a\r\nRECEIVED : b\r\n\tc\r\nX-Received: d\r\n")) == 2
