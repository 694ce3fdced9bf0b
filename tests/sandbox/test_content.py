"""The end of DATA and its dots, whole and octet by octet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.sandbox.content import DataContent

LINES = st.lists(st.sampled_from([b".", b"..", b".x", b"", b"\r", b"\n", b"\r.", b"\n.", b"text", b".\r", b".\n"]))


def fed(wire: bytes, sizes: list[int], limit: int = 1_000_000) -> tuple[DataContent, bytes]:
    content, position = DataContent(limit), 0
    for size in [*sizes, len(wire)]:
        rest = content.feed(wire[position : position + size])
        position += size
        if rest is not None:
            return content, rest + wire[position:]
    raise AssertionError("the end was not found")


@given(lines=LINES, sizes=st.lists(st.integers(1, 9)), after=st.sampled_from([b"", b"QUIT\r\n", b".\r\n"]))
def test_what_was_stuffed_comes_out_again(lines: list[bytes], sizes: list[int], after: bytes) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
    content, rest = fed(stuffed + b".\r\n" + after, sizes)
    assert (content.content(), rest) == (message, after)
    assert not content.too_large


@given(sizes=st.lists(st.integers(1, 5)))
@pytest.mark.parametrize(("length", "too_large"), [(10, False), (11, True), (1000, True)])
def test_the_limit_is_exact_whatever_the_blocks(length: int, too_large: bool, sizes: list[int]) -> None:
    message = b"x" * (length - 2) + b"\r\n"
    content, rest = fed(message + b".\r\nNEXT", sizes, limit=10)
    assert (content.too_large, content.received, rest) == (too_large, length, b"NEXT")
    assert content.content() == (b"" if too_large else message)


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n.\rx\n"])
def test_nothing_else_ends_it(end: bytes) -> None:
    """SMTP smuggling: RFC 5321 section 4.1.1.4 knows one end only."""
    content = DataContent(1000)
    assert content.feed(b"x" + end + b"x") is None
    assert content.feed(b"\r\n.\r\n") == b""
