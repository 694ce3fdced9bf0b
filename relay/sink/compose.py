"""A message made of parts that were given one by one: what `POST /api/v1/send` writes."""

import base64
import binascii
import email.policy
import email.utils
import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from relay import mime
from relay.model import Envelope
from relay.sink.words import Person, plain

MOST_RECIPIENTS = 1000
MOST_FILES = 100
_RESERVED = {
    *("to", "from", "cc", "bcc", "reply-to", "date", "subject", "content-type", "mime-version"),
    *("content-transfer-encoding", "return-path", "received"),
}
_FIELD_NAME = re.compile(r"[!-9;-~]{1,100}")
_KIND = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,100}")
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
_POLICY = email.policy.SMTP


class ComposeError(ValueError):
    """A message that cannot be made: the message says why."""


@dataclass(frozen=True, slots=True)
class File:
    """An attachment: its content in base64 or as a data URL; with a Content-ID the HTML can show it."""

    content: str
    name: str = ""
    content_type: str = ""
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of a message; only `sender` is needed."""

    sender: Person
    to: Sequence[Person] = ()
    cc: Sequence[Person] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[Person] = ()
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    files: Sequence[File] = ()


@dataclass(frozen=True, slots=True)
class Composed:
    """The header block (CRLF, without the empty line), the body, and the envelope."""

    headers: bytes
    body: bytes
    envelope: Envelope


def compose(draft: Draft, message_id: str, hostname: str, now: float) -> Composed:
    """Make the message. Raises ComposeError."""
    people = {"From": [draft.sender], "To": draft.to, "Cc": draft.cc, "Reply-To": draft.reply_to}
    for label, found in people.items():
        for person in found:
            _check(label, person.address)
    for address in draft.bcc:
        _check("Bcc", address)
    recipients = tuple(dict.fromkeys([*(p.address for p in (*draft.to, *draft.cc)), *draft.bcc]))
    if len(recipients) > MOST_RECIPIENTS or len(draft.files) > MOST_FILES:
        raise ComposeError(f"a message has at most {MOST_RECIPIENTS} recipients and {MOST_FILES} attachments")
    message = EmailMessage(policy=_POLICY)
    try:
        for label, found in people.items():
            if found:
                message[label] = ", ".join(_written(person) for person in found)
        message["Subject"] = plain(draft.subject)
        _add_fields(message, draft)
        if not any(name.lower() == "message-id" for name in draft.headers):
            message["Message-ID"] = f"<{message_id}@{hostname}>"
        message["Date"] = datetime.fromtimestamp(now, UTC)
        _add_content(message, draft)
        octets = message.as_bytes()
    except ComposeError:
        raise  # it says what is wrong in Mailpit's words
    except (ValueError, LookupError, TypeError, IndexError, RecursionError) as error:
        raise ComposeError(f"the message cannot be made: {error}") from error
    block, _, body = octets.partition(b"\r\n\r\n")
    envelope = Envelope(draft.sender.address, recipients, eight_bit=not octets.isascii())
    return Composed(block + b"\r\n", body, envelope)


def _check(label: str, address: str) -> None:
    if mime.canonical(address) is None or len(address) > 254 or not address.isprintable():
        raise ComposeError(f"invalid {label} address: {plain(address)[:254]}")


def _written(person: Person) -> str:
    return email.utils.formataddr((plain(person.name)[:500], person.address), "utf-8")


def _add_fields(message: EmailMessage, draft: Draft) -> None:
    for name, value in draft.headers.items():
        if name.lower() in _RESERVED:
            raise ComposeError(f'cannot overwrite header: "{name}"')
        if not _FIELD_NAME.fullmatch(name):
            raise ComposeError(f"invalid header name: {plain(name)[:100]}")
        message[name] = plain(value)[:4000]
    if draft.tags:
        message["X-Tags"] = ", ".join(plain(tag) for tag in draft.tags)


def _add_content(message: EmailMessage, draft: Draft) -> None:
    files = [(each, _content(each)) for each in draft.files]
    shown = [(each, content) for each, content in files if each.content_id and draft.html]
    message.set_content(draft.text or ("" if draft.html else "\n"))
    if draft.html:
        if draft.text:
            message.add_alternative(draft.html, subtype="html")
        else:
            message.set_content(draft.html, subtype="html")
        page = message.get_body(preferencelist=("html",))
        for each, content in shown:
            if isinstance(page, EmailMessage):
                page.add_related(content, **_described(each, content, "inline"))
    for each, content in files:
        if (each, content) not in shown:
            message.add_attachment(content, **_described(each, content, "inline" if each.content_id else "attachment"))


def _described(file: File, content: bytes, disposition: str) -> dict[str, Any]:
    kind = file.content_type if _KIND.fullmatch(file.content_type) else ""
    kind = kind or next((kind for start, kind in _SIGNATURES if content.startswith(start)), "")
    kind = kind or mimetypes.guess_type(plain(file.name))[0] or "application/octet-stream"
    maintype, _, subtype = kind.partition("/")
    described = {"maintype": maintype, "subtype": subtype, "disposition": disposition}
    if file.name:
        described["filename"] = plain(file.name)[:255]
    if file.content_id:
        described["cid"] = f"<{plain(file.content_id).strip('<>')[:200]}>"
    return described


def _content(file: File) -> bytes:
    text = file.content.rpartition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ComposeError(f"attachment {plain(file.name)[:100]!r} is not base64") from None
