"""Reading mail for showing: whatever octets come, there is an answer, and soon."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.model import Envelope
from relay.sink import page, parts, query, words
from relay.sink.summary import digest, searched

ENVELOPE = Envelope("a@x.org", ("b@x.org",))
PIECES = [
    *(b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: text/html; charset=utf-7\r\n", b"--b\r\n"),
    *(b"--b--\r\n", b"\r\n", b"Subject: =?utf-8?b?4oKs?=\r\n", b"To: a <a@x>, (((\r\n", b"Content-ID: <c>\r\n"),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Disposition: inline; filename*0*=x''%ff; filename*1=y\r\n"),
    *(
        b"<p>x<style>",
        b"\xff\xfe\x00",
        b"From: \xe4 <x@y>\r\n",
        b"Date: x\r\n",
        b" folded\r\n",
        b":\r\n",
        b"=?x?q?=\xff?=",
    ),
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=40), st.integers(0, 40))
def test_any_octets_are_looked_into(pieces: list[bytes], cut: int) -> None:
    block, body = b"".join(pieces[:cut]), b"".join(pieces[cut:])
    found = digest(block, body, ENVELOPE, "m1")
    assert found.size == len(found.front) + len(block) + 2 + len(body)
    for text in (found.text, found.facts["subject"], found.facts["snippet"], *found.texts.values(), *found.warnings):
        text.encode("utf-8")
    source = block + b"\r\n" + body
    for part in parts.structure(source, len(block)).parts:
        assert 0 <= part.start <= max(part.end, part.start) <= len(source) + 2
        parts.decoded(source, part)
        parts.text_of(source, part).encode("utf-8")
        assert "/" not in part.file_name


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_query_is_a_condition_with_as_many_values_as_marks(text: str) -> None:
    try:
        made = query.parse(text)
    except query.QueryError:
        return
    assert made.condition.count("?") == len(made.parameters)
    assert text.strip()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_are_people(octets: bytes) -> None:
    for name, address in words.people(octets):
        (name + address).encode("utf-8", "strict")
        assert "\n" not in name + address


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<title>no</title>1 &lt; 2 < 3 <!-- no -->yes<script>if (a<b) no</script>!", "1 < 2 < 3 yes!"),
        ("<style>never closed", ""),
        ("x &nbsp; &#x41; &bogus;", "x A &bogus;"),
    ],
)
def test_html_as_text(html: str, text: str) -> None:
    assert page.to_text(html) == text


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (b"Ann <a@x.org>, b@x.org", [("Ann", "a@x.org"), ("", "b@x.org")]),
        (b'"Doe, J" <j@x.org>', [("Doe, J", "j@x.org")]),
        (b"=?utf-8?q?J=C3=B6rg?= <j@x.org>", [("Jörg", "j@x.org")]),
        ("Jörg <j@x.org>".encode(), [("Jörg", "j@x.org")]),
        (b"undisclosed-recipients:;", [("undisclosed-recipients:;", "")]),
        (b"no address at all", [("no address at all", "")]),
        (b"", []),
    ],
)
def test_people(field: bytes, found: list[tuple[str, str]]) -> None:
    shown = [tuple(person) for person in words.people(field)]
    if found and not found[0][1]:
        assert len(shown) == 1
        assert not shown[0][1] or "@" not in shown[0][1]
    else:
        assert shown == found


def test_parts_have_mailpit_s_numbers() -> None:
    source = (
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
        b"--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
        b"--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n"
        b"--a\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=x.eml\r\n\r\n"
        b"Subject: y\r\n\r\n"
        b"--c\r\n--a--\r\nepilogue"
    )
    found = parts.structure(source, source.index(b"\r\n\r\n") + 2)
    assert [part.id for part in found.parts] == ["1.1", "1.2", "2"]
    assert parts.decoded(source, found.parts[0]) == b"one"
    assert [part.name for part in found.attachments] == ["x.eml"]
    assert found.warnings == []


def test_hostile_mail_costs_little() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(20_000))
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 300_000
    began = time.process_time()
    for source in (deep, many):
        block, _, body = source.partition(b"\r\n\r\n")
        assert digest(block + b"\r\n", body, ENVELOPE, "m1").warnings
    digest(b"To: " + b"<a@x.org>, " * 20_000 + b"\r\n", b"", ENVELOPE, "m1")
    digest(b"Content-Type: text/html\r\n", b"<" * 1_000_000 + b"&" * 1_000_000, ENVELOPE, "m1")
    assert time.process_time() - began < 10


def test_a_search_compares_what_is_kept() -> None:
    assert searched('Größe "X" <a@x.org>, (b);') == "grösse x a@x.org b"
