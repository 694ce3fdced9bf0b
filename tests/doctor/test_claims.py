"""What a token has to hold, by provider, cloud, way and grant: tables."""

from typing import Any

import pytest

from relay.config import Account, OAuth, Secret
from relay.doctor.claims import Claim, judged
from relay.doctor.report import State
from relay.oauth import Token

NOW = 1_800_000_000.0
APP = "11111111-2222-3333-4444-555555555555"
TENANT = "22222222-2222-3333-4444-555555555555"
PRINCIPAL = "33333333-2222-3333-4444-555555555555"
MAILBOX = "noreply@contoso.com"
GOOD: dict[str, Any] = {
    "aud": "https://outlook.office365.com",
    "iss": f"https://sts.windows.net/{TENANT}/",
    "tid": TENANT,
    "appid": APP,
    "oid": PRINCIPAL,
    "roles": ["SMTP.SendAsApp"],
    "nbf": NOW - 300,
    "exp": NOW + 3600,
}
USER = {key: value for key, value in GOOD.items() if key != "roles"} | {"scp": "SMTP.Send openid", "upn": MAILBOX}


def account(grant: str = "client_credentials", **keys: Any) -> Account:
    oauth = OAuth(grant=grant, client_id=Secret(value=APP), entra=True, scopes=("https://mail.google.com/",))  # type: ignore[arg-type]
    defaults: dict[str, Any] = {"provider": "microsoft", "tenant": TENANT, "mailbox": MAILBOX, "oauth": oauth}
    return Account(**(defaults | keys))


def told(about: Account, claims: dict[str, Any], scope: str = "") -> dict[str, Claim]:
    token = Token("value", NOW + 3600, NOW + 3000, scope)
    return {claim.name: claim for claim in judged(about, token, claims, NOW)}


def wrong(found: dict[str, Claim]) -> set[str]:
    return {name for name, claim in found.items() if claim.state is not State.OK}


def test_a_token_that_holds_what_is_needed() -> None:
    found = told(account(), GOOD)
    assert wrong(found) == set()
    assert list(found) == ["aud", "iss", "tid", "appid", "oid", "roles", "exp"], "always in one order"
    assert found["exp"].value.endswith("(1h left)")


@pytest.mark.parametrize(
    ("keys", "claims"),
    [
        ({}, {"aud": "https://outlook.office.com"}),
        ({}, {"aud": "https://outlook.office365.com/"}),
        ({}, {"aud": "00000002-0000-0ff1-ce00-000000000000"}),
        ({"cloud": "us-gov"}, {"aud": "https://outlook.office365.us"}),
        ({"cloud": "china"}, {"aud": "https://partner.outlook.cn"}),
        ({"via": ("graph",)}, {"aud": "https://graph.microsoft.com", "roles": ["Mail.Send"]}),
        ({"via": ("graph",)}, {"aud": "00000003-0000-0000-c000-000000000000", "roles": ["User.Read", "Mail.Send"]}),
        ({"via": ("graph",), "cloud": "us-gov"}, {"aud": "https://graph.microsoft.us", "roles": ["Mail.Send"]}),
        ({"host": "smtp.hve.mx.microsoft"}, {"roles": ["Mail.Send"]}),
        ({"tenant": "contoso.onmicrosoft.com"}, {"tid": "another, which nobody can compare"}),
        ({"tenant": TENANT.upper()}, {}),
    ],
)
def test_each_cloud_and_way_has_its_own(keys: dict[str, Any], claims: dict[str, Any]) -> None:
    assert wrong(told(account(**keys), GOOD | claims)) == set()


@pytest.mark.parametrize(
    ("keys", "claims", "name", "state", "says"),
    [
        ({}, {"aud": "https://graph.microsoft.com"}, "aud", "fail", "https://outlook.office365.com/.default"),
        ({"via": ("graph",)}, {"roles": ["Mail.Send"]}, "aud", "fail", "https://graph.microsoft.com/.default"),
        ({"cloud": "us-gov"}, {}, "aud", "warn", "https://outlook.office365.us/.default"),
        ({}, {"roles": ["Mail.Send"]}, "roles", "warn", "Application permissions > SMTP.SendAsApp"),
        ({}, {"roles": None}, "roles", "warn", "Grant admin consent"),
        ({}, {"roles": "SMTP.SendAsApp"}, "roles", "warn", "Grant admin consent"),
        ({"host": "smtp.hve.mx.microsoft"}, {}, "roles", "warn", "Mail.Send"),
        ({}, {"tid": PRINCIPAL}, "tid", "fail", "tenant"),
        ({}, {"appid": PRINCIPAL}, "appid", "warn", "client_id"),
        ({}, {"exp": NOW - 1}, "exp", "fail", "clock"),
        ({}, {"exp": str(NOW - 1)}, "exp", "fail", "clock"),
        ({}, {"nbf": NOW + 3000}, "nbf", "fail", "clock"),
    ],
)
def test_what_is_missing_is_told(
    keys: dict[str, Any], claims: dict[str, Any], name: str, state: str, says: str
) -> None:
    found = told(account(**keys), GOOD | claims)
    assert wrong(found) == {name}
    assert found[name].state.value == state
    assert says in found[name].action


def test_a_user_s_token() -> None:
    about = account("authorization_code")
    assert wrong(told(about, USER)) == set()
    assert wrong(told(about, {**USER, "upn": MAILBOX.upper()})) == set()
    assert (
        wrong(
            told(
                account("password", via=("graph",)), {**USER, "aud": "https://graph.microsoft.com", "scp": "Mail.Send"}
            )
        )
        == set()
    )
    missing = told(about, {**USER, "scp": "openid"})["scp"]
    assert missing.state is State.FAIL, "RBAC for Applications is for applications"
    assert "Delegated permissions > SMTP.Send" in missing.action


def test_a_user_who_sends_for_a_shared_mailbox() -> None:
    found = told(account("device_code"), {**USER, "upn": "anna@contoso.com"})["upn"]
    assert found.state is State.WARN
    assert found.commands == (
        "Connect-ExchangeOnline",
        f"Add-MailboxPermission -Identity {MAILBOX} -User anna@contoso.com -AccessRights FullAccess",
        f"Add-RecipientPermission -Identity {MAILBOX} -Trustee anna@contoso.com -AccessRights SendAs",
    )


def test_version_2_names_the_application_otherwise() -> None:
    claims = {key: value for key, value in GOOD.items() if key != "appid"} | {"azp": APP, "preferred_username": "x"}
    assert wrong(told(account(), claims)) == set()
    assert wrong(told(account(), claims | {"azp": TENANT})) == {"azp"}


def test_google_s_tokens_say_nothing() -> None:
    about = account("jwt_bearer", provider="google")
    assert "only its provider can read it" in told(about, {})["token"].note
    assert wrong(told(about, {}, "https://mail.google.com/")) == set()
    scope = told(about, {}, "https://www.googleapis.com/auth/gmail.send")["scope"]
    assert scope.state is State.FAIL
    assert scope.note == "https://mail.google.com/ was asked for and is not in it"


def test_another_provider_s_token_is_shown_and_not_judged() -> None:
    found = told(account(provider="smtp", host="smtp.example.com"), {"aud": "x", "scp": "anything", "exp": NOW + 60})
    assert wrong(found) == set()
    assert (found["aud"].value, found["scp"].value) == ("x", "anything")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["a", {"b": 1}], "roles": {"x": 1}, "tid": 5, "oid": None, "exp": 1e300, "nbf": "soon", "appid": True},
        {"aud": "\x1b[2J\n", "upn": "a\x00b", "exp": [], "scp": 7, "iss": "x" * 100_000},
        {"exp": float("nan"), "iat": -5},
    ],
)
def test_claims_of_a_stranger_do_no_harm(claims: dict[str, Any]) -> None:
    for about in (account(), account("password"), account(via=("graph",))):
        for claim in told(about, claims).values():
            text = f"{claim.value}{claim.note}{claim.action}{''.join(claim.commands)}"
            assert text.isprintable()
            assert len(text) < 3000


def test_no_command_is_made_of_what_a_stranger_wrote() -> None:
    claims = GOOD | {"appid": "$(rm -rf /)", "oid": "'; Remove-Mailbox x; '", "roles": []}
    commands = told(account(), claims)["roles"].commands
    assert commands[1] == f"Test-ServicePrincipalAuthorization -Identity <application id> -Resource {MAILBOX}"
    found = told(account("device_code"), {**USER, "upn": "a'; Remove-Mailbox x; '@contoso.com"})["upn"]
    assert "-User 'a''; Remove-Mailbox x; ''@contoso.com' -AccessRights" in found.commands[1]


@pytest.mark.parametrize(("roles", "note"), [(["Mail.Send"], "Mail.ReadWrite"), (["Mail.Send", "Mail.ReadWrite"], "")])
def test_what_large_mail_by_graph_needs(roles: list[str], note: str) -> None:
    found = told(account(via=("graph",)), GOOD | {"aud": "https://graph.microsoft.com", "roles": roles})["roles"]
    assert found.state is State.OK
    assert found.note.startswith(note)
    assert bool(found.note) is bool(note)
