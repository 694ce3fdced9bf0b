"""`[accounts.NAME.oauth]`: which keys go together."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.config import OAuth
from relay.config.describe import describe
from tests.config.conftest import MICROSOFT, SMARTHOST, Configure, Problems, told
from tests.support.keys import certificate, certificate_pem, pem, pfx, rsa_key

KEY = rsa_key()
CERTIFICATE = certificate(KEY)
SECRET = 'client_secret = "the~Value"\n'
OFFICE = MICROSOFT.replace(SECRET, "")
HUB = SMARTHOST + '[accounts.hub.oauth]\nclient_id = "id"\ntoken_endpoint = "https://idp.example.com/token"\n'
INSIDE = "accounts.office.oauth"


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """Key files of all kinds."""
    contents = {
        "key.pem": pem(KEY),
        "secret.pem": pem(KEY, "hunter2"),
        "both.pfx": pfx(KEY, CERTIFICATE, "hunter2"),
        "cert.pem": certificate_pem(CERTIFICATE),
        "old.pem": certificate_pem(certificate(KEY, begin=datetime(2020, 1, 1, tzinfo=UTC), days=10)),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)


def oauth_of(configure: Configure, text: str, name: str = "office") -> OAuth:
    settings = configure(text)
    assert settings.warnings == ()
    made = settings.accounts[name].oauth
    assert made is not None
    return made


@pytest.mark.parametrize(
    "keys",
    [
        'private_key_file = "key.pem"\ncertificate_file = "cert.pem"',
        'private_key_file = "secret.pem"\nkey_password = "hunter2"\ncertificate_file = "cert.pem"',
        'private_key_file = "both.pfx"\nkey_password = "hunter2"',
    ],
)
def test_a_key_for_microsoft(configure: Configure, tmp_path: Path, keys: str) -> None:
    oauth = oauth_of(configure, OFFICE + keys)
    assert (oauth.token_endpoint_auth_method, oauth.entra) == ("private_key_jwt", True)
    assert oauth.private_key_file is not None
    assert oauth.private_key_file.parent == tmp_path
    shown = "\n".join(describe(configure(OFFICE + keys)))
    assert f"signing with the key in {oauth.private_key_file}" in shown
    assert "hunter2" not in shown


def test_a_key_for_another_provider_needs_no_certificate(configure: Configure) -> None:
    oauth = oauth_of(configure, HUB + 'private_key_file = "key.pem"', "hub")
    assert (oauth.token_endpoint_auth_method, oauth.entra, oauth.certificate_file) == ("private_key_jwt", False, None)


def test_a_secret_in_a_header(configure: Configure) -> None:
    text = HUB + SECRET + 'client_secret_header = "X-Client-Secret"'
    oauth = oauth_of(configure, text, "hub")
    assert (oauth.token_endpoint_auth_method, oauth.client_secret_header) == ("client_secret_header", "X-Client-Secret")
    assert "client_secret *** (written in" in (shown := "\n".join(describe(configure(text))))
    assert "in the header X-Client-Secret" in shown


@pytest.mark.parametrize(
    ("keys", "key", "parts"),
    [
        ("", "client_secret", ("is missing",)),
        ('token_endpoint_auth_method = "magic"', "token_endpoint_auth_method", ('"magic" is not possible',)),
        (
            'private_key_file = "key.pem"',
            "certificate_file",
            ("is missing", "upload", "Certificates & secrets"),
        ),
        ('token_endpoint_auth_method = "private_key_jwt"', "private_key_file", ("is missing", "PKCS#12")),
        (
            'private_key_file = "key.pem"\ncertificate_file = "cert.pem"\n' + SECRET,
            "client_secret",
            ('"private_key_jwt", which follows from the other keys', 'or write token_endpoint_auth_method = "client_s'),
        ),
        (
            SECRET + 'certificate_file = "cert.pem"',
            "certificate_file",
            ('no meaning with token_endpoint_auth_method = "client_secret_post"',),
        ),
        (
            SECRET + 'token_endpoint_auth_method = "client_secret_basic"\nprivate_key_file = "key.pem"',
            "private_key_file",
            ('no meaning with token_endpoint_auth_method = "client_secret_basic": remove it',),
        ),
        (SECRET + 'key_password = "hunter2"', "key_password", ("no meaning",)),
        (SECRET + 'client_secret_header = "X: y"', "client_secret_header", ("no name of an HTTP header",)),
        (SECRET + 'client_secret_header = "Host"', "client_secret_header", ("needs for itself",)),
        (
            SECRET + 'token_endpoint_auth_method = "client_secret_header"',
            "client_secret_header",
            ("is missing", "X-Client-Secret"),
        ),
        ('token_endpoint_auth_method = "none"', "token_endpoint_auth_method", ("client_credentials has nothing else",)),
        ('private_key_file = "absent"', "private_key_file", ("absent: does not exist",)),
        ('private_key_file = "secret.pem"\nkey_password = "hunter3"', "private_key_file", ("does not open",)),
        ('private_key_file = "secret.pem"\nkey_password_file = "absent"', "key_password_file", ("does not exist",)),
        ('federated_token_file = "absent"', "federated_token_file", ("absent: does not exist",)),
        (
            SECRET + 'token_endpoint_auth_method = "client_secret_post"\nfederated_token_file = "key.pem"',
            "federated_token_file",
            ("no meaning",),
        ),
        (
            'federated_token_file = "key.pem"\nprivate_key_file = "key.pem"',
            "private_key_file",
            ("no meaning with federated_token_file", "keep one"),
        ),
        ('federated_token_file = "key.pem"\ncertificate_file = "cert.pem"', "certificate_file", ("keep one",)),
        (
            SECRET + 'extra_parameters = { client_assertion = "hunter2" }',
            "extra_parameters",
            ("client_assertion is not set here: use private_key_file",),
        ),
    ],
)
def test_what_does_not_go_together_is_told(problems: Problems, keys: str, key: str, parts: tuple[str, ...]) -> None:
    found = problems(OFFICE + keys)
    assert told(found, f"{INSIDE}.{key}", *parts)
    assert "hunter2" not in str(found)
    assert "hunter3" not in str(found)
    assert len(found) == 1, found


def test_a_federated_token(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("e30.e30.sig")
    (tmp_path / "token").chmod(0o644)
    text = OFFICE + 'federated_token_file = "token"'
    oauth = oauth_of(configure, text)
    assert (oauth.token_endpoint_auth_method, oauth.federated_token_file) == ("private_key_jwt", tmp_path / "token")
    assert f"with the token in {tmp_path / 'token'}" in "\n".join(describe(configure(text)))


def test_a_certificate_that_has_ended(configure: Configure) -> None:
    (warning,) = configure(OFFICE + 'private_key_file = "key.pem"\ncertificate_file = "old.pem"').warnings
    assert "its certificate ended on 2020-01-11: make a new one and register it" in warning


@pytest.mark.skipif(os.name == "nt", reason="rights are kept elsewhere")
def test_a_key_that_everyone_may_read(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "key.pem").chmod(0o644)
    (warning,) = configure(OFFICE + 'private_key_file = "key.pem"\ncertificate_file = "cert.pem"').warnings
    assert "key.pem may be read by every user" in warning


def test_a_key_from_the_environment(configure: Configure, tmp_path: Path) -> None:
    environ = {"RELAY_ACCOUNTS__HUB__OAUTH__PRIVATE_KEY_FILE": str(tmp_path / "key.pem")}
    made = configure(HUB, environ).accounts["hub"].oauth
    assert made is not None
    assert (made.token_endpoint_auth_method, made.private_key_file) == ("private_key_jwt", tmp_path / "key.pem")


PERSON = OFFICE.replace("[accounts.office]", '[accounts.office]\npassword = "hunter2"') + 'grant = "password"\n'


@pytest.mark.parametrize(
    ("keys", "method"),
    [
        ("", "none"),
        (SECRET, "client_secret_post"),
        ('private_key_file = "both.pfx"\nkey_password = "hunter2"', "private_key_jwt"),
    ],
)
def test_a_users_password(configure: Configure, keys: str, method: str) -> None:
    oauth = oauth_of(configure, PERSON + keys)
    assert (oauth.grant, oauth.token_endpoint_auth_method) == ("password", method)
    assert (oauth.username, oauth.password and oauth.password.read()) == ("noreply@contoso.com", "hunter2")
    assert oauth.scopes == ("https://outlook.office.com/SMTP.Send",)
    shown = "\n".join(describe(configure(PERSON + keys)))
    assert "as the user noreply@contoso.com, password ***" in shown
    assert "hunter2" not in shown


def test_a_users_password_for_graph(configure: Configure) -> None:
    account = configure(PERSON.replace("[accounts.office]", '[accounts.office]\nvia = ["graph"]')).accounts["office"]
    assert account.oauth is not None
    assert account.oauth.scopes == ("https://graph.microsoft.com/Mail.Send",)
    assert account.oauth.username == "noreply@contoso.com"


def test_a_users_password_elsewhere(configure: Configure) -> None:
    text = HUB.replace("[accounts.hub]", '[accounts.hub]\nusername = "u"\npassword = "hunter2"') + 'grant = "password"'
    settings = configure(text)
    oauth = settings.accounts["hub"].oauth
    assert oauth is not None
    assert (oauth.username, oauth.scopes, oauth.token_endpoint_auth_method) == ("u", (), "none")
    (warning,) = settings.warnings
    assert "accounts.hub.username: the token will be that of u, and mail leaves as hub@example.com" in warning


@pytest.mark.parametrize(
    ("client", "others"),
    [
        ('senders = ["shared@contoso.com", "NoReply@contoso.com", "@example.com"]', "shared@contoso.com, @example.com"),
        ('senders = ["*"]', "*"),
        ('senders = ["NoReply@contoso.com"]', ""),
        ("", ""),
        ('senders = ["*"]\nsender = "force"', ""),
    ],
)
def test_who_may_send_with_a_users_password(configure: Configure, client: str, others: str) -> None:
    settings = configure(f'{PERSON}\n[clients.app]\nnetworks = ["127.0.0.1"]\n{client}')
    told = [text for text in settings.warnings if "clients.app.senders" in text]
    assert len(told) == (1 if others else 0), settings.warnings
    if told:
        assert f"are those of noreply@contoso.com, and mail may leave as {others}: the provider must" in told[0]


@pytest.mark.parametrize(
    ("text", "key", "parts"),
    [
        (PERSON.replace('password = "hunter2"\n', ""), "accounts.office.password", ("is missing", "password_file")),
        (PERSON.replace("contoso.onmicrosoft.com", "common"), "accounts.office.tenant", ("takes no password",)),
        (
            OFFICE.replace("[accounts.office]", '[accounts.office]\npassword = "hunter2"') + SECRET,
            "accounts.office.password",
            ("both given",),
        ),
        (
            PERSON + 'extra_parameters = { password = "hunter2" }',
            f"{INSIDE}.extra_parameters",
            ("use accounts.NAME.password",),
        ),
        (PERSON.replace('"noreply@contoso.com"', "3"), "accounts.office.mailbox", ("must be text",)),
    ],
)
def test_what_a_users_password_needs(problems: Problems, text: str, key: str, parts: tuple[str, ...]) -> None:
    found = problems(text)
    assert told(found, key, *parts)
    assert "hunter2" not in str(found)


def test_any_work_account_may_have_a_password(configure: Configure) -> None:
    made = configure(PERSON.replace("contoso.onmicrosoft.com", "organizations")).accounts["office"].oauth
    assert made is not None
    assert made.token_endpoint == "https://login.microsoftonline.com/organizations/oauth2/v2.0/token"


MACHINE = '[accounts.office]\nprovider = "microsoft"\nmailbox = "noreply@contoso.com"\n'
MACHINE += '[accounts.office.oauth]\ngrant = "managed_identity"\n'


def test_a_managed_identity(configure: Configure) -> None:
    oauth = oauth_of(configure, MACHINE)
    assert (oauth.grant, oauth.token_endpoint, oauth.client_id) == ("managed_identity", None, None)
    assert oauth.scopes == ("https://outlook.office365.com/.default",)
    shown = "\n".join(describe(configure(MACHINE)))
    assert "token from this machine's managed identity for https://outlook.office365.com/.default" in shown
    assert "as the identity that the machine has" in shown
    chosen = configure(MACHINE + 'managed_identity_client_id = "the-id"\nrefresh_margin = "1h"')
    assert "as the identity the-id" in "\n".join(describe(chosen))


def test_a_managed_identity_for_graph(configure: Configure) -> None:
    text = MACHINE.replace("[accounts.office]\n", '[accounts.office]\nvia = ["graph"]\ntenant = "contoso.com"\n')
    assert oauth_of(configure, text).scopes == ("https://graph.microsoft.com/.default",)


@pytest.mark.parametrize(
    ("keys", "key", "part"),
    [
        ('client_id = "x"', "client_id", 'no meaning with grant = "managed_identity"'),
        ('client_secret = "hunter2"', "client_secret", "no meaning"),
        ('private_key_file = "key.pem"', "private_key_file", "no meaning"),
        ('token_endpoint = "https://x"', "token_endpoint", "no meaning"),
        ('extra_parameters = { a = "b" }', "extra_parameters", "no meaning"),
        ('subject = "a@b.c"', "subject", 'only with grant = "jwt_bearer"'),
        ('scopes = ["a", "b"]', "scopes", "write one scope"),
        ('scopes = "a b"', "scopes", "write one scope"),
        ("scopes = []", "scopes", "write one scope"),
    ],
)
def test_what_a_managed_identity_has_no_use_for(problems: Problems, keys: str, key: str, part: str) -> None:
    found = problems(MACHINE + keys)
    assert told(found, f"{INSIDE}.{key}", part)
    assert "hunter2" not in str(found)


def test_an_identity_is_only_chosen_for_that_grant(problems: Problems) -> None:
    found = problems(OFFICE + SECRET + 'managed_identity_client_id = "x"')
    assert told(found, f"{INSIDE}.managed_identity_client_id", 'only with grant = "managed_identity"')


def test_a_managed_identity_for_another_server_needs_a_resource(problems: Problems, configure: Configure) -> None:
    text = SMARTHOST + '[accounts.hub.oauth]\ngrant = "managed_identity"\n'
    assert told(problems(text), "accounts.hub.oauth.scopes", "is missing")
    made = configure(text + 'scopes = "https://mail.example.com/.default"').accounts["hub"].oauth
    assert made is not None
    assert made.scopes == ("https://mail.example.com/.default",)


ISSUER = HUB.replace('token_endpoint = "https://idp.example.com/token"\n', SECRET)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("accounts.google.com", "https://accounts.google.com"),
        ("https://idp.example.com/realms/mail/", "https://idp.example.com/realms/mail/"),
        ("login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/common/v2.0"),
    ],
)
def test_an_issuer_alone_is_enough(configure: Configure, written: str, read: str) -> None:
    text = ISSUER + f'issuer = "{written}"'
    oauth = oauth_of(configure, text, "hub")
    assert (oauth.issuer, oauth.token_endpoint, oauth.token_request_method) == (read, None, "POST")
    assert f"token from {read} for" in "\n".join(describe(configure(text)))


def test_an_issuer_goes_before_the_preset(configure: Configure) -> None:
    oauth = oauth_of(configure, OFFICE + SECRET + 'issuer = "https://login.microsoftonline.com/contoso.com/v2.0"')
    assert (oauth.token_endpoint, oauth.entra) == (None, True)


@pytest.mark.parametrize(
    ("keys", "key", "part"),
    [
        ("", "token_endpoint", "or issuer"),
        ('issuer = "https://a.example"\ntoken_endpoint = "https://b.example"', "issuer", "both given"),
        ('issuer = "http://idp.example.com"', "issuer", "readable"),
        ('issuer = "https://idp.example.com?x=y"', "issuer", "holds a query"),
        ('issuer = "https://idp.example.com/.well-known/openid-configuration"', "issuer", "only what stands in front"),
        ('issuer = "https://u:hunter2@idp.example.com"', "issuer", "user name"),
        ('issuer = "https://a.example"\ntoken_request_method = "PUT"', "token_request_method", '"POST" or "GET"'),
    ],
)
def test_issuers_that_are_none(problems: Problems, keys: str, key: str, part: str) -> None:
    found = problems(ISSUER + keys)
    assert told(found, f"accounts.hub.oauth.{key}", part)
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("method", "warned"), [("client_secret_post", True), ("client_secret_basic", False), (None, True)]
)
def test_a_secret_in_the_address_is_warned_of(configure: Configure, method: str | None, warned: bool) -> None:
    text = HUB + SECRET + 'token_request_method = "get"\n'
    settings = configure(text + (f'token_endpoint_auth_method = "{method}"' if method else ""))
    made = settings.accounts["hub"].oauth
    assert made is not None
    assert made.token_request_method == "GET"
    assert len(settings.warnings) == warned
    assert all("servers and proxies write into their logs" in text for text in settings.warnings)


def test_for_a_users_sign_in_an_issuer_stands_beside_the_endpoints(configure: Configure) -> None:
    signs_in = HUB + 'grant = "authorization_code"\nissuer = "https://idp.example.com"\n'
    signs_in += 'authorization_endpoint = "https://idp.example.com/authorize"\n'
    oauth = oauth_of(configure, signs_in, "hub")
    assert (oauth.issuer, oauth.token_endpoint) == ("https://idp.example.com", "https://idp.example.com/token")
    alone = HUB.replace('token_endpoint = "https://idp.example.com/token"\n', "")
    for grant in ("authorization_code", "device_code"):
        oauth = oauth_of(configure, alone + f'grant = "{grant}"\nissuer = "https://idp.example.com"\n', "hub")
        assert (oauth.token_endpoint, oauth.authorization_endpoint) == (None, None), "the issuer finds them"


@pytest.mark.parametrize(
    "method", ["", *(f'token_endpoint_auth_method = "client_secret_{kind}"\n' for kind in ("basic", "post"))]
)
def test_the_next_secret(configure: Configure, tmp_path: Path, method: str) -> None:
    (tmp_path / "next").write_text("the~Next~Value")
    (tmp_path / "next").chmod(0o600)
    settings = configure(MICROSOFT + method + 'client_secret_next_file = "next"\n')
    assert settings.warnings == ()
    made = settings.accounts["office"].oauth
    assert made is not None
    assert made.client_secret_next is not None
    assert made.client_secret_next.read() == "the~Next~Value"
    shown = "\n".join(describe(settings))
    assert f"relay.toml), or client_secret_next *** (file {tmp_path}/next)" in shown
    assert "Value" not in shown


def test_a_next_secret_without_a_use(problems: Problems) -> None:
    key = 'private_key_file = "both.pfx"\nkey_password = "hunter2"\nclient_secret_next = "x"\n'
    (problem,) = problems(OFFICE + key)
    assert "client_secret_next" in str(problem)
    assert "has no meaning" in str(problem)
    assert any(
        "oauth.client_secret: is missing" in str(each) for each in problems(OFFICE + 'client_secret_next = "x"\n')
    )
