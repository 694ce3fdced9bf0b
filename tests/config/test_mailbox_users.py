"""`mailbox = "sender"` and `authenticate = "upstream"`: what goes together, and what could not work."""

import pytest

from relay.config import describe
from relay.policy import Policy
from tests.config.conftest import MICROSOFT, Configure, Problems, told

PEOPLE = """
[accounts.people]
provider = "microsoft"
tenant = "contoso.onmicrosoft.com"
mailbox = "sender"
[accounts.people.oauth]
grant = "password"
client_id = "11111111-2222-3333-4444-555555555555"
"""
UPSTREAM = '[clients.users]\nauthenticate = "upstream"\n'


def test_users_with_their_own_logins(configure: Configure) -> None:
    settings = configure(PEOPLE + UPSTREAM)
    account, client = settings.accounts["people"], settings.clients["users"]
    assert (account.acts_as_sender, account.has_sign_ins, account.own_mailbox, account.own_address) == (
        *(True, True),
        *(None, None),
    )
    assert account.username is None
    assert account.oauth is not None
    assert account.oauth.scopes == ("https://outlook.office.com/SMTP.Send",)
    assert account.oauth.token_endpoint_auth_method == "none"
    assert (client.has_login, client.login, client.senders) == (True, None, ())
    told_ = "\n".join(describe(settings))
    assert "by the user names and passwords of mailboxes, checked by the provider of people" in told_
    assert "as the mailbox of the user who has logged in" in told_
    assert "as the mailbox of whoever sends" in told_


def test_who_logs_in_may_send_as_himself_unless_senders_say_otherwise(configure: Configure) -> None:
    user = "Ann@contoso.com"
    policy = Policy(configure(PEOPLE + UPSTREAM))
    client = policy.client_for_login("default", user, "127.0.0.1")
    assert client is not None
    assert policy.check_sender(client, user) is not None, "before the password is checked, nobody"
    known = client.used_by("ann@contoso.com")
    assert policy.check_sender(known, user) is None
    assert policy.check_sender(known, "bob@contoso.com") is not None
    policy = Policy(configure(PEOPLE + UPSTREAM + 'senders = ["@contoso.com"]'))
    client = policy.client_for_login("default", user, "127.0.0.1")
    assert client is not None
    assert policy.check_sender(client.used_by("ann@contoso.com"), "bob@contoso.com") is None


def test_what_the_sender_is_forced_to(configure: Configure) -> None:
    policy = Policy(configure(PEOPLE + UPSTREAM + 'sender = "force"'))
    client = policy.client_for_login("default", "ann@contoso.com", "127.0.0.1")
    assert client is not None
    assert client.used_by("ann@contoso.com").from_address == "ann@contoso.com"


def test_a_login_of_the_relays_own_is_shown_to_nobody_else(configure: Configure) -> None:
    printer = (
        '[clients.printer]\nlogin = "p@contoso.com"\npassword = "x"\nnetworks = ["192.0.2.7"]\naccount = "office"\n'
    )
    policy = Policy(configure(MICROSOFT + PEOPLE + UPSTREAM + 'account = "people"\n' + printer))
    assert policy.offers_login("default")
    assert policy.client_for_login("default", "p@contoso.com", "192.0.2.8") is None
    assert policy.client_for_login("default", "printer", "192.0.2.8") is None, "no mailbox"
    other = policy.client_for_login("default", "q@contoso.com", "192.0.2.8")
    assert other is not None
    assert other.name == "users"


@pytest.mark.parametrize(
    ("text", "key", "part"),
    [
        (PEOPLE + UPSTREAM + 'password = "x"', "clients.users.password", "each user has his own"),
        (PEOPLE + UPSTREAM + 'login = "x"', "clients.users.login", "each user has his own"),
        (
            PEOPLE + '[clients.a]\nnetworks = ["127.0.0.1"]\nsenders = ["*"]',
            "clients.a.account",
            "this client has none",
        ),
        (MICROSOFT + UPSTREAM, "clients.users.authenticate", 'write mailbox = "sender" in [accounts.office]'),
        (PEOPLE + UPSTREAM.replace("upstream", "here"), "clients.users.authenticate", '"upstream"'),
        (PEOPLE.replace('"password"', '"device_code"') + UPSTREAM, "accounts.people.mailbox", "one user"),
        (
            PEOPLE + UPSTREAM + '[clients.more]\nauthenticate = "upstream"\nnetworks = ["192.0.2.0/24"]',
            "clients.more.authenticate",
            "nobody could tell their users apart",
        ),
        (
            PEOPLE + UPSTREAM + '[listeners.lan]\nbind = ["192.0.2.1:25"]\nrequire_tls = false',
            "listeners.lan.require_tls",
            "send their mailbox passwords readable",
        ),
        (
            PEOPLE + UPSTREAM + '[listeners.lan]\nbind = ["192.0.2.1:25"]',
            "listeners.lan.tls",
            "add certificate and key",
        ),
        (
            MICROSOFT.replace('"noreply@contoso.com"', '"sender"') + '[clients.a]\nnetworks = ["127.0.0.1"]',
            "clients.a.senders",
            "has no mailbox to take for it",
        ),
        (
            (
                '[accounts.x]\nprovider = "smtp"\nhost = "x.org"\nmailbox = "sender"\npassword = "x"\n'
                '[clients.a]\nnetworks = ["127.0.0.1"]\nsenders = ["*"]'
            ),
            "accounts.x.mailbox",
            "a password is that of one user",
        ),
        (
            PEOPLE.replace('"sender"', '"sendre"') + UPSTREAM,
            "accounts.people.mailbox",
            '"noreply@example.com", or "sender"',
        ),
    ],
)
def test_what_could_not_work(problems: Problems, text: str, key: str, part: str) -> None:
    assert told(problems(text), key, part)


def test_keys_of_one_user(problems: Problems) -> None:
    text = PEOPLE.replace('mailbox = "sender"', 'mailbox = "sender"\nusername = "ann"\npassword = "x"')
    found = problems(text + UPSTREAM)
    for key in ("username", "password"):
        assert told(found, f"accounts.people.{key}", 'has no meaning with mailbox = "sender"')


def test_an_application_can_act_as_whoever_sends(configure: Configure) -> None:
    text = MICROSOFT.replace('"noreply@contoso.com"', '"sender"')
    settings = configure(text + '[clients.a]\nnetworks = ["127.0.0.1"]\nsenders = ["@contoso.com"]')
    account = settings.accounts["office"]
    assert (account.acts_as_sender, account.has_sign_ins, account.username) == (True, False, None)
