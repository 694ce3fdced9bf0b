"""What is told of a caught message: the line in a list, the text that a search looks through, what is odd about it."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from relay.mime import Header, split_headers
from relay.model import Envelope
from relay.sink import page, parts
from relay.sink.parts import Structure
from relay.sink.words import Person, date_of, people, plain, shown, unicode_of

NOBODY = Person("", "")
_MOST_PEOPLE = 1000
"""Of one field, in a list."""
_LONGEST_TEXT = 256 * 1024
"""Characters of a message that a search looks through."""
_LONGEST_SUBJECT = 4000
_SNIPPET = 200
_LONGEST_LINE = 998
_MOST_TAGS = 50
_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9 .@_-]")
_DROPPED = str.maketrans("", "", '<>",;()\r\n')
_NOT_IN_A_PATH = re.compile(r"[\x00-\x20\x7f<>,;]")


@dataclass(frozen=True, slots=True)
class Summary:
    """One message as a list shows it. `received_at` is in seconds since the epoch, `size` in octets of its source."""

    id: str
    account: str
    received_at: float
    size: int
    username: str
    read: bool
    parsed: bool
    message_id: str = ""
    sender: Person = NOBODY
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    bcc: tuple[Person, ...] = ()
    reply_to: tuple[Person, ...] = ()
    subject: str = ""
    snippet: str = ""
    attachments: int = 0
    inlines: int = 0
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Digest:
    """What is written once a message has been looked into. `front` is what its source is shown with."""

    front: bytes
    size: int
    facts: dict[str, Any]
    warnings: list[str]
    attachments: int
    inlines: int
    texts: dict[str, str]
    """For the search, by column."""
    text: str
    tags: list[str] = field(default_factory=list)


def values(headers: list[Header], name: bytes) -> list[Person]:
    """Everybody in all fields of that name."""
    return [person for value in parts.field_values(headers, name) for person in people(value)]


def digest(block: bytes, body: bytes, envelope: Envelope, message_id: str) -> Digest:
    """Look into a message: header block, body, envelope and the id that the queue gave it."""
    headers = split_headers(block)
    who = {name: values(headers, name) for name in (b"from", b"to", b"cc", b"bcc", b"reply-to")}
    named = {person.address.casefold() for name in (b"to", b"cc", b"bcc") for person in who[name]}
    hidden = [address for address in envelope.recipients if address.casefold() not in named]
    who[b"bcc"] += [Person("", plain(address)) for address in hidden]
    source = block + b"\r\n" + body
    found = parts.structure(source, len(block))
    text, snippet = _text(source, found)
    front = _front(envelope.sender, hidden)
    subject = shown(unicode_of(_first(headers, b"subject")))[:_LONGEST_SUBJECT]
    sender = who[b"from"][0] if who[b"from"] else NOBODY
    own_id = plain(unicode_of(_first(headers, b"message-id")[:998])).strip("<> ")
    columns = {name.decode(): _lines(found_people) for name, found_people in who.items()}
    return Digest(
        front=front,
        size=len(front) + len(source),
        facts={
            "message_id": own_id,
            "from": list(sender),
            "subject": subject,
            "snippet": snippet,
            **{key: [list(person) for person in who[key.encode()][:_MOST_PEOPLE]] for key in ("to", "cc", "bcc")},
            "reply_to": [list(person) for person in who[b"reply-to"][:_MOST_PEOPLE]],
        },
        warnings=_warnings(headers, body, found, envelope, message_id),
        attachments=len(found.attachments),
        inlines=len(found.inlines),
        texts={
            "from_text": columns["from"],
            "to_text": columns["to"],
            "cc_text": columns["cc"],
            "bcc_text": columns["bcc"],
            "reply_text": columns["reply-to"],
            "subject": subject.casefold(),
            "message_id": own_id.casefold(),
        },
        text=searched("\n".join([subject, *columns.values(), envelope.sender, text, *(p.name for p in found.parts)])),
        tags=tags(unicode_of(value) for value in parts.field_values(headers, b"x-tags")),
    )


def _first(headers: list[Header], name: bytes) -> bytes:
    return next(iter(parts.field_values(headers, name)), b"")


def _lines(found: list[Person]) -> str:
    return "\n".join(f"{name} <{address}>" for name, address in found).casefold()[:_LONGEST_TEXT]


def searched(text: str) -> str:
    """`text` as a search without a field compares it."""
    return text.casefold()[:_LONGEST_TEXT].translate(_DROPPED)


def _text(source: bytes, found: Structure) -> tuple[str, str]:
    """The text to search, and its beginning for a list: of the HTML if there is any."""
    shown_page = texts(source, found, "text/html")
    text = page.to_text(shown_page) if shown_page else texts(source, found, "text/plain")
    words = " ".join(text[: 20 * _SNIPPET].split())
    cut = words.encode()[:_SNIPPET].decode("utf-8", "ignore")
    return text, cut + ("..." if cut != words else "")


def texts(source: bytes, found: Structure, kind: str) -> str:
    """All text of that type that is to be read, one after the other."""
    return "\n".join(parts.text_of(source, part) for part in found.parts if part.is_body and part.content_type == kind)


def _front(sender: str, hidden: list[str]) -> bytes:
    """What a mailbox writes in front (RFC 5321 4.4), and the recipients that no field names."""
    lines = f"Return-Path: <{_NOT_IN_A_PATH.sub('?', sender)}>\r\n"
    if hidden:
        lines += "Bcc: " + ",\r\n ".join(_NOT_IN_A_PATH.sub("?", address) for address in hidden) + "\r\n"
    return lines.encode("utf-8", "replace")


def tags(given: Iterable[str]) -> list[str]:
    """Tags from texts with commas between them; what a tag cannot hold becomes a space."""
    found: dict[str, str] = {}
    for text in given:
        for piece in shown(text).split(","):
            name = " ".join(_NOT_IN_A_TAG.sub(" ", piece).split())[:100].strip()
            if name:
                found.setdefault(name.casefold(), name)
    return list(found.values())[:_MOST_TAGS]


def _warnings(headers: list[Header], body: bytes, found: Structure, envelope: Envelope, message_id: str) -> list[str]:
    """What a stricter server or reader would trip over."""
    names = [header.name for header in headers]
    odd = list(found.warnings)
    if b"date" in names and date_of(_first(headers, b"date")) is None:
        odd.append("its Date cannot be read (RFC 5322 3.3)")
    if _first(headers, b"message-id").startswith(b"<" + message_id.encode() + b"@"):
        odd.append("it came without a Message-ID; the relay has added one (RFC 5322 3.6.4)")
    if b"from" not in names:
        odd.append("it has no From (RFC 5322 3.6)")
    odd += [
        f"it has {names.count(name)} {label} fields, one is allowed (RFC 5322 3.6)"
        for name, label in ((b"from", "From"), (b"to", "To"), (b"subject", "Subject"), (b"date", "Date"))
        if names.count(name) > 1
    ]
    if b"" in names:
        odd.append("its header block has a line that is no field")
    if not all(header.raw.isascii() for header in headers) and not envelope.smtputf8:
        odd.append("its header block holds octets above 127, encoded in no way (RFC 2047)")
    if _has_long_line(body) or any(_has_long_line(header.raw) for header in headers):
        odd.append(f"a line is longer than {_LONGEST_LINE} octets (RFC 5322 2.1.1)")
    from_addresses = {person.address.casefold() for person in values(headers, b"from")}
    if envelope.sender and from_addresses and envelope.sender.casefold() not in from_addresses:
        odd.append(
            f"its From is not the envelope sender <{plain(envelope.sender)}>: Exchange may refuse it as SendAsDenied"
        )
    return odd


def _has_long_line(octets: bytes) -> bool:
    place = 0
    while len(octets) - place > _LONGEST_LINE:
        end = octets.rfind(b"\n", place, place + _LONGEST_LINE + 2)
        if end < 0:
            return True
        place = end + 1
    return False


def from_row(facts: str, **known: Any) -> Summary:
    """The summary of a stored message: `facts` is JSON as `digest` gave it, the rest are columns."""
    told: dict[str, Any] = json.loads(facts)
    return Summary(
        message_id=told.get("message_id", ""),
        sender=Person(*told.get("from", ("", ""))),
        to=_people(told, "to"),
        cc=_people(told, "cc"),
        bcc=_people(told, "bcc"),
        reply_to=_people(told, "reply_to"),
        subject=told.get("subject", ""),
        snippet=told.get("snippet", ""),
        **known,
    )


def _people(told: dict[str, Any], key: str) -> tuple[Person, ...]:
    return tuple(Person(*pair) for pair in told.get(key, ()))
