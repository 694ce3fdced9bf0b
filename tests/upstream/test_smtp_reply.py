"""Replies: any text, any number of lines, cut anywhere; and what is no reply."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.upstream.smtp.reply import MAX_LINE, MAX_REPLY, Reply, ReplyError, ReplyReader, parse


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"250 2.1.0 Sender OK\r\n", Reply(250, "2.1.0", "Sender OK")),
        (b"250\r\n", Reply(250, "", "")),
        (b"250 \r\n", Reply(250, "", "")),
        (b"250 ok\n", Reply(250, "", "ok")),
        (b"334 \r\n", Reply(334, "", "")),
        (b"334\r\n", Reply(334, "", "")),
        (b"250 2.0.0\r\n", Reply(250, "2.0.0", "")),
        (b"250 2.0.0 OK <new@x> [Hostname=A]\r\n", Reply(250, "2.0.0", "OK <new@x> [Hostname=A]")),
        (b"451 4.7.500: slow down\r\n", Reply(451, "4.7.500", "slow down")),
        (b"550 5.1.1  two spaces\r\n", Reply(550, "5.1.1", "two spaces")),
        (b"550 4.1.1 another class\r\n", Reply(550, "", "4.1.1 another class")),
        (b"550 5.1 short\r\n", Reply(550, "", "5.1 short")),
        (b"550 5.1.1.1 long\r\n", Reply(550, "", "5.1.1.1 long")),
        (b"550 5..11 odd\r\n", Reply(550, "", "5..11 odd")),
        (b"550 5.x.1 odd\r\n", Reply(550, "", "5.x.1 odd")),
        (b"250-one\r\n250-\r\n250 three\r\n", Reply(250, "", "one three")),
        (
            b"535-5.7.8 Username and Password not accepted. For more, go to\r\n535 5.7.8  https://x - gsmtp\r\n",
            Reply(535, "5.7.8", "Username and Password not accepted. For more, go to https://x - gsmtp"),
        ),
        (b"550 sch\xc3\xb6n\r\n", Reply(550, "", "schön")),
        (b"550 \xff\xfe\r\n", Reply(550, "", "��")),
        (b"550 clear\x1b[2J\rscreen\r\n", Reply(550, "", "clear\\x1b[2J\\x0dscreen")),
    ],
)
def test_replies(octets: bytes, reply: Reply) -> None:
    assert ReplyReader().feed(octets) == [reply]


def test_several_replies_in_one_packet() -> None:
    replies = ReplyReader().feed(b"250 2.1.0 a\r\n250-b\r\n250 c\r\n354 go\r\n")
    assert [reply.code for reply in replies] == [250, 250, 354]


@given(st.lists(st.integers(0, 80)))
def test_it_does_not_matter_where_replies_are_cut(cuts: list[int]) -> None:
    octets = b"250 2.1.0 ok\r\n250-2.1.5 one\r\n250 2.1.5 two\r\n354 go ahead\r\n452-4.5.3 a\r\n452 4.5.3 b\r\n"
    reader, replies = ReplyReader(), []
    edges = [0, *sorted(cuts), len(octets)]
    for start, end in itertools.pairwise(edges):
        replies += reader.feed(octets[start:end])
    assert replies == ReplyReader().feed(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n",
        b"hello\r\n",
        b"25 ok\r\n",
        b"2500 ok\r\n",
        b"150 ok\r\n",
        b"600 ok\r\n",
        b"250_ok\r\n",
        b"\xb2\xb3\xb9 ok\r\n",
        b"250-one\r\n251 two\r\n",
        b"<html>\r\n",
        b"250-one\r\n\r\n",
    ],
)
def test_what_is_no_reply(octets: bytes) -> None:
    with pytest.raises(ReplyError):
        ReplyReader().feed(octets)


def test_a_line_without_end_is_given_up() -> None:
    reader = ReplyReader()
    reader.feed(b"250 " + b"x" * (MAX_LINE - 4))
    with pytest.raises(ReplyError, match="more than"):
        reader.feed(b"x")


def test_a_reply_without_end_is_given_up() -> None:
    reader = ReplyReader()
    line = b"250-" + b"x" * 1000 + b"\r\n"
    for _ in range(MAX_REPLY // len(line)):
        reader.feed(line)
    with pytest.raises(ReplyError, match="more than"):
        reader.feed(line)


def test_a_long_text_is_cut_for_show() -> None:
    (reply,) = ReplyReader().feed(b"550 " + b"x" * 5000 + b"\r\n")
    assert len(reply.text) == 2000


def test_str_is_the_reply_as_people_know_it() -> None:
    assert str(Reply(250, "2.1.0", "ok")) == "250 2.1.0 ok"
    assert str(Reply(354, "", "")) == "354"


def test_parse_takes_the_lines_of_another_library() -> None:
    assert parse(421, "4.3.2 Service not active\n4.3.2 come back") == Reply(
        421, "4.3.2", "Service not active come back"
    )
