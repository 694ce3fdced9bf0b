"""What an answer of the Gmail API means for the mail: a pure decision (docs/sources.md)."""

import re
from dataclasses import dataclass
from datetime import datetime

from relay.advice import gmail as advice
from relay.http.hostile_json import read_object
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

_HOUR = 3600.0
_UNTIL = re.compile(r"[Rr]etry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))")
_LONGEST = 24 * _HOUR


_HOURS_LATER = Verdict(Outcome.DEFERRED, Scope.IDENTITY, 452, "4.7.0", 2 * _HOUR)

# Google writes most of them in two ways, and the newer one as `status`.
REASONS = {
    "rateLimitExceeded": BUSY,
    "userRateLimitExceeded": BUSY,
    "RESOURCE_EXHAUSTED": BUSY,
    "dailyLimitExceeded": _HOURS_LATER,
    "quotaExceeded": _HOURS_LATER,
    "authError": HOLD,
    "UNAUTHENTICATED": HOLD,
    "insufficientPermissions": NO_PERMISSION,
    "domainPolicy": NO_PERMISSION,
    "accessNotConfigured": NO_PERMISSION,
    "failedPrecondition": NO_MAILBOX,
    "notFound": NO_MAILBOX,
    "invalidArgument": BAD_CONTENT,
    "uploadTooLarge": TOO_LARGE,
    "backendError": LATER,
}
STATUSES = {
    400: BAD_CONTENT,
    401: HOLD,
    403: NO_PERMISSION,
    404: NO_MAILBOX,
    408: LATER,
    409: LATER,
    413: TOO_LARGE,
    429: BUSY,
    503: BUSY,
}


@dataclass(frozen=True, slots=True)
class GmailError:
    """The error of an answer: its reason, and one clean line of text."""

    reason: str
    message: str


def read_error(body: bytes) -> GmailError:
    """What a refusal says: `{"error": {"message", "status", "errors": [{"reason"}]}}`, or anything else."""
    error = (read_object(body) or {}).get("error")
    if not isinstance(error, dict):
        return GmailError("", "")
    errors = error.get("errors")
    reasons = [one.get("reason") for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    found = [text(each) for each in (*reasons, error.get("status"))]
    known = next((each for each in found if each in REASONS), "")
    return GmailError(known or next(filter(None, found), ""), text(error.get("message")))


def message_id(body: bytes) -> str:
    """The id of the message that was sent, as Gmail calls it; "" when the answer names none."""
    return text((read_object(body) or {}).get("id"))


def classify(
    http_status: int,
    body: bytes,
    retry_after: float | None,
    now: float,
    *,
    mailbox: str = "",
    account: str = "",
) -> Result:
    """What an answer to messages.send means. `now` is in seconds since the epoch; 200 with an id is the only yes."""
    if http_status == 200 and (identifier := message_id(body)):
        return Result(Outcome.SENT, 250, "2.0.0", f"accepted by the Gmail API (id {identifier[:60]})")
    error = read_error(body)
    verdict = REASONS.get(error.reason) or STATUSES.get(http_status)
    if verdict is None:
        verdict = LATER if http_status >= 500 or http_status < 300 else BUSY if http_status < 400 else UNKNOWN
    said = " ".join(part for part in (f"Gmail answered {http_status}", error.reason, error.message) if part)
    wait = retry_after or _until(error.message, now) or verdict.retry_after
    hint = advice.hint(http_status, error.reason, mailbox=mailbox, account=account)
    return Result(verdict.outcome, verdict.code, verdict.status, said, verdict.scope, wait, hint)


def _until(message: str, now: float) -> float | None:
    """Seconds until the time that a message about the sending limit names; it names it nowhere else."""
    match = _UNTIL.search(message)
    if match is None:
        return None
    try:
        until = datetime.fromisoformat(match[1]).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(until - now, 1.0), _LONGEST)
