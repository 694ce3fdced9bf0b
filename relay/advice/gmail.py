"""What an error of the Gmail API means, and the next step (docs/sources.md)."""

from relay.advice.filling import filled, redirected

_BY_REASON = {
    "authError": (
        "Google refused the token. Sign in again with `relay authorize NAME`, or check the service account's key and "
        "its domain-wide delegation"
    ),
    "insufficientPermissions": (
        "The token does not allow sending. Its scope has to be https://www.googleapis.com/auth/gmail.send or wider: "
        "leave accounts.NAME.oauth.scopes unset, and consent again, or delegate that scope to the service account "
        "(Admin console > Security > API controls > Domain-wide delegation)"
    ),
    "accessNotConfigured": "The Gmail API is not enabled in the Google Cloud project: enable it under APIs & Services",
    "domainPolicy": "An administrator of the domain has switched the Gmail API off for this user or this application",
    "failedPrecondition": (
        "Gmail is not switched on for MAILBOX, or a service account asks without a user: check "
        "accounts.NAME.oauth.subject and the user's licence"
    ),
    "notFound": "There is no such Gmail user: check accounts.NAME.mailbox",
    "uploadTooLarge": "Gmail takes messages up to 35 MB: send less at a time",
    "dailyLimitExceeded": "The project has used up its quota of the day. The mail waits",
    "rateLimitExceeded": "Too many requests for the project's quota. The mail waits",
    "userRateLimitExceeded": "The mailbox sends more than Google allows it. The mail waits",
    "invalidArgument": "Gmail cannot read the message or one of its addresses: correct it in the application",
}
_BY_STATUS = {
    401: _BY_REASON["authError"],
    403: _BY_REASON["insufficientPermissions"],
    404: _BY_REASON["notFound"],
    413: _BY_REASON["uploadTooLarge"],
}


def hint(http_status: int, reason: str, *, mailbox: str = "", account: str = "") -> str:
    """Cause and next step, "" when waiting is all there is to do."""
    advice = _BY_REASON.get(reason) or _BY_STATUS.get(http_status) or redirected(http_status)
    return filled(advice.replace("authorize NAME", f"authorize {account or 'NAME'}"), mailbox, account)
