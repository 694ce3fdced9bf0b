"""Accounts: what each provider presets, needs and refuses."""

from pathlib import Path

import pytest
import trustme

from relay import providers
from relay.config import Account, Secret
from tests.config.conftest import MICROSOFT, SMARTHOST, Configure, Problems, encrypt_key, told

HEAD = '[accounts.office]\nprovider = "microsoft"\n'
OAUTH = '[accounts.office.oauth]\nclient_id = "id"\nclient_secret = "the~Value"\n'
OFFICE = "accounts.office"


def test_the_five_lines(configure: Configure) -> None:
    settings = configure(MICROSOFT)
    account = settings.accounts["office"]
    assert (account.host, account.port, account.tls, account.min_tls) == ("smtp.office365.com", 587, "starttls", "1.2")
    assert (account.username, account.concurrency, account.via) == ("noreply@contoso.com", 2, ("smtp",))
    assert account.mail_endpoint is None
    assert (account.connect_timeout, account.timeout, account.write_timeout) == (30, 300, 300)
    oauth = account.oauth
    assert oauth is not None
    assert oauth.token_endpoint == "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token"
    assert oauth.scopes == ("https://outlook.office365.com/.default",)
    assert (oauth.grant, oauth.token_endpoint_auth_method) == ("client_credentials", "client_secret_post")
    assert (oauth.scope_delimiter, oauth.extra_parameters, oauth.refresh_margin) == (" ", {}, None)
    local = settings.clients["local"]
    assert (local.account, local.senders, local.reply) == ("office", ("noreply@contoso.com",), "queued")
    assert settings.warnings == ()


def test_two_ways(configure: Configure) -> None:
    text = MICROSOFT.replace("[accounts.office]", '[accounts.office]\nvia = ["graph", "smtp"]')
    account = configure(text).accounts["office"]
    assert account.mail_endpoint == "https://graph.microsoft.com"
    assert (account.host, account.username, account.concurrency) == ("smtp.office365.com", "noreply@contoso.com", 2)
    assert account.oauth is not None
    assert account.oauth.for_way("graph").scopes == ("https://graph.microsoft.com/.default",)
    assert account.oauth.for_way("smtp").scopes == ("https://outlook.office365.com/.default",)
    assert account.oauth.scopes == account.oauth.for_way("graph").scopes


def test_graph(configure: Configure) -> None:
    text = MICROSOFT.replace("[accounts.office]", '[accounts.office]\nvia = ["graph"]')
    account = configure(text).accounts["office"]
    assert account.mail_endpoint == "https://graph.microsoft.com"
    assert (account.host, account.username, account.concurrency) == (None, None, 2)
    assert account.oauth is not None
    assert account.oauth.scopes == ("https://graph.microsoft.com/.default",)


@pytest.mark.parametrize("cloud", providers.CLOUDS)
@pytest.mark.parametrize("way", ["smtp", "graph"])
def test_every_cloud(configure: Configure, cloud: providers.CloudName, way: str) -> None:
    head = f'[accounts.office]\ncloud = "{cloud}"\nvia = ["{way}"]\n'
    account = configure(MICROSOFT.replace("[accounts.office]\n", head)).accounts["office"]
    facts = providers.CLOUDS[cloud]
    assert account.oauth is not None
    assert (account.oauth.token_endpoint or "").startswith(f"https://{facts.authority}/contoso.onmicrosoft.com/")
    assert account.oauth.scopes == ((facts.graph_scope,) if way == "graph" else (facts.smtp_scope,))
    assert (account.mail_endpoint, account.host) == (
        (facts.graph_root, None) if way == "graph" else (None, facts.smtp_host)
    )


def test_what_is_written_goes_before_what_is_preset(configure: Configure) -> None:
    text = (
        HEAD
        + 'tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"\nmailbox = "a@contoso.com"\n'
        + 'host = "127.0.0.1"\nport = 2587\n'
        + 'username = "b@contoso.com"\nconcurrency = 3\nfrom_address = "c@contoso.com"\n'
        + OAUTH
        + 'token_endpoint = "https://127.0.0.1:8443/token"\nscopes = "one two"\nrefresh_margin = "20m"\n'
        + 'token_endpoint_auth_method = "client_secret_basic"\n'
    )
    account = configure(text).accounts["office"]
    assert (account.host, account.port, account.username, account.concurrency) == (
        "127.0.0.1",
        2587,
        "b@contoso.com",
        3,
    )
    assert account.own_address == "c@contoso.com"
    assert account.oauth is not None
    assert account.oauth.token_endpoint == "https://127.0.0.1:8443/token"
    assert (account.oauth.scopes, account.oauth.refresh_margin) == (("one", "two"), 1200)


@pytest.mark.parametrize(
    ("extra", "port"),
    [("", 587), ('tls = "implicit"', 465), ('tls = "opportunistic"', 25), ('tls = "off"', 25), ("port = 26", 26)],
)
def test_a_smarthost(configure: Configure, extra: str, port: int) -> None:
    account = configure(SMARTHOST + extra).accounts["hub"]
    assert (account.host, account.port, account.concurrency) == ("smtp.example.com", port, 20)
    assert (account.username, account.oauth, account.mail_endpoint) == (None, None, None)


def test_a_smarthost_with_a_login(configure: Configure) -> None:
    settings = configure(SMARTHOST + 'password = "x"')
    assert settings.accounts["hub"].username == "hub@example.com"
    assert settings.warnings == ()


def test_a_smarthost_with_tokens(configure: Configure) -> None:
    text = (
        SMARTHOST
        + '[accounts.hub.oauth]\nclient_id = "id"\nclient_secret = "s"\ntoken_endpoint = "https://idp/token"\n'
    )
    account = configure(text).accounts["hub"]
    assert account.username == "hub@example.com"
    assert account.oauth is not None
    assert account.oauth.scopes == ()


@pytest.mark.parametrize("provider", ["sink", "discard", "fail"])
def test_accounts_that_send_nothing(configure: Configure, provider: str) -> None:
    settings = configure(f'[accounts.a]\nprovider = "{provider}"\nmailbox = "a@example.com"\n')
    assert not settings.accounts["a"].is_real
    assert (settings.clients["local"].senders, settings.clients["local"].reply) == (("*",), "delivered")


@pytest.mark.parametrize(
    ("text", "key", "parts"),
    [
        ("[accounts.office]", f"{OFFICE}.provider", ("is missing", 'provider = "microsoft"')),
        (
            '[accounts.office]\nprovider = "microsft"',
            f"{OFFICE}.provider",
            ('"microsft" is not possible', "did you mean microsoft?"),
        ),
        ("[accounts.office]\nprovider = ['sink']", f"{OFFICE}.provider", ("must be text",)),
        (HEAD, f"{OFFICE}.mailbox", ("is missing", 'mailbox = "noreply@contoso.com"')),
        (HEAD, f"{OFFICE}.tenant", ("is missing", "contoso.onmicrosoft.com")),
        (HEAD, f"{OFFICE}.oauth", ("is missing", "[accounts.office.oauth] with client_id and client_secret")),
        (HEAD + "[accounts.office.oauth]", f"{OFFICE}.oauth.client_id", ("is missing", "Application (client) ID")),
        (HEAD + "[accounts.office.oauth]", f"{OFFICE}.oauth.client_secret", ("is missing", "Value, not its ID")),
        (HEAD + 'tenant = "common"\n' + OAUTH, f"{OFFICE}.tenant", ("every tenant", "client_credentials")),
        (HEAD + 'tenant = "organizations"\n' + OAUTH, f"{OFFICE}.tenant", ("every tenant",)),
        (HEAD + 'tenant = "Consumers"\n' + OAUTH, f"{OFFICE}.tenant", ("every tenant",)),
        (HEAD + 'tenant = "contoso"\n' + OAUTH, f"{OFFICE}.tenant", ("neither a tenant ID nor a domain",)),
        (HEAD + 'tenant = "a/b.c"\n' + OAUTH, f"{OFFICE}.tenant", ("neither a tenant ID nor a domain",)),
        (HEAD + 'mailbox = "office"', f"{OFFICE}.mailbox", ('"office" is no mail address', 'or "sender"')),
        (HEAD + 'cloud = "us"', f"{OFFICE}.cloud", ('write "global" or "us-gov"',)),
        (HEAD + "cloud = ['us']", f"{OFFICE}.cloud", ("must be text",)),
        (
            HEAD + 'mailbox = "sender"\nvia = ["smtp", "graph"]\ntenant="b.c"\n' + OAUTH,
            f"{OFFICE}.via",
            ('mailbox = "sender" has one',),
        ),
        (HEAD + 'via = ["graph", "graph"]', f"{OFFICE}.via", ("the same entry twice",)),
        (HEAD + 'via = ["gmail-api"]', f"{OFFICE}.via", ('needs provider = "google"',)),
        (HEAD + "save_to_sent = false", f"{OFFICE}.save_to_sent", ('only with via = ["graph"]',)),
        (HEAD + 'via = ["smtp", "graph"]\npassword = "hunter2"', f"{OFFICE}.oauth", ("sends with a token",)),
        (
            HEAD + 'via = ["smtp", "graph"]\nmailbox="a@b.c"\ntenant="b.c"\n' + OAUTH + 'scopes = "x"',
            f"{OFFICE}.oauth.scopes",
            ("each of these has its own",),
        ),
        (
            HEAD + 'via = ["smtp", "graph"]\nmailbox="a@b.c"\ntenant="b.c"\n' + OAUTH + 'grant = "device_code"',
            f"{OFFICE}.via",
            ("a user's sign-in is for one of them",),
        ),
        (
            '[accounts.g]\nprovider = "google"\nvia = ["gmail-api"]\nmailbox = "a@b.c"\npassword = "hunter2"',
            "accounts.g.password",
            ('no meaning with via = ["gmail-api"]',),
        ),
        (
            '[accounts.g]\nprovider = "google"\nmailbox = "a@b.c"\nmail_endpoint = "https://g"',
            "accounts.g.mail_endpoint",
            ('only with via = ["gmail-api"]',),
        ),
        (HEAD + 'via = "graph"', f"{OFFICE}.via", ('write ["graph"]',)),
        (HEAD + 'via = ["grahp"]', f"{OFFICE}.via", ("did you mean graph?",)),
        (HEAD + 'via = ["graph"]\nhost = "x"', f"{OFFICE}.host", ('no meaning with via = ["graph"]',)),
        (HEAD + 'via = ["graph"]\npassword = "hunter2"', f"{OFFICE}.password", ('no meaning with via = ["graph"]',)),
        (HEAD + 'mail_endpoint = "https://g"', f"{OFFICE}.mail_endpoint", ('only with via = ["graph"]',)),
        (HEAD + 'via = ["graph"]\nmail_endpoint = "http://g"', f"{OFFICE}.mail_endpoint", ("readable", "https://")),
        (
            HEAD + 'tls = "off"\nmailbox="a@b.c"\ntenant="b.c"\n' + OAUTH,
            f"{OFFICE}.tls",
            ('write "starttls"', "readable"),
        ),
        (HEAD + 'tls = "implicit"\nmailbox="a@b.c"\ntenant="b.c"\n' + OAUTH, f"{OFFICE}.tls", ("port 465",)),
        (HEAD + 'password = "hunter2"\n' + OAUTH, f"{OFFICE}.password", ("both given", "keep one")),
        (
            HEAD + OAUTH + 'token_endpoint = "http://127.0.0.1/t"',
            f"{OFFICE}.oauth.token_endpoint",
            ("on this machine",),
        ),
        (HEAD + OAUTH + 'grant = "pasword"', f"{OFFICE}.oauth.grant", ("did you mean password?",)),
        (HEAD + OAUTH + "scopes = [1]", f"{OFFICE}.oauth.scopes", ("a list of texts",)),
        (
            HEAD + OAUTH + 'extra_parameters = { client_secret = "hunter2" }',
            f"{OFFICE}.oauth.extra_parameters",
            ("client_secret is not set here: use client_secret",),
        ),
        (HEAD + OAUTH + "extra_parameters = { a = 1 }", f"{OFFICE}.oauth.extra_parameters", ("a must be text",)),
        ('[accounts.a]\nprovider = "smtp"', "accounts.a.host", ("is missing", 'host = "smtp.example.com"')),
        (SMARTHOST + 'tenant = "x"', "accounts.hub.tenant", ('provider = "smtp"', 'write provider = "microsoft"')),
        (SMARTHOST + 'via = ["graph"]', "accounts.hub.via", ('needs provider = "microsoft"',)),
        ('[accounts.y]\nprovider = "yahoo"\nvia = ["gmail-api"]', "accounts.y.via", ('needs provider = "google"',)),
        (SMARTHOST + 'username = "u"', "accounts.hub.username", ("neither a password nor [oauth]",)),
        (
            '[accounts.a]\nprovider = "smtp"\nhost = "h"\npassword = "hunter2"',
            "accounts.a.username",
            ("is missing", "or mailbox"),
        ),
        (SMARTHOST + 'tls = "off"\npassword = "hunter2"', "accounts.hub.tls", ("readable", "remove the credentials")),
        (SMARTHOST + 'tls = "opportunistic"\npassword = "hunter2"', "accounts.hub.tls", ("readable",)),
        (SMARTHOST + "[accounts.hub.oauth]", "accounts.hub.oauth.token_endpoint", ("is missing", "issues the tokens")),
        (SMARTHOST + 'tls = "off"\nserver_name = "x"', "accounts.hub.server_name", ("no meaning",)),
        (SMARTHOST + "timeout = 30", "accounts.hub.timeout", ('30 is a bare number: write "30s"',)),
        (SMARTHOST + "concurrency = 0", "accounts.hub.concurrency", ("0 is out of range", "from 1 to 1000")),
        (SMARTHOST + "port = 25.5", "accounts.hub.port", ("25.5 is no whole number",)),
        (SMARTHOST + "port = true", "accounts.hub.port", ("is no whole number",)),
        (SMARTHOST + "password = 31337", "accounts.hub.password", ("must be text: put it into quotes",)),
        (SMARTHOST + "password = ['hunter2']", "accounts.hub.password", ("must be text",)),
        (SMARTHOST + 'password = ""', "accounts.hub.password", ("is empty",)),
        (SMARTHOST + "password_file = 3", "accounts.hub.password_file", ("must be text",)),
        (SMARTHOST + 'password_file = ""', "accounts.hub.password_file", ("write the path of a file",)),
        (SMARTHOST + 'password_file = "missing"', "accounts.hub.password_file", ("missing: does not exist",)),
        (
            SMARTHOST + 'password = "hunter2"\npassword_file = "x"',
            "accounts.hub.password",
            ("and password_file are both given: keep one",),
        ),
        ('[accounts.s]\nprovider = "sink"\nhost = "x"', "accounts.s.host", ('provider = "sink", which sends nothing',)),
        ('[accounts.s]\nprovider = "fail"\ntls = "off"', "accounts.s.tls", ('provider = "fail"',)),
        (
            '[accounts.s]\nprovider = "discard"\n[accounts.s.oauth]\nclient_id = "x"',
            "accounts.s.oauth",
            ('provider = "discard"',),
        ),
        (SMARTHOST + 'ca_file = "missing"', "accounts.hub.ca_file", ("missing: does not exist",)),
        (SMARTHOST + 'ca_file = "relay.toml"', "accounts.hub.ca_file", ("holds no certificate",)),
        (SMARTHOST + 'min_tls = "1.3"\nmax_tls = "1.2"', "accounts.hub.max_tls", ('below min_tls = "1.3"',)),
        (SMARTHOST + 'certificate = "relay.toml"', "accounts.hub.key", ("is missing", "together")),
        (SMARTHOST + 'key = "relay.toml"', "accounts.hub.certificate", ("is missing", "together")),
    ],
)
def test_what_is_wrong_is_told(problems: Problems, tmp_path: Path, text: str, key: str, parts: tuple[str, ...]) -> None:
    found = problems(text)
    assert told(found, key, *parts).startswith(str(tmp_path / "relay.toml"))
    shown = "\n".join(map(str, found))
    assert "hunter2" not in shown
    assert "31337" not in shown


@pytest.mark.parametrize("text", [HEAD, SMARTHOST, HEAD + OAUTH, '[accounts.a]\nprovider = "smtp"'])
def test_a_missing_key_is_told_once(problems: Problems, text: str) -> None:
    text = text.replace('mailbox = "hub@example.com"', 'password_file = ""')
    keys = [problem.key for problem in problems(text)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "text",
    [
        HEAD + 'mailbox = "a@contoso.com"\npassword = "hunter2"\n',
        SMARTHOST.replace("smtp.example.com", "smtp.office365.com") + 'password = "hunter2"',
        SMARTHOST.replace("smtp.example.com", "SMTP-mail.Outlook.com") + 'password = "hunter2"',
    ],
)
def test_a_password_at_exchange_is_warned_of(configure: Configure, text: str) -> None:
    (warning,) = configure(text).warnings
    assert ".password: Exchange Online turns Basic authentication off by default" in warning
    assert "end of December 2026" in warning
    assert "second half of 2027" in warning
    assert "MC786329" in warning
    assert ".oauth]" in warning
    assert "hunter2" not in warning


def test_a_password_for_exchange_needs_no_tenant(configure: Configure) -> None:
    account = configure(HEAD + 'mailbox = "a@contoso.com"\npassword = "x"').accounts["office"]
    assert (account.username, account.host, account.oauth) == ("a@contoso.com", "smtp.office365.com", None)


def test_the_id_of_a_secret_is_warned_of(configure: Configure, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("11111111-2222-3333-4444-555555555555\n")
    file.chmod(0o600)
    text = MICROSOFT.replace('client_secret = "the~Value"', 'client_secret_file = "secret"')
    (warning,) = configure(text).warnings
    assert "accounts.office.oauth.client_secret_file: this looks like the secret's ID; use its Value" in warning


def test_an_id_with_a_line_in_it(problems: Problems) -> None:
    text = MICROSOFT.replace('"11111111-2222-3333-4444-555555555555"', '"""\nhunter2\n"""')
    problem = told(problems(text), f"{OFFICE}.oauth.client_id", "write only the ID")
    assert "hunter2" not in problem


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_secret_that_everyone_may_read(configure: Configure, tmp_path: Path, mode: int, warned: bool) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2")
    file.chmod(mode)
    warnings = configure(MICROSOFT.replace('client_secret = "the~Value"', f'client_secret_file = "{file}"')).warnings
    assert len(warnings) == warned
    assert all(f"{file} may be read by every user of this machine: chmod o-r {file}" in text for text in warnings)


def test_two_secrets_of_one_json_file(configure: Configure, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text('{"id": "the-id", "secrets": ["the-secret"]}')
    file.chmod(0o600)
    text = HEAD + 'tenant = "contoso.com"\nmailbox = "a@contoso.com"\n[accounts.office.oauth]\n'
    oauth = configure(text + 'client_id_file = "app.json#/id"\nclient_secret_file = "app.json#/secrets/0"\n')
    made = oauth.accounts["office"].oauth
    assert made is not None
    assert made.client_id is not None
    assert made.client_secret is not None
    assert (made.client_id.read(), made.client_secret.read()) == ("the-id", "the-secret")


def test_a_client_certificate_and_an_authority(
    configure: Configure, problems: Problems, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    text = SMARTHOST + f'certificate = "{certificate[0]}"\nkey = "{certificate[1]}"\nca_file = "{authority}"\n'
    assert configure(text).accounts["hub"].certificate == certificate[0]
    encrypt_key(certificate[1], b"x")
    assert told(problems(text), "accounts.hub.key", "is encrypted")


def test_models_take_finished_values_in_code() -> None:
    account = Account(provider="smtp", host="h", timeout=5.0, password=Secret("hunter2"))
    assert (account.timeout, account.port) == (5.0, 587)
    assert "hunter2" not in repr(account)
