"""Mail that a client's keys repair: who it is from, what it is labelled with, whom it goes to - and never its body."""

from pathlib import Path

import pytest

from relay.mime import Header, split_headers
from tests.support.door import door

KEYS = (
    '[clients.app]\nnetworks = ["127.0.0.0/8"]\nsenders = ["office@x.org"]\nsender = "force"\nfrom_name = "Öffice"\n'
    'default_charset = "windows-1252"\nredirect_to = "staging@x.org"\n'
)
SMIME = (
    (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="b"\r\n'
        b"MIME-Version: 1.0\r\n"
    ),
    (
        b"preamble \r\n--b\r\nContent-Type: text/plain\r\n\r\nGr\xfc\xdfe \t\r\n.dot\r\n..two\r\n\r\n\r\n--b\r\n"
        b"Content-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n--b--\r\nend "
    ),
)
PGP = (
    b"",
    b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n- -- \r\nGr\xfc\xdfe \r\n\x0c\r\n"
    + b"x" * 5000
    + b"\r\n",
)
DKIM = (
    b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple;\r\n\th=from:to; bh=x; b=y\r\n",
    b"\r\n\r\n A\xe9 \r\n\r\n\r\n",
)


def wire(block: bytes, body: bytes) -> bytes:
    return (block + b"\r\n" + body).replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n"


@pytest.mark.parametrize(("fields", "body"), [SMIME, PGP, DKIM], ids=["smime", "pgp", "dkim"])
async def test_a_signed_body_stays_byte_for_byte(tmp_path: Path, fields: bytes, body: bytes) -> None:
    async with door(tmp_path, clients=KEYS) as at:
        line = await at.knock()
        await line.begin("b@x.org")
        reply = await line.say(wire(b"From: App <app@x.org>\r\nTo: b@x.org\r\n" + fields, body))
        assert reply.startswith("250 2.0.0 Queued"), reply
        ((claim, stored),) = await at.taken()
        assert stored == body + b"\r\n"
        kept = [header.raw for header in split_headers(claim.message.headers)]
        assert set(split_raw(fields)) <= set(kept)
        assert b"From: =?utf-8?q?=C3=96ffice?= <office@x.org>\r\n" in kept


def split_raw(fields: bytes) -> list[bytes]:
    return [header.raw for header in split_headers(fields)]


async def repaired(
    folder: Path, keys: str, message: bytes, sender: str = "app@x.org"
) -> tuple[list[Header], str, tuple[str, ...]]:
    """The header block, the envelope sender and the recipients that are in the queue."""
    clients = f'[clients.app]\nnetworks = ["127.0.0.0/8"]\n{keys}'
    async with door(folder, clients=clients) as at:
        line = await at.knock()
        await line.begin("b@x.org", "c@x.org", sender=sender)
        reply = await line.say(message + b"\r\n.\r\n")
        assert reply.startswith("250 2.0.0 Queued"), reply
        ((claim, _),) = await at.taken()
        return split_headers(claim.message.headers), claim.message.envelope.sender, claim.message.envelope.recipients


def values(headers: list[Header], name: bytes) -> list[bytes]:
    return [header.value for header in headers if header.name == name]


async def test_envelope_from_and_sender_are_forced_together(tmp_path: Path) -> None:
    message = b"From: Printer 3 <root@localhost>\r\nSender: root@localhost\r\n\r\nx"
    headers, sender, recipients = await repaired(tmp_path, 'sender = "force"', message, "root@localhost")
    assert (sender, recipients) == ("office@x.org", ("b@x.org", "c@x.org"))
    assert values(headers, b"from") == [b"Printer 3 <office@x.org>"]
    assert values(headers, b"sender") == []
    assert values(headers, b"reply-to") == [b"Printer 3 <root@localhost>"]


async def test_a_no_reply_sender_keeps_no_way_back(tmp_path: Path) -> None:
    keys = 'sender = "if_not_allowed"\nreply_to = ""\nfrom_name = ""'
    headers, sender, _ = await repaired(tmp_path, keys, b"From: App <app@x.org>\r\nReply-To: me@x.org\r\n\r\nx")
    assert sender == "office@x.org"
    assert (values(headers, b"from"), values(headers, b"reply-to")) == ([b"<office@x.org>"], [])


async def test_a_missing_from_is_supplied(tmp_path: Path) -> None:
    headers, _, _ = await repaired(tmp_path, 'sender = "force"', b"Subject: x\r\n\r\nx", "")
    assert values(headers, b"from") == [b"<office@x.org>"]


async def test_a_redirect_leaves_nobody_else(tmp_path: Path) -> None:
    keys = 'senders = ["*"]\nredirect_to = "staging@x.org"'
    message = b"From: app@x.org\r\nTo: b@x.org\r\nCc: boss@x.org\r\nBcc: c@x.org\r\n\r\nx"
    headers, sender, recipients = await repaired(tmp_path, keys, message)
    assert (sender, recipients) == ("app@x.org", ("staging@x.org",))
    assert values(headers, b"to") == [b"staging@x.org"]
    assert values(headers, b"cc") + values(headers, b"bcc") == []
    assert values(headers, b"x-original-recipients") == [b"b@x.org, c@x.org"]
    assert values(headers, b"x-original-cc") == [b"boss@x.org"]


async def test_undeclared_text_is_labelled(tmp_path: Path) -> None:
    keys = 'senders = ["*"]\ndefault_charset = "iso-8859-1"'
    headers, _, _ = await repaired(tmp_path, keys, b"From: app@x.org\r\nSubject: Z\xfcrich\r\n\r\nGr\xfc\xdfe")
    assert values(headers, b"subject") == [b"=?iso-8859-1?B?WvxyaWNo?="]
    assert values(headers, b"content-type") == [b"text/plain; charset=iso-8859-1"]
