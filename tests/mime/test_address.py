"""Reading addresses: right, or not at all."""

import time
from email.headerregistry import AddressHeader, HeaderRegistry

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.mime import addresses, canonical, mailboxes
from tests.support.stdlib import getaddresses

READABLE = [
    # The value, and the addresses in it. Python's own readers agree on all of these.
    pytest.param(b"a@example.com", ["a@example.com"], id="bare"),
    pytest.param(b"<a@example.com>", ["a@example.com"], id="only brackets"),
    pytest.param(b"< a@example.com\t>", ["a@example.com"], id="blanks in brackets"),
    pytest.param(b"A B <a@example.com>", ["a@example.com"], id="name"),
    pytest.param(b"A B<a@example.com>", ["a@example.com"], id="name without a blank"),
    pytest.param(b'"A, B" <a@example.com>', ["a@example.com"], id="quoted comma"),
    pytest.param(b'"x@evil.com" <a@example.com>', ["a@example.com"], id="quoted address as name"),
    pytest.param(b'"<x@evil.com>," <a@example.com>', ["a@example.com"], id="quoted brackets as name"),
    pytest.param(b'"A \\"B\\" C" <a@example.com>', ["a@example.com"], id="quoted pairs"),
    pytest.param(b"a@example.com (A B)", ["a@example.com"], id="name in a comment"),
    pytest.param(b"(x) A (y (z)) <a@example.com> (w)", ["a@example.com"], id="nested comments"),
    pytest.param(b"=?utf-8?q?M=C3=BCller?= <a@example.com>", ["a@example.com"], id="encoded word"),
    pytest.param(b'"=?utf-8?b?TcO8?=" <a@example.com>', ["a@example.com"], id="encoded word in quotes"),
    pytest.param(b"M\xc3\xbcller <a@example.com>", ["a@example.com"], id="UTF-8 name"),
    pytest.param(b"M\xfcller <a@example.com>", ["a@example.com"], id="Latin-1 name"),
    pytest.param(b"J. R. Smith <a@example.com>", ["a@example.com"], id="dots in the name"),
    pytest.param(b"a@example.com, B <b@example.com>", ["a@example.com", "b@example.com"], id="list"),
    pytest.param(b"G: a@example.com, B <b@example.com>;", ["a@example.com", "b@example.com"], id="group"),
    pytest.param(b"G:;, a@example.com", ["a@example.com"], id="empty group in a list"),
    pytest.param(b"undisclosed-recipients:;", [], id="empty group"),
    pytest.param(b"Undisclosed recipients: ;", [], id="empty group of words"),
    pytest.param(b"A <@r.example:a@example.com>", ["a@example.com"], id="obsolete route"),
    pytest.param(b"a@[192.0.2.1]", ["a@[192.0.2.1]"], id="domain literal"),
    pytest.param(b"a@[IPv6:2001:db8::1]", ["a@[IPv6:2001:db8::1]"], id="IPv6 literal"),
    pytest.param(b'"a b"@example.com', ['"a b"@example.com'], id="quoted local part"),
    pytest.param(b"root@localhost", ["root@localhost"], id="one label"),
    pytest.param(b"first.last+tag=x/y!z%w@example.com", ["first.last+tag=x/y!z%w@example.com"], id="atext"),
]
MORE_READABLE = [
    # Readable without doubt, though Python's readers differ on what is between the addresses, or on UTF-8.
    pytest.param(b"", [], id="empty"),
    pytest.param(b" \t", [], id="white space"),
    pytest.param(b",,", [], id="commas"),
    pytest.param(b"a@example.com,", ["a@example.com"], id="comma at the end"),
    pytest.param(b"(just a comment)", [], id="only a comment"),
    pytest.param(b"[JIRA] A <a@example.com>", ["a@example.com"], id="brackets in the name"),
    pytest.param(b"=?utf-8?q?M,_A_(x)?= <a@example.com>", ["a@example.com"], id="encoded word with specials"),
    pytest.param(b"=?utf-8?q?M A?= <a@example.com>", ["a@example.com"], id="encoded word with a blank"),
    pytest.param(b"a@example.com <A@Example.com>", ["A@Example.com"], id="its own address as name"),
    pytest.param('mü@exämple.com, "x" <пример@пример.рф>'.encode(), ["mü@exämple.com", "пример@пример.рф"], id="UTF-8"),
    pytest.param(b'"a.b"@example.com', ["a.b@example.com"], id="quoted for nothing"),
    pytest.param(b"a..b.@docomo.ne.jp", ["a..b.@docomo.ne.jp"], id="dots"),
]
UNREADABLE = [
    pytest.param(b"good@x.org <evil@y.org>", id="another address as name"),
    pytest.param(b"<evil@y.org> good@x.org", id="address behind brackets"),
    pytest.param(b"A <good@x.org> <evil@y.org>", id="two brackets"),
    pytest.param(b"A <good@x.org><evil@y.org>", id="two brackets without a blank"),
    pytest.param(b"<<good@x.org>>", id="nested brackets"),
    pytest.param(b"A <good@x.org", id="open bracket"),
    pytest.param(b"good@x.org>", id="closing bracket"),
    pytest.param(b"<>", id="nothing in brackets"),
    pytest.param(b"A <>", id="name and nothing"),
    pytest.param(b'"A <good@x.org>', id="open quote"),
    pytest.param(b'A" <good@x.org>', id="open quote at the end"),
    pytest.param(b'"A\\" <good@x.org>', id="quote closed by a quoted pair"),
    pytest.param(b"(A <good@x.org>", id="open comment"),
    pytest.param(b"A) <good@x.org>", id="closing parenthesis"),
    pytest.param(b"good@x.org (evil@y.org)", id="address in a comment"),
    pytest.param(b'good@x.org (")', id="quote in a comment"),
    pytest.param(b"good@x.org (\\))", id="quoted pair in a comment"),
    pytest.param(b'"a\\"b@c" <good@x.org>', id="quoted pair beside an @"),
    pytest.param(b'"evil@y.org"] <good@x.org>', id="loose bracket beside an @"),
    pytest.param(b"=?utf-8?q?evil=40y.org?= [x] <good@x.org>", id="loose bracket beside an encoded @"),
    pytest.param(b'"\\"" x "<evil@y.org>" <good@x.org>', id="quotes for who knows no quoted pair"),
    pytest.param(b"Smith, John <good@x.org>", id="comma in the name"),
    pytest.param(b"good@x.org; evil@y.org", id="semicolons"),
    pytest.param(b"good@x.org evil@y.org", id="blank between"),
    pytest.param(b"good@x.org.", id="dot at the end"),
    pytest.param(b"good@x.org .evil.com", id="domain goes on"),
    pytest.param(b"good@x.org(c).evil.com", id="domain goes on behind a comment"),
    pytest.param(b"good@x.org@evil.com", id="two @"),
    pytest.param(b"good @x.org", id="blank before the @"),
    pytest.param(b"good@ x.org", id="blank behind the @"),
    pytest.param(b"good(c)@x.org", id="comment before the @"),
    pytest.param(b"root", id="no domain"),
    pytest.param(b"root (Cron Daemon)", id="no domain, comment"),
    pytest.param(b"@x.org", id="no local part"),
    pytest.param(b"good@", id="nothing behind the @"),
    pytest.param(b"G: good@x.org", id="open group"),
    pytest.param(b"G: H: good@x.org;;", id="nested group"),
    pytest.param(b": good@x.org;", id="group without a name"),
    pytest.param(b"good@x.org;", id="semicolon without a group"),
    pytest.param(b"go\0od@x.org", id="NUL"),
    pytest.param(b"A\x0b <good@x.org>", id="control"),
    pytest.param(b"A\r\nFrom: evil@y.org, <good@x.org>", id="line end"),
    pytest.param(b"g\xf6\xf6d@x.org", id="Latin-1 address"),
    pytest.param("evil\uff20y.org@x.org".encode(), id="full-width @"),
    pytest.param("go\u200bod@x.org".encode(), id="zero width space"),
    pytest.param("go\u202eod@x.org".encode(), id="right-to-left override"),
    pytest.param(b"=?utf-8?q?evil=40y.org=2C?=@x.org", id="encoded local part"),
    pytest.param(b"=?utf-8?q?good=40x.org?=", id="encoded address"),
    pytest.param(b'=?utf-8?q?"?= <evil@y.org>, "?= <good@x.org>', id="quote in an encoded word"),
    pytest.param(b'"=?u?q?"?=" <evil@y.org>, z" <good@x.org>', id="quote in an encoded word in quotes"),
    pytest.param(b'=?u?q?(?= ") <evil@y.org>" <good@x.org>', id="parenthesis in an encoded word"),
    pytest.param(b'"evil@y.org"@x.org', id="@ in a local part"),
    pytest.param(b'"a,b"@x.org', id="comma in a local part"),
    pytest.param(b"<@r.example good@x.org>", id="broken route"),
    pytest.param(b"<@r.example,@evil.org:good@x.org>", id="longer route"),
    pytest.param("\u212a@x.org <k@x.org>".encode(), id="Kelvin sign and k"),
]


@pytest.mark.parametrize(("value", "found"), [*READABLE, *MORE_READABLE])
def test_readable(value: bytes, found: list[str]) -> None:
    assert addresses(value) == found


@pytest.mark.parametrize("value", UNREADABLE)
def test_unreadable(value: bytes) -> None:
    assert addresses(value) is None


def compat32(value: bytes) -> list[str]:
    """What `email.utils` reads."""
    text = value.decode("utf-8", "surrogateescape")
    return [address for _, address in getaddresses([text]) if address]


def modern(value: bytes) -> list[str]:
    """What `email.policy.default` reads."""
    header = HeaderRegistry()("to", value.decode("utf-8", "surrogateescape"))
    assert isinstance(header, AddressHeader)
    return [address.addr_spec for address in header.addresses]


@pytest.mark.parametrize(("value", "found"), READABLE)
def test_the_standard_library_agrees(value: bytes, found: list[str]) -> None:
    assert compat32(value) == found
    assert modern(value) == found


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"A  B <a@x>", "A B"),
        (b'"A, B" <a@x>', '"A, B"'),
        (b"a@x (A B)", '"A B"'),
        (b"a@x (A (B))", '"A (B)"'),
        (b"J. [x] Smith <a@x>", '"J." "[x]" Smith'),
        (b"=?utf-8?q?M,_A?= x <a@x>", "=?utf-8?q?M,_A?= x"),
        (b"<a@x> (later)", ""),
        (b"a@x <a@x>", ""),
        ("Mü <a@x>".encode(), "Mü"),
    ],
)
def test_display_names(value: bytes, name: str) -> None:
    found = mailboxes(value)
    assert found is not None
    assert [box.name for box in found] == [name]


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("a@x", "a@x"),
        ('"a.b"@x', "a.b@x"),
        ("<a@x>", None),
        ("a", None),
        ("a@x, b@x", None),
        ("a@x\n", None),
        ("", None),
    ],
)
def test_canonical(address: str, form: str | None) -> None:
    assert canonical(address) == form


pieces = st.sampled_from(
    [*'<>@,;:()"\\. []', "=?u?q?", "?=", "=?utf-8?b?YQ==?=", "a", "b@x", "<c@y>", "ü", "\udcff", "\t", "_", '\\"', "@y"]
)
values = st.lists(pieces, max_size=14).map("".join)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@given(values)
@settings(max_examples=500, deadline=None)
def test_what_is_read_is_stable_when_it_is_written_again(text: str) -> None:
    boxes = mailboxes(encoded(text))
    if boxes is not None:
        again = ", ".join(f"{box.name} <{box.address}>" for box in boxes)
        assert mailboxes(encoded(again)) == boxes
        assert addresses(encoded(", ".join(box.address for box in boxes))) == [box.address for box in boxes]


@given(values)
@example('"=?u?q?"?=" <c@y>, z" b@x')
@example('=?u?q?(?= ") <c@y>" b@x')
@example('"c@y"] <b@x>')
@settings(max_examples=1500, deadline=None)
def test_python_sees_no_address_that_we_do_not(text: str) -> None:
    """In what we take for readable; a word without an @ is no address that anybody could be deceived with."""
    found = addresses(encoded(text))
    if found is None:
        return
    ours = {address.lower() for address in found}
    seen = [*compat32(encoded(text)), *tolerant_modern(encoded(text))]
    assert {(canonical(address) or address).lower() for address in seen if "@" in address} <= ours


def tolerant_modern(value: bytes) -> list[str]:
    """Python's new parser raises all kinds of errors on hostile input; who gets one sees nothing."""
    try:
        return modern(value)
    except Exception:  # noqa: BLE001
        return []


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(
    lambda name: name.replace("\\", "").replace('"', "").replace("=?", "")
)
local_parts = st.from_regex(r"[A-Za-z0-9!#$%&'*+/^_`{|}~-]{1,8}(\.[a-z0-9]{1,5})?", fullmatch=True)
domains = st.from_regex(r"[a-z0-9-]{1,8}(\.[a-z]{2,5}){0,2}", fullmatch=True)


@given(st.lists(st.tuples(names, local_parts, domains), max_size=5))
def test_what_is_well_written_is_read(boxes: list[tuple[str, str, str]]) -> None:
    text = ", ".join(f'"{name}" <{local}@{domain}>' for name, local, domain in boxes)
    assert addresses(encoded(text)) == [f"{local}@{domain}" for _, local, domain in boxes]


HOSTILE = [
    "(",
    "()",
    '"',
    '""',
    '"\\a',
    ",",
    "a@",
    "a ",
    "=?a?q?",
    "=?a?q? ",
    "=?",
    "a.",
    "<@a:",
    "a@b,",
    "\udcff",
    "a@b.",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear(piece: str) -> None:
    text = piece * (256 * 1024 // len(piece))
    start = time.process_time()
    for value in (text, f'"{text}"', f"=?u?q?{text}?= <a@b>", f"<{text}>"):
        addresses(encoded(value))
    assert time.process_time() - start < 4


def test_nesting_is_not_recursion() -> None:
    assert addresses(b"(" * 100_000 + b")" * 100_000 + b" a@b") == ["a@b"]
