"""A message in Graph's own JSON, the only form of `sendMail` that leaves no copy in Sent Items.

JSON has one text, so that the plain one of two is lost, and it takes five header fields of the app's own, whose names
begin with `X-`. Kept besides: subject, addresses, Reply-To, Message-ID, In-Reply-To, References, List-Unsubscribe,
priority, the wish for a receipt, attachments and inline images. What else an app wrote is lost, and told. A message
that would become another one by that is not put into it.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from relay import mime
from relay.mime.parts import Part, StructureError
from relay.mime.transfer import decoder
from relay.model import Body
from relay.providers import GRAPH
from relay.upstream.graph import content
from relay.upstream.graph.attachment import around_content
from relay.upstream.graph.layout import Attached, Layout, layout
from relay.upstream.graph.people import person, readable, recipient_lists

_MOST_FIELDS = 5
_MOST_TOLD = 10
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
_PRIORITY = (b"importance", b"priority", b"x-priority")
_CONTAINERS = {"multipart/mixed", "multipart/related", "multipart/alternative"}
"""What JSON's text and attachments stand for; a report, for example, is more than its parts."""
_KEPT = {
    *(b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"message-id", b"disposition-notification-to"),
    *_PROPERTIES,
    *_PRIORITY,
}
_NOT_THE_APPS = {b"", b"bcc", b"date", b"mime-version", b"received"}
"""Fields that nobody misses: Graph writes its own."""


@dataclass(frozen=True, slots=True)
class JsonForm:
    """A request of `size` octets, and what of the message is `lost` in it, in words.

    `parts` are octets of it, and parts of `body` whose content stands there in base64.
    """

    parts: tuple[bytes | Part, ...]
    body: Body
    size: int
    lost: tuple[str, ...]

    async def pieces(self) -> AsyncIterator[bytes]:
        """The request, encoded while it is sent. Raises ContentError."""
        for one in self.parts:
            if isinstance(one, bytes):
                yield one
                continue
            async for piece in content.in_base64(self.body, one):
                yield piece

    @property
    def told(self) -> str:
        """What is lost, for the message's history; "" for nothing."""
        more = f" and {len(self.lost) - _MOST_TOLD} more" if len(self.lost) > _MOST_TOLD else ""
        return f"lost in JSON: {', '.join(self.lost[:_MOST_TOLD])}{more}" if self.lost else ""


async def as_json(headers: bytes, body: Body, recipients: tuple[str, ...]) -> JsonForm | None:
    """The message to `recipients` in JSON; None for a message that JSON would damage. Raises ContentError."""
    fields = mime.split_headers(headers)
    if mime.looks_signed(fields) or not _has_plain_authors(fields):
        return None
    try:
        root = await content.scanned(headers, body)
    except StructureError:
        return None
    found = layout(root)
    if not _fits(found) or any(decoder(part.encoding) is None for part in root.leaves()):
        return None
    own, lost = _own(fields)
    message = {**_authors(fields), **recipient_lists(fields, recipients), **_about(fields)}
    message["body"] = await _text(found, body)
    if own:
        message["internetMessageHeaders"] = own
    lost = [*(["the plain text"] if len(found.texts) > 1 else []), *lost]
    parts = _request(message, found.attachments)
    size = sum([len(one) if isinstance(one, bytes) else await content.size_in_base64(body, one) for one in parts])
    return JsonForm(parts, body, size, tuple(lost)) if size <= GRAPH.request_size else None


def _request(message: dict[str, Any], attachments: list[Attached]) -> tuple[bytes | Part, ...]:
    """The whole request, with the parts that are attached in the places of their content."""
    whole = json.dumps({"saveToSentItems": False, "message": message}, ensure_ascii=False).encode("utf-8", "replace")
    if not attachments:
        return (whole,)
    parts: list[bytes | Part] = [whole.removesuffix(b"}}") + b', "attachments": [']
    for number, one in enumerate(attachments):
        front, end = around_content(one)
        parts += [b", " + front if number else front, one.part, end]
    return (*parts, b"]}}")


def _fits(found: Layout) -> bool:
    """Whether a text and a list of attachments are all that the message is."""
    kinds = [part.kind for part in found.texts]
    is_plain = not found.fixed and found.containers <= _CONTAINERS
    return is_plain and found.is_one_text and len(set(kinds)) == len(kinds)


def _has_plain_authors(fields: list[mime.Header]) -> bool:
    """Whether From is one mailbox, and Sender and Reply-To can be read: a guess would change who is answered."""
    for field in fields:
        if field.name in (b"from", b"sender", b"reply-to"):
            people = mime.mailboxes(field.value)
            if people is None or (len(people) != 1 and field.name == b"from"):
                return False
    return True


def _authors(fields: list[mime.Header]) -> dict[str, Any]:
    """From, Sender, and who is to be answered."""
    found: dict[str, Any] = {}
    for name in (b"from", b"sender"):
        people = [one for field in fields if field.name == name for one in mime.mailboxes(field.value) or ()]
        if people:
            found[name.decode()] = person(people[0])
    reply = [one for field in fields if field.name == b"reply-to" for one in mime.mailboxes(field.value) or ()]
    return found | ({"replyTo": [person(one) for one in reply]} if reply else {})


def _about(fields: list[mime.Header]) -> dict[str, Any]:
    """Subject, ids, priority."""
    first: dict[bytes, str] = {}
    for field in fields:
        first.setdefault(field.name, readable(field.value))
    about: dict[str, Any] = {"subject": first.get(b"subject", "")}
    if message_id := first.get(b"message-id"):
        about["internetMessageId"] = message_id
    wanted = (first.get(name, "").split(" ")[0].lower() for name in _PRIORITY)
    if importance := next((_IMPORTANCE[word] for word in wanted if word in _IMPORTANCE), None):
        about["importance"] = importance
    if b"disposition-notification-to" in first:
        about["isReadReceiptRequested"] = True
    properties = [{"id": key, "value": first[name]} for name, key in _PROPERTIES.items() if first.get(name)]
    return about | ({"singleValueExtendedProperties": properties} if properties else {})


def _own(fields: list[mime.Header]) -> tuple[list[dict[str, str]], list[str]]:
    """The app's own fields, as many as JSON takes, and the names of all that it does not take.

    Who was in To or Cc and gets no mail is told first: nowhere else does it stand.
    """
    candidates: list[dict[str, str]] = []
    lost: list[str] = []
    for field in sorted(fields, key=lambda field: not field.name.startswith(b"x-addressed-")):
        name = "".join(char for char in field.raw.partition(b":")[0].decode("latin-1") if "!" <= char <= "~")
        if field.name.startswith(b"x-") and field.name not in _PRIORITY and field.value:
            candidates.append({"name": name, "value": readable(field.value)})
        elif field.name not in _KEPT | _NOT_THE_APPS and not field.name.startswith((b"content-", b"x-")):
            lost.append(name)
    lost += [one["name"] for one in candidates[_MOST_FIELDS:]]
    return candidates[:_MOST_FIELDS], list(dict.fromkeys(lost))


async def _text(found: Layout, body: Body) -> dict[str, str]:
    """The HTML where there is one, or the plain text."""
    by_kind = {part.kind: part for part in found.texts}
    part = by_kind.get("text/html") or by_kind.get("text/plain")
    if part is None:
        return {"contentType": "text", "content": ""}
    data = b"".join([block async for block in content.blocks(body, part, GRAPH.request_size)])
    return {"contentType": "html" if part.kind == "text/html" else "text", "content": _in_unicode(data, part.charset)}


def _in_unicode(data: bytes, charset: str) -> str:
    """The text, in the set that is said or in the one that it must be in."""
    try:
        return data.decode(charset)
    except (LookupError, ValueError):  # a set that nobody knows, or octets that are not of it
        pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
