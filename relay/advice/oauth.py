"""What an error of a token endpoint means and what to do about it.

Microsoft asks programs not to branch on its AADSTS numbers, because they change: here they choose the words for a
person, and besides only tell whether waiting can help.
"""

from collections.abc import Sequence
from typing import Final

from relay.advice.aadsts import CODES
from relay.advice.table import Kind, read

__all__ = ["CODES", "ERRORS", "Kind", "hint", "kind"]

LINK = "https://login.microsoftonline.com/error?code="
"""Microsoft's explanation of an AADSTS number for people."""

# RFC 6749 5.2, RFC 8628 3.5, and what providers add.
ERRORS: Final = read("""
invalid_request C The request lacks a parameter, or has one twice.
    Compare accounts.NAME.oauth with the provider's documentation, its extra_parameters above all.
invalid_client C The provider does not accept the client id with this secret or key.
    Check accounts.NAME.oauth.client_id and client_secret (or private_key_file, whose public half the provider must
    have), and which token_endpoint_auth_method the provider wants, such as client_secret_basic.
invalid_grant U The grant is invalid, expired or revoked.
    Sign in again: relay authorize NAME.
unauthorized_client C The client may not use this grant.
    Allow the grant for the client at the provider, or change accounts.NAME.oauth.grant.
unsupported_grant_type C The provider does not know this grant.
    Correct accounts.NAME.oauth.grant or accounts.NAME.oauth.token_endpoint.
invalid_scope C The scope is unknown, malformed, or more than the client may have.
    Correct accounts.NAME.oauth.scopes.
invalid_resource C The provider does not know the resource.
    Correct accounts.NAME.oauth.scopes or accounts.NAME.tenant.
interaction_required, login_required U The provider wants the user to sign in.
    Sign in again: relay authorize NAME.
consent_required C The application lacks consent.
    Choose Grant admin consent under App registrations > API permissions, or sign in again: relay authorize NAME.
access_denied, authorization_declined S The sign-in was refused.
    Start over: relay authorize NAME.
bad_verification_code, expired_token S The device code is wrong or has expired.
    Start over: relay authorize NAME.
authorization_pending T The user has not finished the sign-in yet.
    Finish it in the browser.
slow_down T The provider is asked too often.
    Wait: the relay asks less often by itself.
temporarily_unavailable T The provider is overloaded or under maintenance.
    Wait: the relay tries again by itself.
server_error, internal_failure T The provider has an internal error.
    Wait: the relay tries again by itself.
""")

# The same error, where the grant tells more about its cause.
_PASSWORD: Final = read("""
invalid_grant C The provider does not accept the user's name and password for a token.
    Correct accounts.NAME.username and accounts.NAME.password before wrong tries lock the user out. If the user has a
    second factor, this grant cannot work: change accounts.NAME.oauth.grant.
""")

_LOGIN: Final = read("""
invalid_grant C The provider does not accept the user name and password of the login.
    Correct them in the application before wrong tries lock the user out. If the user has a second factor, a password
    alone cannot log in: give the application an account with another grant.
50072, 50074, 50076, 50079, 50158 C The user has a second factor, and a password alone cannot log in.
    Exempt the mailbox from it in Conditional Access, or give the application an account with another grant.
50034 C The user does not exist in this tenant.
    Correct the user name in the application, or accounts.NAME.tenant.
50055, 50144 C The user's password has expired.
    Change it, then log in with the new one.
50126 C User name or password is wrong.
    Correct them in the application before wrong tries lock the account.
53011 C The user is blocked because of a risk.
    Dismiss the risk in the Entra admin center or reset the password.
""")

_GOOGLE: Final = read("""
delegation C The service account may not act for this user with these scopes.
    In the Google Admin console under Security > Access and data control > API controls > Domain-wide delegation add
    the service account's *numeric* client ID with exactly the scopes of accounts.NAME.oauth.scopes; it can take up to
    24 hours.
clock C Google finds the assertion outside its time.
    Set this machine's clock (NTP).
signature C Google does not know the key that signed the assertion.
    Create a new one in the Google Cloud console under IAM & Admin > Service Accounts > Keys and put its file into
    accounts.NAME.oauth.private_key_file.
user C Google does not know the user that the service account acts for, or has suspended it.
    Correct accounts.NAME.oauth.subject: it is the mailbox's address.
consent U Google no longer accepts the consent.
    It was revoked, unused for 6 months, ended by a new password, or after 7 days because the consent screen is in
    Testing: then publish the application in the Google Cloud console under OAuth consent screen. Sign in again: relay
    authorize NAME.
""")

# Google has no numbers: the error and a part of its description, in lower case, tell what it was.
_GOOGLE_SAYS: Final = (
    ("unauthorized_client", "client is unauthorized to retrieve access tokens using this method", "delegation"),
    ("invalid_grant", "token must be a short-lived token", "clock"),
    ("invalid_grant", "invalid jwt signature", "signature"),
    ("invalid_grant", "invalid email or user id", "user"),
    ("invalid_grant", "token has been expired or revoked", "consent"),
)


def kind(codes: Sequence[int]) -> Kind | None:
    """Who can end the trouble, by the first AADSTS number that is known; None when none is."""
    return next((CODES[code].kind for code in codes if code in CODES), None)


def hint(error: str, codes: Sequence[int], description: str, *, account: str = "NAME", grant: str = "") -> str:
    """The cause and the next step, in sentences; "" when nothing is known about the error.

    `error` and `description` are those of RFC 6749 5.2, `codes` the AADSTS numbers that came with them; `grant` is what
    the token was asked for with.
    """
    return _found(error, codes, description, grant).replace("NAME", account)


def _found(error: str, codes: Sequence[int], description: str, grant: str) -> str:
    own = {"password": _PASSWORD, "login": _LOGIN}.get(grant, {})
    for code in codes:
        if str(code) in own or code in CODES:
            return str(own.get(str(code)) or CODES[code])
    known = own.get(error)
    general = str(known or ERRORS.get(error) or "")
    if codes:
        return f"{general} Read what Microsoft says about it: {LINK}{codes[0]}".strip()
    lower = description.lower()
    said = next((key for name, part, key in _GOOGLE_SAYS if name == error and part in lower), None)
    return str(_GOOGLE[said]) if said else general
