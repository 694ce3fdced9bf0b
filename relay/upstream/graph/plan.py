"""How a message goes to Graph: as it is, recoded, as JSON, or as a draft with its attachments after it."""

from dataclasses import dataclass

from relay import mime
from relay.mime.parts import StructureError
from relay.mime.recoding import recoded
from relay.model import Body, MemoryBody, Outcome, Result, Scope
from relay.providers import GRAPH
from relay.upstream.api import Parcel
from relay.upstream.body import all_of
from relay.upstream.graph import content
from relay.upstream.graph.layout import Attached, layout, too_much
from relay.upstream.graph.replies import too_large
from relay.upstream.trouble import AttemptError

_CONTENT = frozenset((b"content-type", b"content-transfer-encoding", b"content-disposition", b"content-id"))
_NO_TEXT = b"Content-Type: text/plain; charset=us-ascii\r\n"
_HINT = 'Give such mail another way: via = ["smtp", "graph"], or via = ["graph", "smtp"]'


@dataclass(frozen=True, slots=True)
class Whole:
    """A message for one request, in a form that Graph does not garble."""

    headers: bytes
    body: Body

    @property
    def size(self) -> int:
        return len(self.headers) + 2 + self.body.size


@dataclass(frozen=True, slots=True)
class Divided:
    """The MIME of a draft, and what is added to it in upload sessions or single requests."""

    skeleton: bytes
    attachments: tuple[Attached, ...] = ()


async def small(parcel: Parcel) -> Whole | None:
    """The message for one request; None for one that is too large. Raises ContentError.

    What is signed stays as it is, and so does what cannot be taken apart.
    """
    whole = Whole(parcel.headers, parcel.message.body)
    if whole.size > GRAPH.mime_size:
        return None
    if not await content.may_be_garbled(whole.body) or mime.looks_signed(mime.split_headers(whole.headers)):
        return whole
    try:
        headers, changed = recoded(whole.headers, await all_of(whole.body))
    except StructureError:
        return whole
    whole = Whole(headers, MemoryBody.of(changed))
    return whole if whole.size <= GRAPH.mime_size else None


async def large(parcel: Parcel) -> Divided:
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
            return Divided(b"".join([*fields, _NO_TEXT, b"\r\n"]), tuple(taken))
        headers, rest = recoded(parcel.headers, await content.without(root, body, taken))
    except StructureError as error:
        raise _impossible(parcel, f"cannot be taken apart: {error}") from None
    if len(headers) + 2 + len(rest) > GRAPH.mime_size:
        raise AttemptError(too_large(parcel.size, "its text is too large"))
    return Divided(headers + b"\r\n" + rest, tuple(taken))


def _impossible(parcel: Parcel, why: str) -> AttemptError:
    text = f"the message has {parcel.size:,} octets, more than one request to Graph takes, and {why} (not sent)"
    return AttemptError(Result(Outcome.FAILED, 554, "5.6.3", text, Scope.MESSAGE, hint=_HINT))
