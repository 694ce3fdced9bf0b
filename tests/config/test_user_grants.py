"""Accounts on which a user signs in: what is preset, and what is no longer needed."""

from pathlib import Path

import pytest

from relay.config import ConfigError, OAuth, describe, load

TABLES = """
[accounts.office]
provider = "microsoft"
tenant = "{tenant}"
mailbox = "noreply@contoso.com"
{more}
[accounts.office.oauth]
grant = "{grant}"
client_id = "11111111-2222-3333-4444-555555555555"
{oauth}
"""


def loaded(
    folder: Path, grant: str = "authorization_code", tenant: str = "contoso.com", more: str = "", oauth: str = ""
) -> OAuth:
    file = folder / "relay.toml"
    file.write_text(TABLES.format(tenant=tenant, grant=grant, more=more, oauth=oauth))
    file.chmod(0o600)
    settings = load(file, {"HOME": str(folder)})
    assert describe(settings)
    found = settings.accounts["office"].oauth
    assert found is not None
    return found


@pytest.mark.parametrize("grant", ["authorization_code", "device_code"])
def test_a_public_application_needs_only_its_id(tmp_path: Path, grant: str) -> None:
    found = loaded(tmp_path, grant)
    assert (found.token_endpoint_auth_method, found.client_secret) == ("none", None)
    assert found.scopes == ("https://outlook.office.com/SMTP.Send",)
    assert found.token_endpoint == "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"


def test_graph_has_a_permission_of_its_own(tmp_path: Path) -> None:
    assert loaded(tmp_path, more='via = ["graph"]').scopes == ("https://graph.microsoft.com/Mail.Send",)


def test_a_secret_is_used_where_there_is_one(tmp_path: Path) -> None:
    assert loaded(tmp_path, oauth='client_secret = "x"').token_endpoint_auth_method == "client_secret_post"


def test_a_token_of_another_issuer_is_shown_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a.b.c")
    found = loaded(tmp_path, oauth=f"federated_token_file = '{tmp_path / 'token'}'")
    assert found.token_endpoint_auth_method == "private_key_jwt"
    assert found.authorization_endpoint == "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/authorize"


@pytest.mark.parametrize("tenant", ["common", "consumers", "organizations"])
def test_a_user_may_be_of_any_tenant(tmp_path: Path, tenant: str) -> None:
    assert f"/{tenant}/" in (loaded(tmp_path, tenant=tenant).token_endpoint or "")


@pytest.mark.parametrize(
    ("grant", "oauth", "key"),
    [
        ("authorization_code", 'token_endpoint_auth_method = "client_secret_basic"', "client_secret"),
        ("client_credentials", 'token_endpoint_auth_method = "none"', "token_endpoint_auth_method"),
        ("client_credentials", "", "client_secret"),
        ("authorisation_code", 'client_secret = "x"', "grant"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, grant: str, oauth: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, grant, oauth=oauth)
    assert [problem.key for problem in caught.value.problems] == [f"accounts.office.oauth.{key}"]


def test_an_application_of_its_own_still_needs_a_tenant(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stands for every tenant"):
        loaded(tmp_path, "client_credentials", tenant="common", oauth='client_secret = "x"')


def test_microsoft_s_other_addresses_follow_from_the_token_endpoint(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    root = "https://login.microsoftonline.com/contoso.com"
    assert found.authorization_endpoint == f"{root}/oauth2/v2.0/authorize"
    assert found.device_authorization_endpoint == f"{root}/oauth2/v2.0/devicecode"
    assert (found.issuer, found.entra) == (f"{root}/v2.0", True)
    assert loaded(tmp_path, oauth='issuer = "https://other.example"').issuer == "https://other.example"


@pytest.mark.parametrize(
    ("grant", "key"),
    [("authorization_code", "authorization_endpoint"), ("device_code", "device_authorization_endpoint")],
)
def test_elsewhere_the_place_to_sign_in_is_needed(tmp_path: Path, grant: str, key: str) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(
        '[accounts.office]\nprovider = "smtp"\nhost = "smtp.example.com"\nmailbox = "a@example.com"\n'
        f'[accounts.office.oauth]\ngrant = "{grant}"\nclient_id = "x"\ntoken_endpoint = "https://example.com/token"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load(file, {"HOME": str(tmp_path)})
    assert [problem.key for problem in caught.value.problems] == [f"accounts.office.oauth.{key}"]


@pytest.mark.parametrize(
    ("redirect_uri", "right"),
    [
        ("http://localhost", True),
        ("http://127.0.0.1:8400/signed-in", True),
        ("http://[::1]", True),
        ("https://relay.example.com/signed-in", True),
        ("http://relay.example.com", False),
        ("http://localhost:0", False),
        ("http://localhost#x", False),
        ("localhost", False),
        ("urn:ietf:wg:oauth:2.0:oob", False),
    ],
)
def test_redirect_uris(tmp_path: Path, redirect_uri: str, right: bool) -> None:
    if right:
        assert loaded(tmp_path, oauth=f'redirect_uri = "{redirect_uri}"').redirect_uri == redirect_uri
        return
    with pytest.raises(ConfigError, match="is no redirect URI"):
        loaded(tmp_path, oauth=f'redirect_uri = "{redirect_uri}"')


@pytest.mark.parametrize(
    ("place", "microsoft"),
    [
        ('issuer = "login.microsoftonline.com/common/v2.0"', True),
        ('issuer = "https://login.microsoftonline.us/contoso.com/v2.0"', True),
        ('token_endpoint = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"', True),
        ('issuer = "https://login.microsoftonline.com.example.org/"', False),
        ('issuer = "https://accounts.google.com"', False),
    ],
)
def test_microsoft_is_known_by_its_address_for_any_server(tmp_path: Path, place: str, microsoft: bool) -> None:
    """It wants offline_access for a refresh token, and assertions in its own form, whoever takes the mail."""
    file = tmp_path / "relay.toml"
    file.write_text(
        '[accounts.office]\nprovider = "smtp"\nhost = "smtp.example.com"\nmailbox = "a@example.com"\n'
        f'[accounts.office.oauth]\nclient_id = "x"\nclient_secret = "y"\n{place}\n'
    )
    file.chmod(0o600)
    oauth = load(file, {"HOME": str(tmp_path)}).accounts["office"].oauth
    assert oauth is not None
    assert oauth.entra is microsoft
