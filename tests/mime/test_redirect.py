"""Redirected mail names nobody but the redirect as its addressee, and tells who it was meant for."""

from relay.mime import hop_count, redirect, split_headers
from relay.upstream.recipients import addressed

BLOCK = (
    b"Received: x\r\nFrom: a@x\r\nTo : Bob <b@x>,\r\n\tc@x\r\nCC: d@x\r\nBcc: e@x\r\n"
    b"Resent-To: f@x\r\nSubject: s \r\nX-Original-Recipients: forged@x\r\n"
)


def redirected(block: bytes, *recipients: str) -> bytes:
    return b"".join(header.raw for header in redirect(split_headers(block), recipients, "staging@x"))


def test_the_first_recipients_are_named_and_not_addressed() -> None:
    assert redirected(BLOCK, "b@x", "é@x") == (
        "To: staging@x\r\nX-Original-Recipients: b@x,\r\n é@x\r\n".encode()
        + b"Received: x\r\nFrom: a@x\r\nX-Original-To : Bob <b@x>,\r\n\tc@x\r\nX-Original-CC: d@x\r\n"
        + b"X-Original-Resent-To: f@x\r\nSubject: s \r\n"
    )


def test_graph_finds_nobody_else_to_send_to() -> None:
    found = addressed(redirected(BLOCK, "b@x", "c@x"), ["staging@x"])
    assert found.recipients == ("staging@x",)
    named = {header.name: header.value for header in split_headers(found.headers)}
    assert named[b"to"] == b"staging@x"
    assert not named.keys() & {b"cc", b"bcc", b"resent-to"}


def test_a_recipient_writes_no_header() -> None:
    fields = split_headers(redirected(BLOCK, "b@x\r\nTo: evil@x"))
    assert [header.value for header in fields if header.name == b"to"] == [b"staging@x"]
    assert hop_count(fields) == 1
