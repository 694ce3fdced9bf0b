"""Clients by access token (`issuer`): what they need, and what could not be told apart or would let strangers in."""

import pytest

from relay.config import describe
from relay.policy import Policy
from tests.config.conftest import SMARTHOST, Configure, Problems, told

ISSUER = "https://id.example.com/realms/main"
APP = f'[clients.app]\nissuer = "{ISSUER}"\naudience = "smtp-relay"\n'


def test_a_client_by_token(configure: Configure) -> None:
    settings = configure(SMARTHOST + APP)
    client = settings.clients["app"]
    assert (client.issuer, client.audience, client.user_claim, client.login) == (ISSUER, "smtp-relay", None, None)
    assert client.has_login
    assert client.senders == ("hub@example.com",)
    assert any(f"by an access token of {ISSUER} for smtp-relay, any user" in line for line in describe(settings))
    policy = Policy(settings)
    assert policy.mechanisms("default") == ("XOAUTH2", "OAUTHBEARER")
    assert [one.name for one in policy.clients_with_tokens("default", "192.0.2.1")] == ["app"]
    assert policy.client_for_login("default", "app", "127.0.0.1") is None


def test_only_one_user_of_the_issuer(configure: Configure) -> None:
    settings = configure(SMARTHOST + APP + 'login = "service"\nuser_claim = "azp"\nnetworks = ["192.0.2.0/24"]')
    assert any('the user "service" (azp), only from 192.0.2.0/24' in line for line in describe(settings))
    policy = Policy(settings)
    assert policy.clients_with_tokens("default", "198.51.100.1") == []
    assert len(policy.clients_with_tokens("default", "192.0.2.9")) == 1


def test_beside_passwords_both_are_offered(configure: Configure) -> None:
    policy = Policy(configure(SMARTHOST + APP + '[clients.printer]\npassword = "x"\n'))
    assert policy.mechanisms("default") == ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER")


def test_who_must_be_one_user_goes_before_who_may_be_any(configure: Configure) -> None:
    text = APP.replace(".app]", ".one]") + 'login = "service"\nuser_claim = "sub"\n'
    policy = Policy(configure(SMARTHOST + APP + text))
    assert [one.name for one in policy.clients_with_tokens("default", "127.0.0.1")] == ["one", "app"]


@pytest.mark.parametrize(
    ("table", "key", "parts"),
    [
        (f'issuer = "{ISSUER}"', "audience", ["is missing", "any other program"]),
        ('audience = "x"\nnetworks = ["127.0.0.1"]', "audience", ["has no meaning without issuer"]),
        ('user_claim = "x"\nnetworks = ["127.0.0.1"]', "user_claim", ["has no meaning without issuer"]),
        (f'issuer = "{ISSUER}"\naudience = "x"\nlogin = "l"', "user_claim", ["users cannot choose for themselves"]),
        (f'issuer = "{ISSUER}"\naudience = "x"\npassword = "p"', "password", ["issuer are both given"]),
        ('issuer = "http://id.example.com"\naudience = "x"', "issuer", ["https"]),
        (f'issuer = "{ISSUER}/.well-known/openid-configuration"\naudience = "x"', "issuer", [".well-known"]),
        ('issuer = "https://login.microsoftonline.com/common/v2.0"\naudience = "x"', "issuer", ["every tenant"]),
        ('issuer = "login.microsoftonline.us/organizations/v2.0"\naudience = "x"', "issuer", ["every tenant"]),
    ],
)
def test_what_is_wrong(problems: Problems, table: str, key: str, parts: list[str]) -> None:
    assert told(problems(f"{SMARTHOST}[clients.app]\n{table}\n"), f"clients.app.{key}", *parts)


def test_with_the_logins_of_mailboxes_it_has_no_meaning(problems: Problems) -> None:
    text = f'{SMARTHOST}[clients.app]\nissuer = "{ISSUER}"\nauthenticate = "upstream"\n'
    assert told(problems(text), "clients.app.issuer", "has no meaning")


def test_one_token_is_one_client(configure: Configure, problems: Problems) -> None:
    other = APP.replace(".app]", ".other]")
    assert told(problems(SMARTHOST + APP + other), "clients.other.audience", "[clients.app]")
    for apart in ('networks = ["192.0.2.0/24"]', 'login = "x"\nuser_claim = "sub"'):
        text = SMARTHOST + APP + ('networks = ["198.51.100.0/24"]\n' if "networks" in apart else "")
        assert configure(f"{text}{other}{apart}\n").clients.keys() == {"app", "other"}


def test_tokens_do_not_cross_a_network_readable(problems: Problems) -> None:
    door = '[listeners.default]\nbind = ["0.0.0.0:25"]\n'
    assert told(problems(SMARTHOST + APP + door), "listeners.default.tls", "readable")
    assert told(problems(f"{SMARTHOST}{APP}{door}require_tls = false\n"), "listeners.default.require_tls", "readable")
