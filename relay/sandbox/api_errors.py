"""The refusals of Microsoft Graph and the Gmail API, by the code that names each: HTTP status and text.

Each was documented or seen (docs/sources.md). A fault `refused` orders one of them.
"""

from collections.abc import Mapping

_DENIED = (
    "The user account which was used to submit this request does not have the right to send mail on behalf of the"
    " specified sending account., Cannot submit message."
)
_LIMIT = "Cannot send mail. Daily Message/Recipient limit exceeded. See http://aka.ms/o365sendinglimits for details."

GRAPH: Mapping[str, tuple[int, str]] = {
    "InvalidAuthenticationToken": (401, "Access token validation failure. Invalid audience."),
    "ErrorAccessDenied": (403, "Access is denied. Check credentials and try again."),
    "Authorization_RequestDenied": (403, "Insufficient privileges to complete the operation."),
    "ErrorSendAsDenied": (403, _DENIED),
    "MailboxNotEnabledForRESTAPI": (
        404,
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
    ),
    "ErrorInvalidUser": (404, "The requested user is invalid."),
    "Request_ResourceNotFound": (
        404,
        "Resource does not exist or one of its queried reference-property objects is not present.",
    ),
    "ErrorItemNotFound": (404, "The specified object was not found in the store."),
    "ErrorInvalidRecipients": (400, "At least one recipient is not valid., At least one recipient is required."),
    "ErrorMimeContentInvalidBase64String": (400, "Invalid base64 string for MIME content."),
    "ErrorMimeContentInvalid": (400, "The MIME content is not a message."),
    "ErrorMessageSizeExceeded": (400, "The message exceeds the maximum supported size."),
    "ErrorExceededMessageLimit": (429, _LIMIT),
    "ErrorExceededMaxRecipientLimit": (429, _LIMIT),
    "ErrorExceededHourlyMessageLimit": (429, "Cannot send mail. Hourly Message/Recipient limit exceeded."),
    "ErrorMessageSubmissionBlocked": (403, "Cannot send mail. Message submission is blocked for this mailbox."),
    "ErrorAccountSuspend": (403, "Account suspended. Follow the instructions in your Inbox to verify your account."),
    "ErrorQuotaExceeded": (507, "The mailbox has exceeded its quota."),
    "ErrorServerBusy": (503, "The server cannot service this request right now. Try again later."),
    "serviceNotAvailable": (503, "The service is not available."),
    "ErrorInternalServerTransientError": (500, "An internal server error occurred. Try again later."),
    "UnknownError": (504, ""),
}
"""By `error.code`."""

GMAIL: Mapping[str, tuple[int, str]] = {
    "invalidArgument": (400, "Recipient address required"),
    "failedPrecondition": (400, "Mail service not enabled"),
    "authError": (401, "Request had invalid authentication credentials. Expected OAuth 2 access token."),
    "insufficientPermissions": (403, "Request had insufficient authentication scopes."),
    "domainPolicy": (403, "The domain administrators have disabled Gmail apps."),
    "accessNotConfigured": (403, "Gmail API has not been used in project 1 before or it is disabled."),
    "dailyLimitExceeded": (403, "Daily Limit Exceeded"),
    "rateLimitExceeded": (403, "Rate Limit Exceeded"),
    "userRateLimitExceeded": (403, "User Rate Limit Exceeded"),
    "notFound": (404, "Requested entity was not found."),
    "uploadTooLarge": (413, "Request Entity Too Large"),
    "backendError": (500, "Backend Error"),
}
"""By the `reason` of its first error."""
