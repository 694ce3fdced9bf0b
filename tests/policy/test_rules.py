"""What a recognised client may send: the replies that it hears, and what is decided about its messages."""

import pytest

from relay.mime import SenderEdit, edit_sender, split_headers
from relay.policy import ClientPolicy, Decision, Refusal
from tests.support.clients import MAILBOX, client, envelope, one, policy

FROM = f"From: {MAILBOX}\r\n".encode()
SENDERS = (MAILBOX, "@ok.example")
ADD_TO_SENDERS = 'by client "scanner": add it to clients.scanner.senders'
ADD_TO_RECIPIENTS = 'by client "scanner": add it to clients.scanner.recipients'
OR_FORCE = ', or set clients.scanner.sender = "force"'


def verdict(block: bytes, sender: str = MAILBOX, **keys: object) -> Decision | str:
    """The decision, or the line of the refusal."""
    made, scanner = one(**({"senders": SENDERS} | keys))
    found = made.check_message(scanner, envelope(sender), split_headers(block))
    return str(found) if isinstance(found, Refusal) else found


TAKEN = [
    pytest.param(FROM, id="the mailbox"),
    pytest.param(b"FROM : NoReply@Example.COM\r\n", id="case and obsolete space"),
    pytest.param(b'From: "evil@y.org" <a@ok.example> (b)\r\n', id="name and comment"),
    pytest.param(b"From:\r\n A\r\n\t<a@ok.example>\r\n", id="folded"),
    pytest.param(b"From: G: a@ok.example, b@ok.example;\r\nSender: a@ok.example\r\n", id="group (RFC 6854)"),
    pytest.param(b"From: a@ok.example, b@ok.example\r\nSender: c@ok.example\r\n", id="several with Sender"),
    pytest.param(FROM + b"Resent-From: a@ok.example\r\nResent-From: b@ok.example\r\n", id="resent twice"),
    pytest.param(FROM + b"Reply-To: anyone@y.org\r\nTo: anyone@y.org\r\n", id="other fields"),
    pytest.param(b"Subject: no From\r\n", id="no From"),
    pytest.param(b"", id="no header"),
    pytest.param(b"From evil@y.org Mon Jan  1 00:00:00 2026\r\n" + FROM, id="mailbox line"),
    pytest.param(b"X: y\r\nno colon\r\n" + FROM, id="line without a colon"),
    pytest.param(FROM + b"Subject: caf\xe9\r\n", id="8-bit"),
]

NOT_ALLOWED = [
    (b"From: evil@y.org\r\n", "evil@y.org may not be used as From"),
    (b"From : evil@y.org\r\n", "evil@y.org may not be used as From"),
    (b"from\t:\r\n evil@y.org\r\n", "evil@y.org may not be used as From"),
    (b"From\r\n : evil@y.org\r\n", "evil@y.org may not be used as From"),
    (b"\xef\xbb\xbfFrom: evil@y.org\r\n", "evil@y.org may not be used as From"),
    (b"Fr\xc2\xadom: evil@y.org\r\n", "evil@y.org may not be used as From"),
    (b"From: a@sub.ok.example\r\n", "a@sub.ok.example may not be used as From"),
    (b"From: a@ok.example, evil@y.org\r\nSender: a@ok.example\r\n", "evil@y.org may not be used as From"),
    (b"From: G: evil@y.org;\r\n", "evil@y.org may not be used as From"),
    (b'From: "a@ok.example" <evil@y.org>\r\n', "evil@y.org may not be used as From"),
    (b"From: <@ok.example:evil@y.org>\r\n", "evil@y.org may not be used as From"),
    (FROM + b"Sender: evil@y.org\r\n", "evil@y.org may not be used as Sender"),
    (FROM + b"SENDER :evil@y.org\r\n", "evil@y.org may not be used as Sender"),
    (FROM + b"Resent-From: evil@y.org\r\n", "evil@y.org may not be used as Resent-From"),
    (FROM + b"Resent-Sender: evil@y.org\r\n", "evil@y.org may not be used as Resent-Sender"),
    (FROM + b"no colon\r\nSender: evil@y.org\r\n", None),
    (b"X: y\r\nno colon\r\nFrom: evil@y.org\r\n", "evil@y.org may not be used as From"),
    (FROM + b"From: evil@y.org\r\n", None),
    ("From: evil\u00e9@y.org\r\n".encode(), "evil\\xe9@y.org may not be used as From"),
    (b"From: " + b"x" * 200 + b"@y.org\r\n", "x" * 117 + "... may not be used as From"),
]

DAMAGED = [
    (FROM + FROM, "554 5.6.0 The message has 2 From fields"),
    (FROM + b"Sender: a@ok.example\r\nsender: a@ok.example\r\n", "554 5.6.0 The message has 2 Sender fields"),
    (b"From:\r\n", "554 5.6.0 From holds no address"),
    (b"From: undisclosed:;\r\n", "554 5.6.0 From holds no address"),
    (b"From: root\r\n", "554 5.6.0 From cannot be read without doubt"),
    (b"From: a@ok.example <evil@y.org>\r\n", "554 5.6.0 From cannot be read without doubt"),
    (b"From: a@ok.example (evil@y.org)\r\n", "554 5.6.0 From cannot be read without doubt"),
    (b"From: Smith, J <a@ok.example>\r\n", "554 5.6.0 From cannot be read without doubt"),
    (b'From: "a <a@ok.example>\r\n', "554 5.6.0 From cannot be read without doubt"),
    (FROM + b"Sender:\r\n", "554 5.6.0 Sender holds no address"),
    (FROM + b"Resent-From: root\r\n", "554 5.6.0 Resent-From cannot be read without doubt"),
    (
        b"From: a@ok.example, b@ok.example\r\n",
        "550 5.1.20 Multiple From addresses are not allowed without Sender address",
    ),
]

AMBIGUOUS = [
    (FROM + b"X: \0\r\n", "The header block holds a NUL"),
    (FROM + b"X: a\rFrom: evil@y.org\r\n", "The header block holds a NUL, or a CR or LF"),
    (FROM + b"X: a\nFrom: evil@y.org\r\n", "The header block holds a NUL, or a CR or LF"),
    (FROM + b",evil@y.org\r\n", 'The line ",evil@y.org" after From is no header field'),
    (FROM + b'"evil: x" <evil@y.org>\r\n', "after From is no header field"),
    (FROM + b"Sender: a@ok.example\r\n,evil@y.org\r\n", "after Sender is no header field"),
    (b" From: evil@y.org\r\n" + FROM, "The header block begins with white space"),
    (b"\tx\r\n" + FROM, "The header block begins with white space"),
]


@pytest.mark.parametrize("block", TAKEN)
@pytest.mark.parametrize("rule", ["keep", "if_not_allowed"])
def test_taken_as_it_is(block: bytes, rule: str) -> None:
    made, scanner = one(senders=SENDERS, sender=rule)
    assert made.check_message(scanner, envelope(), split_headers(block)) == Decision("office", MAILBOX)


@pytest.mark.parametrize(("block", "text"), NOT_ALLOWED)
def test_not_allowed(block: bytes, text: str | None) -> None:
    found = verdict(block)
    assert isinstance(found, str)
    if text is not None:
        assert found == f"550 5.7.1 {text} {ADD_TO_SENDERS}"


@pytest.mark.parametrize(("block", "text"), DAMAGED)
def test_damaged(block: bytes, text: str) -> None:
    found = verdict(block)
    assert isinstance(found, str)
    assert found.startswith(text)


@pytest.mark.parametrize(("block", "text"), AMBIGUOUS)
@pytest.mark.parametrize("rule", ["keep", "if_not_allowed", "force"])
def test_ambiguous_blocks_are_refused_whatever_the_rule(block: bytes, text: str, rule: str) -> None:
    made, scanner = one(senders=SENDERS, sender=rule)
    found = made.check_message(scanner, envelope(), split_headers(block))
    assert isinstance(found, Refusal)
    assert text in found.text
    assert (found.code, found.status) == (554, "5.6.0")


@pytest.mark.parametrize(
    "block", [*(case[0] for case in NOT_ALLOWED), *(case[0] for case in DAMAGED), *(case[0] for case in AMBIGUOUS)]
)
def test_every_refusal_is_one_short_line(block: bytes) -> None:
    line = verdict(block)
    assert isinstance(line, str)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= 500


def test_anything_goes_where_all_senders_are_allowed() -> None:
    for block in (*(case[0] for case in NOT_ALLOWED), *(case[0] for case in DAMAGED), FROM + b"X: \0\n\r\r\n"):
        for rule in ("keep", "if_not_allowed"):
            made, scanner = one(senders=("*",), sender=rule)
            found = made.check_message(scanner, envelope("root"), split_headers(block))
            assert found == Decision("office", "root")


@pytest.mark.parametrize("senders", [SENDERS, ("*",)])
@pytest.mark.parametrize("block", [*(case[0] for case in NOT_ALLOWED[:15]), *(case[0] for case in DAMAGED), FROM])
@pytest.mark.parametrize("sender", ["evil@y.org", "root", MAILBOX])
def test_force(block: bytes, sender: str, senders: tuple[str, ...]) -> None:
    made, scanner = one(senders=senders, sender="force", from_name="Us", reply_to="")
    assert made.check_sender(scanner, sender) is None
    found = made.check_message(scanner, envelope(sender), split_headers(block))
    assert found == Decision("office", MAILBOX, SenderEdit(MAILBOX, "Us", ""))


def test_force_leaves_a_null_sender_null() -> None:
    made, scanner = one(sender="force")
    assert made.check_message(scanner, envelope(""), []) == Decision("office", "", SenderEdit(MAILBOX))


@pytest.mark.parametrize(
    ("block", "sender", "decided"),
    [
        (FROM, "www-data@host", Decision("office", MAILBOX)),
        (b"From: evil@y.org\r\n", MAILBOX, Decision("office", MAILBOX, SenderEdit(MAILBOX))),
        (b"From: root\r\n", "a@ok.example", Decision("office", "a@ok.example", SenderEdit(MAILBOX))),
        (FROM + b"Sender: evil@y.org\r\n", MAILBOX, Decision("office", MAILBOX, SenderEdit(drop_sender=True))),
        (
            b"From: a@ok.example, b@ok.example\r\nSender: evil@y.org\r\n",
            MAILBOX,
            Decision("office", MAILBOX, SenderEdit(MAILBOX, drop_sender=True)),
        ),
        (b"Subject: x\r\n", "evil@y.org", Decision("office", MAILBOX)),
        (b"Subject: x\r\n", "", Decision("office", "", SenderEdit(MAILBOX))),
        (b"From: evil@y.org\r\n", "", Decision("office", "", SenderEdit(MAILBOX))),
    ],
)
def test_if_not_allowed_replaces_only_what_is_not(block: bytes, sender: str, decided: Decision) -> None:
    made, scanner = one(senders=SENDERS, sender="if_not_allowed")
    assert made.check_sender(scanner, sender) is None
    found = made.check_message(scanner, envelope(sender), split_headers(block))
    assert found == decided
    if found.edit is not None:
        after = made.check_message(scanner, envelope(found.sender), edit_sender(split_headers(block), found.edit))
        assert after == Decision("office", found.sender)


@pytest.mark.parametrize("keys", [{"from_name": "Us"}, {"from_name": ""}, {"reply_to": ""}, {"reply_to": "r@x.org"}])
def test_edits_without_a_new_sender(keys: dict[str, str]) -> None:
    assert verdict(FROM, **keys) == Decision(
        "office", MAILBOX, SenderEdit("", keys.get("from_name"), keys.get("reply_to"))
    )


def test_a_null_sender_needs_an_allowed_from() -> None:
    assert verdict(FROM, "") == Decision("office", "")
    assert str(verdict(b"From: evil@y.org\r\n", "")).startswith("550 5.7.1 evil@y.org")
    assert verdict(b"Subject: x\r\n", "") == "554 5.6.0 The message has neither a From field nor an envelope sender"


def test_the_envelope_is_checked_with_the_message_too() -> None:
    assert str(verdict(FROM, "evil@y.org")).startswith("550 5.7.1 evil@y.org may not be used as envelope sender")


@pytest.mark.parametrize(
    ("sender", "line"),
    [
        ("", None),
        (MAILBOX, None),
        ("NOREPLY@EXAMPLE.COM", None),
        ("x@ok.example", None),
        ("evil@y.org", f"550 5.7.1 evil@y.org may not be used as envelope sender (MAIL FROM) {ADD_TO_SENDERS}"),
        ("root", f"553 5.1.7 The sender <root> has no domain: send with a whole address{OR_FORCE}"),
    ],
)
def test_mail(sender: str, line: str | None) -> None:
    made, scanner = one(senders=SENDERS)
    found = made.check_sender(scanner, sender)
    assert (str(found) if found else None) == line


@pytest.mark.parametrize(
    ("recipient", "line"),
    [
        ("boss@example.com", None),
        ("x@Inside.example", None),
        ("x@outside.example", f"550 5.7.1 x@outside.example may not be written to {ADD_TO_RECIPIENTS}"),
        ("postmaster", "553 5.1.3 The recipient <postmaster> has no domain: write a whole address"),
        ("", "553 5.1.3 The recipient <> has no domain: write a whole address"),
    ],
)
def test_rcpt(recipient: str, line: str | None) -> None:
    made, scanner = one(recipients=("boss@example.com", "*@inside.example"))
    found = made.check_recipient(scanner, recipient)
    assert (str(found) if found else None) == line


def test_a_sink_takes_what_goes_nowhere() -> None:
    made, scanner = one(account="sink", senders=("*",))
    assert made.check_sender(scanner, "root") is None
    assert made.check_recipient(scanner, "someone") is None


@pytest.mark.parametrize("senders", [SENDERS, ("*",)])
@pytest.mark.parametrize(("hops", "refused"), [(50, False), (51, True)])
def test_hops(hops: int, refused: bool, senders: tuple[str, ...]) -> None:
    found = verdict(FROM + b"Received: x\r\n" * hops, senders=senders)
    if refused:
        assert found == "554 5.4.6 Too many hops: 51 Received fields, 50 are allowed"
    else:
        assert found == Decision("office", MAILBOX)


def test_hops_can_be_set() -> None:
    made = policy({"scanner": client()}, max_hops=1)
    scanner = made.client_by_name("scanner")
    assert scanner is not None
    found = made.check_message(scanner, envelope(), split_headers(FROM + b"Received: x\r\n" * 2))
    assert isinstance(found, Refusal)


def test_the_smallest_size_limit_counts() -> None:
    made = policy(
        {
            "small": client(max_message_size=500),
            "big": client(max_message_size=900),
            "hub": client(account="hub", max_message_size=900),
            "plain": client(account="hub"),
        }
    )
    names = ("small", "big", "hub", "plain", "")
    found = [made.size_limit("default", made.client_by_name(name)) for name in names]
    assert [(limit.octets, limit.key.removesuffix(".max_message_size")) for limit in found] == [
        (500, "clients.small"),
        (800, "accounts.office"),
        (900, "clients.hub"),
        (1000, "listeners.default"),
        (1000, "listeners.default"),
    ]
    assert made.size_limit("other", made.client_by_name("plain")).octets == 35 * 1024 * 1024


def test_a_message_that_is_too_large_hears_which_key_says_so() -> None:
    limit = policy({"small": client(max_message_size=500)}).size_limit("default", None)
    assert limit.refusal(1000) is None
    text = (
        "552 5.3.4 The message is larger than the 1,000 octets allowed here: raise listeners.default.max_message_size"
    )
    assert str(limit.refusal(1001)) == text


@pytest.mark.parametrize("rule", ["force", "if_not_allowed"])
def test_a_new_sender_must_be_known(rule: str) -> None:
    with pytest.raises(ValueError, match=r"clients.scanner.sender = .* needs an address .* accounts.hub.from_address"):
        one(account="hub", sender=rule)


def test_an_unusable_pattern_names_its_key() -> None:
    with pytest.raises(ValueError, match=r"clients.scanner.senders: .*no address"):
        one(senders=('"a@b"@c',))


def test_clients_are_told_apart() -> None:
    made = policy({"a": client(senders=("a@x.org",)), "b": client(senders=("b@x.org",))})
    a, b = made.client_by_name("a"), made.client_by_name("b")
    assert isinstance(a, ClientPolicy)
    assert isinstance(b, ClientPolicy)
    assert made.check_sender(a, "a@x.org") is None
    assert made.check_sender(b, "a@x.org") is not None
