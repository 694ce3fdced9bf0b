"""Quoted-printable text that would be garbled becomes base64; nothing else changes."""

import email

import pytest

from relay.mime.recoding import recoded

QP = b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
GARBLED = b'<a href=3D"x=\r\n3D1">=C3=BC</a>\r\n'
TEXT = '<a href="x3D1">ü</a>\r\n'.encode()


def test_a_message_of_one_part() -> None:
    headers, body = recoded(b"Subject: x\r\n" + QP + b"X-Last: y\r\n", GARBLED)
    assert headers == (
        b"Subject: x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\nX-Last: y\r\n"
    )
    assert email.message_from_bytes(headers + b"\r\n" + body).get_payload(decode=True) == TEXT


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (QP, b"<p>=C3=BC soft=\r\nbreak=\r\nGH=\r\n 3D</p>\r\n"),
        (QP.replace(b"text/html", b"application/xml"), GARBLED),
        (QP.replace(b"quoted-printable", b"8bit"), GARBLED),
        (b"Content-Type: multipart/signed; boundary=b\r\n", b"--b\r\n" + QP + b"\r\n" + GARBLED + b"\r\n--b--\r\n"),
    ],
)
def test_what_stays(headers: bytes, body: bytes) -> None:
    assert recoded(headers, body) == (headers, body)


def test_only_the_part_that_needs_it() -> None:
    signed = b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n" + QP + b"\r\n" + GARBLED + b"\r\n--s--"
    parts = [QP + b"\r\n" + GARBLED, QP + b"\r\nplain=\r\n text", signed, QP + b"\r\n" + GARBLED + b"end=20"]
    body = b"preamble\r\n" + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\nepilogue\r\n"
    head = b"Content-Type: multipart/mixed; boundary=b\r\n"
    headers, changed = recoded(head, body)
    assert headers == head
    before, after = (email.message_from_bytes(head + b"\r\n" + one) for one in (body, changed))
    assert [part.get_payload(decode=True) for part in before.walk()] == [
        part.get_payload(decode=True) for part in after.walk()
    ]
    assert changed.count(GARBLED) == 1, "what is signed stays"
    assert parts[1] in changed
    assert changed.startswith(b"preamble\r\n--b\r\n")
    assert changed.endswith(b"--b--\r\nepilogue\r\n")
    assert changed.count(b"Transfer-Encoding: base64") == 2
