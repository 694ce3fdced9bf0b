"""Command lines: however the octets are cut, the same lines come out, and none that is longer than it may be."""

import hypothesis.strategies as st
from hypothesis import given

from relay.listener.lines import LineBuffer

LONGEST = 10
PIECES = st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"a", b"NOOP", b"x" * 9, b"y" * 30]), max_size=40)


def lines_of(buffer: LineBuffer) -> list[bytes]:
    lines = []
    while (line := buffer.line()) is not None:
        lines.append(line)
    return lines


def read(wire: bytes, cuts: list[int]) -> tuple[list[bytes], LineBuffer]:
    """Feed `wire` in pieces of the given sizes, then the rest; take the lines as they come."""
    buffer = LineBuffer(LONGEST)
    lines: list[bytes] = []
    for size in [*cuts, len(wire)]:
        buffer.feed(wire[:size])
        wire = wire[size:]
        lines += lines_of(buffer)
    return lines, buffer


@given(PIECES, st.lists(st.integers(0, 12), max_size=100))
def test_lines_do_not_depend_on_how_the_octets_are_cut(pieces: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(pieces)
    lines, buffer = read(wire, cuts)
    whole = wire.split(b"\n")[:-1]
    assert len(lines) == len(whole)
    for line, true in zip(lines, (one.removesuffix(b"\r") for one in whole), strict=True):
        if len(true) <= LONGEST:
            assert line == true
        else:
            assert line == true[: LONGEST + 1], "enough to see that it is too long, and no more"
    assert len(buffer) <= LONGEST + 1


def test_what_is_not_taken_as_lines_can_be_taken_as_it_is() -> None:
    buffer = LineBuffer(LONGEST)
    buffer.feed(b"DATA\r\nSubj")
    assert buffer.line() == b"DATA"
    buffer.feed(b"ect: x\r\n")
    assert buffer.take() == b"Subject: x\r\n"
    assert buffer.take() == b""
    buffer.feed(b"QUIT\r\n")
    assert lines_of(buffer) == [b"QUIT"]


def test_what_is_cleared_is_in_no_later_line() -> None:
    buffer = LineBuffer(LONGEST)
    buffer.feed(b"STARTTLS\r\nEHLO evil" + b"x" * 20)
    assert lines_of(buffer) == [b"STARTTLS"]
    buffer.clear()
    buffer.feed(b"EHLO c\r\n")
    assert lines_of(buffer) == [b"EHLO c"]
