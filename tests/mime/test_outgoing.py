"""What leaves: a trace field, what was missing, never a Bcc, and everything else as it was."""

from email import message_from_bytes
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mime import Hop, prepare, received, split_headers
from relay.model import Envelope, Origin

NOW = 1_800_000_000.25
DATE = "Fri, 15 Jan 2027 08:00:00 +0000"
COMPLETE = b"From: a@example.com\r\nDate: yesterday\r\nMessage-ID: <1@app>\r\n"


def hop(
    *recipients: str, sender: str = "a@example.com", smtputf8: bool = False, extended: bool = True, **origin: str
) -> Hop:
    known = {"client": "c", "listener": "l", "peer": "192.0.2.7", "helo": "printer.example.com"} | origin
    envelope = Envelope(sender, recipients or ("b@example.org",), smtputf8=smtputf8)
    return Hop(Origin(**known), envelope, "relay.example.com", "q1", NOW, extended=extended)


def text(made: Hop) -> str:
    return received(made).decode()


def test_received() -> None:
    assert text(hop(login="alice", tls="TLSv1.3 TLS_AES_256_GCM_SHA384")) == (
        "Received: from printer.example.com ([192.0.2.7])\r\n"
        "\tby relay.example.com with ESMTPSA id q1\r\n"
        "\tfor <b@example.org>\r\n"
        "\ttls TLS_AES_256_GCM_SHA384;\r\n"
        f"\t{DATE}\r\n"
    )


@pytest.mark.parametrize(
    ("made", "keyword"),
    [
        (hop(extended=False), "SMTP"),
        (hop(), "ESMTP"),
        (hop(login="x"), "ESMTPA"),
        (hop(login="x", extended=False), "ESMTPA"),
        (hop(tls="TLSv1.3 TLS_X"), "ESMTPS"),
        (hop(login="x", tls="TLSv1.3 TLS_X"), "ESMTPSA"),
        (hop(smtputf8=True), "UTF8SMTP"),
        (hop(smtputf8=True, login="x", tls="TLSv1.3 TLS_X"), "UTF8SMTPSA"),
    ],
)
def test_the_protocol_is_named(made: Hop, keyword: str) -> None:
    assert f" with {keyword} id q1" in text(made)


def test_the_login_and_several_recipients_are_not_told() -> None:
    told = text(hop("b@example.org", "secret@example.org", login="alice"))
    assert "alice" not in told
    assert "for " not in told
    assert "example.org" not in told


@pytest.mark.parametrize(
    ("peer", "helo", "told"),
    [
        ("2001:db8::7", "x", "from x ([IPv6:2001:db8::7])"),
        ("fe80::1%eth0", "x", "from x ([IPv6:fe80::1])"),
        ("", "x", "from x"),
        ("unix", "", "from unknown"),
        ("192.0.2.7", "", "from [192.0.2.7] ([192.0.2.7])"),
        ("192.0.2.7", "[192.0.2.7]", "from [192.0.2.7] ([192.0.2.7])"),
        ("192.0.2.7", "x\r\nBcc: y@z (a", "from x??Bcc:?y?z??a ([192.0.2.7])"),
        ("192.0.2.7", "ü\0" + "x" * 1000, f"from ??{'x' * 253} ([192.0.2.7])"),
    ],
)
def test_what_the_client_says_of_itself_is_made_harmless(peer: str, helo: str, told: str) -> None:
    assert text(hop(peer=peer, helo=helo)).splitlines()[0] == f"Received: {told}"


def test_a_cipher_that_is_not_registered_is_a_comment() -> None:
    told = text(hop(tls="TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384"))
    assert "with ESMTPS (TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384) id q1" in told
    assert "tls " not in told


@pytest.mark.parametrize("recipient", ["a@b>\r\nX: y", "a b@c", "<a@b>", "\udcff@b"])
def test_a_strange_recipient_is_left_out(recipient: str) -> None:
    assert "for <" not in text(hop(recipient))


def test_an_international_recipient_is_kept() -> None:
    assert "for <mü@exämple.com>" in text(hop("mü@exämple.com"))


def test_what_is_missing_is_added() -> None:
    block = prepare(split_headers(b"Subject: x\r\n"), hop())
    message = message_from_bytes(block)
    assert message.keys() == ["Received", "Message-ID", "Date", "From", "Subject"]
    assert message["Message-ID"] == "<q1@relay.example.com>"
    assert message["From"] == "<a@example.com>"
    assert parsedate_to_datetime(message["Date"]).timestamp() == int(NOW)
    assert block.endswith(b"Subject: x\r\n")


def test_what_is_there_is_not_added() -> None:
    made = hop()
    assert prepare(split_headers(COMPLETE), made) == received(made) + COMPLETE


@pytest.mark.parametrize("sender", ["", "a@b>\r\nX: y"])
def test_no_from_is_made_of_a_null_or_broken_sender(sender: str) -> None:
    assert b"From:" not in prepare(split_headers(b"Subject: x\r\n"), hop(sender=sender))


@pytest.mark.parametrize(
    "field",
    [
        b"Bcc: secret@example.org\r\n",
        b"BCC :secret@example.org,\r\n secret2@example.org\r\n",
        b"Resent-Bcc: secret@example.org\r\n",
        b"Return-Path: <secret@example.org>\r\n",
        b"Bcc\r\n : secret@example.org\r\n",
        b"B\0cc: secret@example.org\r\n",
        b"Bcc: other@example.org,\r\nsecret@example.org\r\nsecret2@example.org\r\n",
        b"From secret@example.org Mon Jan  1 00:00:00 2026\r\n",
    ],
)
def test_what_must_not_leave(field: bytes) -> None:
    for block in (field + COMPLETE, COMPLETE + b"X: y\r\n" + field) if field[:5] != b"From " else (field + COMPLETE,):
        assert b"secret" not in prepare(split_headers(block), hop())


def test_an_empty_block() -> None:
    assert message_from_bytes(prepare([], hop())).keys() == ["Received", "Message-ID", "Date", "From"]


known = st.sampled_from(
    [b"From", b"Subject", b"X-Odd", b"to", b"Bcc", b"Resent-Bcc", b"Return-Path", b"DATE", b"Message-Id"]
)
words = st.sampled_from([b"a", b" ", b"\t", b"\r\n ", b"\xff", b"=?x?q?y?=", b"  ", b":", b"\\", b'"'])
fields = st.builds(
    lambda name, space, words: name + space + b":" + b"".join(words) + b"\r\n",
    known,
    st.sampled_from([b"", b" ", b"\t"]),
    st.lists(words, max_size=6),
)


@given(st.lists(fields, max_size=12))
def test_everything_else_stays_byte_for_byte(given_fields: list[bytes]) -> None:
    block = prepare(split_headers(b"".join(given_fields)), hop())
    gone = (b"bcc", b"resent-bcc", b"return-path")
    kept = b"".join(one for one in given_fields if one.partition(b":")[0].strip().lower() not in gone)
    assert block.endswith(kept)
    names = [header.name for header in split_headers(block.removesuffix(kept) if kept else block)]
    assert names[0] == b"received"
    assert set(names[1:]) <= {b"message-id", b"date", b"from"}
    present = {header.name for header in split_headers(block)}
    assert {b"message-id", b"date", b"from"} <= present


@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_nothing_can_be_smuggled_in(helo: str, peer: str, tls: str, recipient: str, sender: str) -> None:
    made = hop(recipient, sender=sender, helo=helo, peer=peer, tls=tls)
    block = prepare([], made)
    names = [header.name for header in split_headers(block)]
    assert names in ([b"received", b"message-id", b"date"], [b"received", b"message-id", b"date", b"from"])
    assert block.count(b"\r") == block.count(b"\n") == block.count(b"\r\n")
    assert b"\0" not in block
