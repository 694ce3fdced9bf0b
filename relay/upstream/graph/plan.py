"""How a message goes to Graph: as it is, recoded, as JSON, or as a draft with its attachments after it."""

from dataclasses import dataclass

from relay import mime
from relay.mime.parts import StructureError
from relay.mime.recoding import recoded
from relay.model import MemoryBody, Outcome, Result, Scope
from relay.providers import GRAPH
from relay.upstream.api import Parcel
from relay.upstream.graph import content
from relay.upstream.graph.layout import Attached, layout, too_much
from relay.upstream.graph.replies import too_large
from relay.upstream.trouble import AttemptError

_CONTENT = frozenset((b"content-type", b"content-transfer-encoding", b"content-disposition", b"content-id"))
_NO_TEXT = b"Content-Type: text/plain; charset=us-ascii\r\n"
_HINT = 'Give such mail another way: via = ["smtp", "graph"], or via = ["graph", "smtp"]'


@dataclass(frozen=True, slots=True)
class Plan:
    """The MIME of the draft, and what is added to it in upload sessions or single requests."""

    skeleton: bytes
    attachments: tuple[Attached, ...]


async def unharmed(parcel: Parcel) -> tuple[bytes, MemoryBody] | None:
    """Headers and body of a small message that Graph would garble as it is; None when it would not.

    What is signed stays as it is, and so does what cannot be taken apart. Raises ContentError.
    """
    body = parcel.message.body
    if not await content.may_be_garbled(body) or mime.looks_signed(mime.split_headers(parcel.headers)):
        return None
    try:
        headers, changed = recoded(parcel.headers, await content.whole(body))
    except StructureError:
        return None
    return headers, MemoryBody.of(changed)


async def large(parcel: Parcel) -> Plan:
    """How a message above the limit is divided. Raises AttemptError for one that cannot be, and ContentError."""
    if mime.looks_signed(mime.split_headers(parcel.headers)):
        raise _impossible(parcel, "is signed or encrypted, and taking it apart would break that")
    body = parcel.message.body
    try:
        root = await content.scanned(parcel.headers, body)
        taken = too_much(layout(root), parcel.size, GRAPH.mime_size)
        if taken is None:
            raise AttemptError(too_large(parcel.size, "what is left without its attachments is too large"))
        if taken and taken[0].part is root:
            fields = [field.raw for field in mime.without(mime.split_headers(parcel.headers), _CONTENT)]
            return Plan(b"".join([*fields, _NO_TEXT, b"\r\n"]), tuple(taken))
        headers, rest = recoded(parcel.headers, await content.without(root, body, taken))
    except StructureError as error:
        raise _impossible(parcel, f"cannot be taken apart: {error}") from None
    if len(headers) + 2 + len(rest) > GRAPH.mime_size:
        raise AttemptError(too_large(parcel.size, "its text is too large"))
    return Plan(headers + b"\r\n" + rest, tuple(taken))


def _impossible(parcel: Parcel, why: str) -> AttemptError:
    text = f"the message has {parcel.size:,} octets, more than one request to Graph takes, and {why} (not sent)"
    return AttemptError(Result(Outcome.FAILED, 554, "5.6.3", text, Scope.MESSAGE, hint=_HINT))
