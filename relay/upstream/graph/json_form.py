"""A message in Graph's own JSON, the only form of `sendMail` that leaves no copy in Sent Items. Pure.

JSON has one text, so that the plain one of two is lost, and it takes five header fields of the app's own, whose names
begin with `X-`. Kept besides: subject, addresses, Reply-To, Message-ID, In-Reply-To, References, List-Unsubscribe,
priority, the wish for a receipt, attachments and inline images. A message that would lose more is not put into it.
"""

import base64
import email.errors
import email.header
import json
from typing import Any

from relay import mime
from relay.mime.parts import Part, StructureError, scan
from relay.mime.transfer import decoded, decoder
from relay.providers import GRAPH
from relay.upstream.graph.layout import Attached, Layout, layout
from relay.upstream.recipients import same

_MOST_FIELDS = 5
# MAPI properties, for fields that the JSON has no key for.
_PROPERTIES = {
    b"in-reply-to": "String 0x1042",
    b"references": "String 0x1039",
    b"list-unsubscribe": "String 0x1045",
}
_IMPORTANCE = {
    "urgent": "high",
    "1": "high",
    "2": "high",
    "high": "high",
    "low": "low",
    "non-urgent": "low",
    "5": "low",
}


def as_json(headers: bytes, body: bytes, recipients: tuple[str, ...]) -> bytes | None:
    """The whole request, its message going to `recipients`; None for a message that JSON would damage."""
    fields = mime.split_headers(headers)
    if mime.looks_signed(fields):
        return None
    try:
        root = scan(headers, body)
    except StructureError:
        return None
    found = layout(root)
    kinds = [part.kind for part in found.texts]
    if found.fixed or len(set(kinds)) < len(kinds) or any(decoder(part.encoding) is None for part in root.leaves()):
        return None
    message = {**_addresses(fields, recipients), **_about(fields), **_text(found, body)}
    attachments = [_attachment(one, body) for one in found.attachments]
    if attachments:
        message["attachments"] = attachments
    request = json.dumps({"message": message, "saveToSentItems": False}, ensure_ascii=False).encode("utf-8", "replace")
    return request if len(request) <= GRAPH.request_size else None


def _addresses(fields: list[mime.Header], recipients: tuple[str, ...]) -> dict[str, Any]:
    """Everybody once: as shown in To or Cc, the others as Bcc."""
    left = {same(one): one for one in recipients}
    found: dict[str, Any] = {}
    for name, key in ((b"to", "toRecipients"), (b"cc", "ccRecipients")):
        people = [one for field in fields if field.name == name for one in mime.mailboxes(field.value) or ()]
        found[key] = [_person(one) for one in people if left.pop(same(one.address), None)]
    found["bccRecipients"] = [{"emailAddress": {"address": one}} for one in left.values()]
    for name, key in ((b"from", "from"), (b"sender", "sender")):
        people = [one for field in fields if field.name == name for one in mime.mailboxes(field.value) or ()]
        if people:
            found[key] = _person(people[0])
    reply = [one for field in fields if field.name == b"reply-to" for one in mime.mailboxes(field.value) or ()]
    return found | ({"replyTo": [_person(one) for one in reply]} if reply else {})


def _about(fields: list[mime.Header]) -> dict[str, Any]:
    """Subject, ids, priority, and the app's own fields."""
    first: dict[bytes, str] = {}
    for field in fields:
        first.setdefault(field.name, _decoded(field.value))
    about: dict[str, Any] = {"subject": first.get(b"subject", "")}
    if message_id := first.get(b"message-id"):
        about["internetMessageId"] = message_id
    wanted = (first.get(name, "").split(" ")[0].lower() for name in (b"importance", b"priority", b"x-priority"))
    if importance := next((_IMPORTANCE[word] for word in wanted if word in _IMPORTANCE), None):
        about["importance"] = importance
    if b"disposition-notification-to" in first:
        about["isReadReceiptRequested"] = True
    own = [
        {"name": field.raw.partition(b":")[0].decode("latin-1").strip(), "value": _decoded(field.value)}
        for field in fields
        if field.name.startswith(b"x-") and field.value and not field.name.startswith(b"x-addressed-")
    ]
    if own:
        about["internetMessageHeaders"] = own[:_MOST_FIELDS]
    properties = [{"id": key, "value": first[name]} for name, key in _PROPERTIES.items() if first.get(name)]
    return about | ({"singleValueExtendedProperties": properties} if properties else {})


def _text(found: Layout, body: bytes) -> dict[str, Any]:
    """The HTML where there is one, or the plain text."""
    by_kind = {part.kind: part for part in found.texts}
    part = by_kind.get("text/html") or by_kind.get("text/plain")
    if part is None:
        return {"body": {"contentType": "text", "content": ""}}
    kind = "html" if part.kind == "text/html" else "text"
    return {"body": {"contentType": kind, "content": _readable(part, body)}}


def _readable(part: Part, body: bytes) -> str:
    data = decoded(part.encoding, body[part.start : part.start + part.size])
    try:
        return data.decode(part.charset)
    except (LookupError, UnicodeDecodeError):
        return data.decode("utf-8" if _is_utf_8(data) else "latin-1")


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _attachment(one: Attached, body: bytes) -> dict[str, Any]:
    part = one.part
    data = decoded(part.encoding, body[part.start : part.start + part.size])
    made: dict[str, Any] = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": one.name,
        "contentType": part.kind,
        "isInline": one.inline,
        "contentBytes": base64.b64encode(data).decode(),
    }
    return made | ({"contentId": part.content_id} if part.content_id else {})


def _person(one: mime.Mailbox) -> dict[str, Any]:
    name = _decoded(one.name.encode("utf-8", "surrogateescape")).strip('"').replace('\\"', '"')
    return {"emailAddress": {"address": one.address, **({"name": name} if name else {})}}


def _decoded(value: bytes) -> str:
    """A field's value as people read it (RFC 2047)."""
    text = value.decode("utf-8", "replace")
    if "=?" not in text:
        return text
    try:
        return str(email.header.make_header(email.header.decode_header(text)))
    except (email.errors.MessageError, LookupError, ValueError):
        return text
