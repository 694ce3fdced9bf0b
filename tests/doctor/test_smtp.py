"""Which commands follow from a refused login, and which senders are asked about."""

from pathlib import Path
from typing import Any

import pytest

from relay.config import Account, Client, OAuth, Secret, Settings
from relay.doctor.smtp import login_commands, senders_of
from relay.upstream.replies import Stage, classify

APP = "11111111-2222-3333-4444-555555555555"
PRINCIPAL = "33333333-2222-3333-4444-555555555555"
CLAIMS = {"appid": APP, "oid": PRINCIPAL}
MAILBOX = "noreply@contoso.com"
OFF = "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/x"


def account(grant: str = "client_credentials", **keys: Any) -> Account:
    oauth = OAuth(grant=grant, client_id=Secret(value=APP))  # type: ignore[arg-type]
    defaults: dict[str, Any] = {"provider": "microsoft", "tenant": "t", "mailbox": MAILBOX, "oauth": oauth}
    return Account(**(defaults | keys))


def commands(about: Account, status: str, text: str, claims: dict[str, Any] = CLAIMS) -> list[str]:
    result = classify(Stage.AUTH, 535, status, text, about.provider)
    found = login_commands(about, result, claims)
    assert not found or found[0] == "Connect-ExchangeOnline"
    return list(found[1:])


def test_an_application_is_made_known_and_let_in() -> None:
    assert commands(account(), "5.7.3", "Authentication unsuccessful") == [
        f"New-ServicePrincipal -AppId {APP} -ObjectId {PRINCIPAL}",
        f"Add-MailboxPermission -Identity {MAILBOX} -User {PRINCIPAL} -AccessRights FullAccess",
        f"Set-CASMailbox -Identity {MAILBOX} -SmtpClientAuthenticationDisabled $false",
    ]


def test_without_ids_the_places_for_them_are_named() -> None:
    first, second, _ = commands(account(), "5.7.3", "Authentication unsuccessful", {})
    assert first.endswith("-AppId <application id> -ObjectId <object id of the Enterprise application>")
    assert "-User <object id of the Enterprise application> -AccessRights" in second


@pytest.mark.parametrize("grant", ["client_credentials", "authorization_code"])
def test_a_switch_that_is_off_is_all_there_is_to_do(grant: str) -> None:
    only = [f"Set-CASMailbox -Identity {MAILBOX} -SmtpClientAuthenticationDisabled $false"]
    assert commands(account(grant), "5.7.139", OFF) == only


@pytest.mark.parametrize(
    "text",
    ["Authentication unsuccessful, the request did not meet the criteria", "user is locked by security defaults"],
)
def test_a_policy_is_not_mended_in_exchange(text: str) -> None:
    assert commands(account(), "5.7.139", text) == []


def test_a_user_needs_rights_on_a_mailbox_of_others_only() -> None:
    user = {"upn": "Anna@contoso.com"}
    assert commands(account("device_code"), "5.7.3", "no", user) == [
        f"Add-MailboxPermission -Identity {MAILBOX} -User Anna@contoso.com -AccessRights FullAccess",
        f"Add-RecipientPermission -Identity {MAILBOX} -Trustee Anna@contoso.com -AccessRights SendAs",
    ]
    own = account("device_code", mailbox="anna@contoso.com")
    assert commands(own, "5.7.3", "no", user) == [
        "Set-CASMailbox -Identity anna@contoso.com -SmtpClientAuthenticationDisabled $false"
    ]


def test_high_volume_email_has_its_own() -> None:
    about = account(host="smtp.hve.mx.microsoft")
    only = [f"Add-HVEAppAccess -Identity {MAILBOX} -AppIds {PRINCIPAL}"]
    assert commands(about, "5.7.144", "XOAUTH2 authentication failed. Invalid API permissions") == only


def test_other_servers_have_no_such_commands() -> None:
    for about in (
        account(provider="smtp", host="mail.example.com"),
        account(provider="google"),
        account(oauth=None, password=Secret(value="x")),
    ):
        assert commands(about, "5.7.3", "Authentication unsuccessful") == []


def client(**keys: Any) -> Client:
    defaults: dict[str, Any] = {"account": "office", "listeners": ("default",), "senders": (MAILBOX,)}
    return Client(**(defaults | keys))


def test_senders_are_those_of_the_account_s_clients_each_once() -> None:
    settings = Settings(
        hostname="relay.test",
        state_folder=Path("state"),
        listeners={},
        accounts={"office": account(from_address="service@contoso.com"), "other": account()},
        clients={
            "one": client(senders=(MAILBOX, "@contoso.com")),
            "two": client(senders=(MAILBOX, "a@contoso.com", "*")),
            "forced": client(senders=("b@contoso.com",), sender="force"),
            "else": client(senders=("c@contoso.com",), account="other"),
            "mixed": client(senders=("d@contoso.com",), sender="if_not_allowed"),
        },
    )
    addresses, patterns = senders_of(settings, "office")
    assert addresses == [MAILBOX, "a@contoso.com", "service@contoso.com", "d@contoso.com"]
    assert patterns == ["@contoso.com", "*"]
