"""Content with any line ends: one end of data for a session, and nothing but CRLF behind it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.listener.legacy import LegacyReader

LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"a", b"\xff", b"\r", b"a\rb", b"x."]), max_size=8)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def read(data: bytes, cuts: list[int], *, lf: bool) -> tuple[bytes, LegacyReader]:
    reader = LegacyReader(lf=lf)
    out, last = b"", 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        if reader.done:
            break
        out += reader.feed(data[last:cut])
        last = cut
    return out, reader


def test_a_device_that_knows_only_lf() -> None:
    out, reader = read(b"Subject: x\n\nhello\n..dot\n.\nQUIT\n", [], lf=True)
    assert out == b"Subject: x\r\n\r\nhello\r\n.dot\r\n"
    assert (reader.done, reader.rest, reader.dots, reader.size) == (True, b"QUIT\n", 1, len(out))


def test_the_other_end_ends_nothing() -> None:
    out, reader = read(b"a\r\n.\r\nb\n.\n", [], lf=True)
    assert (out, reader.done) == (b"a\r\n\r\nb\r\n", True)  # the dot of a line is a stuffed one
    out, reader = read(b"a\n.\nMAIL FROM:<evil@x>\n.\nb\r\n.\r\n", [], lf=False)
    assert reader.done
    assert out == b"a\r\n.\r\nMAIL FROM:<evil@x>\r\n.\r\nb\r\n"
    assert reader.dots == 2


def test_an_empty_message() -> None:
    assert read(b".\n", [], lf=True)[0] == b""
    assert read(b".\r\n", [], lf=False)[0] == b""


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"", b".", b"..", b"a", b"\xff", b"a.b", b"\r"]), ENDS), max_size=9))
def test_however_it_is_cut_the_result_is_the_same(lines: list[tuple[bytes, bytes]]) -> None:
    data = b"".join(line + end for line, end in lines)
    for lf, end in ((True, b"\n.\n"), (False, b"\r\n.\r\n")):
        whole = read(data + end, [], lf=lf)
        octets = read(data + end, list(range(len(data + end))), lf=lf)
        assert whole[0] == octets[0]
        facts = [(one.done, one.size, one.dots, one.eight_bit) for _, one in (whole, octets)]
        assert facts[0] == facts[1]


@settings(deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 100), max_size=4), st.booleans())
def test_what_comes_out_has_line_ends_of_one_kind_and_counted_dots(data: bytes, cuts: list[int], lf: bool) -> None:
    out, reader = read(data, cuts, lf=lf)
    assert out.count(b"\r") == out.count(b"\n") == out.count(b"\r\n")
    assert reader.dots == sum(line.startswith(b".") for line in out.split(b"\r\n"))
    assert reader.size == len(out)
