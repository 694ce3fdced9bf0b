"""Labelling undeclared 8-bit text: the label is new, the octets are the app's."""

from email import message_from_bytes
from email.header import decode_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mime import addresses, label_charset, split_headers

DECLARED = (
    b'MIME-Version: 1.0\r\nContent-Type: text/plain;\r\n\tCharset = "koi8-r"\r\nContent-Transfer-Encoding: 8bit\r\n'
)
TEXT = b"From: a@x\r\nSubject: x\r\n"


def labelled(block: bytes, charset: str = "windows-1252", *, eight_bit_body: bool = True) -> bytes:
    return b"".join(
        header.raw for header in label_charset(split_headers(block), charset, eight_bit_body=eight_bit_body)
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            b"",
            b"Content-Type: text/plain; charset=windows-1252\r\n"
            b"Content-Transfer-Encoding: 8bit\r\nMIME-Version: 1.0\r\n",
            id="nothing declared",
        ),
        pytest.param(
            b"Content-Type: text/html;\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8BIT\r\n",
            b"Content-Type: text/html; charset=windows-1252\r\n"
            b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8BIT\r\n",
            id="a text without charset",
        ),
        pytest.param(
            DECLARED,
            DECLARED,
            id="declared",
        ),
        pytest.param(
            b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
            b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
            id="parts have headers of their own",
        ),
        pytest.param(b"DKIM-Signature: v=1\r\n", b"DKIM-Signature: v=1\r\n", id="signed"),
    ],
)
def test_the_body_gets_a_label_where_it_has_none(fields: bytes, expected: bytes) -> None:
    assert labelled(TEXT + fields) == TEXT + expected


def test_a_7bit_body_gets_none() -> None:
    assert labelled(TEXT, eight_bit_body=False) == TEXT


def test_a_subject_names_its_charset_and_says_the_same_octets() -> None:
    said = "Grüße aus dem Büro im dritten Stock, links hinten bei der Treppe, 5 €".encode("windows-1252")
    field = labelled(b"Subject: " + said + b"\r\n", eight_bit_body=False)
    assert field.isascii()
    assert max(map(len, field.split(b"\r\n"))) <= 76
    decoded = decode_header(message_from_bytes(field)["Subject"])
    assert b"".join(bytes(text) for text, _ in decoded) == said
    assert {charset for _, charset in decoded} == {"windows-1252"}


def test_a_character_is_never_cut_in_two() -> None:
    said = ("日本語の件名" * 12).encode("shift_jis")
    field = labelled(b"Subject: " + said + b"\r\n", "shift_jis", eight_bit_body=False)
    for line in field.removeprefix(b"Subject: ").split(b"\r\n")[:-1]:
        ((octets, charset),) = decode_header(line.decode().strip())
        assert isinstance(octets, bytes)
        assert octets.decode(str(charset))


def test_names_of_addresses() -> None:
    block = b'To: "J\xf6rg, \\"K\\"" <b@x>, c@x, M\xfcller <d@x>\r\n'
    field = labelled(block, eight_bit_body=False)
    assert field.isascii()
    assert addresses(split_headers(field)[0].value) == ["b@x", "c@x", "d@x"]
    assert (
        "".join(
            text if isinstance(text, str) else text.decode(charset or "ascii")
            for text, charset in decode_header(message_from_bytes(field)["To"])
        ).count('Jörg, "K"')
        == 1
    )


@pytest.mark.parametrize(
    "field",
    [
        pytest.param("Subject: Grüße\r\n".encode(), id="UTF-8 is its own label"),
        pytest.param(b"Subject: \x81\x8d\r\n", id="no text of that charset"),
        pytest.param(b"To: Gr\xfcppe: a@x, b@x;\r\n", id="a group"),
        pytest.param(b"To: J\xf6rg <b@x\r\n", id="not to be read"),
        pytest.param(b"X-Mailer: K\xf6nig\r\n", id="a field of unknown syntax"),
    ],
)
def test_what_is_not_certain_stays_as_it_is(field: bytes) -> None:
    assert labelled(field, eight_bit_body=False) == field


@given(st.binary(max_size=200).filter(lambda octets: b"\r" not in octets and b"\n" not in octets))
def test_no_octet_of_a_subject_is_ever_lost(octets: bytes) -> None:
    field = labelled(b"Subject: x " + octets + b"\r\n", "iso-8859-1", eight_bit_body=False)
    assert field.endswith(b"\r\n")
    if field != b"Subject: x " + octets + b"\r\n":
        words = field.removeprefix(b"Subject: ").decode().split()
        assert b"".join(bytes(decode_header(word)[0][0]) for word in words) == (b"x " + octets).rstrip(b" \t")
