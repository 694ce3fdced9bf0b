"""Changing who a message is from."""

from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.mime import SenderEdit, addresses, edit_sender, mailboxes, split_headers

NEW = "noreply@example.com"
BLOCK = b'X: 1 \r\nFROM : "Old, Name"\r\n\t<old@app.local>\r\nTo: b@x\r\nSender: s@app.local\r\nY:  2\r\n'


def edited(block: bytes, **edit: str | bool | None) -> bytes:
    return b"".join(header.raw for header in edit_sender(split_headers(block), SenderEdit(**edit)))  # type: ignore[arg-type]


def test_from_is_rewritten_in_place_and_answers_go_to_the_old_one() -> None:
    assert edited(BLOCK, address=NEW) == (
        b'X: 1 \r\nFrom: "Old, Name" <noreply@example.com>\r\n'
        b'Reply-To: "Old, Name"\r\n\t<old@app.local>\r\nTo: b@x\r\nY:  2\r\n'
    )


@pytest.mark.parametrize(
    ("old", "name", "new"),
    [
        (b"old@x", None, b"From: <noreply@example.com>\r\n"),
        (b"old@x (A B)", None, b'From: "A B" <noreply@example.com>\r\n'),
        (b"=?utf-8?q?=C3=BC?= <old@x>", None, b"From: =?utf-8?q?=C3=BC?= <noreply@example.com>\r\n"),
        (b"M\xfc <old@x>", None, b"From: M\xfc <noreply@example.com>\r\n"),
        (b"old@x <old@x>", None, b"From: <noreply@example.com>\r\n"),
        (b"A <a@x>, B <b@x>", None, b"From: <noreply@example.com>\r\n"),
        (b"root", None, b"From: <noreply@example.com>\r\n"),
        (b"", None, b"From: <noreply@example.com>\r\n"),
        (b"A <old@x>", "", b"From: <noreply@example.com>\r\n"),
        (b"A <old@x>", "B C", b"From: B C <noreply@example.com>\r\n"),
        (b"A <old@x>", 'B "C", D', b'From: "B \\"C\\", D" <noreply@example.com>\r\n'),
        (b"A <old@x>", "M\u00fcller", b"From: =?utf-8?q?M=C3=BCller?= <noreply@example.com>\r\n"),
        (b"A <old@x>", "B\r\nBcc: x", b'From: "B Bcc: x" <noreply@example.com>\r\n'),
        (b"X" * 600 + b" <old@x>", None, b"From: <noreply@example.com>\r\n"),
        (b"X" * 70 + b" <old@x>", None, b"From: " + b"X" * 70 + b"\r\n <noreply@example.com>\r\n"),
    ],
)
def test_display_names(old: bytes, name: str | None, new: bytes) -> None:
    assert edited(b"From: " + old + b"\r\n", address=NEW, name=name, reply_to="") == new


@pytest.mark.parametrize(
    ("block", "reply_to", "expected"),
    [
        pytest.param(b"From: a@x\r\n", None, b" a@x\r\n", id="the old From"),
        pytest.param(b"From: a@x, b@x\r\n", None, b" a@x, b@x\r\n", id="several"),
        pytest.param(b"From: a@x\r\nReply-To: c@x\r\n", None, b" c@x\r\n", id="the app's own"),
        pytest.param(b"From: Noreply@Example.COM\r\n", None, None, id="the same"),
        pytest.param(b"From: root\r\n", None, None, id="unreadable"),
        pytest.param(b"From: u:;\r\n", None, None, id="empty"),
        pytest.param(b"Subject: x\r\n", None, None, id="no From"),
        pytest.param(b"From: a@x\r\n", "", None, id="removed"),
        pytest.param(b"From: a@x\r\nReply-To: c@x\r\n", "", None, id="the app's removed"),
        pytest.param(b"Reply-to : c@x\r\nFrom: a@x\r\n", "d@x", b" <d@x>\r\n", id="an address"),
    ],
)
def test_reply_to(block: bytes, reply_to: str | None, expected: bytes | None) -> None:
    fields = split_headers(edited(block, address=NEW, reply_to=reply_to))
    found = [header.raw.partition(b":")[2] for header in fields if header.name == b"reply-to"]
    assert found == ([] if expected is None else [expected])


def test_a_missing_from_is_made() -> None:
    assert edited(b"To: b@x\r\n", address=NEW) == b"From: <noreply@example.com>\r\nTo: b@x\r\n"


def test_doubles_and_resent_fields_say_the_same() -> None:
    block = b"Resent-From: r@y\r\nResent-Sender: s@y\r\nFrom: a@y\r\nX: 1\r\nFrom : b@y\r\nSENDER: c@y\r\n"
    assert edited(block, address=NEW, reply_to="") == (
        b"Resent-From: <noreply@example.com>\r\nFrom: <noreply@example.com>\r\nX: 1\r\n"
    )


def test_only_the_name_is_changed() -> None:
    assert edited(BLOCK, name="New") == BLOCK.replace(
        b'FROM : "Old, Name"\r\n\t<old@app.local>', b"From: New <old@app.local>"
    )


@pytest.mark.parametrize("old", [b"root", b"a@x, b@x", b""])
def test_the_name_of_what_has_none_is_left_alone(old: bytes) -> None:
    assert edited(b"From: " + old + b"\r\n", name="New") == b"From: " + old + b"\r\n"


def test_only_sender_is_dropped() -> None:
    assert edited(BLOCK, drop_sender=True) == BLOCK.replace(b"Sender: s@app.local\r\n", b"")


def test_only_reply_to_is_set() -> None:
    assert edited(b"To: x\r\nFrom: a@x\r\nY: z\r\n", reply_to="r@x") == (
        b"To: x\r\nFrom: a@x\r\nReply-To: <r@x>\r\nY: z\r\n"
    )


def test_no_edit_changes_nothing() -> None:
    assert edited(BLOCK) == BLOCK


others = st.lists(st.sampled_from([b"X: 1 \r\n", b"to:\t b@x\r\n c@x\r\n", b"Y:\xff\r\n", b"DKIM-Signature: v=1\r\n"]))
olds = st.sampled_from(
    [b"", b"From: A <a@x>\r\n", b"From : a@x (b)\r\n", b"From: root\r\n", b"From: =?u?q?x?= <a@x>\r\n"]
)


@given(others, olds, others, st.none() | st.text(max_size=80))
def test_the_result_is_one_readable_from_and_the_rest_as_it_was(
    before: list[bytes], old: bytes, after: list[bytes], name: str | None
) -> None:
    block = edited(b"".join([*before, old, *after]), address=NEW, name=name)
    fields = split_headers(block)
    assert [addresses(header.value) for header in fields if header.name == b"from"] == [[NEW]]
    assert b"".join(h.raw for h in fields if h.name not in (b"from", b"reply-to")) == b"".join([*before, *after])
    for one in (policy.compat32, policy.default):
        assert NEW in str(message_from_bytes(block, policy=one)["from"])
    assert max(map(len, block.split(b"\r\n"))) < 998


@example("@\\")
@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=100))
def test_a_name_comes_back(name: str) -> None:
    block = edited(b"From: a@x\r\n", address=NEW, name=name)
    [box] = mailboxes(split_headers(block)[0].value) or []
    assert box.address == NEW
    wanted = " ".join("".join(char for char in " ".join(name.split()) if char.isprintable()).split())
    if "=?" not in name:
        written = box.name[1:-1].replace('\\"', '"').replace("\\\\", "\\") if box.name[:1] == '"' else box.name
        assert str(make_header(decode_header(written))) == wanted
