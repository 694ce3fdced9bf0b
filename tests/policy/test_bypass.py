"""No header syntax walks around the sender check (promise 4).

What the policy takes is read again by Python's two parsers, as the client wrote it and as it leaves. When either sees a
sender's address that is not allowed, the check has been walked around.
"""

from email import message_from_bytes, policy
from email.message import Message
from typing import Any

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from relay.mime import Hop, canonical, edit_sender, prepare, split_headers
from relay.model import Envelope, Origin
from relay.policy import Refusal
from tests.support.clients import MAILBOX, envelope, one
from tests.support.stdlib import getaddresses

SENDERS = (MAILBOX, "@ok.example")
FIELDS = ("from", "sender", "resent-from", "resent-sender")
RULES = {
    rule: one(senders=SENDERS, sender=rule, from_name="Us <evil@evil.org>") for rule in ("force", "if_not_allowed")
}
RULES["keep"] = one(senders=SENDERS)


def is_allowed(address: str) -> bool:
    """Written anew, so that a mistake of the policy's comparison is not repeated."""
    address = (canonical(address) or address).lower()
    return address == MAILBOX or address.rpartition("@")[2] == "ok.example"


def compat32(block: bytes) -> list[str]:
    message = message_from_bytes(block, policy=policy.compat32)
    values = [str(value) for name in FIELDS for value in message.get_all(name, [])]
    return [address for value in values for _, address in getaddresses([value])]


def modern(block: bytes) -> list[str]:
    message: Message[Any, Any] = message_from_bytes(block, policy=policy.default)
    found: list[str] = []
    for name in FIELDS:
        try:
            headers = message.get_all(name, [])
        except Exception:  # noqa: BLE001, S112 (the parser raises all kinds of errors; who gets one sees nothing)
            continue
        found += [address.addr_spec for header in headers for address in header.addresses]
    return found


def strangers(block: bytes) -> set[str]:
    """Addresses of senders that are not allowed. A word without an @ is nobody's address."""
    return {address for address in [*compat32(block), *modern(block)] if "@" in address and not is_allowed(address)}


def leaving(rule: str, sender: str, block: bytes) -> tuple[bytes, str] | None:
    """The block as it leaves and its envelope sender; None when it is refused."""
    made, client = RULES[rule]
    headers = split_headers(block)
    decision = made.check_message(client, envelope(sender), headers)
    if isinstance(decision, Refusal):
        return None
    if decision.edit is not None:
        headers = edit_sender(headers, decision.edit)
    hop = Hop(Origin("c", "l", "192.0.2.1"), Envelope(decision.sender, ("b@x.org",)), "relay.example", "q", 1.8e9)
    return prepare(headers, hop), decision.sender


names = st.sampled_from(
    [
        "From",
        "FROM",
        "from",
        "From ",
        "From\t",
        "From\r\n ",
        " From",
        ">From",
        "Fr\0om",
        "From\x0b",
        "\ufeffFrom",
        "From\u00a0",
    ]
    + [
        "Sender",
        "sender ",
        "SENDER",
        "Sender\r\n\t",
        "Resent-From",
        "Resent-Sender ",
        "From x",
        "Subject",
        "X-A",
        "",
        "Received",
    ]
)
colons = st.sampled_from([":", ": ", ":\t", ":\r\n ", ": \r\n\t", " : ", "", ":\v"])
words = st.sampled_from(
    [
        "a@ok.example",
        "<a@ok.example>",
        "evil@evil.org",
        "<evil@evil.org>",
        f"A <{MAILBOX}>",
        '"evil@evil.org"',
        "(evil@evil.org)",
    ]
    + [
        *'<>@,;:()"\\[].= ',
        "\r\n ",
        "\r\n\t",
        "\r\n",
        "\t",
        "\0",
        "\r",
        "\n",
        "(c)",
        "(()",
        "G: ",
        ";",
        "a",
        "root",
        "\udcff",
    ]
    + [
        "=?utf-8?q?evil=40evil=2Eorg?=",
        "=?u?q?",
        "?=",
        '"x, y"',
        '\\"',
        "@evil.org:",
        "ü",
        "\u2028",
        "\x85",
        "\x0c",
        "\uff20",
    ]
)
one_value = st.sampled_from([f" {MAILBOX}", " A <a@ok.example>", ' "evil@evil.org" <a@ok.example> (c)', ""])
field = st.builds(
    lambda name, colon, value, end: name + colon + value + end,
    names,
    colons,
    one_value | st.lists(words, max_size=6).map("".join),
    st.sampled_from(["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n \r\n", "\r\n,evil@evil.org\r\n"]),
)
junk = st.sampled_from(
    ["From evil@evil.org Mon Jan  1 00:00:00 2026\r\n", "junk\r\n", " x\r\n", "evil@evil.org\r\n", ":x\r\n"]
)
good = st.sampled_from(
    [f"From: {MAILBOX}\r\n", "Sender: a@ok.example\r\n", "Subject: x\r\n", "From: a@ok.example, A <b@ok.example>\r\n"]
)
blocks = st.lists(good | field | junk, max_size=6).map("".join)
senders = st.sampled_from([MAILBOX, "x@ok.example", "evil@evil.org", ""])


def hostile(test: Any) -> Any:
    """The same settings for each property, and the ways around that were found or thought of."""
    for block in (
        "From : evil@evil.org\r\n",
        f"From: {MAILBOX}\r\nFrom: evil@evil.org\r\n",
        'From: "evil@evil.org"] <a@ok.example>\r\n',
        'From: "=?u?q?"?=" <evil@evil.org>, z" <a@ok.example>\r\n',
        'From: =?u?q?(?= ") <evil@evil.org>" <a@ok.example>\r\n',
        "From: A <@ok.example,@evil.org:a@ok.example>\r\n",
        f"From: {MAILBOX}\r\n,evil@evil.org\r\n",
        f" From: evil@evil.org\r\nFrom: {MAILBOX}\r\n",
        f"X: \rFrom: evil@evil.org\r\nFrom: {MAILBOX}\r\n",
        f"From evil@evil.org 00:00\r\n From: evil@evil.org\r\nFrom: {MAILBOX}\r\n",
        "junk\r\nFrom: evil@evil.org\r\n",
        "From x 00:00\nFrom: evil@evil.org\r\n",
    ):
        test = example(block=block, sender=MAILBOX)(test)
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(max_examples=600, deadline=None, suppress_health_check=slow)(given(blocks, senders)(test))


@pytest.mark.parametrize("rule", RULES)
@hostile
def test_no_reader_sees_a_sender_that_is_not_allowed(rule: str, block: str, sender: str) -> None:
    octets = block.encode("utf-8", "surrogateescape")
    outcome = leaving(rule, sender, octets)
    event("refused" if outcome is None else "taken")
    if outcome is None:
        return
    left, left_sender = outcome
    assert strangers(left) == set()
    assert not left_sender or is_allowed(left_sender)
    if rule == "keep":
        assert strangers(octets) == set()
