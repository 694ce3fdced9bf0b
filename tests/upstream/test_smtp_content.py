"""The message as DATA wants it, whatever the body holds and however it is cut into chunks."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import MemoryBody
from relay.upstream.body import ContentError, chunks
from relay.upstream.smtp.content import Stuffing, head
from tests.upstream.parts import message


def unstuffed(wire: bytes) -> bytes:
    """What a server makes of it (RFC 5321 4.5.2), read line by line."""
    lines = wire.split(b"\r\n")
    end = lines.index(b".")
    assert lines[end:] == [b".", b""], "the final dot is not at the end"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])


BODIES = st.lists(st.sampled_from([b".", b"..", b"a", b"\r\n", b"\r\n.", b"\r\n..\r\n", b".\r\n", b"x."])).map(b"".join)


@given(BODIES, st.lists(st.integers(0, 40)))
def test_the_server_gets_the_body_however_it_is_cut(body: bytes, cuts: list[int]) -> None:
    stuffing = Stuffing(MemoryBody.of(body).dots)
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    wire = b"".join(stuffing.stuffed(body[start:end]) for start, end in itertools.pairwise(edges))
    wire += stuffing.end
    ended = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    assert unstuffed(wire) == ended


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r", b"a\r\r\n.\r\n"),
        (b"a\n", b"a\n\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"..a\r\n.\r\n", b"...a\r\n..\r\n.\r\n"),
    ],
)
def test_the_end_is_on_a_line_of_its_own(body: bytes, wire: bytes) -> None:
    stuffing = Stuffing(MemoryBody.of(body).dots)
    assert stuffing.stuffed(body) + stuffing.end == wire


def test_a_body_without_dots_is_not_copied() -> None:
    body = b"a line\r\n" * 1000
    assert Stuffing(0).stuffed(body) is body


@pytest.mark.parametrize(
    ("headers", "wire"),
    [
        (b"A: 1\r\n", b"A: 1\r\n\r\n"),
        (b"", b"\r\n"),
        (b".A: 1\r\n.B: 2\r\n", b"..A: 1\r\n..B: 2\r\n\r\n"),
    ],
)
def test_the_header_block_ends_in_an_empty_line(headers: bytes, wire: bytes) -> None:
    assert head(message(headers=headers)) == wire


class BadBody:
    """A body whose file has gone, or was cut short."""

    size = 10
    dots = 0

    def __init__(self, data: bytes, error: Exception | None) -> None:
        self._data = data
        self._error = error

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._data
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (BadBody(b"12345", OSError(5, "Input/output error")), "Input/output error"),
        (BadBody(b"12345", None), "5 octets of 10"),
        (BadBody(b"12345678901", None), "11 octets of 10"),
    ],
)
def test_a_body_that_is_not_whole_is_an_error(body: BadBody, text: str) -> None:
    async def read() -> None:
        async for _ in chunks(body):
            pass

    with pytest.raises(ContentError, match=text):
        asyncio.run(read())
