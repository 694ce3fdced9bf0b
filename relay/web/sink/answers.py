"""The shapes of the sink API's answers: Mailpit's, to the letter. Test suites compare whole sets of keys."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from relay.sink import Page, Person, Source, Summary
from relay.sink.message import Attachment, Opened
from relay.web.sink.asking import Refused

Endpoint = Callable[[Request], Awaitable[Response]]


def as_json(found: Any) -> Response:
    """JSON as Go writes it: no charset, a line end behind it."""
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace") + b"\n", media_type="application/json")


def done() -> Response:
    """A change was made."""
    return PlainTextResponse("ok")


def missing(what: str = "404 page not found") -> Response:
    return PlainTextResponse(what, 404)


def told(endpoint: Endpoint) -> Endpoint:
    """`endpoint` with what it refuses as an answer."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refused as refused:
            return PlainTextResponse(str(refused), refused.status)

    return answer


def moment(stamp: float) -> str:
    """RFC 3339 in UTC, to the millisecond: what Java, Python, Go and browsers all read."""
    return datetime.fromtimestamp(stamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page(found: Page) -> dict[str, Any]:
    """A list or the result of a search."""
    return {
        "total": found.total,
        "unread": found.unread,
        "count": len(found.messages),
        "messages_count": found.matching,
        "messages_unread": found.matching_unread,
        "start": found.start,
        "tags": list(found.tags),
        "messages": [summary(each) for each in found.messages],
    }


def summary(found: Summary) -> dict[str, Any]:
    """One message in a list."""
    return {
        "ID": found.id,
        "MessageID": found.message_id,
        "Read": found.read,
        "From": person(found.sender),
        "To": people(found.to),
        "Cc": people(found.cc),
        "Bcc": people(found.bcc),
        "ReplyTo": people(found.reply_to),
        "Subject": found.subject,
        "Created": moment(found.received_at),
        "Username": found.username,
        "Tags": list(found.tags),
        "Size": found.size,
        "Attachments": found.attachments,
        "Snippet": found.snippet,
    }


def message(found: Summary, opened: Opened) -> dict[str, Any]:
    """One message with its text and its parts."""
    date = opened.date.isoformat().replace("+00:00", "Z")
    return {
        "ID": found.id,
        "MessageID": found.message_id,
        "From": person(found.sender),
        "To": people(found.to),
        "Cc": people(found.cc),
        "Bcc": people(found.bcc),
        "ReplyTo": people(found.reply_to),
        "ReturnPath": opened.return_path,
        "Subject": found.subject,
        "ListUnsubscribe": {
            "Header": opened.unsubscribe.header,
            "Links": list(opened.unsubscribe.links),
            "Errors": opened.unsubscribe.errors,
            "HeaderPost": opened.unsubscribe.post,
        },
        "Date": date,
        "Tags": list(found.tags),
        "Username": found.username,
        "Text": opened.text,
        "HTML": opened.html,
        "Size": found.size,
        "Inline": [attachment(each) for each in opened.inline],
        "Attachments": [attachment(each) for each in opened.attachments],
    }


def person(found: Person) -> dict[str, str]:
    return {"Name": found.name, "Address": found.address}


def people(found: Sequence[Person]) -> list[dict[str, str]]:
    return [person(each) for each in found]


def attachment(found: Attachment) -> dict[str, Any]:
    """A file of a message."""
    return {
        "PartID": found.part_id,
        "FileName": found.file_name,
        "ContentType": found.content_type,
        "ContentID": found.content_id,
        "Size": found.size,
        "Checksums": {"MD5": found.md5, "SHA1": found.sha1, "SHA256": found.sha256},
    }


def envelope(source: Source) -> dict[str, Any]:
    """Who sent a message and how it came: not Mailpit's, a route of our own."""
    origin = source.origin
    return {
        "ID": source.id,
        "From": source.envelope.sender,
        "To": list(source.envelope.recipients),
        "Received": moment(source.received_at),
        "Account": source.account,
        "Client": origin.client,
        "Listener": origin.listener,
        "Peer": origin.peer,
        "Helo": origin.helo,
        "Username": origin.login,
        "TLS": origin.tls,
        "EightBit": source.envelope.eight_bit,
        "SMTPUTF8": source.envelope.smtputf8,
        "Warnings": list(source.warnings),
    }


def delivery(source: Source) -> dict[str, Any]:
    """What became of a message: kept here, and sent on when somebody asked for it."""
    return {
        "ID": source.id,
        "Kept": moment(source.received_at),
        "Account": source.account,
        "Released": [{**each, "Time": moment(each["Time"])} for each in source.released],
    }
