"""provider = "google": what it presets, needs and refuses."""

from pathlib import Path

import pytest

from relay.config.describe import describe
from tests.config.conftest import Configure, Problems, told
from tests.support.keys import rsa_key, service_account

HEAD = '[accounts.gmail]\nprovider = "google"\nmailbox = "noreply@example.com"\n'
OAUTH = '[accounts.gmail.oauth]\nprivate_key_file = "key.json"\n'


@pytest.fixture(autouse=True)
def key_file(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(service_account(rsa_key()))
    (tmp_path / "key.json").chmod(0o600)


def test_the_four_lines(configure: Configure, tmp_path: Path) -> None:
    settings = configure(HEAD + OAUTH)
    account = settings.accounts["gmail"]
    assert (account.host, account.port, account.tls) == ("smtp.gmail.com", 465, "implicit")
    assert (account.username, account.concurrency, account.is_real) == ("noreply@example.com", 2, True)
    oauth = account.oauth
    assert oauth is not None
    assert (oauth.grant, oauth.subject, oauth.client_id) == ("jwt_bearer", "noreply@example.com", None)
    assert (oauth.token_endpoint, oauth.scopes) == (
        "https://oauth2.googleapis.com/token",
        ("https://mail.google.com/",),
    )
    assert settings.clients["local"].senders == ("noreply@example.com",)
    assert settings.warnings == ()
    shown = "\n".join(describe(settings))
    assert f"for noreply@example.com, with the service account in {tmp_path / 'key.json'}" in shown
    assert "google, by SMTP to smtp.gmail.com:465" in shown


@pytest.mark.parametrize(
    ("keys", "port", "tls"),
    [
        ('tls = "starttls"', 587, "starttls"),
        ("port = 587", 587, "starttls"),
        ("port = 465", 465, "implicit"),
        ('port = 2465\ntls = "implicit"', 2465, "implicit"),
    ],
)
def test_the_other_port(configure: Configure, keys: str, port: int, tls: str) -> None:
    account = configure(f"{HEAD}{keys}\n{OAUTH}").accounts["gmail"]
    assert (account.port, account.tls) == (port, tls)


def test_another_subject(configure: Configure) -> None:
    oauth = configure(HEAD + OAUTH + 'subject = "owner@example.com"').accounts["gmail"].oauth
    assert oauth is not None
    assert oauth.subject == "owner@example.com"


def test_an_app_password(configure: Configure) -> None:
    account = configure(HEAD + 'password = "abcd efgh ijkl mnop"').accounts["gmail"]
    assert (account.oauth, account.username, account.tls) == (None, "noreply@example.com", "implicit")


def test_a_service_account_at_another_server(configure: Configure) -> None:
    text = '[accounts.hub]\nprovider = "smtp"\nhost = "smtp.example.com"\nmailbox = "a@example.com"\n'
    text += (
        '[accounts.hub.oauth]\ngrant = "jwt_bearer"\nprivate_key_file = "key.json"\ntoken_endpoint = "https://idp/t"'
    )
    oauth = configure(text).accounts["hub"].oauth
    assert oauth is not None
    assert (oauth.grant, oauth.subject, oauth.scopes) == ("jwt_bearer", "a@example.com", ())


@pytest.mark.parametrize(
    ("text", "key", "parts"),
    [
        (HEAD.replace('mailbox = "noreply@example.com"\n', "") + OAUTH, "mailbox", ("is missing",)),
        (HEAD, "oauth", ("is missing", "private_key_file of a service account")),
        (HEAD + "[accounts.gmail.oauth]", "oauth.private_key_file", ("is missing", "JSON key file")),
        (HEAD + OAUTH + 'client_id = "x"', "oauth.client_id", ('no meaning with grant = "jwt_bearer"',)),
        (HEAD + OAUTH + 'client_secret = "hunter2"', "oauth.client_secret", ("no meaning",)),
        (HEAD + OAUTH + 'certificate_file = "key.json"', "oauth.certificate_file", ("no meaning",)),
        (HEAD + OAUTH + 'token_endpoint_auth_method = "none"', "oauth.token_endpoint_auth_method", ("no meaning",)),
        (HEAD + OAUTH + 'grant = "client_credentials"', "oauth.grant", ("google offers", 'write "jwt_bearer"')),
        (HEAD + OAUTH + 'grant = "password"', "oauth.grant", ("google offers", 'write "jwt_bearer"')),
        (HEAD + 'tenant = "x.y"\n' + OAUTH, "tenant", ('no meaning with provider = "google"',)),
        (HEAD + 'via = ["graph"]\n' + OAUTH, "via", ('needs provider = "microsoft"',)),
        (HEAD + 'password = "hunter2"\n' + OAUTH, "password", ("both given",)),
        (HEAD + OAUTH.replace("key.json", "relay.toml"), "oauth.private_key_file", ("is not JSON", "Add key")),
        (HEAD + OAUTH.replace("key.json", "absent"), "oauth.private_key_file", ("does not exist",)),
        (HEAD + 'tls = "off"\n' + OAUTH, "tls", ("readable",)),
    ],
)
def test_what_is_wrong_is_told(problems: Problems, text: str, key: str, parts: tuple[str, ...]) -> None:
    found = problems(text)
    assert told(found, f"accounts.gmail.{key}", *parts)
    assert "hunter2" not in str(found)


def test_a_service_account_is_not_for_microsoft(problems: Problems) -> None:
    text = '[accounts.o]\nprovider = "microsoft"\ntenant = "contoso.com"\nmailbox = "a@contoso.com"\n'
    found = problems(text + '[accounts.o.oauth]\ngrant = "jwt_bearer"\nprivate_key_file = "key.json"')
    assert told(found, "accounts.o.oauth.grant", "microsoft offers", '"client_credentials" or "managed_identity"')


@pytest.mark.parametrize("grant", ["authorization_code", "device_code"])
def test_a_user_signs_in(configure: Configure, grant: str) -> None:
    oauth = configure(HEAD + f'[accounts.gmail.oauth]\ngrant = "{grant}"\nclient_id = "id"\nclient_secret = "s"')
    made = oauth.accounts["gmail"].oauth
    assert made is not None
    assert made.authorization_endpoint == "https://accounts.google.com/o/oauth2/v2/auth"
    assert made.device_authorization_endpoint == "https://oauth2.googleapis.com/device/code"
    assert (made.issuer, made.token_endpoint) == ("https://accounts.google.com", "https://oauth2.googleapis.com/token")
    assert made.scopes == ("https://mail.google.com/",)


def test_a_subject_is_only_for_a_service_account(problems: Problems) -> None:
    text = (
        '[accounts.o]\nprovider = "microsoft"\ntenant = "contoso.com"\nmailbox = "a@contoso.com"\n[accounts.o.oauth]\n'
    )
    found = problems(text + 'client_id = "x"\nclient_secret = "y"\nsubject = "a@contoso.com"')
    assert told(found, "accounts.o.oauth.subject", 'only with grant = "jwt_bearer"')


def test_the_api_has_a_pace_of_its_own(configure: Configure) -> None:
    def rates(via: str) -> list[tuple[int, float]]:
        return [(rate.count, rate.seconds) for rate in configure(HEAD + via + OAUTH).accounts["gmail"].rate]

    assert (50, 60.0) in rates('via = ["gmail-api"]\n')
    assert (50, 60.0) not in rates('via = ["smtp", "gmail-api"]\n')


def test_what_is_of_smtp_only(problems: Problems) -> None:
    found = problems(HEAD + 'via = ["gmail-api"]\nwrite_timeout = "1m"\nconnect_timeout = "1m"\n' + OAUTH)
    for key in ("write_timeout", "connect_timeout"):
        assert told(found, f"accounts.gmail.{key}", 'via = ["gmail-api"], which sends by HTTPS')


@pytest.mark.parametrize("version", ["/gmail/v1", "/gmail/v1/", "/v1.0", "/beta/"])
def test_an_endpoint_with_a_version(problems: Problems, version: str) -> None:
    found = problems(f'{HEAD}via = ["gmail-api"]\nmail_endpoint = "https://api.example.com{version}"\n{OAUTH}')
    assert told(found, "accounts.gmail.mail_endpoint", 'write "https://api.example.com"')
