"""Reading a stored message for Graph: looked through, cut to pieces, decoded, never more than a piece in memory."""

import base64
import contextlib
from collections.abc import AsyncGenerator, Sequence

from relay.mime.parts import Part, Scanner
from relay.mime.recoding import GARBLED, LONGEST
from relay.mime.transfer import decoder
from relay.model import Body
from relay.upstream.body import ContentError, chunks
from relay.upstream.graph.layout import Attached

_PIECE = 256 * 1024
_TRIPLES = 48 * 1024
"""Octets that are encoded at a time: a multiple of 3, so that base64 goes on without padding."""
_NO_TEXT = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"


async def scanned(headers: bytes, body: Body) -> Part:
    """The parts of the message. Raises StructureError, ContentError."""
    scanner = Scanner(headers)
    async with contextlib.aclosing(_pieces(body)) as source:
        async for piece in source:
            scanner.feed(piece)
    return scanner.finish()


async def may_be_garbled(body: Body) -> bool:
    """Whether a line ends in a way that Graph misreads in quoted-printable text. Raises ContentError."""
    rest = b""
    async with contextlib.aclosing(chunks(body)) as source:
        async for chunk in source:
            data = rest + chunk
            if GARBLED.search(data):
                return True
            rest = data[-LONGEST:]
    return False


async def without(root: Part, body: Body, taken: Sequence[Attached]) -> bytes:
    """The body without the parts in `taken`, in order; never without any part. Raises ContentError."""
    gone = _left_out(root, {one.part for one in taken})
    if gone == [root]:
        # Nothing but attachments, as scanners send it: a message needs a text, even an empty one.
        return b"--" + root.boundary + b"\r\n" + _NO_TEXT + b"\r\n--" + root.boundary + b"--\r\n"
    pieces: list[bytes] = []
    position = 0
    for part in gone:
        pieces += [piece async for piece in _range(body, position, part.begin)]
        position = part.end
    pieces += [piece async for piece in _range(body, position, body.size)]
    return b"".join(pieces)


def _left_out(part: Part, taken: set[Part]) -> list[Part]:
    """What of `part` to leave out, in order: what is in `taken`, and whole where nothing else is in it."""
    if not part.parts:
        return [part] if part in taken else []
    gone = [one for child in part.parts for one in _left_out(child, taken)]
    return [part] if gone == part.parts else gone


async def blocks(body: Body, part: Part, size: int) -> AsyncGenerator[bytes, None]:
    """What is in `part`, decoded, in blocks of `size` octets, the last one shorter. Raises ContentError."""
    one = decoder(part.encoding)
    if one is None:
        raise ContentError(f"nobody knows the encoding {part.encoding}")
    block = bytearray()
    async with contextlib.aclosing(_range(body, part.start, part.end)) as source:
        async for piece in source:
            block += one.feed(piece)
            while len(block) >= size:
                yield bytes(block[:size])
                del block[:size]
    block += one.finish()
    for start in range(0, len(block), size):
        yield bytes(block[start : start + size])


async def in_base64(body: Body, part: Part) -> AsyncGenerator[bytes, None]:
    """What is in `part` in base64 without line breaks, piece by piece. Raises ContentError."""
    async with contextlib.aclosing(blocks(body, part, _TRIPLES)) as source:
        async for block in source:
            yield base64.b64encode(block)


def base64_size(size: int) -> int:
    """Octets that `size` octets have in base64 without line breaks."""
    return (size + 2) // 3 * 4


async def size_in_base64(body: Body, part: Part) -> int:
    """Octets that `in_base64()` gives. Raises ContentError."""
    return base64_size(await decoded_size(body, part))


async def decoded_size(body: Body, part: Part) -> int:
    """Octets of what is in `part`. Raises ContentError."""
    return sum([len(block) async for block in blocks(body, part, _PIECE)])


async def _range(body: Body, start: int, end: int) -> AsyncGenerator[bytes, None]:
    """The octets of `body` from `start` to `end`. Raises ContentError."""
    position = 0
    async with contextlib.aclosing(_pieces(body)) as source:
        async for piece in source:
            if position >= end:
                return
            if position + len(piece) > start:
                yield piece[max(0, start - position) : end - position]
            position += len(piece)


async def _pieces(body: Body) -> AsyncGenerator[bytes, None]:
    """The octets of `body` in pieces that cost nothing to copy, however large its own chunks are."""
    async with contextlib.aclosing(chunks(body)) as source:
        async for chunk in source:
            for start in range(0, len(chunk), _PIECE):
                yield chunk[start : start + _PIECE]
