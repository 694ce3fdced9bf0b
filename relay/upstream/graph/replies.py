"""What an answer of Microsoft Graph means for the mail: a pure decision (docs/sources.md).

A result carries the SMTP code that says the same, because everything behind it - log, page, reports - speaks SMTP.
"""

from dataclasses import dataclass

from relay.advice import graph as advice
from relay.http.hostile_json import read_object
from relay.log import clean
from relay.model import Outcome, Result, Scope
from relay.upstream.verdicts import (
    BAD_CONTENT,
    BUSY,
    HOLD,
    LATER,
    NO_MAILBOX,
    NO_PERMISSION,
    TOO_LARGE,
    UNKNOWN,
    Verdict,
    text,
)

_HOURS = 3600.0
_DEEPEST = 10


APP_BUSY = Verdict(Outcome.DEFERRED, Scope.ACCOUNT, 451, "4.3.2")
"""The application is throttled, for all mailboxes that it sends for."""
_HOURS_LATER = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 452, "4.7.0", 2 * _HOURS)
_FULL = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 452, "4.2.2")
_NOT_ALLOWED = Verdict(Outcome.FAILED, Scope.MESSAGE, 550, "5.7.60")
_BAD_RECIPIENT = Verdict(Outcome.FAILED, Scope.MESSAGE, 550, "5.1.3")

# By error code, whatever the HTTP status: the statuses vary.
CODES = {
    "InvalidAuthenticationToken": HOLD,
    "80049228": HOLD,
    "ErrorAccessDenied": NO_PERMISSION,
    "Authorization_RequestDenied": Verdict(Outcome.DEFERRED, Scope.ACCOUNT, 454, "4.7.1"),
    "ErrorSendAsDenied": _NOT_ALLOWED,
    "MailboxNotEnabledForRESTAPI": NO_MAILBOX,
    "ErrorInvalidUser": NO_MAILBOX,
    "Request_ResourceNotFound": NO_MAILBOX,
    "ResourceNotFound": NO_MAILBOX,
    "ErrorItemNotFound": LATER,
    "ErrorInvalidRecipients": _BAD_RECIPIENT,
    "ErrorMimeContentInvalidBase64String": BAD_CONTENT,
    "ErrorMimeContentInvalid": BAD_CONTENT,
    "InvalidInternetMessageHeader": BAD_CONTENT,
    "InvalidInternetMessageHeaderCollection": BAD_CONTENT,
    "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize": TOO_LARGE,
    "ErrorMessageSizeExceeded": TOO_LARGE,
    "ErrorExceededMessageLimit": _HOURS_LATER,
    "ErrorExceededMaxRecipientLimit": _HOURS_LATER,
    "ErrorExceededHourlyMessageLimit": Verdict(Outcome.DEFERRED, Scope.IDENTITY, 452, "4.7.0", _HOURS),
    "ErrorMessageSubmissionBlocked": _HOURS_LATER,
    "ErrorAccountSuspend": _HOURS_LATER,
    "ErrorQuotaExceeded": _FULL,
    "ApplicationThrottled": APP_BUSY,
    "MailboxConcurrency": APP_BUSY,
    "TooManyRequests": BUSY,
    "ErrorTooManyRequests": BUSY,
    "ErrorServerBusy": BUSY,
    "serviceNotAvailable": BUSY,
}

# What the status says when the code is none of the above.
STATUSES = {
    401: HOLD,
    403: NO_PERMISSION,
    404: NO_MAILBOX,
    408: LATER,
    409: LATER,
    413: TOO_LARGE,
    425: LATER,
    429: BUSY,
    503: BUSY,
    507: _FULL,
    509: BUSY,
}


@dataclass(frozen=True, slots=True)
class GraphError:
    """The error of an answer: the most specific code that is known, else the outermost; one clean line of text."""

    code: str
    message: str


def read_error(body: bytes) -> GraphError:
    """What the body of a refusal says: `{"error": {"code", "message", "innerError": {...}}}`, or anything else."""
    error = (read_object(body) or {}).get("error")
    codes: list[str] = []
    messages: list[str] = []
    while isinstance(error, dict) and len(codes) < _DEEPEST:
        codes.append(text(error.get("code")))
        messages.append(text(error.get("message")))
        error = error.get("innerError", error.get("innererror"))
    known = [code for code in codes if code in CODES]
    return GraphError(known[-1] if known else next(filter(None, codes), ""), next(filter(None, messages), ""))


def classify(
    http_status: int,
    error: GraphError,
    retry_after: float | None,
    *,
    request_id: str = "",
    mailbox: str = "",
    account: str = "",
) -> Result:
    """What an answer to sendMail means. `retry_after` is in seconds, as Graph asked; only 202 is success."""
    trace = f" (request-id {clean(request_id)[:60]})" if request_id else ""
    if http_status == 202:
        return Result(Outcome.SENT, 250, "2.0.0", f"accepted by Microsoft Graph{trace}")
    verdict = _verdict(http_status, error, asks_to_wait=retry_after is not None)
    said = " ".join(part for part in (f"Graph answered {http_status}", error.code, error.message) if part)
    wait = verdict.retry_after if retry_after is None else retry_after
    hint = advice.hint(http_status, error.code, mailbox=mailbox, account=account)
    scope = verdict.scope
    return Result(verdict.outcome, verdict.code, verdict.status, f"{said}{trace}", scope, wait, hint)


def _verdict(http_status: int, error: GraphError, *, asks_to_wait: bool) -> Verdict:
    if "maximum request length" in error.message.lower():
        return TOO_LARGE  # a BadRequest like any other but for its words
    found = CODES.get(error.code) or STATUSES.get(http_status)
    if found is not None:
        return found
    if http_status >= 500:
        return BUSY if asks_to_wait else LATER
    if http_status < 300:
        return LATER  # 200 has been seen for messages that were never sent
    return BUSY if http_status < 400 else UNKNOWN


def throttles_app(result: Result) -> bool:
    """Whether nothing more is to be asked for the application for a while, whoever's mailbox it is for."""
    return (result.scope, result.status) == (APP_BUSY.scope, APP_BUSY.status)


def too_large(size: int, why: str) -> Result:
    """What becomes of a message that Graph has no form for."""
    said = f"the message has {size:,} octets, more than Graph takes: {why} (not sent)"
    hint = 'Send such mail by SMTP: via = ["graph", "smtp"]'
    return Result(Outcome.FAILED, 552, "5.3.4", said, Scope.MESSAGE, hint=hint)
