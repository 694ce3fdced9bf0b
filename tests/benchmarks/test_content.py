"""Every message is checked on arrival: what a relay could do wrong to it must be seen."""

from collections.abc import Callable

import pytest

from benchmarks.content import Content
from benchmarks.message import template


def arrived(wire: bytes, *, step: int = 100_000, check_every: int = 1) -> Content:
    """Feed a message in pieces of `step` octets; it must be complete at the end."""
    content = Content(check_every)
    for start in range(0, len(wire), step):
        rest = content.feed(wire[start : start + step])
        assert (rest is not None) == (start + step >= len(wire))
    return content


def message(number: int = 0, size: int = 2048, *, dots: bool = True) -> bytes:
    made = template(size, dots=dots)
    return made.head(number) + made.wire_body


@pytest.mark.parametrize("dots", [False, True])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 7, 64, 100_000])
def test_a_message_is_read_whole_whatever_the_reads(step: int, dots: bool) -> None:
    content = arrived(message(7, dots=dots), step=step)
    assert content.problem == ""
    assert content.mark is not None
    assert (content.mark.number, content.mark.size) == (7, content.size)


@pytest.mark.parametrize("size", [2048, 300_000])
def test_the_message_has_the_size_that_was_asked_for(size: int) -> None:
    made = template(size)
    assert len(made.head(100)) + made.size == size


def test_what_follows_the_final_dot_is_handed_back() -> None:
    assert Content(1).feed(message() + b"QUIT\r\n") == b"QUIT\r\n"


def test_header_lines_may_be_added() -> None:
    assert arrived(b"Received: from app\r\n by relay; now\r\n" + message()).problem == ""


def test_the_mark_may_be_the_first_line() -> None:
    head, _, body = message().partition(b"\r\n\r\n")
    mark = next(line for line in head.split(b"\r\n") if line.startswith(b"X-Bench"))
    assert arrived(mark + b"\r\n\r\n" + body).problem == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda wire: wire.replace(b"fox", b"cat", 1), "the body was changed"),
        (lambda wire: wire.replace(b"\r\n..a line", b"\r\na line", 1), "octets came as"),
        (lambda wire: wire.replace(b"\r\n..a line", b"\r\n...a line", 1), "octets came as"),
        (lambda wire: wire.replace(b"fox", b"", 1), "octets came as"),
        (lambda wire: wire.replace(b"X-Bench: ", b"X-Other: "), "the X-Bench line is missing"),
        (lambda _wire: b".\r\n", "no end of the header block"),
        (lambda _wire: b"x" * 70_000 + b"\r\n.\r\n", "no end of the header block"),
    ],
    ids=["text", "dot lost", "dot added", "short", "no mark", "empty", "no head"],
)
def test_damage_is_seen(change: Callable[[bytes], bytes], problem: str) -> None:
    assert problem in arrived(change(message())).problem


def test_the_hash_is_looked_at_for_some_messages_only() -> None:
    def changed(number: int) -> str:
        return arrived(message(number).replace(b"fox", b"cat", 1), check_every=64).problem

    assert "the body was changed" in changed(128)
    assert changed(129) == ""
