"""Reading a stored body for sending: all of it, or an error; never a part that looks like the whole."""

import contextlib
from collections.abc import AsyncGenerator

from relay.model import Body, MemoryBody, Outcome, Result, Scope


class ContentError(Exception):
    """The stored message cannot be read; the text says how."""

    @property
    def result(self) -> Result:
        """Later: the disk may be in trouble for a while only."""
        return Result(Outcome.DEFERRED, 451, "4.3.0", str(self), Scope.MESSAGE)


async def chunks(body: Body) -> AsyncGenerator[bytes, None]:
    """The chunks of `body`. Raises ContentError when they cannot be read or are not all there.

    A message that is cut short is never ended with a dot: the server would take it for whole.
    """
    octets = 0
    source = body.chunks()
    try:
        async for chunk in source:
            octets += len(chunk)
            yield chunk
    except Exception as error:
        raise ContentError(f"the stored body cannot be read: {error}") from error
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()
    if octets != body.size:
        raise ContentError(f"the stored body has {octets:,} octets of {body.size:,}")


async def all_of(body: Body) -> bytes:
    """All of `body`, for one that is known to be small. Raises ContentError."""
    if isinstance(body, MemoryBody):
        return body.data
    async with contextlib.aclosing(chunks(body)) as source:
        return b"".join([chunk async for chunk in source])
