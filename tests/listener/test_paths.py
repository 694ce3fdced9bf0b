"""MAIL and RCPT arguments, from the standard to the strange."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from relay.listener.paths import BadPath, mail_parameters, parse


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("FROM:<a@b.org>", "a@b.org"),
        ("from: <a@b.org>", "a@b.org"),
        ("FROM:a@b.org", "a@b.org"),
        ("FROM: a@b.org SIZE=1", "a@b.org"),
        ("FROM:<>", ""),
        ("FROM:<> AUTH=<>", ""),
        ("FROM:<@relay.org,@other.org:a@b.org>", "a@b.org"),
        ('FROM:<"a b>c"@b.org>', '"a b>c"@b.org'),
        ("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
        ("FROM:<grün@bücher.example>", "grün@bücher.example"),
        ("FROM:<a/b=c+d@b.org>", "a/b=c+d@b.org"),
        ("FROM:<scanner@localhost>", "scanner@localhost"),
        ("FROM:<Postmaster>", "Postmaster"),
        ("FROM:<printer>", "printer"),
        ("FROM: root", "root"),
    ],
)
def test_addresses(argument: str, address: str) -> None:
    assert parse(argument, "FROM").address == address


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        (None, "missing"),
        ("", "missing"),
        ("TO:<a@b.org>", "FROM:<address> is missing"),
        ("FROM:", "the null sender is written <>"),
        ("FROM:<a@b.org", "not closed"),
        ("FROM:<a b>", "no address"),
        ("FROM:<a.>", "no address"),
        ("FROM:<a@@b.org>", "no address"),
        ("FROM:<a@b@c.org>", "no address"),
        ("FROM:<a@b.org\x00>", "no address"),
        ("FROM:<a b@c.org>", "no address"),
        ("FROM:<a@b\udcff.org>", "no address"),
        ("FROM:<a@b.org> SIZE=1 SIZE=2", "stands twice"),
        ("FROM:<a@b.org> ä=1\x07", "malformed"),
        (f"FROM:<{'a' * 2000}@b.org>", "too long"),
    ],
)
def test_what_is_no_path_is_refused_with_a_reason(argument: str | None, reason: str) -> None:
    with pytest.raises(BadPath, match=reason):
        parse(argument, "FROM")


def test_a_recipient_without_domain_is_none() -> None:
    with pytest.raises(BadPath, match="no address"):
        parse("TO:<root>", "TO")


@given(st.text())
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        address = parse(f"FROM:{text}", "FROM").address
    except BadPath:
        return
    assert not any(letter < " " or letter == "\x7f" for letter in address)


def test_parameters() -> None:
    given = mail_parameters(parse("FROM:<a@b> SIZE=5000 BODY=8BITMIME SMTPUTF8 AUTH=<>", "FROM"))
    assert (given.size, given.smtputf8) == (5000, True)


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("SIZE=x", 501),
        ("SIZE=-1", 501),
        ("BODY=BINARYMIME", 501),
        ("FOO=bar", 555),
        ("RET=ALL", 501),
    ],
)
def test_a_parameter_that_we_do_not_have_is_refused(parameter: str, code: int) -> None:
    with pytest.raises(BadPath) as refused:
        mail_parameters(parse(f"FROM:<a@b> {parameter}", "FROM"))
    assert refused.value.code == code
