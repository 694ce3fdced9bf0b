"""Changing who a message says it is from: the only edits of the app's own fields, and only where the rules ask."""

import email.header
from collections.abc import Iterable
from dataclasses import dataclass

from relay.mime.address import Mailbox, mailboxes, quoted
from relay.mime.header import Header

_SENDERS = frozenset((b"sender", b"resent-sender"))

_LONGEST_NAME = 500
"""Octets of a display name that is kept; with its address it must fit a line (998 octets, RFC 5322 2.1.1)."""


@dataclass(frozen=True, slots=True)
class SenderEdit:
    """What to change.

    `address` becomes the From address and takes Sender away ("" keeps both). `name` is the display name: None keeps the
    app's, "" removes it. `reply_to`: None keeps the app's Reply-To, and where From is rewritten and there is none, the
    old From becomes it; "" removes it; an address replaces it. `drop_sender` takes only Sender away.
    """

    address: str = ""
    name: str | None = None
    reply_to: str | None = None
    drop_sender: bool = False


def edit_sender(headers: Iterable[Header], edit: SenderEdit) -> list[Header]:
    """The block with `edit` done; every other field stays byte for byte and in its place."""
    headers = list(headers)
    old = next((header for header in headers if header.name == b"from"), None)
    boxes = (mailboxes(old.value) if old else None) or []
    if edit.address:
        edited = _rewritten(headers, edit.address, _from(boxes, edit.address, edit.name))
    else:
        edited = [header for header in headers if not (edit.drop_sender and header.name in _SENDERS)]
        if edit.name is not None and len(boxes) == 1:
            edited = _in_place(edited, b"from", _from(boxes, boxes[0].address, edit.name))
    return _reply_to(edited, edit, old if boxes else None, boxes)


def _rewritten(headers: list[Header], address: str, new: Header) -> list[Header]:
    """One From, no Sender; a Resent-From says the same, since it outranks From (RFC 5322 3.6.6)."""
    edited = _in_place(headers, b"from", new)
    if new not in edited:
        edited.insert(0, new)
    resent = Header(b"resent-from", f"Resent-From: <{address}>\r\n".encode())
    return [resent if header.name == b"resent-from" else header for header in edited if header.name not in _SENDERS]


def _in_place(headers: list[Header], name: bytes, new: Header) -> list[Header]:
    """The first field of that name becomes `new`, further ones go."""
    edited, done = [], False
    for header in headers:
        if header.name != name:
            edited.append(header)
        elif not done:
            edited.append(new)
            done = True
    return edited


def _from(boxes: list[Mailbox], address: str, name: str | None) -> Header:
    kept = boxes[0].name if len(boxes) == 1 else ""
    if len(kept.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        kept = ""
    words = kept if name is None else _phrase(name)
    if not words:
        return Header(b"from", f"From: <{address}>\r\n".encode())
    text = f"From: {words} <{address}>\r\n"
    if len(text) > 78:
        text = f"From: {words}\r\n <{address}>\r\n"
    return Header(b"from", text.encode("utf-8", "surrogateescape"))


def _phrase(name: str) -> str:
    """`name` as a display name: quoted, or encoded (RFC 2047) when it is not ASCII."""
    name = "".join(char for char in " ".join(name.split()) if char.isprintable())[:_LONGEST_NAME]
    if not name:
        return ""
    if not name.isascii() or "\\" in name:  # readers disagree about a backslash in a quoted string
        return email.header.Header(name, "utf-8", header_name="From").encode(linesep="\r\n")
    return name if all(word.isalnum() for word in name.split(" ")) else quoted(name)


def _reply_to(headers: list[Header], edit: SenderEdit, old: Header | None, boxes: list[Mailbox]) -> list[Header]:
    if edit.reply_to is None:
        answered = any(header.name == b"reply-to" for header in headers)
        same = [box.address.lower() for box in boxes] == [edit.address.lower()]
        if not edit.address or answered or old is None or same:
            return headers
        new = Header(b"reply-to", b"Reply-To:" + old.raw.partition(b":")[2])
    else:
        headers = [header for header in headers if header.name != b"reply-to"]
        if not edit.reply_to:
            return headers
        new = Header(b"reply-to", f"Reply-To: <{edit.reply_to}>\r\n".encode())
    place = next((index for index, header in enumerate(headers) if header.name == b"from"), -1) + 1
    return [*headers[:place], new, *headers[place:]]
