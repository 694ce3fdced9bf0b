"""The two forms of a sendMail request, read into the message that they stand for. Pure."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from http import HTTPStatus
from typing import Any

from relay.sandbox import mail

_MOST_HEADERS = 5
_PROPERTIES = {"String 0x1042": "In-Reply-To", "String 0x1039": "References", "String 0x1045": "List-Unsubscribe"}


class GraphError(Exception):
    """A refusal: HTTP status, Graph's `code` and its `message`, and the `Retry-After` where there is one."""

    def __init__(self, status: int, code: str, text: str, *, wait: str = "") -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.wait = status, code, text, wait


@dataclass(frozen=True, slots=True)
class Submission:
    """A message and who gets it: everyone in To, Cc and Bcc, for Graph has no envelope (docs/sources.md)."""

    raw: bytes
    sender: str
    recipients: tuple[str, ...]
    saved: bool = True
    """Whether a copy goes to Sent Items."""


def from_mime(body: bytes, *, needs_recipients: bool = True) -> Submission:
    """The MIME form: standard base64 of the message, in one line or in many. Raises GraphError."""
    try:
        raw = base64.b64decode(body.translate(None, b"\r\n"), validate=True)
    except binascii.Error:
        text = "Invalid base64 string for MIME content."
        raise GraphError(HTTPStatus.BAD_REQUEST, "ErrorMimeContentInvalidBase64String", text) from None
    fields = mail.fields(raw)
    if not fields:
        text = "The MIME content is not a message."
        raise GraphError(HTTPStatus.BAD_REQUEST, "ErrorMimeContentInvalid", text)
    recipients = mail.addresses(fields, "to", "cc", "bcc")
    if needs_recipients and not recipients:
        raise _no_recipients()
    return Submission(raw, next(iter(mail.addresses(fields, "from")), ""), tuple(recipients))


def from_json(body: bytes, mailbox: str, *, key: str = "message", needs_recipients: bool = True) -> Submission:
    """The JSON form, the message under `key`. Raises GraphError."""
    try:
        request = json.loads(body)
        message = request[key] if key else request
        saved = str(request.get("saveToSentItems", True)).lower() != "false"
        built = _built(message, mailbox)
    except GraphError:
        raise
    except MessageError:
        raise _no_recipients() from None
    except (ValueError, KeyError, TypeError, AttributeError, LookupError, RecursionError):
        text = (
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON"
            " format."
        )
        raise GraphError(HTTPStatus.BAD_REQUEST, "BadRequest", text) from None
    raw = built.as_bytes(policy=SMTP)
    fields = mail.fields(raw)
    recipients = mail.addresses(fields, "to", "cc", "bcc")
    if needs_recipients and not recipients:
        raise _no_recipients()
    return Submission(raw, mail.addresses(fields, "from")[0], tuple(recipients), saved)


def _built(message: Mapping[str, Any], mailbox: str) -> EmailMessage:
    built = EmailMessage(policy=SMTP)
    author = message.get("from")
    built["From"] = _address(author) if author else mailbox
    names = {"To": "toRecipients", "Cc": "ccRecipients", "Bcc": "bccRecipients", "Reply-To": "replyTo"}
    for name, key in names.items():
        if message.get(key):
            built[name] = [_address(recipient) for recipient in message[key]]
    built["Subject"] = message.get("subject", "")
    if message.get("internetMessageId"):
        built["Message-ID"] = message["internetMessageId"]
    for header in _headers(message):
        built[header["name"]] = header["value"]
    for one in message.get("singleValueExtendedProperties", ()):
        built[_PROPERTIES[one["id"]]] = one["value"]
    body = message.get("body", {})
    subtype = "html" if body.get("contentType", "text").lower() == "html" else "plain"
    built.set_content(body.get("content", ""), subtype=subtype)
    for attachment in message.get("attachments", ()):
        maintype, _, minor = attachment.get("contentType", "application/octet-stream").partition("/")
        data = base64.b64decode(attachment["contentBytes"], validate=True)
        cid = f"<{attachment['contentId']}>" if attachment.get("contentId") else None
        how = "inline" if attachment.get("isInline") else "attachment"
        if maintype in ("message", "multipart"):
            maintype, minor = "application", "octet-stream"
        built.add_attachment(
            data, maintype=maintype, subtype=minor, filename=attachment["name"], disposition=how, cid=cid
        )
    return built


def _headers(message: Mapping[str, Any]) -> list[Mapping[str, str]]:
    headers: list[Mapping[str, str]] = message.get("internetMessageHeaders", [])
    for header in headers:
        if not header["name"].lower().startswith("x-"):
            text = f"The internet message header name '{header['name']}' should start with 'x-' or 'X-'."
            raise GraphError(HTTPStatus.BAD_REQUEST, "InvalidInternetMessageHeader", text)
    if len(headers) > _MOST_HEADERS:
        text = f"Maximum number of headers in one message should be less than or equal to {_MOST_HEADERS}."
        raise GraphError(HTTPStatus.BAD_REQUEST, "InvalidInternetMessageHeaderCollection", text)
    return headers


def _address(recipient: Mapping[str, Any]) -> Address:
    email_address = recipient["emailAddress"]
    if "@" not in email_address["address"]:
        raise _no_recipients()
    return Address(email_address.get("name", ""), addr_spec=email_address["address"])


def _no_recipients() -> GraphError:
    text = "At least one recipient is not valid., At least one recipient is required."
    return GraphError(HTTPStatus.BAD_REQUEST, "ErrorInvalidRecipients", text)
