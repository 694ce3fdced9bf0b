"""Exactly the envelope's recipients, one copy each, whatever the header fields say."""

import base64
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay import mime
from relay.sandbox.tokens import GRAPH
from relay.upstream.recipients import addressed, apart, groups, is_writable, same, written
from tests.support.sandbox import SandboxThread, sandbox
from tests.support.stdlib import getaddresses


@pytest.mark.parametrize(
    ("headers", "recipients", "result"),
    [
        (b"To: a@x\r\n", ["a@x"], b"To: a@x\r\n"),
        (b"To: a@x\r\n", ["a@x", "b@x", "c@x"], b"Bcc: b@x,\r\n c@x\r\nTo: a@x\r\n"),
        (b"To: A <A@X>, b@x\r\nCc: c@x\r\n", ["a@x", "B@x", "c@x"], b"To: A <A@X>, b@x\r\nCc: c@x\r\n"),
        (b"Subject: x\r\n", ["a@x"], b"Bcc: a@x\r\nSubject: x\r\n"),
        (b"To:\r\n", ["a@x"], b"Bcc: a@x\r\nTo:\r\n"),
        (b"To: undisclosed-recipients:;\r\n", ["a@x"], b"Bcc: a@x\r\nTo: undisclosed-recipients:;\r\n"),
        (b"To: team: a@x, b@x;\r\n", ["a@x", "b@x"], b"To: team: a@x, b@x;\r\n"),
        # What the app wrote there is not the envelope.
        (b"Bcc: spy@x\r\nTo: a@x\r\n", ["a@x"], b"To: a@x\r\n"),
        (b"To: a@x\r\nbcc:\r\n spy@x,\r\n b@x\r\n", ["a@x", "b@x"], b"Bcc: b@x\r\nTo: a@x\r\n"),
        (b"Resent-Bcc: spy@x\r\nTo: a@x\r\n", ["a@x"], b"To: a@x\r\n"),
        (b"Bcc: spy@x,\r\nspy2@x\r\nTo: a@x\r\n", ["a@x"], b"To: a@x\r\n"),
        # Where a reader may not see To, its recipients are named again in front.
        (b"no field\r\nTo: a@x\r\n", ["a@x"], b"Bcc: a@x\r\nno field\r\nTo: a@x\r\n"),
        (b"To : a@x\r\n", ["a@x"], b"Bcc: a@x\r\nTo : a@x\r\n"),
        (b"To: a@x\r\nTo: b@x\r\n", ["a@x", "b@x"], b"Bcc: b@x\r\nTo: a@x\r\nTo: b@x\r\n"),
        (b'To: "a"@x\r\n', ["a@x"], b'To: "a"@x\r\n'),
        ("To: jörg@x\r\n".encode(), ["jörg@x"], "To: jörg@x\r\n".encode()),
        # One domain in two spellings, and two domains that an old standard mixed up.
        ("To: a@bücher.de\r\n".encode(), ["a@xn--bcher-kva.de"], "To: a@bücher.de\r\n".encode()),
        (b"To: a@x\r\n", ["b@bücher.de"], b"Bcc: b@xn--bcher-kva.de\r\nX-Addressed-To: a@x\r\n"),
        (b"To: a@strasse.de\r\n", ["a@straße.de"], "Bcc: a@straße.de\r\nX-Addressed-To: a@strasse.de\r\n".encode()),
    ],
)
def test_to_cc_and_bcc_are_the_envelope(headers: bytes, recipients: list[str], result: bytes) -> None:
    assert addressed(headers, recipients).headers.replace(b"To: undisclosed-recipients:;\r\nX", b"X") == result


@pytest.mark.parametrize(
    ("headers", "result"),
    [
        (b"To: A B <a@x>, S <s@x>\r\n", b"To: A B <a@x>\r\nX-Addressed-To: A B <a@x>, S <s@x>\r\n"),
        (b"To: a@x\r\nCc: s@x\r\n", b"To: a@x\r\nX-Addressed-Cc: s@x\r\n"),
        (b"To: team: s@x, a@x;\r\n", b"To: a@x\r\nX-Addressed-To: team: s@x, a@x;\r\n"),
        (
            b"to :\r\n\ts@x\r\n",
            b"Bcc: a@x\r\nTo: undisclosed-recipients:;\r\nX-Addressed-To:\r\n\ts@x\r\n",
        ),
        (b"To: a@x\r\nTo: s@x\r\n", b"To: a@x\r\nX-Addressed-To: s@x\r\n"),
    ],
)
def test_who_is_only_shown_gets_no_mail(headers: bytes, result: bytes) -> None:
    made = addressed(headers, ["a@x"])
    assert made.headers == result
    assert made.left_out == ("s@x",)
    assert "s@x" in made.told


@pytest.mark.parametrize("value", [b"a@x (", b"a@x b@x", b"a@x\rBcc: spy@x", b"a@x\x00, s@x"])
def test_a_field_that_nobody_can_read_mails_nobody(value: bytes) -> None:
    made = addressed(b"To: " + value + b"\r\n", ["a@x"])
    front, shown, _ = (
        made.headers.split(b"\r\nX-Addressed-To: ")[0],
        *made.headers.split(b"\r\nX-Addressed-To: ")[1:],
        0,
    )
    assert front == b"Bcc: a@x\r\nTo: undisclosed-recipients:;"
    assert shown == value.replace(b"\r", b"?").replace(b"\x00", b"?") + b"\r\n"
    assert (made.left_out, made.unreadable) == ((), ("To",))
    assert "unreadable" in made.told


@pytest.mark.parametrize(
    ("address", "possible"),
    [("a@x", True), ('"a b"@x', True), ("jörg@bücher.de", True), ("a,b@x", False), ('"a,b"@x', False), ("a", False)],
)
def test_what_can_be_written(address: str, possible: bool) -> None:
    assert is_writable(address) is possible


def test_an_address_that_is_no_utf_8() -> None:
    assert not is_writable("a@x\udcff")


def test_groups() -> None:
    assert groups(b"Cc: c@x\r\n", ["a@x", "b@x"], 2) == [["a@x", "b@x"]]
    assert groups(b"Cc: C@x\r\n", ["a@x", "b@x", "c@x"], 2) == [["c@x", "a@x"], ["b@x"]]


# What the stand-in Graph delivers, which mails the header fields as the real one does.

DOMAINS = [
    "x.org",
    "X.org",
    "sub.x.org",
    "bücher.example",
    "xn--bcher-kva.example",
    "straße.example",
    "strasse.example",
]
LOCALS = ["ann", "Ann", "bob", "o'hara", "first.last", "jörg", '"two words"', "+tag"]
ADDRESSES = st.builds(lambda local, domain: f"{local}@{domain}", st.sampled_from(LOCALS), st.sampled_from(DOMAINS))
NAMES = ["", "Ann", '"Last, First"', "=?utf-8?q?J=C3=B6rg?=", "Jörg", '"with @ sign"']


def shown(name: str, address: str, style: int) -> str:
    if style == 0 and not name:
        return address
    return f"{address} (a comment)" if style == 1 else f"{name} <{address}>".strip()


ENTRIES = st.builds(shown, st.sampled_from(NAMES), ADDRESSES, st.integers(0, 2))
LISTS = st.lists(ENTRIES, max_size=4).map(", ".join)
VALUES = st.one_of(
    LISTS,
    LISTS.map(lambda text: f"Team: {text};"),
    LISTS.map(lambda text: text.replace(", ", ",\r\n ")),
    LISTS.map(lambda text: f",, {text} ,"),
    st.sampled_from(
        [
            "",
            "undisclosed-recipients:;",
            "ann@x.org (",
            "ann@x.org bob@x.org",
            "<ann@x.org",
            "@",
            "ann@x.org,\rbob@x.org",
        ]
    ),
)
FIELDS = st.tuples(st.sampled_from(["To", "Cc", "Bcc", "TO", "cc ", "Resent-Bcc", "Reply-To", "Subject"]), VALUES)
BLOCKS = st.lists(FIELDS, max_size=4).map(lambda fields: "".join(f"{name}: {value}\r\n" for name, value in fields))


def mailbox(address: str) -> str:
    """One spelling for each mailbox, found by other means than the relay's: the older standard, without its folly."""
    local, _, domain = address.rpartition("@")
    plain = domain.lower().replace("ß", "-sharp-s-").encode("idna").decode()
    bare = local.strip('"')
    return f"{bare.lower() if bare.isascii() else bare}@{plain}"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[SandboxThread]:
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder), keep_messages=2) as running:
        yield running


@pytest.fixture(scope="module")
def http(stand_in: SandboxThread) -> Iterator[httpx2.Client]:
    at = stand_in.sandbox
    token = at.tokens.issue(GRAPH[0])
    headers = {"authorization": f"Bearer {token}", "content-type": "text/plain"}
    root = f"{at.graph_endpoint}/v1.0/users/{at.settings.mailbox}/"
    context = ssl.create_default_context(cafile=at.ca_file)
    with httpx2.Client(base_url=root, headers=headers, verify=context, trust_env=False) as client:
        yield client


@given(BLOCKS, st.lists(ADDRESSES, min_size=1, max_size=6), st.integers(1, 4))
@settings(deadline=None, max_examples=150)
def test_the_envelope_gets_exactly_one_copy_each(
    stand_in: SandboxThread, http: httpx2.Client, block: str, envelope: list[str], most: int
) -> None:
    headers = f"From: {stand_in.sandbox.settings.mailbox}\r\n{block}".encode()
    people = {same(recipient): recipient for recipient in envelope}
    mailed: list[str] = []
    for group in groups(headers, list(people.values()), most):
        content = addressed(headers, group).headers + b"\r\nHello\r\n"
        answer = http.post("sendMail", content=base64.b64encode(content))
        assert answer.status_code == 202, answer.text
        mailed += map(mailbox, stand_in.sandbox.received[-1].recipients)
    assert sorted(mailed) == sorted({mailbox(recipient) for recipient in envelope})


@given(BLOCKS, st.lists(ADDRESSES, min_size=1, max_size=6))
def test_nobody_is_lost_and_nobody_added(block: str, envelope: list[str]) -> None:
    """The same without a server: what the standard library reads from the fields."""
    made = addressed(block.encode(), envelope)
    assert b"spy" not in made.headers
    assert {mailbox(one) for one in made.recipients} == {mailbox(one) for one in envelope}
    fields = [line.partition(":") for line in made.headers.decode().replace("\r\n ", " ").split("\r\n")]
    values = [value for name, _, value in fields if name.strip().lower() in ("to", "cc", "bcc")]
    found = {mailbox(address) for _, address in getaddresses(values) if "@" in address}
    assert found == {mailbox(recipient) for recipient in envelope}


@given(BLOCKS, st.lists(ADDRESSES, min_size=1, max_size=6), st.integers(1, 4))
def test_apart_everybody_gets_one_copy_and_no_bcc_is_seen_by_others(block: str, envelope: list[str], most: int) -> None:
    """As the Gmail API needs it, which may leave Bcc in what it delivers."""
    people = {same(recipient): recipient for recipient in envelope}
    copies = apart(block.encode(), list(people.values()), most)
    assert sorted(one for copy in copies for one in copy) == sorted(people.values())
    for copy in copies:
        assert len(copy) <= most
        fields = mime.split_headers(addressed(block.encode(), copy).headers)
        lists = (mime.addresses(field.value) or () for field in fields if field.name in (b"to", b"cc"))
        shown = {same(address) for each in lists for address in each}
        assert len(copy) == 1 or {same(one) for one in copy} <= shown, "nobody is told of somebody who is hidden"


def test_written() -> None:
    assert written("a@bücher.de") == "a@xn--bcher-kva.de"
    assert written("a@straße.de") == "a@straße.de"
    assert written('"ann"@x') == "ann@x"
