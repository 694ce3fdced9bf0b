"""What an error of Microsoft Graph means, and the next step (docs/sources.md)."""

from relay.advice.filling import filled, redirected

_LARGE = (
    "The mailbox does not take messages of this size: raise its limit (`Set-Mailbox MAILBOX -MaxSendSize 150MB`), "
    'or send large mail another way, with accounts.NAME.via = ["graph", "smtp"]'
)

_UNREADABLE = (
    "Graph cannot read this message: correct it in the application, or send by SMTP, with accounts.NAME.via = "
    '["smtp", "graph"]'
)

_BY_CODE = {
    "InvalidAuthenticationToken": (
        "Graph refused the token. It has to be for Graph: leave accounts.NAME.oauth.scopes unset, or set "
        "https://graph.microsoft.com/.default. `relay doctor NAME` shows what the token holds"
    ),
    "ErrorAccessDenied": (
        "The application may not send as this mailbox. It needs the application permission Mail.Send with admin "
        "consent; an application access policy or RBAC scope may leave the mailbox out "
        "(`Test-ServicePrincipalAuthorization` shows it). Changes take up to 2 hours"
    ),
    "Authorization_RequestDenied": "The application lacks the application permission Mail.Send, or admin consent for "
    "it",
    "ErrorSendAsDenied": (
        "The mailbox may not send as the address in From. Allow it with `Add-RecipientPermission FROM-ADDRESS "
        '-Trustee MAILBOX -AccessRights SendAs`, or let the relay write the mailbox\'s address: sender = "force" '
        "in the client's table"
    ),
    "MailboxNotEnabledForRESTAPI": (
        "The mailbox has no Exchange Online licence, was deleted, or is still on premises: give it a licence or use "
        "another"
    ),
    "ErrorInvalidUser": "There is no such mailbox in the tenant: check accounts.NAME.mailbox and accounts.NAME.tenant",
    "ErrorInvalidRecipients": "A recipient's address is not valid: correct it in the application",
    "ErrorItemNotFound": (
        "The draft of this message has vanished before it was sent; the relay begins anew. If it stays so, look for a "
        "rule or a program that cleans up the mailbox's Drafts"
    ),
    "ErrorMimeContentInvalid": _UNREADABLE,
    "ErrorMessageSizeExceeded": _LARGE,
    "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize": (
        "An attachment is a few octets too large for one request and too small for an upload session: send such mail "
        'another way, with accounts.NAME.via = ["graph", "smtp"]'
    ),
    "ErrorExceededMessageLimit": "The mailbox has reached its daily limit of messages or recipients. The mail waits",
    "ErrorExceededMaxRecipientLimit": "The mailbox has reached its daily limit of recipients. The mail waits",
    "ErrorExceededHourlyMessageLimit": "The mailbox has reached its hourly limit of messages. The mail waits",
    "ErrorMessageSubmissionBlocked": (
        "Microsoft has blocked sending for this mailbox: release it under Restricted entities in the Defender portal"
    ),
    "ErrorAccountSuspend": "Microsoft has suspended the mailbox: see its messages, and Restricted entities in the "
    "Defender portal",
    "ErrorQuotaExceeded": "The mailbox is full (Graph keeps a copy of everything in Sent Items): clean it up",
    "ApplicationThrottled": (
        "More requests at once than Graph allows the application, over all its mailboxes: see what else uses this app "
        "registration, or lower accounts.NAME.concurrency"
    ),
}
_SAME = {
    "MailboxConcurrency": "ApplicationThrottled",
    "80049228": "InvalidAuthenticationToken",
    "ErrorMimeContentInvalidBase64String": "ErrorMimeContentInvalid",
    "Request_ResourceNotFound": "ErrorInvalidUser",
    "ResourceNotFound": "ErrorInvalidUser",
}
_BY_STATUS = {
    200: "Only 202 means that Graph has taken a message, and messages answered with 200 have been seen to vanish: look "
    'into Sent Items, and use via = ["smtp"] for large mail',
    401: _BY_CODE["InvalidAuthenticationToken"],
    403: _BY_CODE["ErrorAccessDenied"],
    404: _BY_CODE["ErrorInvalidUser"],
    413: _LARGE,
}


_READ_WRITE = (
    "Messages above 3 MB go to Graph as a draft with its attachments, which needs the permission Mail.ReadWrite "
    "besides Mail.Send: grant it with admin consent (or the role Application Mail.ReadWrite; for a user's sign-in name "
    "both in accounts.NAME.oauth.scopes and sign in again), or give large mail another way: accounts.NAME.via = "
    '["graph", "smtp"]'
)


def needs_read_write(account: str) -> str:
    """What to do when a draft may not be made."""
    return filled(_READ_WRITE, "", account)


def hint(http_status: int, code: str, *, mailbox: str = "", account: str = "") -> str:
    """Cause and next step, "" when waiting is all there is to do."""
    advice = _BY_CODE.get(_SAME.get(code, code)) or _BY_STATUS.get(http_status) or redirected(http_status)
    return filled(advice, mailbox, account)
