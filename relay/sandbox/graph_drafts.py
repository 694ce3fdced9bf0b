"""Graph's drafts: made, filled with attachments, addressed, sent and deleted (docs/sources.md).

A draft from MIME keeps its octets here; what is attached later is put behind them when it is sent. Recipients are the
draft's own lists, which MIME only fills at first, as the real one shows them.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from http import HTTPStatus
from typing import Any

from relay.sandbox import mail
from relay.sandbox.graph_message import GraphError, Submission, from_json, from_mime
from relay.sandbox.settings import MIB

SMALLEST_SESSION = 3 * MIB
LARGEST = 150 * MIB
_LISTS = {"toRecipients": "to", "ccRecipients": "cc", "bccRecipients": "bcc"}


@dataclass(slots=True)
class Attachment:
    """What was attached, and how the text refers to it."""

    name: str
    kind: str
    inline: bool
    content_id: str
    data: bytes

    @classmethod
    def from_json(cls, item: Mapping[str, Any], data: bytes) -> "Attachment":
        return cls(
            str(item["name"]),
            str(item.get("contentType") or "application/octet-stream"),
            item.get("isInline") is True,
            str(item.get("contentId") or ""),
            data,
        )


@dataclass(slots=True)
class Draft:
    """A message that has not been sent."""

    id: str
    mailbox: str
    submission: Submission
    recipients: dict[str, list[tuple[str, str]]]
    """Names and addresses by field: "to", "cc", "bcc"."""
    attachments: list[Attachment] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The draft as Graph shows it, with everybody whom it will be sent to."""
        fields = mail.fields(self.submission.raw)
        lists = {
            key: [{"emailAddress": {"name": name or one, "address": one}} for name, one in self.recipients[field]]
            for key, field in _LISTS.items()
        }
        return {
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users('x')/messages/$entity",
            "id": self.id,
            "isDraft": True,
            "subject": mail.subject(fields),
            "internetMessageId": mail.message_id(fields),
            "hasAttachments": bool(self.attachments),
            **lists,
        }

    def finished(self) -> Submission:
        """The message as it leaves: its octets, with what was attached. Raises GraphError without recipients."""
        everybody = {one.lower(): one for people in self.recipients.values() for _, one in people}
        if not everybody:
            raise no_recipients()
        raw = _joined(self.submission.raw, self.attachments) if self.attachments else self.submission.raw
        return Submission(raw, self.submission.sender, tuple(everybody.values()))


def draft(body: bytes, content_type: str, mailbox: str, *, keeps_bcc: bool = True) -> Draft:
    """A draft from a request's body. Raises GraphError."""
    if content_type == "text/plain":
        submission = from_mime(body, needs_recipients=False)
    else:
        submission = from_json(body, mailbox, key="", needs_recipients=False)
    fields = mail.fields(submission.raw)
    people = {name: mail.people(fields, name) for name in _LISTS.values()}
    if not keeps_bcc:
        people["bcc"] = []
    return Draft(f"AAMkAGI{secrets.token_urlsafe(90)}=", mailbox, submission, people)


def readdress(one: Draft, body: bytes) -> None:
    """Take new recipients, which are what the message then shows. Raises GraphError."""
    try:
        change = json.loads(body)
        written = {
            name: [(str(person.get("name", "")), str(person["address"])) for person in _addressed(change[key])]
            for key, name in _LISTS.items()
            if key in change
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise unreadable() from None
    one.recipients |= written
    one.submission = replace(one.submission, raw=mail.readdressed(one.submission.raw, written))


def _addressed(people: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [person["emailAddress"] for person in people]


def attachment(body: bytes) -> Attachment:
    """A small attachment from its request. Raises GraphError."""
    try:
        item = json.loads(body)
        if item["@odata.type"] != "#microsoft.graph.fileAttachment":
            raise KeyError
        return Attachment.from_json(item, base64.b64decode(item["contentBytes"], validate=True))
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise unreadable() from None


def item_of(body: bytes) -> dict[str, Any]:
    """The description of an attachment that is to be uploaded. Raises GraphError."""
    try:
        item: dict[str, Any] = json.loads(body)["AttachmentItem"]
        size, known = int(item["size"]), item["attachmentType"] == "file" and bool(item["name"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise unreadable() from None
    if not known:
        raise unreadable()
    if size < SMALLEST_SESSION:
        text = "The attachment size should not be less than the minimum size of 3 MB."
        raise GraphError(HTTPStatus.BAD_REQUEST, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", text)
    if size > LARGEST:
        text = "The attachment size exceeds the maximum size of 150 MB."
        raise GraphError(HTTPStatus.BAD_REQUEST, "ErrorAttachmentSizeLimitExceeded", text)
    return item


def no_recipients() -> GraphError:
    """The refusal of a message for nobody."""
    text = "At least one recipient is not valid., At least one recipient is required."
    return GraphError(HTTPStatus.BAD_REQUEST, "ErrorInvalidRecipients", text)


def unreadable() -> GraphError:
    """The refusal of a body that is not what the request needs."""
    text = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON."
    return GraphError(HTTPStatus.BAD_REQUEST, "BadRequest", text)


def _joined(raw: bytes, attachments: list[Attachment]) -> bytes:
    """The message with its attachments behind it; what is inline is related to the text."""
    original = message_from_bytes(raw, policy=policy.compat32)
    inner = Message(policy=policy.compat32)
    for name in ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition"):
        if name in original:
            inner[name] = original[name]
            del original[name]
    inner.set_payload(original.get_payload())
    for kind, chosen in (("related", True), ("mixed", False)):
        parts = [_part(one) for one in attachments if one.inline is chosen]
        if parts:
            inner = _multipart(kind, [inner, *parts])
    original.set_payload(inner.get_payload())
    original["Content-Type"] = inner["Content-Type"]
    return original.as_bytes(policy=policy.compat32.clone(linesep="\r\n", max_line_length=0))


def _multipart(kind: str, parts: Sequence[Message]) -> Message:
    made = Message(policy=policy.compat32)
    made["Content-Type"] = f'multipart/{kind}; boundary="_00{secrets.token_hex(8)}_"'
    made.set_payload(list(parts))
    return made


def _part(one: Attachment) -> Message:
    made = EmailMessage(policy=policy.SMTP)
    maintype, _, subtype = one.kind.partition("/")
    if maintype in ("message", "multipart"):
        maintype, subtype = "application", "octet-stream"
    cid = f"<{one.content_id}>" if one.content_id else None
    how = "inline" if one.inline else "attachment"
    made.set_content(one.data, maintype, subtype or "octet-stream", disposition=how, filename=one.name, cid=cid)
    return message_from_bytes(made.as_bytes(), policy=policy.compat32)
