"""Clients with several accounts, rates and priorities: what may be written, and what it means."""

import pytest

from relay.config import ConfigError
from relay.model import Rate
from tests.config.conftest import Configure

TWO = """
[accounts.internal]
provider = "smtp"
host = "internal.example.com"
mailbox = "hve@contoso.com"
recipients = ["@contoso.com"]

[accounts.office]
provider = "smtp"
host = "smtp.example.com"
mailbox = "noreply@contoso.com"

[clients.app]
networks = ["127.0.0.1"]
"""


def test_the_senders_are_the_mailboxes_of_all_accounts(configure: Configure) -> None:
    app = configure(TWO + 'accounts = ["internal", "office"]').clients["app"]
    assert app.uses == ("internal", "office")
    assert app.senders == ("hve@contoso.com", "noreply@contoso.com")
    assert app.reply == "queued"


def test_rates_and_priority(configure: Configure) -> None:
    keys = 'account = "office"\npriority = "high"\nrate = ["5 messages/1s"]\nrecipient_rate = ["2 messages/1m"]\n'
    app = configure(TWO + keys + 'over_rate = "hold"').clients["app"]
    assert (app.priority, app.over_rate) == ("high", "hold")
    assert app.rate == (Rate(5, "messages", 1.0),)
    assert app.recipient_rate == (Rate(2, "messages", 60.0),)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('accounts = ["internal", "ofice"]', 'there is no account "ofice": did you mean office?'),
        ('account = "office"\naccounts = ["internal"]', "and account are both given: keep one"),
        ('accounts = ["office"]\nauthenticate = "upstream"', "has no meaning with authenticate"),
        ('account = "office"\nrate = ["5/min"]', '"5/min" is no rate: write "5 messages/1m"'),
        ('account = "office"\nrecipient_rate = ["5 recipients/1m"]', "write 5 messages/1m"),
        ('account = "office"\npriority = "urgent"', 'write "high" or "normal" or "low"'),
    ],
)
def test_what_cannot_be_is_told(configure: Configure, keys: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(TWO + keys)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("account", "rates"),
    [
        ('provider = "microsoft"\ntenant = "contoso.com"\npassword = "x"', 2),
        ('provider = "microsoft"\ntenant = "contoso.com"\npassword = "x"\nhost = "SMTP.hve.mx.microsoft"', 0),
        ('provider = "microsoft"\ntenant = "contoso.com"\npassword = "x"\nrate = []', 0),
        ('provider = "google"\npassword = "x"', 2),
        ('provider = "smtp"\nhost = "smtp.example.com"', 0),
    ],
)
def test_the_pace_is_the_provider_s_unless_written(configure: Configure, account: str, rates: int) -> None:
    made = configure(f'[accounts.one]\nmailbox = "a@contoso.com"\n{account}\n').accounts["one"]
    assert len(made.rate) == rates


CHAIN = '[accounts.{0}]\nprovider = "smtp"\nhost = "{0}.example.com"\nmailbox = "{0}@contoso.com"\nfallback = "{1}"\n'
LAST = (
    '[accounts.c]\nprovider = "smtp"\nhost = "c.example.com"\n[clients.app]\nnetworks = ["127.0.0.1"]\naccount = "a"\n'
)


def test_a_fallback_may_have_one(configure: Configure) -> None:
    settings = configure(CHAIN.format("a", "b") + CHAIN.format("b", "c") + LAST)
    assert settings.accounts["a"].fallback == "b"
    assert settings.warnings == (), "an account that is only a fallback is used"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CHAIN.format("a", "b") + CHAIN.format("b", "a"), "leads back to a (a > b > a): leave out one of them"),
        (CHAIN.format("a", "a"), "leads back to a (a > a)"),
        (CHAIN.format("a", "bb"), 'there is no account "bb"'),
    ],
)
def test_a_fallback_leads_to_another_account_and_not_back(configure: Configure, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(text + LAST)
    assert told in str(caught.value)
