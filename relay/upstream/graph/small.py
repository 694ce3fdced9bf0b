"""A message that fits into one request: as MIME, in base64, to `sendMail` (docs/sources.md)."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace

from relay.model import Body, Outcome, Result
from relay.upstream.api import Parcel
from relay.upstream.body import chunks
from relay.upstream.graph.client import GraphClient
from relay.upstream.graph.content import base64_size
from relay.upstream.graph.json_form import JsonForm
from relay.upstream.graph.plan import Whole

_PIECE = 48 * 1024
"""Octets that are encoded at a time: a multiple of 3, so that base64 goes on without padding."""


async def send_mime(client: GraphClient, parcel: Parcel, whole: Whole) -> Result:
    """Send the message as it is. Graph keeps a copy of what comes in this form, always."""
    response = await client.ask(
        "POST",
        "sendMail",
        content=lambda: encoded(whole.headers, whole.body),
        content_type="text/plain",
        size=base64_size(whole.size),
        final=True,
        trace=parcel.trace,
    )
    return without_null_sender(client.judged(response), parcel, client.mailbox)


async def encoded(headers: bytes, body: Body) -> AsyncIterator[bytes]:
    """The whole message in base64 without line breaks, piece by piece."""
    rest = headers + b"\r\n"
    async for chunk in chunks(body):
        for start in range(0, len(chunk), _PIECE):
            rest += chunk[start : start + _PIECE]
            even = len(rest) - len(rest) % 3
            yield base64.b64encode(rest[:even])
            rest = rest[even:]
    yield base64.b64encode(rest)


def without_null_sender(result: Result, parcel: Parcel, mailbox: str) -> Result:
    """The result, with a word where a report went out under the mailbox's name."""
    if result.outcome is Outcome.SENT and not parcel.message.envelope.sender:
        return replace(result, text=f"{result.text}; sent as {mailbox}: Graph has no null sender")
    return result


async def send_json(client: GraphClient, parcel: Parcel, form: JsonForm) -> Result:
    """Send the message as JSON, the form in which Graph keeps no copy when it is told so."""
    response = await client.ask(
        "POST",
        "sendMail",
        content=form.pieces,
        content_type="application/json",
        size=form.size,
        final=True,
        trace=parcel.trace,
    )
    return without_null_sender(client.judged(response), parcel, client.mailbox)
