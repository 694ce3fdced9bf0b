"""Reading header blocks as Microsoft's services must."""

import pytest

from relay.sandbox import mail


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nC: 3\r\n", [("a", "1"), ("b", "2")]),
        (b"A: 1\r\n  folded\r\n\tmore\r\n\r\n", [("a", "1  folded\tmore")]),
        (b"A : 1\r\n\r\n", [("a", "1")]),
        (b"A: 1\n\nbody", [("a", "1")]),
        (b"A: 1", [("a", "1")]),
        (b"A: 1\r\nno colon\r\nB: 2\r\n", [("a", "1")]),
        (b" folded first\r\nA: 1\r\n", []),
        (b"\r\nA: 1\r\n", []),
        (b"", []),
        (b"A: \xc3\xbc\r\nB: \xff\r\n\r\n", [("a", "ü"), ("b", "ÿ")]),
    ],
)
def test_fields(raw: bytes, found: list[tuple[str, str]]) -> None:
    assert [(field.name, field.value) for field in mail.fields(raw)] == found


def test_addresses() -> None:
    raw = b'To: a@x, "B, C" <b@x>, A@X\r\nCC: Team: c@x, d@x;\r\nTo: e@x\r\nBcc: nobody\r\n\r\n'
    assert mail.addresses(mail.fields(raw), "to", "cc", "bcc") == ["A@X", "b@x", "c@x", "d@x", "e@x"]


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        (b"Hello", "Hello"),
        (b"=?utf-8?B?R3LDvMOfZQ==?= =?utf-8?Q?_an_alle?=", "Grüße an alle"),
        (b"=?unknown-charset?Q?x?=", "=?unknown-charset?Q?x?="),
        (b"=?utf-8?B?A?=", "=?utf-8?B?A?="),
        (b"=?utf-8?Q?=FF?=", "=?utf-8?Q?=FF?="),
    ],
)
def test_subject(value: bytes, subject: str) -> None:
    assert mail.subject(mail.fields(b"Subject: " + value + b"\r\n\r\n")) == subject


@pytest.mark.parametrize(
    ("raw", "rewritten"),
    [
        (b"A: 1\r\nMessage-ID:\r\n <old@x>\r\nB: 2\r\n\r\nbody", b"A: 1\r\nMessage-ID: <new>\r\nB: 2\r\n\r\nbody"),
        (b"A: 1\r\n\r\nMessage-ID: <body>", b"Message-ID: <new>\r\nA: 1\r\n\r\nMessage-ID: <body>"),
        (b"message-id: <1>\r\nMESSAGE-ID: <2>\r\n\r\n", b"Message-ID: <new>\r\n\r\n"),
        (b"Bcc: a@x,\r\n b@x\r\nA: 1\r\nMessage-ID: <1>\r\n\r\n.", b"A: 1\r\nMessage-ID: <new>\r\n\r\n."),
    ],
    ids=["replaced", "added", "twice", "dropped"],
)
def test_rewritten(raw: bytes, rewritten: bytes) -> None:
    assert mail.rewritten(raw, "<new>", lambda name: name == "bcc") == rewritten
