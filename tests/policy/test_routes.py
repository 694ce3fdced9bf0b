"""Several accounts behind one client: which carries what, and what is refused."""

import pytest

from relay.config import Account
from relay.mime import split_headers
from relay.model import Envelope
from relay.policy import ClientPolicy, Decision, Policy, Refusal
from tests.support.clients import client, policy

ACCOUNTS = {
    "internal": Account(provider="smtp", host="hve", mailbox="hve@contoso.com", recipients=("@contoso.com",)),
    "fabrikam": Account(provider="smtp", host="f", mailbox="app@fabrikam.com", senders=("@fabrikam.com",)),
    "office": Account(provider="smtp", host="o", mailbox="noreply@contoso.com"),
}
HEADERS = split_headers(b"Subject: x\r\n")
SENDERS = ("@contoso.com", "@fabrikam.com")


def routed(**keys: object) -> tuple[Policy, ClientPolicy]:
    app = client(**({"accounts": tuple(ACCOUNTS), "account": "internal", "senders": SENDERS} | keys))
    made = policy({"app": app}, ACCOUNTS)
    found = made.client_by_name("app")
    assert found is not None
    return made, found


def decided(reverse_path: str, *recipients: str, **keys: object) -> dict[str, Decision] | str:
    made, app = routed(**keys)
    found = made.decide(app, Envelope(reverse_path, recipients), HEADERS)
    return str(found) if isinstance(found, Refusal) else {one.account: one for one in found}


@pytest.mark.parametrize(
    ("sender", "recipient", "account"),
    [
        ("noreply@contoso.com", "ann@contoso.com", "internal"),
        ("noreply@contoso.com", "ann@example.org", "office"),
        ("x@fabrikam.com", "ann@example.org", "fabrikam"),
        ("x@fabrikam.com", "ann@contoso.com", "internal"),
        ("", "ann@contoso.com", "internal"),
        ("", "ann@example.org", "fabrikam"),
    ],
)
def test_the_first_that_fits_carries_it(sender: str, recipient: str, account: str) -> None:
    made, app = routed()
    assert made.check_route(app, sender, recipient) is None
    if sender:
        found = decided(sender, recipient)
        assert isinstance(found, dict)
        assert list(found) == [account]


def test_a_message_is_split_where_its_recipients_differ() -> None:
    found = decided("noreply@contoso.com", "ann@contoso.com", "bob@example.org", "eve@contoso.com")
    assert isinstance(found, dict)
    assert {name: one.recipients for name, one in found.items()} == {
        "internal": ("ann@contoso.com", "eve@contoso.com"),
        "office": ("bob@example.org",),
    }


def test_a_forced_sender_is_that_of_each_account() -> None:
    found = decided("printer@lan", "ann@contoso.com", "bob@example.org", sender="force")
    assert isinstance(found, dict)
    assert {name: one.sender for name, one in found.items()} == {
        "internal": "hve@contoso.com",
        "fabrikam": "app@fabrikam.com",
    }
    assert {name: one.edit.address for name, one in found.items() if one.edit} == {
        "internal": "hve@contoso.com",
        "fabrikam": "app@fabrikam.com",
    }


def test_what_no_account_is_for_is_refused_with_the_keys() -> None:
    told = (
        '550 5.7.1 No account of client "app" takes mail from <other@contoso.com> to bob@example.org: '
        "add it to accounts.NAME.senders or accounts.NAME.recipients"
    )
    assert decided("other@contoso.com", "ann@contoso.com", "bob@example.org") == told
    made, app = routed()
    assert str(made.check_route(app, "other@contoso.com", "bob@example.org")) == told


def test_a_sender_is_checked_for_each_account_as_for_one() -> None:
    assert str(decided("noreply@contoso.com", "ann@contoso.com", senders=("@fabrikam.com",))).startswith("550 5.7.1")
