"""Cutting header blocks: every line belongs to a field, and every field that any reader could see is seen."""

import time
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mime import Header, split_headers


@pytest.mark.parametrize(
    ("block", "names"),
    [
        pytest.param(b"", [], id="empty"),
        pytest.param(b"From: a@b\r\nTo: c@d\r\n", [b"from", b"to"], id="usual"),
        pytest.param(b"FROM: a@b\r\nfrOM: c@d\r\n", [b"from", b"from"], id="case"),
        pytest.param(b"From : a@b\r\nSender\t \t: c@d\r\n", [b"from", b"sender"], id="obsolete space"),
        pytest.param(b"Subject: a\r\n b\r\n\tc\r\nTo: d\r\n", [b"subject", b"to"], id="folded"),
        pytest.param(b"From\r\n : a@b\r\nTo: c@d\r\n", [b"from", b"to"], id="folded before the colon"),
        pytest.param(b"From:\r\n a@b\r\n", [b"from"], id="folded at once"),
        pytest.param(b"Subject: a\r\n \r\n \t\r\nTo: b\r\n", [b"subject", b"to"], id="lines of white space"),
        pytest.param(b"From me@x Mon Jan  1 00:00:00 2026\r\nTo: a\r\n", [b"to"], id="mailbox line"),
        pytest.param(b">From me@x Mon\r\nFrom you@x Mon\r\n on\r\nTo: a\r\n", [b"to"], id="mailbox lines"),
        pytest.param(b"From me@x\nFrom: a@b\r\nTo: a\r\n", [b"fromme@xfrom", b"to"], id="bare LF in it"),
        pytest.param(b"From  :a@b\r\n", [b"from"], id="no mailbox line"),
        pytest.param(b"To: a\r\nFrom me@x 00:00\r\n", [b"to", b"fromme@x00"], id="mailbox line too late"),
        pytest.param(b"To: a\r\nno colon\r\nFrom: b\r\n", [b"to", b"", b"from"], id="no colon"),
        pytest.param(b" From: a@b\r\nTo: c\r\n", [b"from", b"to"], id="begins with white space"),
        pytest.param(b": a\r\n \t: b\r\nTo: c\r\n", [b"", b"to"], id="empty name"),
        pytest.param(b"\xef\xbb\xbfFrom: a@b\r\n", [b"from"], id="byte order mark"),
        pytest.param(b"Fr\0om: a@b\r\nF\xc2\xa0rom: c@d\r\n", [b"from", b"from"], id="NUL and no-break space"),
        pytest.param(b"From\x0b: a@b\r\nFr om: c@d\r\n", [b"from", b"from"], id="controls and blanks"),
        pytest.param(b"To: a\rFrom: b\r\nCc: c\nFrom: d\r\n", [b"to", b"cc"], id="bare CR and LF end nothing"),
        pytest.param(b"From: a@b", [b"from"], id="no final line end"),
    ],
)
def test_names(block: bytes, names: list[bytes]) -> None:
    assert [header.name for header in split_headers(block)] == names


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"Subject: hello \r\n", b"hello"),
        (b"Subject:hello\r\n\tthere\r\n", b"hello\tthere"),
        (b"Subject :\r\n\r\n", b""),
        (b"From\r\n : a@b\r\n", b"a@b"),
        (b"X: a:b\r\n", b"a:b"),
        (b"no colon\r\n", b""),
        (b": x\r\n", b""),
    ],
)
def test_values(raw: bytes, value: bytes) -> None:
    assert split_headers(raw)[0].value == value


def test_a_missing_line_end_is_added() -> None:
    assert split_headers(b"A: b\r\nC: d") == [Header(b"a", b"A: b\r\n"), Header(b"c", b"C: d\r\n")]


blocks = st.lists(
    st.sampled_from([b"From", b"To", b" ", b"\t", b":", b"\r\n", b"\r\n ", b"a@b", b"\0", b"\xff", b"\r", b"\n", b">"])
).map(b"".join)


@given(st.one_of(blocks, st.binary()))
def test_nothing_is_lost_or_moved(block: bytes) -> None:
    joined = b"".join(header.raw for header in split_headers(block))
    whole = block if not block or block.endswith(b"\r\n") else block + b"\r\n"
    assert whole.endswith(joined)
    left_out = whole.removesuffix(joined) if joined else whole
    assert left_out == b"" or left_out.startswith((b"From ", b">From "))


@given(blocks)
def test_every_field_that_python_sees_is_seen(block: bytes) -> None:
    """Where lines end in CRLF and nowhere else: the listener refuses the rest."""
    block = block.replace(b"\r\n", b"\v").replace(b"\r", b"").replace(b"\n", b"").replace(b"\v", b"\r\n")
    block = block.replace(b"\r\n\r\n", b"\r\n").lstrip(b"\r\n")
    ours = [header.name for header in split_headers(block)]
    for one in (policy.compat32, policy.default):
        for name in message_from_bytes(block, policy=one).keys():  # noqa: SIM118 (a message, no mapping: with doubles)
            assert name.lower().encode("ascii", "surrogateescape") in ours


@pytest.mark.parametrize(
    "piece",
    [b":", b"a\r\n", b"a:\r\n", b"\r\n ", b"\r\n", b"\r", b"x", b" ", b"\0", b"From \r\n", b">From x\r\n"],
)
def test_time_is_linear(piece: bytes) -> None:
    """256 KiB of anything: far from the seconds that a quadratic scanner takes."""
    block = piece * (256 * 1024 // len(piece))
    start = time.process_time()
    split_headers(block)
    assert time.process_time() - start < 1.5
