"""Reading a stored body for sending: all of it, or an error; never a part that looks like the whole."""

from collections.abc import AsyncGenerator

from relay.model import Body, Outcome, Result, Scope


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
