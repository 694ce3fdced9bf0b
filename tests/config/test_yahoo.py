"""provider = "yahoo": what it presets, needs and refuses."""

import pytest

from relay.config.describe import describe
from relay.upstream import identity
from tests.config.conftest import Configure, Problems, told

HEAD = '[accounts.mail]\nprovider = "yahoo"\nmailbox = "somebody@yahoo.com"\n'
OAUTH = '[accounts.mail.oauth]\nclient_id = "id"\nclient_secret = "the-secret"\n'


def test_the_five_lines(configure: Configure) -> None:
    settings = configure(HEAD + OAUTH)
    account = settings.accounts["mail"]
    assert (account.host, account.port, account.tls) == ("smtp.mail.yahoo.com", 465, "implicit")
    assert (account.username, account.is_real) == ("somebody@yahoo.com", True)
    oauth = account.oauth
    assert oauth is not None
    assert (oauth.grant, oauth.token_endpoint_auth_method) == ("authorization_code", "client_secret_basic")
    assert oauth.token_endpoint == "https://api.login.yahoo.com/oauth2/get_token"
    assert oauth.authorization_endpoint == "https://api.login.yahoo.com/oauth2/request_auth"
    assert (oauth.scopes, oauth.issuer) == (("mail-w",), None)
    assert settings.warnings == ()
    assert "yahoo, by SMTP to smtp.mail.yahoo.com:465" in "\n".join(describe(settings))
    assert identity("mail", account).provider == "yahoo"


def test_what_is_written_wins(configure: Configure) -> None:
    keys = 'token_endpoint_auth_method = "client_secret_post"\nscopes = "mail-r mail-w"\ntoken_endpoint = "https://x.test/t"'
    account = configure(HEAD + 'host = "smtp.aol.com"\ntls = "starttls"\n' + OAUTH + keys).accounts["mail"]
    assert (account.host, account.port, account.tls) == ("smtp.aol.com", 587, "starttls")
    assert account.oauth is not None
    assert account.oauth.token_endpoint_auth_method == "client_secret_post"
    assert (account.oauth.scopes, account.oauth.token_endpoint) == (("mail-r", "mail-w"), "https://x.test/t")


def test_a_public_application(configure: Configure) -> None:
    oauth = configure(HEAD + '[accounts.mail.oauth]\nclient_id = "id"\n').accounts["mail"].oauth
    assert oauth is not None
    assert oauth.token_endpoint_auth_method == "none"


def test_an_app_password(configure: Configure) -> None:
    account = configure(HEAD + 'password = "abcdefghijklmnop"').accounts["mail"]
    assert (account.oauth, account.username, account.tls) == (None, "somebody@yahoo.com", "implicit")


@pytest.mark.parametrize("grant", ["client_credentials", "device_code", "jwt_bearer"])
def test_other_grants(problems: Problems, grant: str) -> None:
    said = f'"{grant}" is nothing that yahoo offers: write "authorization_code"'
    assert told(problems(HEAD + OAUTH + f'grant = "{grant}"'), "accounts.mail.oauth.grant", said)


def test_what_is_missing(problems: Problems) -> None:
    app_password = '[accounts.mail]\nprovider = "yahoo"\npassword = "x"'
    assert told(problems(app_password), "accounts.mail.mailbox", "add the mailbox")
    assert told(
        problems(HEAD), "accounts.mail.oauth", "client_id and client_secret, or write an app password as password"
    )


def test_what_has_no_meaning(problems: Problems) -> None:
    assert told(problems(HEAD + 'tenant = "x.example"\n' + OAUTH), "accounts.mail.tenant", 'provider = "yahoo"')


def test_whoever_signs_in(configure: Configure) -> None:
    """Without a mailbox the sign-in says, or is asked, whose it is."""
    clients = '[clients.app]\nnetworks = ["127.0.0.0/8"]\nsenders = ["*"]\n'
    account = configure('[accounts.mail]\nprovider = "yahoo"\n' + OAUTH + clients).accounts["mail"]
    assert (account.mailbox, account.username) == (None, None)
