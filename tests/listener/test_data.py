"""The DATA stream: its end, its dots, its line ends, however the octets are cut."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from relay.listener.data import DataReader

PIECES = st.lists(
    st.sampled_from([b"\r\n", b".", b"..", b"\r", b"\n", b"a", b"text", b"\xe4", b"\r\n.\r\n", b".\r\n", b"\0"]),
    max_size=40,
)


def read(wire: bytes, cuts: list[int]) -> tuple[bytes, DataReader]:
    """Feed `wire` in pieces of the given sizes, then the rest."""
    reader = DataReader()
    content = b""
    position = 0
    for size in [*cuts, len(wire)]:
        if reader.done or position >= len(wire):
            break
        content += reader.feed(wire[position : position + size])
        position += size
    if reader.done:
        reader.rest += wire[position:]
    return content, reader


def expected(wire: bytes) -> tuple[bytes, bytes] | None:
    """What RFC 5321 4.1.1.4 and 4.5.2 say, line by line: (content, rest)."""
    lines = wire.split(b"\r\n")
    for number, line in enumerate(lines[:-1]):
        if line == b".":
            content = [text.removeprefix(b".") for text in lines[:number]]
            return b"".join(text + b"\r\n" for text in content), b"\r\n".join(lines[number + 1 :])
    return None


@given(PIECES, st.lists(st.integers(1, 5), max_size=200))
def test_any_octets_in_any_pieces_are_read_as_the_rfc_says(pieces: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(pieces)
    content, reader = read(wire, cuts)
    truth = expected(wire)
    assert reader.done is (truth is not None)
    if truth is None:
        return
    assert (content, reader.rest) == truth
    assert reader.size == len(content)
    assert reader.dots == sum(line.startswith(b".") for line in content.split(b"\r\n"))
    assert reader.bare is (b"\r" in content.replace(b"\r\n", b"") or b"\n" in content.replace(b"\r\n", b""))
    assert reader.eight_bit is not content.isascii()
    assert reader.nul is (b"\0" in content)


@given(st.binary(max_size=3000), st.lists(st.integers(1, 700), max_size=20))
def test_what_smtplib_sends_comes_back(content: bytes, cuts: list[int]) -> None:
    lines = content.replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"
    wire = (b"\r\n" + lines).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\nQUIT\r\n"
    read_back, reader = read(wire, cuts)
    assert read_back == lines
    assert reader.rest == b"QUIT\r\n"
    assert not reader.bare


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\r\n"])
def test_nothing_else_ends_the_data(end: bytes) -> None:
    """SMTP smuggling: whatever another server may take for the end is content here, and marked."""
    content, reader = read(b"Subject: x\r\n\r\ntext" + end + b"MAIL FROM:<evil@x>\r\n.\r\n", [])
    assert reader.done
    assert b"MAIL FROM:<evil@x>" in content
    assert reader.bare
